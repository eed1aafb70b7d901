//! Reverting what was granted, and what was taken back.

use serde_json::Value;

use super::{NewGrant, Said};
use crate::access::{InProject, ManageGrants, Scope};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::log::Entity;
use crate::revert::{Outcome, Revert, refused, whole};

impl Control {
    pub(crate) async fn revert_grant(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let permit = revert.permit::<ManageGrants>()?;
        match revert.parts("grant") {
            (Value::Null, Value::Object(_)) => self.take_back_again(revert, &permit).await,
            (Value::Object(old), Value::Null) => self.give_again(revert, &permit, Value::Object(old)).await,
            _ => Err(refused("it does not say what was granted")),
        }
    }

    /// What was given is taken back, unless it is gone.
    async fn take_back_again(
        &self,
        revert: &Revert<'_>,
        permit: &InProject<ManageGrants>,
    ) -> Result<Outcome> {
        let id = subject(revert, 0)?.id;
        let Some(grant) = self.store.grant(id).await? else { return Ok(Outcome::unchanged()) };
        self.may_take_back(permit.caller(), &grant).await?;
        let mut outcome =
            Outcome { changes: whole("grant", grant.document(), Value::Null), ..Outcome::unchanged() };
        if !revert.mode.dry_run {
            outcome.revision = self.take(permit.caller(), &grant, revert.request).await?;
        }
        Ok(outcome)
    }

    /// What was taken back is given again, with a new id, unless its holder has it already.
    async fn give_again(
        &self,
        revert: &Revert<'_>,
        permit: &InProject<ManageGrants>,
        old: Value,
    ) -> Result<Outcome> {
        let (new, scope) = self.taken_back(revert, &old).await?;
        let (holder, _) = self.find_holder(&new.holder).await?;
        let held = self.store.grants_of(holder).await?;
        if held.iter().any(|held| held.role == new.role && held.scope == scope) {
            return Ok(Outcome::unchanged());
        }
        self.role_to_give(permit.caller(), &new, scope).await?;
        let mut outcome = Outcome { changes: whole("grant", Value::Null, old), ..Outcome::unchanged() };
        if !revert.mode.dry_run {
            let place = (scope, Some(permit.project().key.clone()));
            outcome.revision = Some(self.give(permit.caller(), &new, place, revert.request).await?.1);
        }
        Ok(outcome)
    }

    /// What the entry says was taken back, if all that it names is still there.
    async fn taken_back(&self, revert: &Revert<'_>, old: &Value) -> Result<(NewGrant, Scope)> {
        let entity = subject(revert, 1)?;
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
        let project_id = revert.reader.project_id();
        if old["environment"].is_null() {
            return Ok((NewGrant { holder, role, environment: None }, Scope::Project(project_id)));
        }
        let environment = revert.environment()?;
        let scope = Scope::Environment { project_id, id: environment.id };
        Ok((NewGrant { holder, role, environment: Some(environment) }, scope))
    }
}

/// What the entry names at a place: the grant, then who has it.
fn subject<'a>(revert: &Revert<'a>, place: usize) -> Result<&'a Entity> {
    revert.entry.entities.get(place).ok_or_else(|| refused("it does not say whose it was"))
}
