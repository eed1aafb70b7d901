//! Looking at who an account's owner is at providers, and forgetting it.

use serde_json::json;

use super::{Account, AccountKind, AccountWrite, Identity};
use crate::access::{Caller, ManageAccounts, OnInstance};
use crate::control::{Attempts, Control, Request};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Change, ReadVersion, Write};

/// Who unlinks an identity.
struct By {
    actor: Id,
    /// The session that goes on, of who unlinks their own.
    session: Option<Id>,
}

impl Control {
    /// Who the owner of a person's account is at providers, the oldest first.
    pub async fn list_identities(
        &self,
        _permit: &OnInstance<ManageAccounts>,
        id: &str,
    ) -> Result<Vec<Identity>> {
        let account = self.account_of(AccountKind::Person, id).await?;
        Ok(self.store.identities(account.id).await?)
    }

    /// Forgets who the owner of a person's account is at a provider, and ends all sessions of the account: they may have
    /// been opened by it.
    pub async fn unlink_identity(
        &self,
        permit: &OnInstance<ManageAccounts>,
        (id, identity): (&str, &str),
        request: &Request,
    ) -> Result<()> {
        let by = By { actor: permit.account_id(), session: None };
        let mut attempts = Attempts::default();
        loop {
            let account = self.account_of(AccountKind::Person, id).await?;
            self.may_have_a_hand_in(permit, &account).await?;
            let known = self.store.identities(account.id).await?;
            let change = self.unlinking(&account, identity_named(&known, identity)?, &by, request);
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Who the caller is at providers, the oldest first.
    pub async fn list_own_identities(&self, caller: &Caller) -> Result<Vec<Identity>> {
        Ok(self.store.identities(caller.account_id()).await?)
    }

    /// Forgets who the caller is at a provider, and ends their other sessions. A conflict if they could not sign in any
    /// more.
    pub async fn unlink_own_identity(
        &self,
        caller: &Caller,
        identity: &str,
        request: &Request,
    ) -> Result<()> {
        let by = By { actor: caller.account_id(), session: Some(caller.signed_in()?) };
        let mut attempts = Attempts::default();
        loop {
            let account = self.own_account(caller).await?;
            let known = self.store.identities(account.id).await?;
            let identity = identity_named(&known, identity)?;
            if known.len() == 1 {
                self.expect_password(&account)?;
            }
            let change = self.unlinking(&account, identity, &by, request);
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// A conflict if nobody could sign in to the account by a password.
    fn expect_password(&self, account: &Account) -> Result<()> {
        let message = if !self.settings.password_login {
            "passwords are off here (oidc.password_login), so this is the only way you can sign in; an admin may \
             unlink it"
        } else if account.password_hash.is_none() {
            "you have no password, so this is the only way you can sign in; ask an admin for a reset link and set a \
             password first"
        } else {
            return Ok(());
        };
        Err(Error::Conflict { code: "last_identity", message: message.to_owned() })
    }

    /// The account's version moves with it, so of two who unlink the last two identities one looks again.
    fn unlinking(&self, account: &Account, identity: &Identity, by: &By, request: &Request) -> Change {
        let now = self.clock.now();
        let told = json!({ "identity": identity.for_log() });
        Change {
            entities: vec![account.entity()],
            before: Some(told.to_string()),
            reads: vec![ReadVersion::Account { id: account.id, version: account.version }],
            writes: vec![
                Write::Account(AccountWrite::UnlinkIdentity { id: identity.id }),
                Write::Account(AccountWrite::Update(Account { updated_at: now, ..account.clone() })),
                Write::Account(AccountWrite::EndSessions { account_id: account.id, except: by.session }),
            ],
            ..Change::of_instance("unlink_identity", by.actor, request, now)
        }
    }
}

fn identity_named<'a>(known: &'a [Identity], id: &str) -> Result<&'a Identity> {
    let found = known.iter().find(|identity| identity.id.to_string() == id);
    found.ok_or_else(|| Error::not_found("identity", id, "their list has their ids"))
}
