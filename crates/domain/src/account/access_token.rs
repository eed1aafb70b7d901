//! Credentials that need no sign-in: of people for their scripts, and of service accounts. What both have in common.

use engine::json::{At, Violations};
use serde::Serialize;
use serde_json::{Value, json};

use super::input::{read_scopes, read_some_name};
use super::{Account, AccountWrite};
use crate::control::{Attempts, Control, Request, unexpected};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Change, Counted, Entity, ReadVersion, Write};
use crate::ports::CommitError;
use crate::secret::{Secret, SecretKind};
use crate::time::Timestamp;
use crate::validity::{read_expiry, read_overlap};

/// An account has at most so many tokens, expired ones included; a further one is a conflict.
const MOST_TOKENS: usize = 100;

/// A credential of an account, known by its SHA-256 alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessToken {
    /// Its id.
    pub id: Id,
    /// Whose it is.
    #[serde(skip)]
    pub account_id: Id,
    /// What people call it.
    pub name: String,
    /// The first characters of one that Burgee made; empty for one that was given to it.
    pub hint: String,
    /// SHA-256 of the token, in lower-case hex.
    #[serde(skip)]
    pub hash: String,
    /// What it is for; `None` for all that the account may do.
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is refused; `None` if it never is.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to about a minute; `None` if it never was.
    pub last_used_at: Option<Timestamp>,
    /// The one that took its place.
    pub replaced_by: Option<Id>,
}

/// A token as it is made: the only time that it is shown.
#[derive(Serialize)]
pub struct MadeToken {
    /// What is kept.
    #[serde(flatten)]
    pub access_token: AccessToken,
    /// The token.
    pub token: String,
}

impl AccessToken {
    pub(super) fn entity(&self) -> Entity {
        Entity { kind: "access_token".to_owned(), id: self.id, key: self.name.clone() }
    }

    /// One that lets nobody in needs no successor, and one that has one is not the one to go on from: its end is not its
    /// own any more.
    fn check_rotation(&self, now: Timestamp) -> Result<()> {
        if let Some(successor) = self.replaced_by {
            let message = format!("this token was replaced by {successor}; rotate that one");
            return Err(Error::Conflict { code: "token_replaced", message });
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            let message = "this token has expired; make another".to_owned();
            return Err(Error::Conflict { code: "token_expired", message });
        }
        Ok(())
    }

    fn for_log(&self) -> String {
        let Self { name, hint, scopes, expires_at, .. } = self;
        json!({ "name": name, "hint": hint, "scopes": scopes, "expires_at": expires_at }).to_string()
    }
}

/// What a new token is to be.
struct NewToken {
    name: String,
    scopes: Option<Vec<String>>,
    expires_at: Option<Timestamp>,
}

impl NewToken {
    fn read(document: &Value, now: Timestamp) -> Result<Self> {
        let mut violations = Violations::default();
        let new = Self::read_object(At::root(document), now, &mut violations);
        violations.into_result(new).map_err(Error::Invalid)
    }

    fn read_object(at: At<'_>, now: Timestamp, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let name = object.require(violations, "name").and_then(|at| read_some_name(at, violations));
        // What does not read is told, so the token is not made without it.
        let given = |name| object.get(name).filter(|at| !at.is_null());
        let scopes = given("scopes").and_then(|at| read_scopes(at, violations));
        let expires_at = given("expires_at").and_then(|at| read_expiry(&at, None, now, violations));
        object.deny_unknown(violations);
        Some(Self { name: name?, scopes, expires_at })
    }
}

/// Whose tokens are spoken of, and who speaks.
pub(super) struct Tokens<'a> {
    pub owner: &'a Account,
    pub kind: SecretKind,
    pub actor: Id,
    pub request: &'a Request,
}

impl Control {
    /// Makes a token from `{"name", "scopes"?, "expires_at"?}`; `None` if it must be decided anew whether its owner may
    /// have one.
    pub(super) async fn make_token(
        &self,
        of: &Tokens<'_>,
        document: &Value,
        attempts: &mut Attempts,
    ) -> Result<Option<MadeToken>> {
        let now = self.clock.now();
        let new = NewToken::read(document, now)?;
        let made = self.token(of, new, now);
        let mut change = Change::of_instance("create_access_token", of.actor, of.request, now);
        change.after = Some(made.access_token.for_log());
        self.commit_token(of, made, change, attempts).await
    }

    /// Makes a token like another one, which expires after an overlap: from `{"overlap"?}`. `None` as above.
    pub(super) async fn make_next_token(
        &self,
        of: &Tokens<'_>,
        id: &str,
        document: Option<&Value>,
        attempts: &mut Attempts,
    ) -> Result<Option<MadeToken>> {
        let overlap = read_overlap(document)?;
        let now = self.clock.now();
        let old = self.token_of(of.owner, id).await?;
        old.check_rotation(now)?;
        // As long again as the old one was made for.
        let lasts = |end: Timestamp| now.after_millis(end.as_millis() - old.created_at.as_millis());
        let new = NewToken {
            name: old.name.clone(),
            scopes: old.scopes.clone(),
            expires_at: old.expires_at.map(lasts),
        };
        let made = self.token(of, new, now);
        let end = now.after_millis(overlap);
        let at = old.expires_at.map_or(end, |before| before.min(end));
        let mut change = Change::of_instance("rotate_access_token", of.actor, of.request, now);
        change.before = Some(old.for_log());
        change.after = Some(made.access_token.for_log());
        change.entities.push(old.entity());
        let replaced = AccountWrite::ReplaceAccessToken { id: old.id, at, by: made.access_token.id };
        change.writes.push(Write::Account(replaced));
        self.commit_token(of, made, change, attempts).await
    }

    /// Refuses a token from now on.
    pub(super) async fn remove_token(&self, of: &Tokens<'_>, id: &str) -> Result<()> {
        let token = self.token_of(of.owner, id).await?;
        let change = Change {
            entities: vec![token.entity(), of.owner.entity()],
            before: Some(token.for_log()),
            writes: vec![Write::Account(AccountWrite::DeleteAccessToken { id: token.id })],
            ..Change::of_instance("delete_access_token", of.actor, of.request, self.clock.now())
        };
        self.tokens_end(std::slice::from_ref(&token));
        match self.commit(change).await {
            // Someone else was faster, to the same end.
            Ok(_) | Err(CommitError::Stale) => Ok(()),
            Err(error) => Err(unexpected(error)),
        }
    }

    fn token(&self, of: &Tokens<'_>, new: NewToken, now: Timestamp) -> MadeToken {
        let secret = Secret::make(of.kind, &*self.ids);
        let access_token = AccessToken {
            id: self.ids.id(now),
            account_id: of.owner.id,
            name: new.name,
            hint: secret.hint,
            hash: secret.hash,
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
            replaced_by: None,
        };
        MadeToken { access_token, token: secret.text }
    }

    async fn commit_token(
        &self,
        of: &Tokens<'_>,
        made: MadeToken,
        mut change: Change,
        attempts: &mut Attempts,
    ) -> Result<Option<MadeToken>> {
        let owner = of.owner;
        self.check_token_room(owner).await?;
        change.entities.insert(0, made.access_token.entity());
        change.entities.push(owner.entity());
        // It must still be there, or there would be a token of nobody.
        change.reads.push(ReadVersion::Account { id: owner.id, version: owner.version });
        let of = Counted::AccessTokens { account_id: owner.id };
        change.reads.push(ReadVersion::Room { of, most: MOST_TOKENS as u64 });
        change.writes.push(Write::Account(AccountWrite::CreateAccessToken(made.access_token.clone())));
        Ok(self.try_commit(change, attempts).await?.map(|_| made))
    }

    async fn check_token_room(&self, owner: &Account) -> Result<()> {
        if self.store.access_tokens(owner.id).await?.len() < MOST_TOKENS {
            return Ok(());
        }
        let message = format!("an account has at most {MOST_TOKENS} tokens; delete some first");
        Err(Error::Conflict { code: "too_many_tokens", message })
    }

    async fn token_of(&self, owner: &Account, id: &str) -> Result<AccessToken> {
        let tokens = self.store.access_tokens(owner.id).await?;
        let token = tokens.into_iter().find(|token| token.id.to_string() == id);
        token.ok_or_else(|| Error::not_found("token", id, "their list has their ids"))
    }
}
