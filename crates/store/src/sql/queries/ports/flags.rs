use async_trait::async_trait;
use domain::environment::Environment;
use domain::flag::{FlagEverywhere, FlagHere};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{FlagFilter, Flags, Page, StoreResult};
use domain::team::{OwnedFlag, OwnedFlags};
use engine::model::{Delta, Revision, Snapshot};

use super::super::{SqlStore, bounded, flags, owners, snapshot};

#[async_trait]
impl Flags for SqlStore {
    async fn owned_flags(&self, owner: &str) -> StoreResult<Vec<OwnedFlags>> {
        bounded(owners::owned_flags(&self.reader, owner)).await
    }

    async fn flags_of_owner(&self, owner: &str, limit: u32) -> StoreResult<Page<OwnedFlag>> {
        bounded(owners::flags_of_owner(self, owner, limit)).await
    }

    async fn snapshot(&self, environment_id: Id) -> StoreResult<Option<Snapshot>> {
        bounded(snapshot::snapshot(self, environment_id)).await
    }

    async fn changes_since(&self, environment_id: Id, revision: Revision) -> StoreResult<Option<Delta>> {
        bounded(snapshot::changes_since(self, environment_id, revision)).await
    }

    async fn flag(&self, project_id: Id, key: &Key) -> StoreResult<Option<FlagEverywhere>> {
        bounded(flags::flag(self, project_id, key)).await
    }

    async fn flags_named(&self, project_id: Id, keys: &[Key]) -> StoreResult<Vec<FlagEverywhere>> {
        bounded(flags::named(self, project_id, keys)).await
    }

    async fn flags(&self, environment: &Environment, filter: &FlagFilter) -> StoreResult<Page<FlagHere>> {
        bounded(flags::page(self, environment, filter)).await
    }
}
