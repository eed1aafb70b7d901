//! Making a segment in one environment what it is in another.

use engine::json::{At, Object, Violations};
use serde::Serialize;
use serde_json::Value;

use super::SegmentHere;
use super::change::{Edit, Edited};
use super::history::Differences;
use crate::access::Caller;
use crate::control::{Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};

/// What a copy did, or would do.
#[derive(Debug, Serialize)]
pub struct CopiedSegment {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// What it changes in the environment that is copied to.
    pub changes: Vec<MemberChange>,
    /// The segment as that environment sees it, afterwards.
    pub segment: SegmentHere,
}

/// One member that a copy changes.
#[derive(Debug, Serialize)]
pub struct MemberChange {
    /// Which.
    pub path: String,
    /// What was there; of a list its count and SHA-256.
    pub before: Value,
    /// What is there now; of a list also which keys came in and went, or how many if they are more than 1,000.
    pub after: Value,
}

impl Control {
    /// Copies condition and lists from one environment to another: `{"from", "to"}`, keys of environments. A dry
    /// run says what would change, and that it would be taken. `If-Match` speaks of the view in `to`.
    pub async fn copy_segment(
        &self,
        caller: Caller,
        key: &str,
        document: &Value,
        dry_run: bool,
        request: &Request,
    ) -> Result<CopiedSegment> {
        let (from, to) = read_places(document, &self.all_environments().await?)?;
        let writer = caller.writer(to.clone())?;
        let edit = Edit::CopyFrom(&from);
        let Edited { before, after } = if dry_run {
            self.try_segment(&to, key, request, edit).await?
        } else {
            self.change_segment(&writer, key, "copy_segment", request, edit).await?
        };
        let differences = self.compare_configs(&before.config, &after.config, &[]).await?;
        Ok(CopiedSegment { dry_run, changes: changes(differences), segment: after })
    }

    /// What an edit would make of a segment, if it may.
    async fn try_segment(
        &self,
        environment: &Environment,
        key: &str,
        request: &Request,
        edit: Edit<'_>,
    ) -> Result<Edited> {
        let everywhere = self.load_segment(key).await?;
        let before = everywhere.clone().here(environment.id).ok_or(Error::NO_SEGMENT)?;
        request.check(&before.etag())?;
        let after = self.decide(&everywhere, &before, edit).await?.after;
        self.check_segment(&after, environment).await?;
        Ok(Edited { before, after })
    }
}

fn read_places(document: &Value, environments: &[Environment]) -> Result<(Environment, Environment)> {
    let mut violations = Violations::default();
    let places = At::root(document).object(&mut violations).and_then(|object| {
        let from = read_place(&object, "from", environments, &mut violations);
        let to = read_place(&object, "to", environments, &mut violations);
        object.deny_unknown(&mut violations);
        let (from, to) = (from?, to?);
        if from == to {
            object.fault(&mut violations, "from and to are the same environment");
        }
        Some((from, to))
    });
    violations.into_result(places).map_err(Error::Invalid)
}

fn read_place(
    object: &Object<'_>,
    member: &'static str,
    environments: &[Environment],
    violations: &mut Violations,
) -> Option<Environment> {
    let at = object.require(violations, member)?;
    let key = at.text(violations)?;
    let found = environments.iter().find(|environment| environment.key.as_str() == key);
    if found.is_none() {
        at.fault(violations, "is no environment; GET /api/v1/environments lists them");
    }
    found.cloned()
}

fn changes(differences: Differences) -> Vec<MemberChange> {
    let pairs = differences.before.into_iter().zip(differences.after);
    pairs.map(|((path, before), (_, after))| MemberChange { path, before, after }).collect()
}
