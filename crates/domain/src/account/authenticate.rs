//! Proving who one is: a session token or an access token becomes a [`Caller`].
//!
//! A token says who; what they may do is looked up at each request, in the one call to the store that also says
//! whether the session, the key that signed or the token is in force. So whatever was ended, revoked or taken from
//! an account is so on every node at once.

use super::{AccessToken, Account, jwt};
use crate::access::Caller;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::grant::Holder;
use crate::id::Id;
use crate::secret::hash_secret;

const UNKNOWN: Error = Error::Unauthenticated {
    code: "invalid_token",
    message: "this token is not valid here; sign in again at POST /auth/login",
};
const EXPIRED: Error = Error::Unauthenticated {
    code: "token_expired",
    message: "this token has expired; sign in again at POST /auth/login",
};

impl Control {
    /// The caller that a session token or access token stands for.
    pub async fn authenticate(&self, token: &str) -> Result<Caller> {
        // A given key may look like anything; what a session token says can be read.
        match jwt::read(token) {
            Some(said) => self.caller_of_session(token, &said).await,
            None => self.caller_of_access_token(token).await,
        }
    }

    async fn caller_of_session(&self, token: &str, said: &jwt::Unproved) -> Result<Caller> {
        let now = self.clock.now();
        let found = self.store.session(said.key_id, said.session_id).await?;
        let (key, session, account) = found.ok_or(UNKNOWN)?;
        if !key.verifies(now) {
            return Err(UNKNOWN);
        }
        let claims = jwt::prove(token, &key).ok_or(UNKNOWN)?;
        if claims.exp <= now.as_seconds() || session.expires_at <= now {
            return Err(EXPIRED);
        }
        if claims.sub != session.account_id || !account.active {
            return Err(UNKNOWN);
        }
        Ok(self.caller(account, None).await?.of_session(session.id))
    }

    async fn caller_of_access_token(&self, token: &str) -> Result<Caller> {
        let now = self.clock.now();
        let found = self.store.access_token(&hash_secret(token)).await?;
        let (token, account) = found.ok_or(UNKNOWN)?;
        self.tokens.note(&token.hash, account.id);
        if !account.active {
            return Err(UNKNOWN);
        }
        if token.expires_at.is_some_and(|end| end <= now) {
            return Err(EXPIRED);
        }
        self.last_used.note(&token, now);
        Ok(self.caller(account, token.scopes.as_deref()).await?.of_token(token.id))
    }

    /// Whose access token this is or was, as far as that is remembered; no store is asked.
    pub fn owner_of_token(&self, token: &str) -> Option<Id> {
        self.tokens.get(&hash_secret(token))
    }

    /// Remembers tokens that are about to end.
    pub(super) fn tokens_end(&self, tokens: &[AccessToken]) {
        for token in tokens {
            self.tokens.note(&token.hash, token.account_id);
        }
    }

    pub(super) async fn caller(&self, account: Account, within: Option<&[String]>) -> Result<Caller> {
        let granted = self.store.granted(Holder::Account(account.id)).await?;
        Ok(Caller::new(account, granted, within))
    }

    /// The caller's own account.
    pub async fn own_account(&self, caller: &Caller) -> Result<Account> {
        self.store.account(caller.account_id()).await?.ok_or(UNKNOWN)
    }
}

impl Caller {
    /// The session by which they are known; a use case that only a person who signed in may ask for needs one.
    pub(super) fn signed_in(&self) -> Result<Id> {
        self.session_id().ok_or_else(|| Error::Forbidden {
            code: "sign_in_needed",
            message: "this is for people who signed in: an access token cannot do it".to_owned(),
        })
    }
}
