//! What someone who stands at the machine may do by the command line, without an account: whoever can write to the
//! database can do as much.

use super::input::{is_email, is_password, password_rule};
use super::manage::{Invited, NewAccount};
use super::reset::LinkTerms;
use super::{Account, AccountKind, MadeLink, Role, SigningKey};
use crate::control::{Attempts, Control, Request};
use crate::error::{Error, Result};
use crate::id::Id;

/// What came of a promotion.
pub enum Promotion {
    /// It was done.
    Promoted {
        /// What the account was before.
        from: Role,
    },
    /// It was an admin already.
    Already,
}

impl Control {
    /// Makes an admin. Without a password its owner chooses one by a link.
    pub async fn create_admin(
        &self,
        email: &str,
        password: Option<String>,
        request: &Request,
    ) -> Result<Invited> {
        if !is_email(email) {
            return Err(Error::invalid("EMAIL", "must be an e-mail address"));
        }
        let shortest = self.settings.shortest_password;
        if password.as_deref().is_some_and(|password| !is_password(password, shortest)) {
            return Err(Error::invalid("the password", password_rule(shortest)));
        }
        let new =
            NewAccount { email: email.to_lowercase(), name: String::new(), role: Role::Admin, password };
        self.invite(new, Id::NIL, request).await
    }

    /// Makes the account of a person an admin's; `None` if there is none with this e-mail.
    pub async fn promote(&self, email: &str, request: &Request) -> Result<Option<Promotion>> {
        let mut attempts = Attempts::default();
        loop {
            let Some(before) = self.person(email).await? else { return Ok(None) };
            let after = Account { role: Role::Admin, ..before.clone() };
            let Some(change) = self.update("promote_account", &before, &after, Id::NIL, request) else {
                return Ok(Some(Promotion::Already));
            };
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(Some(Promotion::Promoted { from: before.role }));
            }
        }
    }

    /// Makes the link of a person's account; `None` if there is none with this e-mail. With `revoke_tokens` using it
    /// revokes the account's access tokens as well.
    pub async fn create_link_for(
        &self,
        email: &str,
        revoke_tokens: bool,
        request: &Request,
    ) -> Result<Option<MadeLink>> {
        let Some(account) = self.person(email).await? else { return Ok(None) };
        let terms = LinkTerms { made_by: Id::NIL, revoke_tokens };
        self.make_link(account, terms, request).await.map(Some)
    }

    /// Makes a new key sign session tokens; what older ones signed holds until it expires, or not at all.
    pub async fn replace_signing_keys(&self, revoke_old: bool, request: &Request) -> Result<SigningKey> {
        self.rotate_keys(Id::NIL, revoke_old, request).await
    }

    async fn person(&self, email: &str) -> Result<Option<Account>> {
        let account = self.store.account_by_email(&email.to_lowercase()).await?;
        Ok(account.filter(|account| account.kind == AccountKind::Person))
    }
}
