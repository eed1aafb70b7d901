//! Sessions: opened by signing in, carried on by refreshing, ended by signing out.
//!
//! A session token is short-lived and can be read; the refresh token beside it is neither, and each use gives a new
//! one. All refresh tokens of a session have the same first digits, its family: so one that was used before is known
//! again though only the last one is kept. Two people have it then, and nobody can say which of them stole it, so
//! the session ends for both. There is no time of grace: who lost an answer signs in again.

use engine::json::{At, Violations};
use serde_json::Value;

use super::jwt::sign;
use super::{Account, signer};
use crate::access::Caller;
use crate::control::{Control, Request};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::secret::{Secret, SecretKind, family_of, hash_secret};
use crate::security::{SecurityEvent, SecurityKind};
use crate::time::Timestamp;

/// An account has at most so many sessions; a further one ends the oldest.
const MOST_SESSIONS: u32 = 100;

/// A signed-in account and its tokens.
pub struct Session {
    /// Who signed in.
    pub account: Account,
    /// A JWT (HS256) with `sub`, `user_id`, `email`, `role`, `sid`, `iat` and `exp`.
    pub token: String,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// Exchanged for the next session token, once.
    pub refresh_token: String,
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// Named in its tokens (`sid`).
    pub id: Id,
    /// Whose it is.
    pub account_id: Id,
    /// SHA-256 of what all its refresh tokens begin with, in lower-case hex.
    pub family: String,
    /// SHA-256 of the one refresh token that is good, in lower-case hex.
    pub refresh_hash: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it ends, refreshed or not.
    pub expires_at: Timestamp,
}

const GONE: Error = Error::Unauthenticated {
    code: "invalid_refresh_token",
    message: "this refresh token is not valid, or no longer; sign in again at POST /auth/login",
};
const REUSED: Error = Error::Unauthenticated {
    code: "refresh_token_reused",
    message: "this refresh token was used before, so its session was ended; sign in again at POST /auth/login",
};

impl Control {
    /// Opens a session of an account that proved itself just now.
    pub(super) async fn open_session(&self, account: &Account) -> Result<Session> {
        let session = self.try_open_session(account).await?;
        session.ok_or_else(|| Error::Conflict {
            code: "busy",
            message: "the account was changed at the same moment; sign in at POST /auth/login".to_owned(),
        })
    }

    /// The same; `None` if the account is not what it was when it proved itself.
    pub(super) async fn try_open_session(&self, account: &Account) -> Result<Option<Session>> {
        let now = self.clock.now();
        let family = hex::encode(&self.ids.secret()[..8]);
        let refresh = Secret::of_family(SecretKind::RefreshToken, &family, &*self.ids);
        let stored = StoredSession {
            id: self.ids.id(now),
            account_id: account.id,
            family: family_of(&refresh.text).map(hash_secret).unwrap_or_default(),
            refresh_hash: refresh.hash,
            created_at: now,
            expires_at: now.after_seconds(self.settings.session_ttl),
        };
        if !self.store.open_session(&stored, account.version, MOST_SESSIONS).await? {
            return Ok(None);
        }
        self.issue(account.clone(), &stored, refresh.text).await.map(Some)
    }

    /// The next tokens of a session, for `{"refresh_token"}`.
    pub async fn refresh_session(&self, document: &Value, request: &Request) -> Result<Session> {
        let mut violations = Violations::default();
        let token = read_refresh_token(At::root(document), &mut violations);
        let token = violations.into_result(token).map_err(Error::Invalid)?;
        // The checksum saves a look into the store for what was never ours.
        let known = SecretKind::of(&token) == Some(SecretKind::RefreshToken);
        let family = family_of(&token).filter(|_| known).ok_or(GONE)?;
        let (session, account) = self.store.session_of_family(&hash_secret(family)).await?.ok_or(GONE)?;
        let now = self.clock.now();
        if session.expires_at <= now || !account.active {
            return Err(GONE);
        }
        let digits = family.trim_start_matches(SecretKind::RefreshToken.prefix());
        let next = Secret::of_family(SecretKind::RefreshToken, digits, &*self.ids);
        if self.store.rotate_session(session.id, &hash_secret(&token), &next.hash).await? {
            return self.issue(account, &session, next.text).await;
        }
        // One that somebody ended in between was not stolen.
        if !self.store.end_session(session.id).await? {
            return Err(GONE);
        }
        self.note_session(SecurityKind::RefreshReused, &account, request, "the session was ended");
        Err(REUSED)
    }

    /// Ends the caller's session.
    pub async fn sign_out(&self, caller: &Caller, request: &Request) -> Result<()> {
        let account = self.own_account(caller).await?;
        self.store.end_session(caller.signed_in()?).await?;
        self.note_session(SecurityKind::SignedOut, &account, request, "one session");
        Ok(())
    }

    /// Ends all sessions of the caller. Access tokens go on: they are revoked one by one.
    pub async fn sign_out_everywhere(&self, caller: &Caller, request: &Request) -> Result<()> {
        caller.signed_in()?;
        let account = self.own_account(caller).await?;
        self.store.end_sessions(account.id).await?;
        self.note_session(SecurityKind::SignedOut, &account, request, "all sessions");
        Ok(())
    }

    async fn issue(
        &self,
        account: Account,
        session: &StoredSession,
        refresh_token: String,
    ) -> Result<Session> {
        let keys = self.store.signing_keys().await?;
        let key = signer(&keys).ok_or_else(|| Error::Internal("there is no signing key".into()))?;
        let now = self.clock.now().as_seconds();
        let end = now.saturating_add(self.settings.token_ttl).min(session.expires_at.as_seconds());
        let token = sign(key, &account, session, now, end)?;
        Ok(Session { account, token, expires_in: end - now, refresh_token })
    }

    fn note_session(&self, kind: SecurityKind, account: &Account, request: &Request, detail: &str) {
        self.note_security(SecurityEvent {
            at: self.clock.now(),
            kind,
            known: true,
            actor: Some(account.id),
            address: request.address,
            subject: account.email.clone(),
            detail: detail.to_owned(),
        });
    }
}

fn read_refresh_token(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let object = at.object(violations)?;
    let token = object.require(violations, "refresh_token").and_then(|at| at.text(violations));
    object.deny_unknown(violations);
    token.map(str::to_owned)
}
