//! What flags were asked for, shown and led to. None of it is a change.

use async_trait::async_trait;

use super::StoreResult;
use crate::environment::Environment;
use crate::time::Timestamp;
use crate::usage::{Shown, StepCount, Stretch, Total, UsageBatch, UsageKind, UsageOf};

/// What a store says of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was written, all of it.
    New,
    /// Its environment had one of this id; this is what became of its events. Nothing was written.
    Before {
        /// How many were taken.
        accepted: u64,
        /// How many nobody knew.
        skipped: u64,
        /// How many were wrong.
        rejected: u64,
    },
    /// There is no such environment. Nothing was written.
    Gone,
}

/// What flags were asked for, shown and led to.
#[async_trait]
pub trait Usage: Send + Sync {
    /// Writes a batch, unless its environment had one of this id. Counts are added to those that are there, up to
    /// [`crate::usage::MOST_COUNT`]; of exposures of one flag, version and unit the first stays. Of the same batch sent
    /// several times at once one is written.
    async fn take_events(&self, batch: &UsageBatch) -> StoreResult<Taken>;
    /// When a flag was last evaluated, whatever time is asked for: the minute, or the hour.
    async fn last_evaluated(&self, of: &UsageOf<'_>) -> StoreResult<Option<Timestamp>>;
    /// Evaluations by step of so many milliseconds, in order of step, variant and reason; so many rows at most.
    async fn usage_counts(&self, of: &UsageOf<'_>, step: i64, most: u32) -> StoreResult<Vec<StepCount>>;
    /// Evaluations by version, variant and reason, the most first; so many rows at most.
    async fn usage_totals(&self, of: &UsageOf<'_>, most: u32) -> StoreResult<Vec<Total>>;
    /// Exposures by variant and version, in this order, and whether there were more than `most`, beyond which they are
    /// not counted.
    async fn usage_shown(&self, of: &UsageOf<'_>, most: u32) -> StoreResult<(Vec<Shown>, bool)>;
    /// Makes hours of an environment's minutes that began before a time; so many at most, the oldest first. Gives how
    /// many.
    async fn fold_usage(&self, of: &Environment, before: Timestamp, most: u32) -> StoreResult<u64>;
    /// Removes an environment's rows from before a time; so many at most, the oldest first. Gives how many.
    async fn forget_usage(
        &self,
        of: &Environment,
        kind: UsageKind,
        before: Timestamp,
        most: u32,
    ) -> StoreResult<u64>;
    /// The so many youngest of an environment's rows from before a time, and all others of the same moment as the
    /// oldest of them; none if there is no such row. `most` is at least 1.
    async fn usage_stretch(
        &self,
        of: &Environment,
        kind: UsageKind,
        before: Timestamp,
        most: u64,
    ) -> StoreResult<Option<Stretch>>;
    /// Removes rows of environments that are not there any more; so many at most. Gives how many.
    async fn sweep_usage(&self, most: u32) -> StoreResult<u64>;
}
