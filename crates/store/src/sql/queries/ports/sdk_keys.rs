use async_trait::async_trait;
use domain::id::Id;
use domain::ports::{Page, SdkKeyFilter, SdkKeyUse, SdkKeys, StoreResult};
use domain::sdk_key::SdkKey;
use domain::time::Timestamp;

use super::super::{SqlStore, bounded, sdk_keys};

#[async_trait]
impl SdkKeys for SqlStore {
    async fn sdk_key(&self, project_id: Id, id: Id) -> StoreResult<Option<SdkKey>> {
        bounded(sdk_keys::one(&self.reader, project_id, id)).await
    }

    async fn sdk_keys(&self, project_id: Id, filter: &SdkKeyFilter) -> StoreResult<Page<SdkKey>> {
        bounded(sdk_keys::page(self, project_id, filter)).await
    }

    async fn sdk_keys_in_force(&self, now: Timestamp, of: Option<&[Id]>) -> StoreResult<Vec<SdkKey>> {
        bounded(sdk_keys::in_force(&self.reader, now, of)).await
    }

    async fn sdk_keys_ended(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<String>> {
        bounded(sdk_keys::ended(&self.reader, now, limit)).await
    }

    async fn note_sdk_keys_used(&self, uses: &[SdkKeyUse]) -> StoreResult<()> {
        bounded(sdk_keys::note_used(&self.writer, uses)).await
    }
}
