//! The keys of applications.

use async_trait::async_trait;

use super::{Page, StoreResult};
use crate::id::Id;
use crate::sdk_key::{KeyState, SdkKey, SdkKeyKind};
use crate::time::Timestamp;

/// Which SDK keys to list, newest first.
#[derive(Debug, Clone)]
pub struct SdkKeyFilter {
    /// The environment that it must open, by name or with all others.
    pub environment: Option<Id>,
    /// What it must be.
    pub kind: Option<SdkKeyKind>,
    /// Where it must be in its life.
    pub state: Option<KeyState>,
    /// When that is.
    pub now: Timestamp,
    /// Only keys after this one, by when they were made and id.
    pub after: Option<(Timestamp, Id)>,
    /// How many at most.
    pub limit: u32,
}

impl SdkKeyFilter {
    /// All keys.
    pub fn all(now: Timestamp) -> Self {
        Self { environment: None, kind: None, state: None, now, after: None, limit: u32::MAX }
    }
}

/// That a key opened something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdkKeyUse {
    /// Its project.
    pub project_id: Id,
    /// The key.
    pub id: Id,
    /// The minute in which it last did.
    pub at: Timestamp,
}

/// The keys of applications.
#[async_trait]
pub trait SdkKeys: Send + Sync {
    /// An SDK key of a project, whatever became of it.
    async fn sdk_key(&self, project_id: Id, id: Id) -> StoreResult<Option<SdkKey>>;
    /// SDK keys of a project, newest first.
    async fn sdk_keys(&self, project_id: Id, filter: &SdkKeyFilter) -> StoreResult<Page<SdkKey>>;
    /// All SDK keys that are neither revoked nor expired, newest first: of all projects, or of these, of which there is
    /// one at least.
    async fn sdk_keys_in_force(&self, now: Timestamp, of: Option<&[Id]>) -> StoreResult<Vec<SdkKey>>;
    /// The hashes of keys that are revoked or expired, so many at most: those that ended last, the last first. Of keys
    /// that were deleted nothing is known.
    async fn sdk_keys_ended(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<String>>;
    /// Notes when keys were last used; a use before the last one that is known is none, and so is one of a key that
    /// has gone. No change: nothing of it is logged, and no version moves.
    async fn note_sdk_keys_used(&self, uses: &[SdkKeyUse]) -> StoreResult<()>;
}
