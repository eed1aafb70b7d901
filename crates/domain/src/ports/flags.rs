//! Flags, and what of an environment travels to its readers.

use async_trait::async_trait;
use engine::model::{Delta, Revision, Snapshot};

use super::{Page, StoreResult};
use crate::environment::Environment;
use crate::flag::{FlagEverywhere, FlagHere, Lifecycle};
use crate::id::Id;
use crate::key::Key;
use crate::team::{OwnedFlag, OwnedFlags};
use crate::time::Day;

/// Which flags to list.
#[derive(Debug, Clone, Default)]
pub struct FlagFilter {
    /// Text that is somewhere in the key, name or description; ASCII letters match in either case.
    pub search: Option<String>,
    /// A tag it must carry.
    pub tag: Option<String>,
    /// Who must look after it.
    pub owner: Option<String>,
    /// Where it must be in its life, archived or not.
    pub lifecycle: Option<Lifecycle>,
    /// Whether it must be archived.
    pub archived: Option<bool>,
    /// Whether it must be meant to go some day.
    pub temporary: Option<bool>,
    /// The day before which it must have been expected to be gone.
    pub ended_before: Option<Day>,
    /// Only keys greater than this one, by bytes.
    pub after: Option<Key>,
    /// How many at most.
    pub limit: u32,
}

/// Flags, and what of an environment travels to its readers.
#[async_trait]
pub trait Flags: Send + Sync {
    /// In which projects flags have this owner, by key, and how many in each.
    async fn owned_flags(&self, owner: &str) -> StoreResult<Vec<OwnedFlags>>;
    /// The flags that have this owner, by the keys of their project and their own.
    async fn flags_of_owner(&self, owner: &str, limit: u32) -> StoreResult<Page<OwnedFlag>>;
    /// All flags of an environment, as they travel; `None` if there is no such environment.
    async fn snapshot(&self, environment_id: Id) -> StoreResult<Option<Snapshot>>;
    /// What changed in an environment after a revision, merged to its present one; its revision is the given
    /// one if nothing did. `None` if there is no such environment.
    async fn changes_since(&self, environment_id: Id, revision: Revision) -> StoreResult<Option<Delta>>;
    /// A flag with its configs.
    async fn flag(&self, project_id: Id, key: &Key) -> StoreResult<Option<FlagEverywhere>>;
    /// Those flags of these keys that there are, with their configs, by key.
    async fn flags_named(&self, project_id: Id, keys: &[Key]) -> StoreResult<Vec<FlagEverywhere>>;
    /// Flags of an environment, by key.
    async fn flags(&self, environment: &Environment, filter: &FlagFilter) -> StoreResult<Page<FlagHere>>;
}
