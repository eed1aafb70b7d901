//! Reverting changes of projects' settings.

use serde_json::Value;

use super::manage::for_log;
use crate::access::UpdateProject;
use crate::control::Control;
use crate::error::Result;
use crate::revert::{Outcome, Revert, SetBack, refused};

impl Control {
    pub(crate) async fn revert_project(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let permit = revert.permit::<UpdateProject>()?;
        let project = self.project_named(revert.reader.project().key.as_str()).await?;
        let now = for_log(&project);
        let (old, new) = revert.parts("project");
        let mut back = SetBack::default();
        revert.set_back("project", &old, &new, &now, &mut back);
        back.expect_free()?;
        if back.members.is_empty() {
            return Ok(Outcome::unchanged());
        }
        // A team is set by its key, and the one that has it must be the one that is meant.
        if let Some(id) = back.members.remove("team_id").and_then(|id| id.as_str().map(str::to_owned)) {
            let key = old["team"].as_str().unwrap_or_default();
            let there = self.known_team(key).await?;
            if there.is_none_or(|team| team.id.to_string() != id) {
                return Err(refused(format!("the team {key} that owned the project is gone")));
            }
        }
        let mut outcome = Outcome { changes: back.changes, ..Outcome::unchanged() };
        let document = Value::Object(back.members);
        let request = revert.request(project.etag());
        if revert.mode.dry_run {
            self.edited(&permit, &project, &document).await?;
        } else {
            outcome.revision = Some(self.update_project(&permit, &document, &request).await?.version);
        }
        Ok(outcome)
    }
}
