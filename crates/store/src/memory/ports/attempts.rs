use async_trait::async_trait;
use domain::id::Id;
use domain::idempotency::Attempt;
use domain::ports::{AnswerRoom, Attempts, Noted, StoreResult};
use domain::time::Timestamp;

use super::super::MemoryStore;

#[async_trait]
impl Attempts for MemoryStore {
    async fn note_attempt(&self, attempt: &Attempt, forgotten: Timestamp, most: u32) -> StoreResult<Noted> {
        Ok(self.state().attempts.note(attempt, forgotten, most))
    }

    async fn end_attempt(&self, id: Id, answer: Option<&[u8]>, room: AnswerRoom) -> StoreResult<()> {
        self.state().attempts.end(id, answer, room);
        Ok(())
    }

    async fn sweep_attempts(&self, before: Timestamp) -> StoreResult<u64> {
        Ok(self.state().attempts.sweep(before))
    }
}
