//! What stands in the way of removing something: where it is named.

use std::fmt::Write as _;

use engine::model::Snapshot;
use engine::{Named, Use, User, uses};

use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};

/// More places than this are counted, not named.
const MOST_NAMED: usize = 20;

impl Control {
    /// What readers of an environment see.
    pub(crate) async fn load_snapshot(&self, environment: &Environment) -> Result<Snapshot> {
        let snapshot = self.store.snapshot(environment.id).await?;
        snapshot.ok_or_else(|| Error::NoEnvironment { key: environment.key.to_string() })
    }

    /// A conflict with this code if anything in one of the environments names it.
    pub(crate) async fn refuse_if_used(
        &self,
        named: Named<'_>,
        code: &'static str,
        environments: &[Environment],
    ) -> Result<()> {
        let mut places = Vec::new();
        for environment in environments {
            let snapshot = self.load_snapshot(environment).await?;
            places.extend(places_in(&snapshot, named, environment));
        }
        refuse(places, code)
    }
}

/// The places of an environment in which something is named, for people.
pub(crate) fn places_in(snapshot: &Snapshot, named: Named<'_>, environment: &Environment) -> Vec<String> {
    uses(snapshot, named).iter().map(|one| describe(one, environment)).collect()
}

/// A conflict with this code if there are any places.
pub(crate) fn refuse(mut places: Vec<String>, code: &'static str) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let beyond = places.len().saturating_sub(MOST_NAMED);
    places.truncate(MOST_NAMED);
    let mut message = format!("it is in use: {}", places.join("; "));
    if beyond > 0 {
        let _ = write!(message, "; and in {beyond} more places");
    }
    Err(Error::Conflict { code, message })
}

fn describe(one: &Use, environment: &Environment) -> String {
    let user = match one.user {
        User::Flag => "flag",
        User::Segment => "segment",
    };
    format!("{user} {} in {}, {}", one.key, environment.key, one.path)
}
