//! One open stream: what it owes its reader, and what it waits for.
//!
//! A stream has no queue of changes. It wakes, looks where the hub is, and sends what leads there from where its
//! reader stands; so a reader that takes its time skips ahead instead of falling behind, and costs nothing.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use engine::model::Revision;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};
use wire::etag::Position;
use wire::sse::HEARTBEAT;

use crate::Doors;
use crate::admission::Visit;
use crate::installed::{Catchup, Installed};
use crate::places::Place;
use crate::ports::{KeyKind, Reader};
use crate::problem::Problem;

/// Where a reader that was here before says how far it came.
pub(crate) const LAST_EVENT_ID: &str = "last-event-id";

/// After so long a silence, or up to a quarter more, a comment is sent: not by all streams at once that were told of
/// the same change.
const SILENCE: Duration = Duration::from_secs(12);
/// Client streams tell of a change at different times within this span, in milliseconds: all who are told ask at
/// once for their flags.
const SPREAD: u64 = 500;
/// Nobody is told to come back sooner, in milliseconds.
const LEAST_RETRY: u64 = 1_000;
/// With so many streams the time within which all come back grows by a second: to let them in takes a tenth of a core.
const BACK_IN_A_SECOND: u32 = 1_250;

/// A stream of frames for one reader.
pub struct Stream {
    doors: Arc<Doors>,
    visit: Visit<'static>,
    reader: Reader,
    cursor: Cursor,
    /// Rendered and not yet taken.
    pending: VecDeque<Bytes>,
    revisions: watch::Receiver<Revision>,
    /// Looked at whenever the stream wakes: [`Doors`] wakes all of them when it changes, and when the process is to end.
    keys: watch::Receiver<u64>,
    /// Runs out after a silence.
    silence: Pin<Box<Sleep>>,
    /// How long that is.
    most_silence: Duration,
    spoke: Instant,
    /// Its place in the order of all.
    number: u64,
    /// How many were open when its reader was told how long to wait before it comes again.
    told_of: usize,
    /// How long this stream keeps a change to itself.
    delay: Duration,
    /// Runs while it does.
    delayed: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

/// What a stream woke up for.
enum Wake {
    /// There is a new state, or a key has changed, or the process is to end.
    State,
    /// The environment is gone.
    Gone,
    /// It is time to tell of it.
    Told,
    Silence,
}

impl Stream {
    /// Opens a stream for the key of a request. Its first frames are there at once.
    pub(crate) async fn open(doors: &Arc<Doors>, headers: &HeaderMap, uri: &Uri) -> Result<Self, Problem> {
        let visit = Visit::of(headers, uri)?.into_owned();
        // Before the key is looked at: one that is revoked in between is not missed.
        let keys = doors.gate.changes();
        let (reader, key) = visit.admit(&*doors.gate, &doors.hub).await?;
        if doors.shutdown.is_cancelled() {
            return Err(Problem::shutting_down());
        }
        let (place, open) = doors.places.take(&key)?;
        let mut revisions = doors.hub.watch_told(&reader.environment).ok_or_else(Problem::not_ready)?;
        // The reader has yet to be told of the state that is there.
        revisions.mark_changed();
        let last = headers.get(LAST_EVENT_ID).and_then(|id| Position::parse(id.to_str().ok()?));
        let number = doors.opened.fetch_add(1, Ordering::Relaxed);
        let most_silence = SILENCE + SILENCE.mul_f64(share(number) / 4.0);
        let (spoke, silence) = (Instant::now(), Box::pin(sleep(most_silence)));
        Ok(Self {
            cursor: Cursor::new(reader.kind, last),
            delay: delay(reader.kind, number),
            pending: VecDeque::from([wire::sse::retry(retry(number, open))]),
            number,
            told_of: open,
            delayed: None,
            _place: place,
            doors: Arc::clone(doors),
            visit,
            reader,
            revisions,
            keys,
            silence,
            most_silence,
            spoke,
        })
    }

    /// A frame that is there already, and no longer than this, in bytes.
    pub fn rendered(&mut self, most: usize) -> Option<Bytes> {
        self.pending.pop_front_if(|frame| frame.len() <= most)
    }

    /// The next frame, when there is one; `None` when the stream is over. Who stops waiting for it may have lost it.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            // Ends go before everything else, or a busy stream would never hear of them.
            if self.doors.is_over.load(Ordering::Relaxed) {
                return None;
            }
            if self.keys.has_changed().unwrap_or_default() {
                self.keys.mark_unchanged();
                self.show_key_again().await?;
            }
            if let Some(frame) = self.pending.pop_front() {
                self.spoke = Instant::now();
                return Some(frame);
            }
            match self.wake().await {
                Wake::Gone => return None,
                Wake::State if self.delay.is_zero() => self.catch_up().await?,
                Wake::State => self.delayed = Some(Box::pin(sleep(self.delay))),
                Wake::Told => {
                    self.delayed = None;
                    self.catch_up().await?;
                }
                Wake::Silence => {
                    if let Some(beat) = self.break_silence() {
                        return Some(beat);
                    }
                }
            }
        }
    }

    /// Waits for what comes first.
    async fn wake(&mut self) -> Wake {
        tokio::select! {
            biased;
            () = run_out(&mut self.delayed) => Wake::Told,
            // What happens during a delay is told at its end.
            result = self.revisions.changed(), if self.delayed.is_none() => match result {
                Ok(()) => Wake::State,
                Err(_) => Wake::Gone,
            },
            () = &mut self.silence => Wake::Silence,
        }
    }

    /// What is said after a silence, if there was one.
    fn break_silence(&mut self) -> Option<Bytes> {
        let now = Instant::now();
        let silent_until = self.spoke + self.most_silence;
        // Looked at only now: to set a timer anew with each frame costs more than the frame.
        if silent_until > now {
            self.silence.as_mut().reset(silent_until);
            return None;
        }
        self.spoke = now;
        self.silence.as_mut().reset(now + self.most_silence);
        let open = self.doors.places.taken();
        if open / 2 < self.told_of && self.told_of / 2 <= open {
            return Some(HEARTBEAT);
        }
        self.told_of = open;
        Some(wire::sse::retry(retry(self.number, open)))
    }

    /// `None` if the key does not let the same reader in any more.
    async fn show_key_again(&self) -> Option<()> {
        self.visit.still_admits(&*self.doors.gate, &self.reader).await.then_some(())
    }

    /// `None` if the environment is gone.
    async fn catch_up(&mut self) -> Option<()> {
        // Before reading: what is announced from now on may not be in what is read.
        self.revisions.mark_unchanged();
        let installed = self.doors.hub.read(&self.reader.environment)?;
        match self.cursor.advance(&installed) {
            Catchup::UpToDate => {}
            Catchup::Deltas(frames) => self.pending.extend(frames),
            Catchup::Snapshot => self.pending.push_back(installed.snapshot().await.frame()),
        }
        Some(())
    }
}

async fn run_out(delayed: &mut Option<Pin<Box<Sleep>>>) {
    match delayed {
        Some(sleep) => sleep.await,
        None => pending().await,
    }
}

/// Where a stream is between all others, from 0 to 1, without chance: evenly spread in the order of their opening, and
/// neighbours are far apart, for the factor is prime to a thousand and near its golden section.
#[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
fn share(number: u64) -> f64 {
    (number.wrapping_mul(619) % 1_000) as f64 / 1_000.0
}

/// How long a stream keeps a change to itself.
fn delay(kind: KeyKind, number: u64) -> Duration {
    match kind {
        KeyKind::Server => Duration::ZERO,
        KeyKind::Client => Duration::from_millis(1 + number.wrapping_mul(309) % SPREAD),
    }
}

/// How long the reader of a stream is to wait, in milliseconds, before connecting again: where many are open they come
/// back one after the other, and where few are, soon.
fn retry(number: u64, open: usize) -> u64 {
    let span = Duration::from_secs(1) * u32::try_from(open).unwrap_or(u32::MAX) / BACK_IN_A_SECOND;
    LEAST_RETRY + u64::try_from(span.mul_f64(share(number)).as_millis()).unwrap_or(u64::MAX)
}

/// How far a stream's reader has come.
struct Cursor {
    kind: KeyKind,
    stand: Option<(Box<str>, Revision)>,
}

impl Cursor {
    fn new(kind: KeyKind, last: Option<Position<'_>>) -> Self {
        Self { kind, stand: last.map(|position| (position.epoch.into(), position.revision)) }
    }

    /// What is to be sent for the reader to stand where `installed` does; then it does.
    fn advance(&mut self, installed: &Installed) -> Catchup {
        if self.kind == KeyKind::Client && installed.is_behind() {
            // Answers change once more at this revision, when what waits has come: until then its reader has no
            // place, and is told whatever comes next.
            self.stand = None;
            return Catchup::Deltas(vec![installed.refetch()]);
        }
        let stand = self.stand.as_ref().map(|(epoch, revision)| Position { epoch, revision: *revision });
        let catchup = match (self.kind, installed.since(stand)) {
            // Rules are passed on as they are, whatever of them waits here.
            (KeyKind::Server, catchup) => catchup,
            (KeyKind::Client, Catchup::UpToDate) => Catchup::UpToDate,
            // Whatever a client missed, it is told once, and nothing of what it was.
            (KeyKind::Client, _) => Catchup::Deltas(vec![installed.refetch()]),
        };
        let here = installed.position();
        match &mut self.stand {
            Some((epoch, revision)) if **epoch == *here.epoch => *revision = here.revision,
            stand => *stand = Some((here.epoch.into(), here.revision)),
        }
        catchup
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn delays_are_spread_over_half_a_second() {
        let delays: HashSet<_> = (0..SPREAD).map(|number| delay(KeyKind::Client, number)).collect();
        assert_eq!(delays.len() as u64, SPREAD, "no two of that many streams tell at the same time");
        assert!(delays.iter().all(|delay| *delay <= Duration::from_millis(SPREAD)));
        assert!((0..SPREAD).all(|number| delay(KeyKind::Server, number).is_zero()));
    }

    #[test]
    fn the_more_there_are_the_longer_they_take_to_come_back() {
        assert_eq!(retry(0, 1), LEAST_RETRY);
        // As they are told once all are there; those that came first are told anew when they next hear anything.
        let all: Vec<_> = (0..10_000).map(|number| retry(number, 10_000)).collect();
        assert!(all.iter().all(|retry| (1_000..9_000).contains(retry)));
        let in_a_second = |second: u64| all.iter().filter(|retry| *retry / 1_000 == second).count();
        assert!((1..9).all(|second| in_a_second(second) == 1_250), "evenly");
        assert!((0..10_000).all(|number| retry(number, 10) < 1_010));
    }
}
