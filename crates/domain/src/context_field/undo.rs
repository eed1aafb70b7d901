//! Reverting changes of context fields.

use engine::Named;
use serde_json::Value;

use super::change::members_for_log;
use crate::access::{DeleteContextField, UpdateContextField};
use crate::control::Control;
use crate::error::Result;
use crate::key::Key;
use crate::revert::{Outcome, Revert, SetBack, refused, whole};

impl Control {
    pub(crate) async fn revert_context_field(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let (old, new) = revert.parts("context_field");
        match (old.is_null(), new.is_null()) {
            (true, false) => self.unmake_context_field(revert, &new).await,
            (false, true) => self.remake_context_field(revert, &old).await,
            _ => self.set_context_field_back(revert, &old, &new).await,
        }
    }

    async fn set_context_field_back(&self, revert: &Revert<'_>, old: &Value, new: &Value) -> Result<Outcome> {
        let permit = revert.permit::<UpdateContextField>()?;
        let key = revert.key()?;
        let field = self.load_context_field(revert.reader.project_id(), key).await?;
        revert.expect_same(field.id)?;
        let mut back = SetBack::default();
        revert.set_back("context_field", old, new, &members_for_log(&field), &mut back);
        back.expect_free()?;
        if back.members.is_empty() {
            return Ok(Outcome::unchanged());
        }
        let (document, request) = (back.document(), revert.request(field.etag()));
        let mut outcome = Outcome { changes: back.changes, ..Outcome::unchanged() };
        if revert.mode.dry_run {
            self.preview_context_field(&permit, &field, &document).await?;
        } else {
            let after = self.update_context_field(&permit, key, &document, &request).await?;
            outcome.revision = Some(after.version);
            outcome.reached = revert.environments.iter().map(|one| one.id).collect();
        }
        Ok(outcome)
    }

    async fn unmake_context_field(&self, revert: &Revert<'_>, new: &Value) -> Result<Outcome> {
        let permit = revert.permit::<DeleteContextField>()?;
        let key = revert.key()?;
        let field = self.load_context_field(revert.reader.project_id(), key).await?;
        revert.expect_same(field.id)?;
        let now = members_for_log(&field);
        revert.expect_untouched("context_field", new, &now)?;
        self.refuse_if_used(Named::List(key), "context_field_in_use", revert.environments).await?;
        let mut outcome =
            Outcome { changes: whole("context_field", now, Value::Null), ..Outcome::unchanged() };
        if !revert.mode.dry_run {
            let request = revert.request(field.etag());
            outcome.revision = Some(self.delete_context_field(&permit, key, &request).await?);
            outcome.reached = revert.environments.iter().map(|one| one.id).collect();
        }
        Ok(outcome)
    }

    async fn remake_context_field(&self, revert: &Revert<'_>, old: &Value) -> Result<Outcome> {
        let permit = revert.permit::<UpdateContextField>()?;
        let mut outcome =
            Outcome { changes: whole("context_field", Value::Null, old.clone()), ..Outcome::unchanged() };
        if revert.mode.dry_run {
            let key = Key::parse(revert.key()?).ok_or_else(|| refused("its key is none"))?;
            if self.store.context_field(revert.reader.project_id(), &key).await?.is_some() {
                return Err(refused(format!("another context field has the key {key} now")));
            }
        } else {
            let made = self.create_context_field(&permit, old, revert.request).await?;
            outcome.revision = Some(made.version);
            outcome.reached = revert.environments.iter().map(|one| one.id).collect();
        }
        Ok(outcome)
    }
}
