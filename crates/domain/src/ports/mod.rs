//! What the use cases stand on. Few, cut by use case; one call is one transaction, and the transaction never
//! crosses the port. Each has one contract suite in `testkit` that every adapter passes.
//! A file for each capability of the store; [`Store`] is all of them.

mod accounts;
mod attempts;
mod flags;
mod logs;
mod projects;
mod rights;
mod sdk_keys;
mod segments;
mod usage;

use async_trait::async_trait;
use engine::model::Revision;
use tokio::sync::watch;

use crate::error::{Cause, Error};
use crate::id::Id;
use crate::key::Key;
use crate::log::{Chain, Change};
use crate::time::Timestamp;

pub use accounts::{AccountFilter, Accounts};
pub use attempts::{AnswerRoom, Attempts, Noted};
pub use flags::{FlagFilter, Flags};
pub use logs::{Head, LogFilter, Logs, SecurityFilter, SecurityHead};
pub use projects::{ProjectContent, Projects};
pub use rights::Rights;
pub use sdk_keys::{SdkKeyFilter, SdkKeyUse, SdkKeys};
pub use segments::{KEY_LIST_PIECE, Segments};
pub use usage::{Taken, Usage};

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is busy beyond its time-out or full; later it may answer.
    #[error("the store does not answer")]
    Unavailable(#[source] Cause),
    /// It answered what cannot be: a row that does not read, a constraint that nobody should break.
    #[error("the store is not as it should be")]
    Corrupt(#[source] Cause),
}

/// Why a change was not committed. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Something that the change was decided upon has changed or gone.
    #[error("decided upon something that has changed since")]
    Stale,
    /// What who asked stood on ([`Change::standing`]) does not hold any more.
    #[error("who asks may not do so any more")]
    Lapsed,
    /// A key, e-mail or hash that must be new is taken.
    #[error("{what} is taken")]
    Taken {
        /// Which, as a noun: `flag`, `environment`, `project`, `sdk_key`, `segment`,
        /// `context_field`, `account`, `access_token`, `signing_key`, `identity`.
        what: &'static str,
    },
    /// It must say why and does not ([`crate::comment`]). Stores never say so.
    #[error("{why}")]
    Unexplained {
        /// Whose rule it is.
        why: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::Unavailable(cause),
            StoreError::Corrupt(cause) => Self::Internal(cause),
        }
    }
}

/// What a store returns.
pub type StoreResult<T> = Result<T, StoreError>;

/// Some of a longer list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// How many there are in the whole list; `None` if they are too many to be counted.
    pub total: Option<u64>,
    /// Whether there are more after these.
    pub more: bool,
}

/// Which of the things that have a key to list.
#[derive(Debug, Clone, Default)]
pub struct KeyedFilter {
    /// Text that is somewhere in the key, name or description; ASCII letters match in either case.
    pub search: Option<String>,
    /// What the key begins with.
    pub prefix: Option<String>,
    /// Only keys greater than this one, by bytes.
    pub after: Option<Key>,
    /// How many at most.
    pub limit: u32,
}

/// Where everything is kept.
#[async_trait]
pub trait Store: Logs + Projects + Rights + Flags + Segments + SdkKeys + Accounts + Attempts + Usage {
    /// Commits a change in one transaction: checks what it read, writes its rows, takes the chain's next
    /// revision, appends it to the log, and marks each environment it affects. Revisions commit in order and
    /// without gaps; when this returns, the change survives a crash.
    async fn commit(&self, change: Change) -> Result<Revision, CommitError>;

    /// The same for two changes, both or neither; the second may stand on what the first makes.
    async fn commit_both(&self, first: Change, second: Change) -> Result<(Revision, Revision), CommitError>;

    /// Finishes what is under way and lets go of the database; nothing may be asked after that.
    async fn close(&self);

    /// The random name of this database's history; `None` before the first start.
    async fn epoch(&self) -> StoreResult<Option<String>>;

    /// Names the history anew, so that no reader takes its revisions for those it knew.
    async fn renew_epoch(&self, epoch: &str) -> StoreResult<()>;
}

/// The doorbell: says that something changed, never what. Lossy by design; who needs certainty polls as well.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Tells everyone that a chain has a new revision. Best effort.
    async fn ring(&self, chain: Chain, revision: Revision);
    /// A receiver that wakes after each ring (several may come as one). Its value means nothing.
    fn listen(&self) -> watch::Receiver<u64>;
}

/// Time, as an argument.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Chance, as an argument.
pub trait Ids: Send + Sync {
    /// A new id; later ones sort after earlier ones of the same process.
    fn id(&self, now: Timestamp) -> Id;
    /// Bytes that nobody can guess.
    fn secret(&self) -> [u8; 32];
    /// A number below `bound`, evenly; 0 if `bound` is 0.
    fn below(&self, bound: u32) -> u32;
}
