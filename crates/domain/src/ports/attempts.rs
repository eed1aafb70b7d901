//! Requests that are to be done once.

use async_trait::async_trait;

use super::StoreResult;
use crate::id::Id;
use crate::idempotency::Attempt;
use crate::time::Timestamp;

/// What a store says of a request under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It was noted.
    New,
    /// Its account used the key before; this is for what.
    Before(Attempt),
    /// Its account has as many as are allowed.
    TooMany,
}

/// How many bytes kept answers may have together.
#[derive(Debug, Clone, Copy)]
pub struct AnswerRoom {
    /// Those of one account.
    pub of_one: u64,
    /// Those of all.
    pub of_all: u64,
}

/// Requests that are to be done once.
#[async_trait]
pub trait Attempts: Send + Sync {
    /// Notes a request under a key, unless its account used the key since `forgotten`, or has `most` requests or more
    /// since then. Of several at once one is noted.
    async fn note_attempt(&self, attempt: &Attempt, forgotten: Timestamp, most: u32) -> StoreResult<Noted>;
    /// Keeps the answer of a request that was noted; without one, forgets the request. Where there is no room, the oldest
    /// answers of the same account are emptied, and if that does not help, this one.
    async fn end_attempt(&self, id: Id, answer: Option<&[u8]>, room: AnswerRoom) -> StoreResult<()>;
    /// Forgets the requests that began before a time. Gives how many.
    async fn sweep_attempts(&self, before: Timestamp) -> StoreResult<u64>;
}
