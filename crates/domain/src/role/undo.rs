//! Reverting what was done to roles.

use serde_json::Value;

use super::{CustomRole, document, gift};
use crate::access::{Caller, ManageRoles};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::revert::{Outcome, SetBack, Told, refused, whole};

impl Control {
    pub(crate) async fn revert_role(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let permit = caller.clone().on_instance::<ManageRoles>()?;
        let (old, new) = told.parts("role");
        if new.is_null() {
            return self.remake_role(told, &permit, old).await;
        }
        let role = self.role_meant(told).await?;
        permit.may_give(&gift(&role), None)?;
        let (now, key) = (document(&role), role.key.as_str());
        let request = told.request(role.etag());
        if old.is_null() {
            told.expect_untouched("role", &new, &now)?;
            if told.mode.dry_run {
                return Ok(Outcome { changes: whole("role", now, Value::Null), ..Outcome::unchanged() });
            }
            let revision = Some(self.delete_role(&permit, key, &request).await?);
            return Ok(Outcome { changes: whole("role", now, Value::Null), revision, reached: Vec::new() });
        }
        let mut back = SetBack::default();
        told.set_back("role", &old, &new, &now, &mut back);
        back.expect_free()?;
        if back.members.is_empty() {
            return Ok(Outcome::unchanged());
        }
        let members = back.document();
        let mut outcome = Outcome { changes: back.changes, ..Outcome::unchanged() };
        if !told.mode.dry_run {
            let updated = self.update_role(&permit, key, &members, &request).await?;
            outcome.revision = Some(updated.version);
        }
        Ok(outcome)
    }

    /// What was deleted comes back, with a new id; nobody had it then, and nobody has it now.
    async fn remake_role(
        &self,
        told: &Told<'_>,
        permit: &crate::access::OnInstance<ManageRoles>,
        old: Value,
    ) -> Result<Outcome> {
        let key = told.key()?;
        match self.role_named(key).await {
            Ok(_) => return Err(refused(format!("another role has the key {key} now"))),
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut outcome =
            Outcome { changes: whole("role", Value::Null, old.clone()), ..Outcome::unchanged() };
        if !told.mode.dry_run {
            outcome.revision = Some(self.create_role(permit, &old, told.request).await?.version);
        }
        Ok(outcome)
    }

    /// The role that the entry is about, if it is still there.
    async fn role_meant(&self, told: &Told<'_>) -> Result<CustomRole> {
        let subject = told.entity(0)?;
        let role = self.store.roles().await?.into_iter().find(|role| role.id == subject.id);
        role.ok_or_else(|| refused(format!("the role {} is gone", subject.key)))
    }
}
