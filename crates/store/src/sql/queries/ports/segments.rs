use async_trait::async_trait;
use domain::context_field::ContextField;
use domain::environment::Environment;
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page, Segments, StoreResult};
use domain::segment::{KeySet, SegmentEverywhere, SegmentSummary};
use domain::time::Timestamp;

use super::super::{SqlStore, bounded, context_fields, key_lists, segments};

#[async_trait]
impl Segments for SqlStore {
    async fn segment(&self, project_id: Id, key: &Key) -> StoreResult<Option<SegmentEverywhere>> {
        bounded(segments::segment(self, project_id, key)).await
    }

    async fn segments(
        &self,
        environment: &Environment,
        filter: &KeyedFilter,
    ) -> StoreResult<Page<SegmentSummary>> {
        bounded(segments::page(self, environment, filter)).await
    }

    async fn put_key_list(&self, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()> {
        key_lists::put(self, project_id, keys, at).await
    }

    async fn has_key_list(&self, project_id: Id, sha256: &str) -> StoreResult<bool> {
        bounded(key_lists::is_whole(&self.reader, project_id, sha256)).await
    }

    async fn key_list_length(&self, project_id: Id, sha256: &str) -> StoreResult<Option<u64>> {
        bounded(key_lists::length(&self.reader, project_id, sha256)).await
    }

    async fn key_list_chunk(
        &self,
        project_id: Id,
        sha256: &str,
        position: u32,
    ) -> StoreResult<Option<Vec<u8>>> {
        bounded(key_lists::piece(&self.reader, project_id, sha256, position)).await
    }

    async fn sweep_key_lists(&self, project_id: Id, before: Timestamp) -> StoreResult<u64> {
        key_lists::sweep(self, project_id, before).await
    }

    async fn context_field(&self, project_id: Id, key: &Key) -> StoreResult<Option<ContextField>> {
        bounded(context_fields::field(&self.reader, project_id, key)).await
    }

    async fn context_fields(&self, project_id: Id, filter: &KeyedFilter) -> StoreResult<Page<ContextField>> {
        bounded(context_fields::page(self, project_id, filter)).await
    }
}
