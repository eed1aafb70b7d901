//! Signing in with a password.

use engine::json::{At, Violations};
use serde_json::Value;

use super::input::{read_email, read_password};
use super::{Account, Session};
use crate::control::{Control, Request};
use crate::error::{Error, Result};
use crate::security::{SecurityEvent, SecurityKind};

const REFUSED: Error = Error::Unauthenticated {
    code: "invalid_credentials",
    message: "invalid credentials: no account has this e-mail and password",
};
/// How often an account is looked at anew because it was changed while its password was compared.
const MOST_LOOKS: u32 = 3;

impl Control {
    /// Signs in with `{"email", "password"}`. An unknown e-mail, a wrong password and an account that is not active
    /// answer alike, after the same time.
    pub async fn sign_in(&self, document: &Value, request: &Request) -> Result<Session> {
        if !self.settings.password_login {
            return Err(password_login_off());
        }
        let mut violations = Violations::default();
        let credentials = read_credentials(At::root(document), &mut violations);
        let (email, password) = violations.into_result(credentials).map_err(Error::Invalid)?;
        self.take_try(&email, request)?;
        let account = self.store.account_by_email(&email).await?;
        let is_known = account.is_some();
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let verified = self.verify_password(password, hash).await?;
        let account = account.filter(|account| verified && account.active);
        let session = match account {
            Some(account) => self.open_unchanged(account).await?,
            None => None,
        };
        let Some(session) = session else {
            self.note_sign_in(SecurityKind::SignInFailed, None, &email, is_known, request);
            return Err(REFUSED);
        };
        self.throttle.succeeded(&email, request.address, self.clock.now());
        self.note_sign_in(SecurityKind::SignedIn, Some(&session.account), &email, true, request);
        Ok(session)
    }

    /// Opens a session, unless password or account were taken away while the password was compared: the session would
    /// outlive what ended all others.
    async fn open_unchanged(&self, mut account: Account) -> Result<Option<Session>> {
        let proved = account.password_hash.clone();
        for _ in 0..MOST_LOOKS {
            if let Some(session) = self.try_open_session(&account).await? {
                return Ok(Some(session));
            }
            let Some(now) = self.store.account(account.id).await? else { return Ok(None) };
            if now.password_hash != proved || !now.active {
                return Ok(None);
            }
            account = now;
        }
        Err(Error::Conflict {
            code: "busy",
            message: "the account was changed many times just now; try again".to_owned(),
        })
    }

    /// Counts a try to prove oneself by an account's password, before it costs anything.
    pub(super) fn take_try(&self, email: &str, request: &Request) -> Result<()> {
        self.throttle.take(email, request.address, self.clock.now()).map_err(|retry_after| {
            self.note_sign_in(SecurityKind::SignInThrottled, None, email, false, request);
            Error::TooMany { retry_after }
        })
    }

    /// `account` is who it turned out to be; an e-mail may be `known` without that.
    fn note_sign_in(
        &self,
        kind: SecurityKind,
        account: Option<&Account>,
        email: &str,
        known: bool,
        request: &Request,
    ) {
        self.note_security(SecurityEvent {
            at: self.clock.now(),
            kind,
            known,
            actor: account.map(|account| account.id),
            address: request.address,
            subject: email.to_owned(),
            detail: "password".to_owned(),
        });
    }

    /// Tells that someone proved who they are, or failed to, by `what`.
    pub(super) fn note_proof(
        &self,
        kind: SecurityKind,
        account: Option<&Account>,
        subject: &str,
        what: &str,
        request: &Request,
    ) {
        self.note_security(SecurityEvent {
            at: self.clock.now(),
            kind,
            known: account.is_some(),
            actor: account.map(|account| account.id),
            address: request.address,
            subject: subject.to_owned(),
            detail: what.to_owned(),
        });
    }
}

/// Where people sign in with a provider of identities alone.
pub(super) fn password_login_off() -> Error {
    Error::Forbidden {
        code: "password_login_off",
        message: "nobody signs in with a password here; GET /auth/oidc says with what".to_owned(),
    }
}

fn read_credentials(at: At<'_>, violations: &mut Violations) -> Option<(String, String)> {
    let object = at.object(violations)?;
    let email = object.require(violations, "email").and_then(|at| read_email(at, violations));
    let password = object.require(violations, "password").and_then(|at| read_password(at, violations));
    object.deny_unknown(violations);
    Some((email?, password?))
}
