//! One-time links: an admin makes one for who has no password, or has lost it. It is good for a day, once, and each
//! new one voids the one before. It holds only as long as who made it may make it for the account as it is: a link is no
//! way around what was taken from its maker, or given to the account, since.

use engine::json::{At, Violations};
use serde::Serialize;
use serde_json::{Value, json};

use super::input::read_new_password;
use super::{AccessToken, Account, AccountKind, AccountWrite};
use crate::access::{ManageAccounts, OnInstance};
use crate::control::{Attempts, Control, Request, unexpected};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Change, ReadVersion, Write};
use crate::ports::CommitError;
use crate::secret::{Secret, SecretKind, hash_secret};
use crate::security::SecurityKind;
use crate::time::Timestamp;

/// How long a link is good, in seconds: a day.
const LASTS: i64 = 24 * 60 * 60;

/// A link as it is kept. An account has one at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetLink {
    /// Whose password it sets.
    pub account_id: Id,
    /// SHA-256 of its token, in lower-case hex.
    pub hash: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// What it was made with.
    pub terms: LinkTerms,
}

/// What is said of a link when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkTerms {
    /// The account that made it; [`Id::NIL`] for the program itself, which somebody at the machine asked.
    pub made_by: Id,
    /// Whether using it revokes the access tokens of the account as well.
    pub revoke_tokens: bool,
}

/// A link as it is made: the only time that it is shown.
#[derive(Debug, Serialize)]
pub struct MadeLink {
    /// What sets the password, once.
    pub token: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What the security log says of a link that came too late.
const NO_RIGHT: &str = "reset link whose maker may not make it any more";

const GONE: Error = Error::Unauthenticated {
    code: "invalid_reset_token",
    message: "this link was used, replaced or has expired; ask an admin for another",
};

impl Control {
    /// A link for an account, and what keeps it.
    pub(super) fn link(&self, account_id: Id, terms: LinkTerms, now: Timestamp) -> (MadeLink, Write) {
        let secret = Secret::make(SecretKind::ResetToken, &*self.ids);
        let expires_at = now.after_seconds(LASTS);
        let link = ResetLink { account_id, hash: secret.hash, expires_at, terms };
        (MadeLink { token: secret.text, expires_at }, Write::Account(AccountWrite::PutResetLink(link)))
    }

    /// Makes the link of a person's account, from `{"revoke_tokens"?}`: whether using it revokes the account's access
    /// tokens as well, as one does whose account was taken over.
    pub async fn create_reset_link(
        &self,
        permit: &OnInstance<ManageAccounts>,
        id: &str,
        document: Option<&Value>,
        request: &Request,
    ) -> Result<MadeLink> {
        let mut violations = Violations::default();
        let revoke_tokens =
            document.map_or(Some(false), |document| read_revocation(At::root(document), &mut violations));
        let revoke_tokens = violations.into_result(revoke_tokens).map_err(Error::Invalid)?;
        let account = self.account_of(AccountKind::Person, id).await?;
        self.may_have_a_hand_in(permit, &account).await?;
        self.make_link(account, LinkTerms { made_by: permit.account_id(), revoke_tokens }, request).await
    }

    pub(super) async fn make_link(
        &self,
        mut account: Account,
        terms: LinkTerms,
        request: &Request,
    ) -> Result<MadeLink> {
        let mut attempts = Attempts::default();
        loop {
            let now = self.clock.now();
            let (made, write) = self.link(account.id, terms, now);
            let change = Change {
                entities: vec![account.entity()],
                after: Some(
                    json!({ "expires_at": made.expires_at, "revoke_tokens": terms.revoke_tokens })
                        .to_string(),
                ),
                reads: vec![ReadVersion::Account { id: account.id, version: account.version }],
                writes: vec![write],
                ..Change::of_instance("create_reset_link", terms.made_by, request, now)
            };
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(made);
            }
            account = self.account_of(AccountKind::Person, &account.id.to_string()).await?;
        }
    }

    /// Sets a password by a link's `{"token", "password"}`, and ends all sessions of the account.
    pub async fn reset_password(&self, document: &Value, request: &Request) -> Result<()> {
        let mut violations = Violations::default();
        let said = read_reset(At::root(document), &mut violations, self.settings.shortest_password);
        let (token, password) = violations.into_result(said).map_err(Error::Invalid)?;
        let found = match SecretKind::of(&token) {
            Some(SecretKind::ResetToken) => self.store.reset_link(&hash_secret(&token)).await?,
            _ => None,
        };
        let Some((link, account)) = found.filter(|(link, _)| link.expires_at > self.clock.now()) else {
            self.note_proof(SecurityKind::SignInFailed, None, "", "reset link", request);
            return Err(GONE);
        };
        let maker = self.maker_in_right(&link, &account).await;
        if let Err(Error::Unauthenticated { .. }) = &maker {
            self.note_proof(SecurityKind::SignInFailed, Some(&account), &account.email, NO_RIGHT, request);
        }
        let maker = maker?;
        let hash = self.hash_password(password).await?;
        let now = self.clock.now();
        let after = Account { password_hash: Some(hash), updated_at: now, ..account.clone() };
        let mut change = Change {
            entities: vec![account.entity()],
            after: Some(json!({ "revoke_tokens": link.terms.revoke_tokens }).to_string()),
            reads: vec![ReadVersion::Account { id: account.id, version: account.version }],
            writes: vec![
                Write::Account(AccountWrite::TakeResetLink { account_id: account.id, hash: link.hash }),
                Write::Account(AccountWrite::Update(after)),
                Write::Account(AccountWrite::EndSessions { account_id: account.id, except: None }),
            ],
            ..Change::of_instance("reset_password", account.id, request, now)
        };
        change.reads.extend(maker);
        if link.terms.revoke_tokens {
            let tokens = self.store.access_tokens(account.id).await?;
            self.tokens_end(&tokens);
            change.entities.extend(tokens.iter().map(AccessToken::entity));
            let revoked = AccountWrite::DeleteAccessTokens { account_id: account.id };
            change.writes.push(Write::Account(revoked));
        }
        match self.commit(change).await {
            Ok(_) => {
                let kind = SecurityKind::PasswordReset;
                self.note_proof(kind, Some(&account), &account.email, "reset link", request);
                Ok(())
            }
            // Someone was faster with the same link, or an admin changed the account at the same moment.
            Err(CommitError::Stale) => Err(GONE),
            Err(error) => Err(unexpected(error)),
        }
    }

    /// What using a link must find as it was: its maker, if that is an account. One who could not make it any more has
    /// made none.
    async fn maker_in_right(&self, link: &ResetLink, account: &Account) -> Result<Option<ReadVersion>> {
        let made_by = link.terms.made_by;
        if made_by == Id::NIL {
            return Ok(None);
        }
        let maker = self.store.account(made_by).await?.filter(|maker| maker.active).ok_or(GONE)?;
        let read = ReadVersion::Account { id: maker.id, version: maker.version };
        let may = match self.caller(maker, None).await?.on_instance::<ManageAccounts>() {
            Ok(permit) => self.may_have_a_hand_in(&permit, account).await,
            Err(error) => Err(error),
        };
        match may {
            Ok(()) => Ok(Some(read)),
            Err(Error::Forbidden { .. }) => Err(GONE),
            Err(error) => Err(error),
        }
    }
}

fn read_revocation(at: At<'_>, violations: &mut Violations) -> Option<bool> {
    let object = at.object(violations)?;
    let revoke_tokens = object.optional(violations, "revoke_tokens", |at, violations| at.boolean(violations));
    object.deny_unknown(violations);
    Some(revoke_tokens?.unwrap_or(false))
}

fn read_reset(at: At<'_>, violations: &mut Violations, shortest: usize) -> Option<(String, String)> {
    let object = at.object(violations)?;
    let token = object.require(violations, "token").and_then(|at| at.text(violations));
    let password =
        object.require(violations, "password").and_then(|at| read_new_password(at, violations, shortest));
    object.deny_unknown(violations);
    Some((token?.to_owned(), password?))
}
