//! What the doors themselves evaluate, counted; and who is given what by splits that are tracked.
//!
//! An evaluation adds one to a number that lies beside the ruleset, in a place that the answer names: no lock, no
//! allocation, no look-up. An exposure that was not seen lately is written down besides, for which texts are copied, and a
//! node keeps 8,192 of them until it next gives them away: beyond that they are lost, and the log says so. What is counted is collected every few seconds and given to the [`Sink`] in batches, each of
//! which is given again until it is taken, and then is known by its id: so nothing counts twice, and what is lost with a
//! process is what it counted since it last gave anything.

mod exposures;
mod waiting;

use std::error::Error;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use engine::{Context, Entry, Reason, Resolution, Ruleset};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::ports::{EnvironmentId, Sink};
use exposures::Exposures;
use waiting::{Counted, Pending};

/// How often what was counted is given away.
const PAUSE: Duration = Duration::from_secs(10);
/// How long the last time may take, when the process ends.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often each exposure is told anew, though it is known: some store may have forgotten it.
const ANEW: Duration = Duration::from_hours(24);
/// So many threads count each for themselves at most; further ones share.
const MOST_SHARDS: usize = 8;
/// All reasons there are, in the order of their numbers.
const REASONS: [Reason; 7] = [
    Reason::Static,
    Reason::Default,
    Reason::TargetingMatch,
    Reason::Split,
    Reason::Disabled,
    Reason::PrerequisiteFailed,
    Reason::Error,
];
/// Cells of one variant: one for each reason, and one that nobody uses.
const OF_VARIANT: usize = 8;
/// Cells of one flag and thread are a multiple of this: two threads write to no line of memory in common.
const LINE: usize = 16;

/// What time it is: milliseconds since 1970.
pub type Now = Box<dyn Fn() -> i64 + Send + Sync>;

/// What the doors of a process count.
pub struct Tally {
    /// A power of two.
    shards: usize,
    /// All cells that somebody may still add to, or that have not been looked at since.
    rows: Mutex<Vec<Row>>,
    /// None if nobody wants to know who was given what.
    exposures: Option<Exposures>,
    pending: tokio::sync::Mutex<Pending>,
    now: Now,
}

/// The cells of one flag, as long as it does not change. Thread after thread has a cell for each variant, that of none
/// first, and reason. None can overflow: they are emptied every few seconds.
type Cells = Arc<[AtomicU32]>;

/// Cells, and what they count.
struct Row {
    environment: EnvironmentId,
    flag: Box<str>,
    version: u64,
    variants: Box<[Box<str>]>,
    cells: Cells,
}

/// The cells of all flags of a ruleset, in its order.
pub(crate) struct Tallied {
    tally: Arc<Tally>,
    environment: EnvironmentId,
    cells: Box<[Cells]>,
}

/// Counts on one thread.
#[derive(Clone, Copy)]
pub(crate) struct Counter<'t> {
    tallied: &'t Tallied,
    shard: usize,
}

/// The number of this thread.
fn thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

impl Tally {
    /// Nothing counted yet. `name` and `seed` must be chance: by the one its batches are told from those of all other
    /// processes, the other is for fingerprints, which somebody could otherwise make alike. Without `keep_units` nobody's
    /// exposures are noted.
    pub fn new(now: Now, name: [u8; 16], seed: [u8; 16], keep_units: bool) -> Arc<Self> {
        let threads = available_parallelism().map_or(1, usize::from);
        let (exposures, told) = match keep_units.then(|| Exposures::new(&seed)) {
            Some((exposures, told)) => (Some(exposures), Some(told)),
            None => (None, None),
        };
        let pending = tokio::sync::Mutex::new(Pending::new(hex::encode(name), told));
        let shards = threads.next_power_of_two().min(MOST_SHARDS);
        Arc::new(Self { shards, rows: Mutex::default(), exposures, pending, now })
    }

    /// Gives away what was counted, every few seconds until shutdown.
    pub fn start(self: Arc<Self>, sink: Arc<dyn Sink>, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut until_anew = ANEW;
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = sleep(PAUSE) => {}
                }
                self.flush(&*sink).await;
                until_anew = until_anew.saturating_sub(PAUSE);
                if let (Some(exposures), true) = (&self.exposures, until_anew.is_zero()) {
                    exposures.forget();
                    until_anew = ANEW;
                }
            }
        })
    }

    /// The last time, when nobody asks any more.
    pub async fn finish(self: &Arc<Self>, sink: &dyn Sink) {
        if timeout(PATIENCE, self.flush(sink)).await.is_err() {
            tracing::warn!("what was counted last could not be written in time, and is lost");
        }
    }

    /// Gives away what was counted. What is not taken is kept, within bounds, for the next time.
    pub async fn flush(self: &Arc<Self>, sink: &dyn Sink) {
        let now = (self.now)();
        let mut pending = self.pending.lock().await;
        let this = Arc::clone(self);
        // Takes milliseconds for ten thousands of flags. Fails only when the runtime is being shut down.
        let counted = spawn_blocking(move || this.collect()).await.unwrap_or_default();
        for (environment, counted) in counted {
            pending.add(&environment, now, counted);
        }
        pending.take_told();
        let (lost, on_the_way) = (pending.take_lost(), self.exposures.as_ref().map(Exposures::take_lost));
        if let (Some(exposures), 1..) = (&self.exposures, lost) {
            // They count as told, and are not.
            exposures.forget();
        }
        pending.tell_lost(lost + on_the_way.unwrap_or_default());
        let sent = pending.send(sink, now).await;
        pending.tell_sent(sent.as_ref().err().map(|error| error as &(dyn Error + 'static)));
    }

    /// Empties all cells; those that nobody will add to any more are let go.
    fn collect(&self) -> Vec<(EnvironmentId, Counted)> {
        let mut counted = Vec::new();
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.retain(|row| {
            let is_over = Arc::strong_count(&row.cells) == 1;
            // What was added by those who let go is seen below.
            fence(Ordering::Acquire);
            row.empty(self.shards, |one| counted.push((row.environment.clone(), one)));
            !is_over
        });
        counted
    }
}

impl Row {
    fn empty(&self, shards: usize, mut counted: impl FnMut(Counted)) {
        let width = self.cells.len() / shards;
        for cell in 0..width {
            let of_threads = self.cells.iter().skip(cell).step_by(width);
            let busy = of_threads.filter(|cell| cell.load(Ordering::Relaxed) > 0);
            let n: u64 = busy.map(|cell| u64::from(cell.swap(0, Ordering::Relaxed))).sum();
            let (variant, reason) = (cell / OF_VARIANT, REASONS.get(cell % OF_VARIANT));
            if let (1.., Some(reason)) = (n, reason) {
                let variant = variant.checked_sub(1).and_then(|place| self.variants.get(place));
                let (variant, reason) = (variant.cloned().unwrap_or_default(), reason.as_str());
                counted(Counted { flag: self.flag.clone(), version: self.version, variant, reason, n });
            }
        }
    }
}

impl Tallied {
    /// Cells for all flags of a ruleset. Flags that are as they were in the one before go on in the same.
    pub(crate) fn new(
        tally: &Arc<Tally>,
        environment: &EnvironmentId,
        ruleset: &Ruleset,
        before: Option<(&Ruleset, &Self)>,
    ) -> Self {
        let mut former =
            before.into_iter().flat_map(|(ruleset, tallied)| ruleset.flags().zip(&*tallied.cells)).peekable();
        let mut made = Vec::new();
        let cells = ruleset.flags().map(|flag| {
            // Both are in the order of their keys.
            while former.next_if(|(other, _)| other.key() < flag.key()).is_some() {}
            let is_same = |other: &Entry<'_>| std::ptr::eq(other.document(), flag.document());
            if let Some((_, cells)) = former.next_if(|(other, _)| is_same(other)) {
                return Arc::clone(cells);
            }
            let row = Row::new(tally.shards, environment, &flag);
            let cells = Arc::clone(&row.cells);
            made.push(row);
            cells
        });
        let cells = cells.collect();
        tally.rows.lock().unwrap_or_else(PoisonError::into_inner).append(&mut made);
        Self { tally: Arc::clone(tally), environment: environment.clone(), cells }
    }

    /// To count on this thread.
    #[inline]
    pub(crate) fn counter(&self) -> Counter<'_> {
        Counter { tallied: self, shard: thread() & (self.tally.shards - 1) }
    }
}

impl Row {
    fn new(shards: usize, environment: &EnvironmentId, flag: &Entry<'_>) -> Self {
        let document = flag.document().known();
        let variants = document.map_or(&[][..], |document| &document.variants);
        let width = ((variants.len() + 1) * OF_VARIANT).next_multiple_of(LINE);
        Self {
            environment: environment.clone(),
            flag: flag.key().into(),
            version: document.map_or(0, |document| document.version),
            variants: variants.iter().map(|variant| variant.key.as_str().into()).collect(),
            cells: (0..width * shards).map(|_| AtomicU32::new(0)).collect(),
        }
    }
}

impl Counter<'_> {
    /// Counts an answer of a flag of the ruleset for this context.
    #[inline]
    pub(crate) fn count(&self, flag: &Entry<'_>, resolution: &Resolution<'_>, context: &Context) {
        let Self { tallied: Tallied { tally, environment, cells }, shard } = *self;
        let Some(cells) = cells.get(flag.place()) else { return };
        let first = (cells.len() / tally.shards) * shard;
        let variant = resolution.variant_place().map_or(0, |place| place + 1);
        if let Some(cell) = cells.get(first + variant * OF_VARIANT + resolution.reason() as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(exposures) = &tally.exposures {
            resolution.tracked_unit(context, |unit| {
                exposures.note(environment, flag.key(), resolution, unit, &tally.now);
            });
        }
    }
}

/// The id of a batch: whose it is, and which of theirs.
fn batch_id(name: &str, number: u64) -> String {
    let mut id = name.to_owned();
    let _ = write!(id, "-{number}");
    id
}

/// The numbers of reasons are their places.
const _: () = {
    let mut place = 0;
    while place < REASONS.len() {
        assert!(REASONS[place] as usize == place && place < OF_VARIANT);
        place += 1;
    }
};

#[cfg(test)]
mod tests;
