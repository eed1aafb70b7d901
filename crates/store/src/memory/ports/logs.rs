use std::sync::Arc;

use async_trait::async_trait;
use domain::id::Id;
use domain::log::{Chain, Hash, LogEntry};
use domain::ports::{Head, LogFilter, Logs, Page, SecurityFilter, SecurityHead, StoreResult};
use domain::security::{SecurityEntry, SecurityNote};
use engine::model::Revision;

use super::super::{MemoryStore, hash_of, revision_of};

#[async_trait]
impl Logs for MemoryStore {
    async fn heads(&self) -> StoreResult<Vec<Head>> {
        let head = |(id, chain): (&Id, &Vec<Arc<LogEntry>>)| Head {
            chain: Chain::from_id(*id),
            revision: revision_of(chain),
            hash: hash_of(chain),
        };
        Ok(self.state().chains.iter().map(head).collect())
    }

    async fn chains_in_log(&self) -> StoreResult<Vec<Chain>> {
        Ok(self.state().chains.keys().copied().map(Chain::from_id).collect())
    }

    async fn checkpoints(&self) -> StoreResult<Vec<Head>> {
        Ok(self.state().checkpoints.values().copied().collect())
    }

    async fn log(&self, chain: Chain, filter: &LogFilter) -> StoreResult<Page<LogEntry>> {
        Ok(self.state().log_page(chain, filter))
    }

    async fn log_after(&self, chain: Chain, after: Revision, limit: u32) -> StoreResult<Vec<LogEntry>> {
        let state = self.state();
        let entries = state.entries(chain).iter().filter(|entry| entry.revision > after);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(entries.take(limit).map(|entry| LogEntry::clone(entry)).collect())
    }

    async fn logged_entity(&self, project_id: Id, kind: &str, key: &str) -> StoreResult<Option<Id>> {
        let state = self.state();
        let known = |entry: &Arc<LogEntry>| {
            let named = entry.entities.iter().filter(|entity| entity.kind == kind && entity.key == key);
            named.map(|entity| entity.id).max()
        };
        Ok(state.entries(Chain::from_id(project_id)).iter().rev().find_map(known))
    }

    async fn append_security(
        &self,
        notes: &[SecurityNote],
        checkpoint: Option<(Revision, Hash)>,
    ) -> StoreResult<bool> {
        Ok(self.state().security.append(notes, checkpoint))
    }

    async fn security_log(&self, filter: &SecurityFilter) -> StoreResult<Page<SecurityEntry>> {
        Ok(self.state().security.page(filter))
    }

    async fn security_head(&self) -> StoreResult<SecurityHead> {
        Ok(self.state().security.head())
    }
}
