//! Reverting changes of environments' settings.

use std::collections::BTreeSet;

use engine::json::{At, Violation, Violations};
use serde_json::Value;

use super::Environment;
use super::input::apply;
use super::manage::{changed, positions};
use crate::access::{DeleteEnvironment, UpdateEnvironment};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::log::Change;
use crate::ports::CommitError;
use crate::revert::{Outcome, Revert, SetBack, whole};

impl Control {
    /// What people see of environments, and their order.
    pub(crate) async fn revert_environments(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let permit = revert.permit::<UpdateEnvironment>()?;
        // An environment that is made meanwhile may stand where one goes back to.
        let version = self.store.dependencies_version(revert.reader.project_id()).await?;
        let environments = self.store.environments(revert.reader.project_id()).await?;
        let now = self.clock.now();
        let (old, new) = revert.parts("environments");
        let mut back = SetBack::default();
        let mut pairs = Vec::new();
        for environment in &environments {
            let (mut own, place) = (SetBack::default(), environment.key.as_str());
            let is_meant = revert.entry.entities.iter().any(|entity| entity.id == environment.id);
            if is_meant {
                let path = format!("environments.{place}");
                revert.set_back(&path, &old[place], &new[place], &environment.for_log(), &mut own);
            }
            if !own.members.is_empty() {
                let mut after = read(environment, &own.document())?;
                after.updated_at = now;
                pairs.push((environment.clone(), after));
            }
            back.changes.append(&mut own.changes);
            back.in_the_way.append(&mut own.in_the_way);
        }
        back.expect_free()?;
        if pairs.is_empty() {
            return Ok(Outcome::unchanged());
        }
        expect_distinct(&environments, &pairs)?;
        let mut change =
            changed("update_environment", &pairs, &permit, revert.request, (revert.reader.project_id(), now));
        change.reads.extend(positions(&environments, version));
        let mut outcome = Outcome { changes: back.changes, ..Outcome::unchanged() };
        if !revert.mode.dry_run {
            outcome.revision = Some(self.commit_or_again(change).await?);
        }
        Ok(outcome)
    }

    /// One that was made goes, unless somebody put something into it.
    pub(crate) async fn revert_new_environment(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let permit = revert.permit::<DeleteEnvironment>()?;
        let key = revert.key()?;
        let environment = self.environment(revert.reader.project_id(), Some(key)).await?;
        revert.expect_same(environment.id)?;
        let now = environment.for_log();
        revert.expect_untouched("environment", &revert.parts("environment").1, &now)?;
        let mut outcome = Outcome { changes: whole("environment", now, Value::Null), ..Outcome::unchanged() };
        let request = revert.request(environment.etag());
        if revert.mode.dry_run {
            self.expect_removable(&environment, revert.mode.force).await?;
        } else {
            outcome.revision =
                Some(self.remove_environment(&permit, key, revert.mode.force, &request).await?.1);
        }
        Ok(outcome)
    }

    /// A change that was decided upon what has changed since is decided anew by who called.
    async fn commit_or_again(&self, change: Change) -> Result<engine::model::Revision> {
        self.commit(change).await.map_err(|error| match error {
            CommitError::Stale => Error::Stale { current: String::new() },
            error => crate::control::unexpected(error),
        })
    }
}

fn read(environment: &Environment, document: &Value) -> Result<Environment> {
    let mut after = environment.clone();
    let mut violations = Violations::default();
    let read = At::root(document).object(&mut violations);
    let read = read.map(|object| apply(&mut after, &object, &mut violations));
    violations.into_result(read).map_err(Error::Invalid)?;
    Ok(after)
}

/// A conflict if two would stand in one place.
fn expect_distinct(environments: &[Environment], pairs: &[(Environment, Environment)]) -> Result<()> {
    let moved = |environment: &Environment| {
        let pair = pairs.iter().find(|(before, _)| before.id == environment.id);
        pair.map_or(environment.position, |(_, after)| after.position)
    };
    let mut taken = BTreeSet::new();
    let twice = environments.iter().find(|environment| !taken.insert(moved(environment)));
    let Some(twice) = twice else { return Ok(()) };
    let message = format!(
        "another environment would stand where {} does; put them in order with PUT /api/v1/environments/order",
        twice.key
    );
    let violations = vec![Violation { path: "environments".to_owned(), message: message.clone() }];
    Err(Error::Blocked { code: "changed_since", message, violations, places: Vec::new() })
}
