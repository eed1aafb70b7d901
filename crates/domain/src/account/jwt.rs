//! Session tokens: JWTs of one algorithm, HS256, each signed by a key that its header names.

use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::{Account, SigningKey, StoredSession};
use crate::error::{Error, Result};
use crate::id::Id;

/// No session token is longer, in bytes: what is longer is none.
const MOST_TOKEN: usize = 4 << 10;

/// What a session token says. `user_id` repeats `sub` for readers that know only that name.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub sub: Id,
    user_id: Id,
    email: String,
    role: String,
    /// The session, without which the token is worth nothing.
    pub sid: Id,
    iat: i64,
    pub exp: i64,
}

/// What a text says that has the shape of a session token. Nothing of it is proved.
pub(super) struct Unproved {
    pub key_id: Id,
    pub session_id: Id,
}

/// Reads what must be looked up to prove a token; `None` if it cannot be one of ours.
pub(super) fn read(token: &str) -> Option<Unproved> {
    if token.len() > MOST_TOKEN {
        return None;
    }
    let read = insecure_decode::<Claims>(token).ok()?;
    let kid = read.header.kid?;
    // Ids are written in one way only.
    let key_id = kid.parse::<Id>().ok().filter(|id| id.to_string() == kid)?;
    (read.header.alg == Algorithm::HS256).then_some(Unproved { key_id, session_id: read.claims.sid })
}

/// What a token says, if this key signed it. Expiry is for who knows the time to compare.
pub(super) fn prove(token: &str, key: &SigningKey) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(&key.secret), &validation);
    decoded.ok().map(|decoded| decoded.claims).filter(|claims| claims.user_id == claims.sub)
}

/// A token from `now` to `expires_at`, in seconds.
pub(super) fn sign(
    key: &SigningKey,
    account: &Account,
    session: &StoredSession,
    now: i64,
    expires_at: i64,
) -> Result<String> {
    let claims = Claims {
        sub: account.id,
        user_id: account.id,
        email: account.email.clone(),
        role: account.role.name().to_owned(),
        sid: session.id,
        iat: now,
        exp: expires_at,
    };
    let header = Header { kid: Some(key.id.to_string()), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&key.secret))
        .map_err(|error| Error::Internal(error.into()))
}
