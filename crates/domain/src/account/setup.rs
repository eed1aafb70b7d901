//! The first admin of an instance that was told none: who reads the server's output makes themselves one, with a
//! token that is good for 15 minutes, once. Nobody else can, however early they come.

use engine::json::{At, Violations};
use serde_json::Value;

use super::input::{read_email, read_new_password};
use super::register::email_taken;
use super::{Account, AccountKind, AccountWrite, Role, Session, creation};
use crate::control::{Control, Request};
use crate::error::{Error, Result};
use crate::log::Write;
use crate::ports::CommitError;
use crate::secret::hash_secret;
use crate::security::SecurityKind;

const REFUSED: Error =
    Error::Unauthenticated { code: "invalid_setup_token", message: "invalid or expired setup token" };

impl Control {
    /// Whether there is no admin who could sign in.
    pub async fn needs_setup(&self) -> Result<bool> {
        Ok(self.store.admins(1).await?.is_empty())
    }

    /// Makes the first admin from `{"token", "email", "password"}`, and signs them in.
    pub async fn set_up(&self, document: &Value, request: &Request) -> Result<Session> {
        let (token, email, password) = read_setup(document, self.settings.shortest_password)?;
        // What is compared are digests of what nobody can guess.
        let hash = hash_secret(&token);
        let kept = self.store.setup_token().await?;
        let good = kept.is_some_and(|(kept, end)| kept == hash && self.clock.now() < end);
        if !good || !self.needs_setup().await? {
            self.note_proof(SecurityKind::SignInFailed, None, &email, "setup token", request);
            return Err(REFUSED);
        }
        let password_hash = Some(self.hash_password(password).await?);
        let now = self.clock.now();
        let account = Account {
            id: self.ids.id(now),
            kind: AccountKind::Person,
            email,
            name: String::new(),
            role: Role::Admin,
            active: true,
            password_hash,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        let mut change = creation(&account, account.id, request, now);
        change.action = "set_up";
        change.writes.insert(0, Write::Account(AccountWrite::TakeSetupToken { hash }));
        let version = self.commit(change).await.map_err(|error| match error {
            CommitError::Stale => REFUSED,
            error => email_taken(error),
        })?;
        let account = Account { version, ..account };
        self.note_proof(SecurityKind::SetupUsed, Some(&account), &account.email, "setup token", request);
        self.open_session(&account).await
    }
}

/// Token, e-mail and password, all of which are needed.
fn read_setup(document: &Value, shortest_password: usize) -> Result<(String, String, String)> {
    let mut violations = Violations::default();
    let object = At::root(document).object(&mut violations).ok_or_else(missing)?;
    let given = |name| object.get(name).filter(|at| at.value().as_str() != Some("") && !at.is_null());
    let token = given("token").ok_or_else(missing)?;
    let email = given("email").ok_or_else(missing)?;
    let password = given("password").ok_or_else(missing)?;
    let token = token.text(&mut violations).map(str::to_owned);
    let email = read_email(email, &mut violations);
    let password = read_new_password(password, &mut violations, shortest_password);
    object.deny_unknown(&mut violations);
    let said = token.zip(email).zip(password).map(|((token, email), password)| (token, email, password));
    violations.into_result(said).map_err(Error::Invalid)
}

fn missing() -> Error {
    Error::invalid("", "token, email and password are required")
}
