//! What becomes of events with time: minutes become hours, what is too old or too much goes, and what belonged to an
//! environment that has gone goes with it. In pieces, so that the one writer of SQLite is never held for long.

use super::{IN_MINUTES, MEMORY};
use crate::control::Control;
use crate::error::Result;
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

/// Something that is done piece by piece.
#[derive(Clone, Copy)]
enum Chore {
    /// Minutes from before a time become hours.
    Fold(Timestamp),
    /// Rows from before a time go.
    Forget(UsageKind, Timestamp),
    /// Rows of environments that have gone go.
    Sweep,
}

impl Control {
    /// Makes hours of old minutes, and removes what is older than it is kept and what belongs to nobody. Gives how many
    /// rows were touched.
    pub async fn tend_usage(&self, retention: &UsageRetention) -> Result<u64> {
        let now = self.clock.now();
        let mut touched = self.whole_chore(Chore::Fold(now.earlier(IN_MINUTES))).await?;
        let kept = [
            (UsageKind::Batches, Some(MEMORY)),
            (UsageKind::Minutes, retention.counts),
            (UsageKind::Hours, retention.counts),
            (UsageKind::Exposures, retention.exposures),
            (UsageKind::Metrics, retention.metrics),
        ];
        for (kind, millis) in kept {
            let Some(millis) = millis else { continue };
            touched += self.whole_chore(Chore::Forget(kind, now.earlier(millis))).await?;
        }
        Ok(touched + self.whole_chore(Chore::Sweep).await?)
    }

    /// Removes what is more than is kept, the oldest first. Gives how many rows. It walks along all that is kept, so it
    /// is for seldom.
    pub async fn bound_usage(&self, retention: &UsageRetention) -> Result<u64> {
        let mut removed = 0;
        for kind in UsageKind::ALL {
            if let Some(last) = self.store.usage_beyond(kind, retention.most_rows).await? {
                removed += self.whole_chore(Chore::Forget(kind, last.after_millis(1))).await?;
            }
        }
        Ok(removed)
    }

    /// Piece by piece until nothing is left to do.
    async fn whole_chore(&self, chore: Chore) -> Result<u64> {
        let mut all = 0;
        loop {
            let piece = match chore {
                Chore::Fold(before) => self.store.fold_usage(before, PIECE).await?,
                Chore::Forget(kind, before) => self.store.forget_usage(kind, before, PIECE).await?,
                Chore::Sweep => self.store.sweep_usage(PIECE).await?,
            };
            if piece == 0 {
                return Ok(all);
            }
            all += piece;
        }
    }
}
