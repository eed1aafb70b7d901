//! Accounts and keys that a later start is told of: new ones are taken, and what was ended stays so.

use super::{FIRST_ADMIN, Founded, Founding, Given, SERVICE_ACCOUNT, SOURCE, noted};
use crate::account::{Account, AccountWrite, creation as account_creation, verify};
use crate::control::{Request, unexpected};
use crate::error::Result;
use crate::id::Id;
use crate::log::{Chain, Entity, Write};
use crate::secret::hash_secret;

impl Founding {
    pub(super) async fn add_admin(&self, given: &Given, founded: &mut Founded) -> Result<()> {
        let email = given.admin_email.as_deref().unwrap_or(FIRST_ADMIN).to_lowercase();
        let existing = self.store.account_by_email(&email).await?;
        match (existing, &given.admin_password) {
            (None, _) if given.admin_email.is_some() && self.was_known(&email).await? => {
                founded.warnings.push(format!(
                    "BURGEE_ADMIN_EMAIL names {email}, an account that was deleted or has another address now: it is \
                     not made again; give another, or make it with burgee admin create"
                ));
            }
            (None, _) if given.admin_email.is_some() => {
                let admin = self.admin(given, founded)?;
                let request = Request { source: SOURCE.to_owned(), ..Request::default() };
                let mut change = account_creation(&admin, Id::NIL, &request, self.clock.now());
                change.writes.push(noted(email_fingerprint(&email)));
                self.store.commit(change).await.map_err(unexpected)?;
                let warning =
                    format!("BURGEE_ADMIN_EMAIL is new: the admin {email} was added, and older ones stay");
                founded.warnings.push(warning);
            }
            (Some(Account { password_hash: Some(hash), .. }), Some(password))
                if !verify(password, &hash)? =>
            {
                let warning =
                    format!("BURGEE_ADMIN_PASSWORD is not the password of {email}, which stays as it is");
                founded.warnings.push(warning);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether an account had this e-mail once. The log says so of any, until it expires.
    async fn was_known(&self, email: &str) -> Result<bool> {
        let logged = self.store.logged_entity(Chain::Instance.id(), "account", email).await?;
        Ok(logged.is_some() || self.store.was_given(&email_fingerprint(email)).await?)
    }

    /// One that was ended stays so, with its account: whoever did that knew why.
    pub(super) async fn add_admin_key(&self, secret: &str, founded: &mut Founded) -> Result<()> {
        let hash = hash_secret(secret);
        if self.store.access_token(&hash).await?.is_some() {
            return Ok(());
        }
        if self.store.was_given(&hash).await? {
            founded.warnings.push("ADMIN_API_KEY was deleted and stays so; give another".to_owned());
            return Ok(());
        }
        let existing = self.store.account_by_email(SERVICE_ACCOUNT).await?;
        let service = existing.clone().unwrap_or_else(|| self.service_account());
        let token = self.access_token(service.id, secret);
        let entities = vec![
            Entity { kind: "access_token".to_owned(), id: token.id, key: SERVICE_ACCOUNT.to_owned() },
            Entity { kind: "account".to_owned(), id: service.id, key: service.email.clone() },
        ];
        let mut writes = vec![noted(hash)];
        if existing.is_none() {
            writes.push(Write::Account(AccountWrite::Create(service)));
        }
        writes.push(Write::Account(AccountWrite::CreateAccessToken(token)));
        self.commit(Chain::Instance, "create_access_token", entities, "{}".to_owned(), writes).await?;
        founded.warnings.push("ADMIN_API_KEY is new: it was added, and older ones stay valid".to_owned());
        Ok(())
    }
}

/// What is kept of a given e-mail, in lower case; no secret has it.
pub(super) fn email_fingerprint(email: &str) -> String {
    hash_secret(&format!("BURGEE_ADMIN_EMAIL {email}"))
}
