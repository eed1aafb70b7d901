//! What becomes of events with time: minutes become hours, what is too old or too much goes, and what belonged to an
//! environment that has gone goes with it. In pieces, so that the one writer of SQLite is never held for long.

use super::{IN_MINUTES, MEMORY};
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// So many rows at most are touched by one call of the store.
const PIECE: u32 = 1_000;
/// So many rows are counted by one call of the store, about: some ten milliseconds.
const STRETCH: u64 = 100_000;

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
    /// So many rows of each kind in each environment, however young, about: whoever sends much fills no disk, and pushes
    /// out nobody else's.
    pub most_rows: u64,
}

/// Rows of a kind in an environment: the youngest from before some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// How many.
    pub rows: u64,
    /// When the oldest of them was.
    pub from: Timestamp,
}

/// Something that is done piece by piece.
#[derive(Clone, Copy)]
enum Chore<'a> {
    /// Minutes from before a time become hours.
    Fold(&'a Environment, Timestamp),
    /// Rows from before a time go.
    Forget(&'a Environment, UsageKind, Timestamp),
    /// Rows of environments that have gone go.
    Sweep,
}

/// What several chores came to: one that fails does not hold up the others.
#[derive(Default)]
struct Done {
    touched: u64,
    failed: Option<Error>,
}

impl Done {
    fn add(&mut self, done: Result<u64>) {
        match done {
            Ok(touched) => self.touched += touched,
            Err(error) => drop(self.failed.get_or_insert(error)),
        }
    }

    fn whole(self) -> Result<u64> {
        self.failed.map_or(Ok(self.touched), Err)
    }
}

impl Control {
    /// Makes hours of old minutes, and removes what is older than it is kept and what belongs to nobody. Gives how many
    /// rows were touched. Fails if any of it did; the rest was done.
    pub async fn tend_usage(&self, retention: &UsageRetention) -> Result<u64> {
        let now = self.clock.now();
        let kept = [
            (UsageKind::Batches, Some(MEMORY)),
            (UsageKind::Minutes, retention.counts),
            (UsageKind::Hours, retention.counts),
            (UsageKind::Exposures, retention.exposures),
            (UsageKind::Metrics, retention.metrics),
        ];
        let mut done = Done::default();
        for environment in &self.store.all_environments().await? {
            done.add(self.whole_chore(Chore::Fold(environment, now.earlier(IN_MINUTES))).await);
            for (kind, millis) in kept {
                let Some(millis) = millis else { continue };
                done.add(self.whole_chore(Chore::Forget(environment, kind, now.earlier(millis))).await);
            }
        }
        done.add(self.whole_chore(Chore::Sweep).await);
        done.whole()
    }

    /// Removes what is more than is kept of an environment, the oldest first; too many minutes become hours, and lose
    /// nothing. Gives how many rows were touched. Fails if any of it did; the rest was done. It walks along all that is
    /// kept, so it is for seldom.
    pub async fn bound_usage(&self, retention: &UsageRetention) -> Result<u64> {
        let mut done = Done::default();
        for environment in &self.store.all_environments().await? {
            for kind in UsageKind::ALL {
                done.add(self.bound(environment, kind, retention.most_rows).await);
            }
        }
        done.whole()
    }

    async fn bound(&self, environment: &Environment, kind: UsageKind, most: u64) -> Result<u64> {
        let Some(before) = self.end_of(environment, kind, most).await? else { return Ok(0) };
        let chore = match kind {
            UsageKind::Minutes => Chore::Fold(environment, before),
            _ => Chore::Forget(environment, kind, before),
        };
        self.whole_chore(chore).await
    }

    /// The time before which there is more than the `most` youngest; all of one moment go together. In stretches, for a
    /// database that is asked to count all at once may not answer in time.
    async fn end_of(
        &self,
        environment: &Environment,
        kind: UsageKind,
        most: u64,
    ) -> Result<Option<Timestamp>> {
        let (mut before, mut left) = (Timestamp::from_millis(i64::MAX), most);
        while left > 0 {
            let wanted = left.min(STRETCH);
            let Some(found) = self.store.usage_stretch(environment, kind, before, wanted).await? else {
                return Ok(None);
            };
            before = found.from;
            match left.checked_sub(found.rows) {
                _ if found.rows < wanted => return Ok(None),
                Some(rest) => left = rest,
                None => return Ok(Some(before.after_millis(1))),
            }
        }
        Ok(Some(before))
    }

    /// Piece by piece until nothing is left to do.
    async fn whole_chore(&self, chore: Chore<'_>) -> Result<u64> {
        let mut all = 0;
        loop {
            let piece = match chore {
                Chore::Fold(of, before) => self.store.fold_usage(of, before, PIECE).await?,
                Chore::Forget(of, kind, before) => self.store.forget_usage(of, kind, before, PIECE).await?,
                Chore::Sweep => self.store.sweep_usage(PIECE).await?,
            };
            if piece == 0 {
                return Ok(all);
            }
            all += piece;
        }
    }
}
