use async_trait::async_trait;
use domain::id::Id;
use domain::log::{Chain, Hash, LogEntry};
use domain::ports::{Head, LogFilter, Logs, Page, SecurityFilter, SecurityHead, StoreResult};
use domain::security::{SecurityEntry, SecurityNote};
use engine::model::Revision;

use super::super::{SqlStore, bounded, log, security};

#[async_trait]
impl Logs for SqlStore {
    async fn heads(&self) -> StoreResult<Vec<Head>> {
        bounded(log::heads(&self.reader)).await
    }

    async fn chains_in_log(&self) -> StoreResult<Vec<Chain>> {
        bounded(log::chains(&self.reader)).await
    }

    async fn checkpoints(&self) -> StoreResult<Vec<Head>> {
        bounded(log::checkpoints(&self.reader)).await
    }

    async fn log(&self, chain: Chain, filter: &LogFilter) -> StoreResult<Page<LogEntry>> {
        bounded(log::page(self, chain, filter)).await
    }

    async fn log_after(&self, chain: Chain, after: Revision, limit: u32) -> StoreResult<Vec<LogEntry>> {
        bounded(log::after(&self.reader, chain, after, limit)).await
    }

    async fn logged_entity(&self, project_id: Id, kind: &str, key: &str) -> StoreResult<Option<Id>> {
        bounded(log::entity(&self.reader, project_id, kind, key)).await
    }

    async fn append_security(
        &self,
        notes: &[SecurityNote],
        checkpoint: Option<(Revision, Hash)>,
    ) -> StoreResult<bool> {
        bounded(security::append(&self.writer, notes, checkpoint)).await
    }

    async fn security_log(&self, filter: &SecurityFilter) -> StoreResult<Page<SecurityEntry>> {
        bounded(security::page(self, filter)).await
    }

    async fn security_head(&self) -> StoreResult<SecurityHead> {
        bounded(security::head(&self.reader)).await
    }
}
