//! Accounts, how they prove themselves, and what signs for them.

use async_trait::async_trait;
use engine::model::Revision;

use super::{Page, StoreResult};
use crate::account::{AccessToken, Account, AccountKind, Identity, ResetLink, SigningKey, StoredSession};
use crate::id::Id;
use crate::time::Timestamp;

/// Which accounts to list, by e-mail.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Text that is somewhere in the e-mail or name; ASCII letters match in either case.
    pub search: Option<String>,
    /// Only e-mails greater than this one, by bytes.
    pub after: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// Accounts, how they prove themselves, and what signs for them.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// An account.
    async fn account(&self, id: Id) -> StoreResult<Option<Account>>;
    /// The account with this e-mail, given in lower case.
    async fn account_by_email(&self, email: &str) -> StoreResult<Option<Account>>;
    /// The account of who has this subject at this issuer.
    async fn account_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Option<Account>>;
    /// Who the owner of an account is at providers, the oldest first.
    async fn identities(&self, account_id: Id) -> StoreResult<Vec<Identity>>;
    /// Accounts of a kind, by e-mail.
    async fn accounts(&self, kind: AccountKind, filter: &AccountFilter) -> StoreResult<Page<Account>>;
    /// Some of the admins who can sign in ([`Account::is_admin_in_force`]), the oldest first.
    async fn admins(&self, most: u32) -> StoreResult<Vec<Account>>;
    /// The names (id, e-mail) of those of these accounts that exist.
    async fn account_names(&self, ids: &[Id]) -> StoreResult<Vec<(Id, String)>>;
    /// The access token with this hash, and its account.
    async fn access_token(&self, hash: &str) -> StoreResult<Option<(AccessToken, Account)>>;
    /// The access tokens of an account, newest first.
    async fn access_tokens(&self, account_id: Id) -> StoreResult<Vec<AccessToken>>;
    /// Notes when tokens were last used. One that is gone, or was used later, is left as it is.
    async fn note_tokens_used(&self, uses: &[(Id, Timestamp)]) -> StoreResult<()>;
    /// Opens a session, if the account still has this version. It ends what expired before it began, and the oldest
    /// of the account's when there would be more than `most`.
    async fn open_session(&self, session: &StoredSession, version: Revision, most: u32) -> StoreResult<bool>;
    /// A session, its account, and the key that is said to have signed its token: all that a request needs.
    async fn session(
        &self,
        key_id: Id,
        session_id: Id,
    ) -> StoreResult<Option<(SigningKey, StoredSession, Account)>>;
    /// The session whose refresh tokens begin with what has this hash, and its account.
    async fn session_of_family(&self, family: &str) -> StoreResult<Option<(StoredSession, Account)>>;
    /// Puts the hash of a session's next refresh token in the place of the present one, if it is that.
    async fn rotate_session(&self, id: Id, present: &str, next: &str) -> StoreResult<bool>;
    /// Ends a session. Whether it was there.
    async fn end_session(&self, id: Id) -> StoreResult<bool>;
    /// Ends all sessions of an account.
    async fn end_sessions(&self, account_id: Id) -> StoreResult<()>;
    /// The link whose token has this hash, and its account.
    async fn reset_link(&self, hash: &str) -> StoreResult<Option<(ResetLink, Account)>>;
    /// Whether configuration gave what has this fingerprint once, and it was taken ([`AccountWrite::NoteGiven`]).
    ///
    /// [`AccountWrite::NoteGiven`]: crate::account::AccountWrite::NoteGiven
    async fn was_given(&self, fingerprint: &str) -> StoreResult<bool>;
    /// The hash of the setup token, and when it expires.
    async fn setup_token(&self) -> StoreResult<Option<(String, Timestamp)>>;
    /// Keeps the hash of a setup token in the place of any before. The instance must have an epoch.
    async fn put_setup_token(&self, hash: &str, expires_at: Timestamp) -> StoreResult<()>;
    /// The keys that sign or signed session tokens, oldest first, revoked ones included.
    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>>;
}
