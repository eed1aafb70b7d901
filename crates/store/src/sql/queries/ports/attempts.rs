use async_trait::async_trait;
use domain::id::Id;
use domain::idempotency::Attempt;
use domain::ports::{AnswerRoom, Attempts, Noted, StoreResult};
use domain::time::Timestamp;

use super::super::{SqlStore, bounded, idempotency};

#[async_trait]
impl Attempts for SqlStore {
    async fn note_attempt(&self, attempt: &Attempt, forgotten: Timestamp, most: u32) -> StoreResult<Noted> {
        bounded(idempotency::note(&self.writer, attempt, forgotten, most)).await
    }

    async fn end_attempt(&self, id: Id, answer: Option<&[u8]>, room: AnswerRoom) -> StoreResult<()> {
        bounded(idempotency::end(&self.writer, id, answer, room)).await
    }

    async fn sweep_attempts(&self, before: Timestamp) -> StoreResult<u64> {
        idempotency::sweep(&self.writer, before).await
    }
}
