//! Proving who one is: passwords become session tokens, tokens become a [`Caller`].
//!
//! A session token says who; what they may do is looked up at each request, so that a demoted account's token
//! is worth no more than the account.

use engine::json::{At, Violations};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::register::read_email;
use super::{Account, SigningKey};
use crate::access::Caller;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::grant::{Granted, Holder};
use crate::id::Id;
use crate::secret::hash_secret;

/// A signed-in account and its token.
pub struct Session {
    /// Who signed in.
    pub account: Account,
    /// A JWT (HS256) with `sub`, `user_id`, `email`, `role`, `iat` and `exp`.
    pub token: String,
    /// Seconds until it expires.
    pub expires_in: i64,
}

/// What a session token says. `user_id` repeats `sub` for readers that know only that name.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Id,
    user_id: Id,
    email: String,
    role: String,
    iat: i64,
    exp: i64,
}

const UNKNOWN: Error = Error::Unauthenticated {
    code: "invalid_token",
    message: "this token is not valid here; sign in again at POST /auth/login",
};
const EXPIRED: Error = Error::Unauthenticated {
    code: "token_expired",
    message: "this token has expired; sign in again at POST /auth/login",
};

impl Control {
    /// Signs in with `{"email", "password"}`. An unknown e-mail and a wrong password answer alike, after the
    /// same time.
    pub async fn sign_in(&self, document: &Value) -> Result<Session> {
        let mut violations = Violations::default();
        let credentials = read_credentials(At::root(document), &mut violations);
        let (email, password) = violations.into_result(credentials).map_err(Error::Invalid)?;
        let account = self.store.account_by_email(&email).await?;
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let verified = self.verify_password(password, hash).await?;
        match account {
            Some(account) if verified => self.open_session(account).await,
            _ => Err(Error::Unauthenticated {
                code: "invalid_credentials",
                message: "invalid credentials: no account has this e-mail and password",
            }),
        }
    }

    /// The caller that a session token or access token stands for.
    pub async fn authenticate(&self, token: &str) -> Result<Caller> {
        // A given key may look like anything; a session token's header can be read.
        let account = if jsonwebtoken::decode_header(token).is_ok() {
            let account_id = self.verify_session(token).await?;
            self.store.account(account_id).await?
        } else {
            self.store.access_token(&hash_secret(token)).await?.map(|(_, account)| account)
        };
        let account = account.ok_or(UNKNOWN)?;
        let granted = self.store.granted(Holder::Account(account.id)).await?;
        let granted = granted.iter().map(Granted::held).collect();
        Ok(Caller::new(account.id, account.email, account.role, granted))
    }

    /// The caller's own account.
    pub async fn own_account(&self, caller: &Caller) -> Result<Account> {
        self.store.account(caller.account_id()).await?.ok_or(UNKNOWN)
    }

    /// A token for an account that proved itself.
    pub(crate) async fn open_session(&self, account: Account) -> Result<Session> {
        let keys = self.store.signing_keys().await?;
        let key = keys.last().ok_or_else(|| Error::Internal("there is no signing key".into()))?;
        let now = self.clock.now().as_seconds();
        let claims = Claims {
            sub: account.id,
            user_id: account.id,
            email: account.email.clone(),
            role: account.role.name().to_owned(),
            iat: now,
            exp: now.saturating_add(self.settings.token_ttl),
        };
        let header = Header { kid: Some(key.id.to_string()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&key.secret))
            .map_err(|error| Error::Internal(error.into()))?;
        Ok(Session { account, token, expires_in: self.settings.token_ttl })
    }

    /// The account that a session token names, if one of our keys signed it and it has not expired.
    async fn verify_session(&self, token: &str) -> Result<Id> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| UNKNOWN)?;
        let named = |key: &SigningKey| header.kid.as_deref() == Some(key.id.to_string().as_str());
        let keys = self.store.signing_keys().await?;
        let key = keys.into_iter().find(named).ok_or(UNKNOWN)?;
        let mut validation = Validation::new(Algorithm::HS256);
        // Expiry is compared with our own clock, below.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoded =
            jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(&key.secret), &validation);
        let claims = decoded.map_err(|_| UNKNOWN)?.claims;
        if claims.exp <= self.clock.now().as_seconds() {
            return Err(EXPIRED);
        }
        Ok(claims.sub)
    }
}

fn read_credentials(at: At<'_>, violations: &mut Violations) -> Option<(String, String)> {
    let object = at.object(violations)?;
    let email = object.require(violations, "email").and_then(|at| read_email(at, violations));
    let password =
        object.require(violations, "password").and_then(|at| at.text(violations)).map(str::to_owned);
    object.deny_unknown(violations);
    Some((email?, password?))
}
