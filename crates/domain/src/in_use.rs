//! What stands in the way of removing something: where it is named.

use std::fmt;
use std::fmt::Write as _;

use engine::json::Violation;
use engine::model::Snapshot;
use engine::{Named, Use, User, uses};

use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::key::Key;

/// More places than this are counted in a message, not named.
const MOST_NAMED: usize = 20;
/// More places than this are not told to programs either.
const MOST_TOLD: usize = 1_000;

/// Where something is named, or what is in something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What names it, as a noun: `flag`, `segment`.
    pub kind: &'static str,
    /// The key of what names it; of what has none, its id.
    pub key: String,
    /// In which project, where it may be another than who asks speaks of.
    pub project: Option<Key>,
    /// In which environment; in all of them without one.
    pub environment: Option<Key>,
    /// Where in it, such as `rules[0].when.all[1].segment`; empty for the whole of it.
    pub path: String,
    /// The key of what is named: of the flag, variant, segment, context list or environment.
    pub names: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)?;
        if let Some(place) = self.environment.as_ref().or(self.project.as_ref()) {
            write!(f, " in {place}")?;
        }
        write!(f, ", {}", self.path)
    }
}

impl Control {
    /// What readers of an environment see.
    pub(crate) async fn load_snapshot(&self, environment: &Environment) -> Result<Snapshot> {
        let snapshot = self.store.snapshot(environment.id).await?;
        snapshot.ok_or_else(|| Error::no_environment(environment.key.as_str(), []))
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

/// The places of an environment in which something is named.
pub(crate) fn places_in(snapshot: &Snapshot, named: Named<'_>, environment: &Environment) -> Vec<Place> {
    let (Named::Flag(key) | Named::Variant { variant: key, .. } | Named::Segment(key) | Named::List(key)) =
        named;
    let place = |Use { user, key: by, path }| Place {
        kind: match user {
            User::Flag => "flag",
            User::Segment => "segment",
        },
        key: by,
        project: None,
        environment: Some(environment.key.clone()),
        path,
        names: key.to_owned(),
    };
    uses(snapshot, named).into_iter().map(place).collect()
}

/// A conflict with this code if there are any places.
pub(crate) fn refuse(places: Vec<Place>, code: &'static str) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = places.iter().take(MOST_NAMED).map(Place::to_string).collect();
    let mut message = format!("it is in use: {}", named.join("; "));
    let beyond = places.len() - named.len();
    if beyond > 0 {
        let _ = write!(message, "; and in {beyond} more places");
    }
    Err(in_use(code, message, Vec::new(), places))
}

/// A conflict with this code, because of these places. `violations` say which of many that were named are in use.
pub(crate) fn in_use(
    code: &'static str,
    message: String,
    violations: Vec<Violation>,
    mut places: Vec<Place>,
) -> Error {
    places.truncate(MOST_TOLD);
    Error::Blocked { code, message, violations, places }
}
