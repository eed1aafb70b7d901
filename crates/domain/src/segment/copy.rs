//! Making a segment in one environment what it is in another.

use engine::json::{At, Violations};
use serde::Serialize;
use serde_json::Value;

use super::SegmentHere;
use super::change::{Decision, Edit, Edited};
use super::history::Differences;
use crate::access::{InProject, UpdateSegment};
use crate::control::{Control, Request};
use crate::difference::MemberChange;
use crate::environment::{Environment, read_places};
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

impl Control {
    /// Copies condition and lists from one environment to another: `{"from", "to"}`, keys of environments. A dry
    /// run says what would change, and that it would be taken. `If-Match` speaks of the view in `to`.
    pub async fn copy_segment(
        &self,
        permit: &InProject<UpdateSegment>,
        key: &str,
        document: &Value,
        dry_run: bool,
        request: &Request,
    ) -> Result<CopiedSegment> {
        let (from, to) = read(document, &self.all_environments(permit.project_id()).await?)?;
        let writer = permit.here(to.clone())?;
        let edit = Edit::CopyFrom(&from);
        let Edited { before, after } = if dry_run {
            self.try_segment(&to, key, request, edit).await?
        } else {
            self.change_segment(&writer, key, "copy_segment", request, edit).await?
        };
        let differences =
            self.compare_configs(permit.project_id(), &before.config, &after.config, &[]).await?;
        Ok(CopiedSegment { dry_run, changes: changes(differences), segment: after })
    }

    /// What an edit would make of a segment, if it may.
    pub(super) async fn try_segment(
        &self,
        environment: &Environment,
        key: &str,
        request: &Request,
        edit: Edit<'_>,
    ) -> Result<Edited> {
        let everywhere = self.load_segment(environment.project_id, key).await?;
        let before = everywhere.clone().here(environment.id).ok_or_else(|| Error::no_segment(key))?;
        request.check(&before.etag())?;
        let Decision { after, reading, .. } = self.decide(&everywhere, &before, edit).await?;
        reading.finish(self.faults_of(&after, environment).await?)?;
        Ok(Edited { before, after })
    }
}

/// The two environments that a document names.
fn read(document: &Value, environments: &[Environment]) -> Result<(Environment, Environment)> {
    let mut violations = Violations::default();
    let places = At::root(document).object(&mut violations).and_then(|object| {
        let places = read_places(&object, environments, &mut violations);
        object.deny_unknown(&mut violations);
        places
    });
    violations.into_result(places).map_err(Error::Invalid)
}

fn changes(differences: Differences) -> Vec<MemberChange> {
    let pairs = differences.before.into_iter().zip(differences.after);
    pairs.map(|((path, before), (_, after))| MemberChange { path, before, after }).collect()
}
