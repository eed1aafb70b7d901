//! Reverting what was changed of accounts.

use serde_json::Value;

use super::manage::{Edit, document};
use super::{Account, Role};
use crate::access::{Caller, ManageAccounts, own_role};
use crate::control::Control;
use crate::error::Result;
use crate::revert::{Outcome, SetBack, Told, refused};

impl Control {
    /// Name, e-mail, role, and whether it may sign in. Passwords, tokens and accounts themselves do not come back.
    pub(crate) async fn revert_account(&self, told: &Told<'_>, caller: &Caller) -> Result<Outcome> {
        let permit = caller.clone().on_instance::<ManageAccounts>()?;
        let (Some(old), Some(new)) = (&told.before, &told.after) else {
            return Err(refused("accounts and their secrets neither come back nor go by a revert"));
        };
        let subject = told.entity(0)?;
        let account = self.store.account(subject.id).await?;
        let account = account.ok_or_else(|| refused(format!("the account {} is gone", subject.key)))?;
        let mut back = SetBack::default();
        told.set_back("account", old, new, &document(&account), &mut back);
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
            let which = (account.kind, id.as_str());
            let Account { version, .. } =
                self.edit_account(&permit, which, "update_account", &edit, told.request).await?;
            outcome.revision = Some(version);
        }
        Ok(outcome)
    }
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
