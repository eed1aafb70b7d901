//! Reverting what was granted, and what was taken back.

use serde_json::Value;

use super::{NewGrant, Said};
use crate::access::{Caller, ManageGrants, Scope};
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::project::Project;
use crate::revert::{Outcome, Revert, Told, refused, whole};

/// Where grants are spoken of: in a project with these environments, or on the instance.
type Place<'a> = Option<(&'a Project, &'a [Environment])>;

impl Control {
    pub(crate) async fn revert_grant(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let permit = revert.permit::<ManageGrants>()?;
        self.revert_given(revert, permit.caller(), Some((permit.project(), revert.environments))).await
    }

    pub(crate) async fn revert_instance_grant(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let permit = caller.clone().on_instance::<ManageGrants>()?;
        // What projects had stood in the instance's log before they had it in theirs.
        let (old, new) = told.parts("grant");
        if [&old, &new].into_iter().any(|grant| !grant["project"].is_null()) {
            return Err(refused("it holds in a project; grant it there, or take it back there"));
        }
        self.revert_given(told, &permit, None).await
    }

    async fn revert_given(&self, told: &Told<'_>, caller: &Caller, place: Place<'_>) -> Result<Outcome> {
        match told.parts("grant") {
            (Value::Null, Value::Object(_)) => self.take_back_again(told, caller).await,
            (Value::Object(old), Value::Null) => {
                self.give_again(told, caller, place, Value::Object(old)).await
            }
            _ => Err(refused("it does not say what was granted")),
        }
    }

    /// What was given is taken back, unless it is gone.
    async fn take_back_again(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let Some(grant) = self.store.grant(told.entity(0)?.id).await? else {
            return Ok(Outcome::unchanged());
        };
        self.may_take_back(caller, &grant).await?;
        let mut outcome =
            Outcome { changes: whole("grant", grant.document(), Value::Null), ..Outcome::unchanged() };
        if !told.mode.dry_run {
            outcome.revision = self.take(caller, &grant, told.request).await?;
        }
        Ok(outcome)
    }

    /// What was taken back is given again, with a new id, unless its holder has it already.
    async fn give_again(
        &self,
        told: &Told<'_>,
        caller: &Caller,
        place: Place<'_>,
        old: Value,
    ) -> Result<Outcome> {
        let (new, scope) = self.taken_back(told, place, &old).await?;
        self.role_to_give(caller, &new, scope).await?;
        let (holder, _) = self.find_holder(&new.holder).await?;
        let held = self.store.grants_of(holder).await?;
        if held.iter().any(|held| held.role == new.role && held.scope == scope) {
            return Ok(Outcome::unchanged());
        }
        let mut outcome = Outcome { changes: whole("grant", Value::Null, old), ..Outcome::unchanged() };
        if !told.mode.dry_run {
            let project = place.map(|(project, _)| project.key.clone());
            outcome.revision = Some(self.give(caller, &new, (scope, project), told.request).await?.1);
        }
        Ok(outcome)
    }

    /// What the entry says was taken back, if all that it names is still there.
    async fn taken_back(&self, told: &Told<'_>, place: Place<'_>, old: &Value) -> Result<(NewGrant, Scope)> {
        let entity = told.entity(1)?;
        let gone = || refused(format!("the {} {} that had it is gone", entity.kind, entity.key));
        let holder = if entity.kind == "team" {
            let team = self.store.team_by_id(entity.id).await?.ok_or_else(gone)?;
            Said::Team(team.key.to_string())
        } else {
            let account = self.store.account(entity.id).await?.ok_or_else(gone)?;
            Said::Account(account.id.to_string())
        };
        let role = old["role"].as_str().unwrap_or_default().to_owned();
        self.find_role(&role).await.map_err(|error| match error {
            Error::Invalid(_) => refused(format!("the role {role} is gone")),
            error => error,
        })?;
        let (scope, environment) = match place {
            None => (Scope::Instance, None),
            Some((project, _)) if old["environment"].is_null() => (Scope::Project(project.id), None),
            Some((project, environments)) => {
                let named = told.entity(2)?;
                let found = environments.iter().find(|environment| environment.id == named.id);
                let found = found.ok_or_else(|| refused(format!("the environment {} is gone", named.key)))?;
                (Scope::Environment { project_id: project.id, id: found.id }, Some(found.clone()))
            }
        };
        Ok((NewGrant { holder, role, environment }, scope))
    }
}
