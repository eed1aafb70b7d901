use async_trait::async_trait;
use domain::context_field::ContextField;
use domain::environment::Environment;
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page, Segments, StoreResult};
use domain::segment::{KeySet, SegmentEverywhere, SegmentHere, SegmentSummary};
use domain::time::Timestamp;

use super::super::segments::{matches as matches_filter, summary};
use super::super::{MemoryStore, page};

#[async_trait]
impl Segments for MemoryStore {
    async fn segment(&self, project_id: Id, key: &Key) -> StoreResult<Option<SegmentEverywhere>> {
        let state = self.state();
        let environments = state.tables.environments_of(project_id);
        Ok(state.tables.of_segments.segment(&environments, project_id, key))
    }

    async fn segments(
        &self,
        environment: &Environment,
        filter: &KeyedFilter,
    ) -> StoreResult<Page<SegmentSummary>> {
        let state = self.state();
        let wanted = |here: &SegmentHere| {
            let segment = &here.segment;
            matches_filter(filter, &segment.key, &[&segment.name, &segment.description])
        };
        let all: Vec<_> = state.tables.of_segments.segments_in(environment).filter(wanted).collect();
        let total = all.len();
        let after = |here: &SegmentHere| filter.after.as_ref().is_none_or(|after| here.segment.key > *after);
        Ok(page(all.into_iter().filter(after).map(summary).collect(), total, filter.limit))
    }

    async fn put_key_list(&self, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()> {
        self.state().tables.of_segments.put_key_list(project_id, keys, at);
        Ok(())
    }

    async fn has_key_list(&self, project_id: Id, sha256: &str) -> StoreResult<bool> {
        Ok(self.state().tables.of_segments.has_key_list(project_id, sha256))
    }

    async fn key_list_length(&self, project_id: Id, sha256: &str) -> StoreResult<Option<u64>> {
        Ok(self.state().tables.of_segments.key_list_length(project_id, sha256))
    }

    async fn key_list_chunk(
        &self,
        project_id: Id,
        sha256: &str,
        position: u32,
    ) -> StoreResult<Option<Vec<u8>>> {
        Ok(self.state().tables.of_segments.key_list_chunk(project_id, sha256, position))
    }

    async fn sweep_key_lists(&self, project_id: Id, before: Timestamp) -> StoreResult<u64> {
        Ok(self.state().tables.of_segments.sweep_key_lists(project_id, before))
    }

    async fn context_field(&self, project_id: Id, key: &Key) -> StoreResult<Option<ContextField>> {
        Ok(self.state().tables.of_segments.field(project_id, key))
    }

    async fn context_fields(&self, project_id: Id, filter: &KeyedFilter) -> StoreResult<Page<ContextField>> {
        let state = self.state();
        let wanted =
            |field: &&ContextField| matches_filter(filter, &field.key, &[&field.name, &field.description]);
        let all: Vec<_> = state.tables.of_segments.fields_of(project_id).filter(wanted).collect();
        let after = |field: &&&ContextField| filter.after.as_ref().is_none_or(|after| field.key > *after);
        let shown = all.iter().filter(after).map(|field| ContextField::clone(field));
        Ok(page(shown.collect(), all.len(), filter.limit))
    }
}
