//! The one log, chain by chain, and the security log beside it.

use std::net::IpAddr;

use async_trait::async_trait;
use engine::model::Revision;

use super::{Page, StoreResult};
use crate::id::Id;
use crate::log::{Chain, Hash, LogEntry};
use crate::security::{SecurityEntry, SecurityNote};
use crate::time::Timestamp;

/// Which entries of a chain to list.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Only those about all of these entities: of an environment, all that affected what its readers see as well.
    /// The one with the fewest entries should come first.
    pub entities: Vec<Id>,
    /// Only those of this actor.
    pub actor: Option<Id>,
    /// Only those with this action.
    pub action: Option<String>,
    /// Only those from this time on.
    pub since: Option<Timestamp>,
    /// Only those before this time.
    pub until: Option<Timestamp>,
    /// Only revisions below this one.
    pub before: Option<Revision>,
    /// Only revisions above this one.
    pub after: Option<Revision>,
    /// Whether the oldest come first.
    pub oldest_first: bool,
    /// How many at most.
    pub limit: u32,
    /// Up to how many entries are counted, if not all are wanted. A whole chain is as long as its head and its
    /// checkpoint say.
    pub most_counted: u64,
}

impl LogFilter {
    /// Whether all entries of the chain are wanted, one page or another.
    pub fn is_of_all(&self) -> bool {
        let Self { entities, actor, action, since, until, .. } = self;
        entities.is_empty() && actor.is_none() && action.is_none() && since.is_none() && until.is_none()
    }
}

/// Which entries of the security log to list.
#[derive(Debug, Clone, Default)]
pub struct SecurityFilter {
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those of this actor.
    pub actor: Option<Id>,
    /// Only those from this address.
    pub address: Option<IpAddr>,
    /// Only those that began from this time on.
    pub since: Option<Timestamp>,
    /// Only those that began before this time.
    pub until: Option<Timestamp>,
    /// Only revisions below this one.
    pub before: Option<Revision>,
    /// Only revisions above this one.
    pub after: Option<Revision>,
    /// Whether the oldest come first.
    pub oldest_first: bool,
    /// How many at most.
    pub limit: u32,
}

/// Where the security log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityHead {
    /// How many entries were ever made.
    pub revision: Revision,
    /// The hash of the last; zeros when there is none.
    pub hash: Hash,
    /// Up to where they were removed.
    pub checkpoint: Revision,
    /// The hash of the last that was removed; zeros when none was.
    pub checkpoint_hash: Hash,
}

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: Chain,
    /// How many changes it has.
    pub revision: Revision,
    /// The hash of the last; zeros when there is none.
    pub hash: Hash,
}

/// The one log, chain by chain, and the security log beside it.
#[async_trait]
pub trait Logs: Send + Sync {
    /// The ends of all chains, the instance's first.
    async fn heads(&self) -> StoreResult<Vec<Head>>;
    /// The chains that have entries or a project, whether or not they have a head.
    async fn chains_in_log(&self) -> StoreResult<Vec<Chain>>;
    /// Up to where the entries of chains were removed, and the hash of the last one that was. Nothing of a chain that
    /// is whole.
    async fn checkpoints(&self) -> StoreResult<Vec<Head>>;
    /// Entries of a chain, newest first unless the filter says otherwise.
    async fn log(&self, chain: Chain, filter: &LogFilter) -> StoreResult<Page<LogEntry>>;
    /// Entries of a chain after a revision, oldest first.
    async fn log_after(&self, chain: Chain, after: Revision, limit: u32) -> StoreResult<Vec<LogEntry>>;
    /// The id of an entity that the log of a project last knew by this kind and key, living or gone.
    async fn logged_entity(&self, project_id: Id, kind: &str, key: &str) -> StoreResult<Option<Id>>;
    /// Appends to the security log in one transaction, and with it removes its oldest entries, if a checkpoint is
    /// given: revision and hash of the last that goes. One that is not there, or not with this hash, is refused, and
    /// nothing is appended: someone else removed it. Gives whether it was done.
    async fn append_security(
        &self,
        notes: &[SecurityNote],
        checkpoint: Option<(Revision, Hash)>,
    ) -> StoreResult<bool>;
    /// Entries of the security log, newest first unless the filter says otherwise.
    async fn security_log(&self, filter: &SecurityFilter) -> StoreResult<Page<SecurityEntry>>;
    /// Where the security log begins and ends.
    async fn security_head(&self) -> StoreResult<SecurityHead>;
}
