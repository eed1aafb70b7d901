//! What becomes of events with time: minutes become hours, what is too old or too much goes, and what belonged to an
//! environment that has gone goes with it. In pieces, so that the one writer of SQLite is never held for long.

use super::{IN_MINUTES, MEMORY};
use crate::control::Control;
use crate::error::Result;
use crate::ports::StoreResult;
use crate::time::Timestamp;

/// So many rows at most are touched by one call of the store.
const PIECE: u32 = 1_000;

/// What is kept of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageKind {
    /// The batches that were taken.
    Batches,
    /// Evaluations by minute.
    Minutes,
    /// Evaluations by hour.
    Hours,
    /// Exposures.
    Exposures,
    /// Metrics.
    Metrics,
}

impl UsageKind {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Batches, Self::Minutes, Self::Hours, Self::Exposures, Self::Metrics];
}

/// How long what came with events is kept, in milliseconds; for ever if nothing is said.
#[derive(Debug, Clone, Copy)]
pub struct UsageRetention {
    /// Evaluations.
    pub counts: Option<i64>,
    /// Exposures.
    pub exposures: Option<i64>,
    /// Metrics.
    pub metrics: Option<i64>,
    /// So many rows of each kind, however young, about: whoever sends much fills no disk.
    pub most_rows: u64,
}

impl Control {
    /// Makes hours of old minutes, and removes what is older than it is kept and what belongs to nobody. Gives how many
    /// rows were touched.
    pub async fn tend_usage(&self, retention: &UsageRetention) -> Result<u64> {
        let now = self.clock.now();
        let store = &self.store;
        let mut touched = in_pieces(async || store.fold_usage(now.earlier(IN_MINUTES), PIECE).await).await?;
        let kept = [
            (UsageKind::Batches, Some(MEMORY)),
            (UsageKind::Minutes, retention.counts),
            (UsageKind::Hours, retention.counts),
            (UsageKind::Exposures, retention.exposures),
            (UsageKind::Metrics, retention.metrics),
        ];
        for (kind, millis) in kept {
            let Some(millis) = millis else { continue };
            touched += self.forget_usage(kind, now.earlier(millis)).await?;
        }
        touched += in_pieces(async || store.sweep_usage(PIECE).await).await?;
        Ok(touched)
    }

    /// Removes what is more than is kept, the oldest first. Gives how many rows. It walks along all that is kept, so it
    /// is for seldom.
    pub async fn bound_usage(&self, retention: &UsageRetention) -> Result<u64> {
        let mut removed = 0;
        for kind in UsageKind::ALL {
            if let Some(last) = self.store.usage_beyond(kind, retention.most_rows).await? {
                removed += self.forget_usage(kind, last.after_millis(1)).await?;
            }
        }
        Ok(removed)
    }

    async fn forget_usage(&self, kind: UsageKind, before: Timestamp) -> Result<u64> {
        in_pieces(async || self.store.forget_usage(kind, before, PIECE).await).await
    }
}

/// Again and again until nothing is left to do.
async fn in_pieces(piece: impl AsyncFn() -> StoreResult<u64>) -> Result<u64> {
    let mut all = 0;
    loop {
        match piece().await? {
            0 => return Ok(all),
            some => all += some,
        }
    }
}
