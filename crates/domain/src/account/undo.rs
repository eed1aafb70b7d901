//! Reverting what was changed of accounts.

use serde_json::Value;

use super::manage::{Edit, document};
use super::{Account, Role};
use crate::access::{Caller, ManageAccounts, own_role};
use crate::control::Control;
use crate::error::Result;
use crate::revert::{Outcome, SetBack, Told, refused};

/// Why other changes of accounts stay.
const NOT_BACK: &str =
    "accounts, their secrets and who their owners are at providers neither come back nor go by a revert";

impl Control {
    /// Name, e-mail, role, and whether it may sign in. Passwords, tokens and accounts themselves do not come back.
    pub(crate) async fn revert_account(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let permit = caller.clone().on_instance::<ManageAccounts>()?;
        let (Some(old), Some(new)) = (&told.before, &told.after) else {
            return Err(refused(NOT_BACK));
        };
        let subject = told.entity(0)?;
        let account = self.store.account(subject.id).await?;
        let account = account.ok_or_else(|| refused(format!("the account {} is gone", subject.key)))?;
        let mut back = SetBack::default();
        let now = document(&account);
        if ![old, new].into_iter().all(|text| is_of(&now, text)) {
            return Err(refused(NOT_BACK));
        }
        told.set_back("account", old, new, &now, &mut back);
        back.expect_free()?;
        if back.members.is_empty() {
            return Ok(Outcome::unchanged());
        }
        let edit = read(&back);
        let mut outcome = Outcome { changes: back.changes, ..Outcome::unchanged() };
        if told.mode.dry_run {
            self.may_have_a_hand_in(&permit, &account).await?;
            permit.may_give(&own_role(edit.role.unwrap_or(account.role)), None)?;
        } else {
            let id = account.id.to_string();
            let (which, request) = ((account.kind, id.as_str()), told.request(account.etag()));
            let Account { version, .. } =
                self.edit_account(&permit, which, "update_account", &edit, &request).await?;
            outcome.revision = Some(version);
        }
        Ok(outcome)
    }
}

/// Whether a text of the log tells of nothing but members that an account has `now`.
fn is_of(now: &Value, text: &Value) -> bool {
    text.as_object().is_some_and(|members| members.keys().all(|name| now.get(name).is_some()))
}

fn read(back: &SetBack) -> Edit {
    let text = |name: &str| back.members.get(name).and_then(Value::as_str);
    Edit {
        email: text("email").map(str::to_owned),
        name: text("name").map(str::to_owned),
        role: text("role").and_then(Role::parse),
        active: back.members.get("active").and_then(Value::as_bool),
    }
}
