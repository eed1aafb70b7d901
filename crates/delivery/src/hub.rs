//! The present state of every environment: read without a lock, told without waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use engine::model::Revision;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::freshness::Freshness;
use crate::installed::Installed;
use crate::ports::EnvironmentId;
use crate::tally::Tally;

/// Twice what it takes of a core to write an event to one stream: so much is left for changes and for questions.
const REST_OF_ONE: Duration = Duration::from_micros(25);
/// So that a burst is told as one even to few.
const LEAST_REST: Duration = Duration::from_millis(5);
/// So that nobody waits for long, however many there are.
const MOST_REST: Duration = Duration::from_millis(250);

/// One [`Installed`] for each environment. Many read; the follower alone installs.
#[derive(Default)]
pub struct Hub {
    shelves: ArcSwap<HashMap<EnvironmentId, Arc<Shelf>>>,
    /// Where what is evaluated is counted, if it is.
    tally: Option<Arc<Tally>>,
    freshness: Freshness,
    /// Somebody knows of a state that is not here yet.
    looked_for: Notify,
}

struct Shelf {
    installed: ArcSwap<Installed>,
    /// Tells of each state.
    states: watch::Sender<Revision>,
    /// Tells streams of states, each of the last ones before it as well if many come at once.
    told: watch::Sender<Revision>,
    pace: Mutex<Pace>,
}

/// When streams were told last, and whether they will be of what came since.
#[derive(Default)]
struct Pace {
    last: Option<Instant>,
    is_due: bool,
}

impl Shelf {
    fn new(installed: Arc<Installed>) -> Self {
        let revision = installed.position().revision;
        let (states, told) = (watch::Sender::new(revision), watch::Sender::new(revision));
        Self { installed: ArcSwap::new(installed), states, told, pace: Mutex::default() }
    }

    /// Tells streams at once, or, if they have just been told, of this and of what else comes once they have had time to
    /// write: a thousand changes in a second are some ten events for each of ten thousand readers, not a thousand.
    fn tell(self: &Arc<Self>) {
        let rest = self.rest();
        let now = Instant::now();
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let due = pace.last.map_or(now, |last| last + rest);
        if due <= now {
            pace.last = Some(now);
            drop(pace);
            self.told.send_replace(self.revision());
        } else if !pace.is_due {
            pace.is_due = true;
            let shelf = Arc::downgrade(self);
            // Ends by itself within `MOST_REST`, whatever happens to the environment or the process.
            tokio::spawn(async move {
                sleep_until(due).await;
                if let Some(shelf) = shelf.upgrade() {
                    shelf.tell_now();
                }
            });
        }
    }

    fn tell_now(&self) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        *pace = Pace { last: Some(Instant::now()), is_due: false };
        drop(pace);
        self.told.send_replace(self.revision());
    }

    fn revision(&self) -> Revision {
        self.installed.load().position().revision
    }

    /// How long streams are left alone between two events.
    fn rest(&self) -> Duration {
        let streams = u32::try_from(self.told.receiver_count()).unwrap_or(u32::MAX);
        REST_OF_ONE.saturating_mul(streams).clamp(LEAST_REST, MOST_REST)
    }
}

impl Hub {
    /// A hub without environments.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, of which all that is evaluated is counted.
    pub fn counting(tally: Arc<Tally>) -> Self {
        Self { tally: Some(tally), ..Self::default() }
    }

    /// How many environments there are.
    pub fn len(&self) -> usize {
        self.shelves.load().len()
    }

    /// Whether there are none: nothing has been loaded yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long ago all of it was where the source is.
    pub fn age(&self) -> Duration {
        self.freshness.age()
    }

    /// Notes that all of it is where the source is.
    pub(crate) fn renew(&self) {
        self.freshness.renew();
    }

    /// Has the follower look for changes: somebody knows that there are some.
    pub(crate) fn look(&self) {
        self.looked_for.notify_one();
    }

    /// Wakes the follower when it should look for changes.
    pub(crate) async fn looked_for(&self) {
        self.looked_for.notified().await;
    }

    /// The present state of an environment; `None` if it is not (or not yet, or no longer) here.
    pub fn read(&self, environment: &EnvironmentId) -> Option<Arc<Installed>> {
        self.shelves.load().get(environment).map(|shelf| shelf.installed.load_full())
    }

    /// Wakes after each new state of an environment, and fails once the environment is gone. Its value, a
    /// revision, is for logs: who wakes reads the state, which may already be a later one.
    pub fn watch(&self, environment: &EnvironmentId) -> Option<watch::Receiver<Revision>> {
        self.shelves.load().get(environment).map(|shelf| shelf.states.subscribe())
    }

    /// The same for streams, of which there are thousands: they are told at once, but not of each of many states that
    /// follow one another closely.
    pub(crate) fn watch_told(&self, environment: &EnvironmentId) -> Option<watch::Receiver<Revision>> {
        self.shelves.load().get(environment).map(|shelf| shelf.told.subscribe())
    }

    /// The revision that streams were told of last.
    pub(crate) fn told(&self, environment: &EnvironmentId) -> Option<Revision> {
        self.shelves.load().get(environment).map(|shelf| *shelf.told.borrow())
    }

    /// Wakes all streams, to look for other things than states.
    pub(crate) fn wake_streams(&self) {
        for shelf in self.shelves.load().values() {
            shelf.told.send_modify(|_| {});
        }
    }

    /// Puts a state in the place of the one before it, then says so: who hears of a state can read it.
    pub(crate) fn install(&self, environment: &EnvironmentId, installed: Arc<Installed>) {
        let shelves = self.shelves.load();
        if let Some(tally) = &self.tally {
            let before = shelves.get(environment).map(|shelf| shelf.installed.load_full());
            installed.count_with(tally, environment, before.as_deref());
        }
        if let Some(shelf) = shelves.get(environment) {
            let revision = installed.position().revision;
            shelf.installed.store(installed);
            shelf.states.send_replace(revision);
            shelf.tell();
            return;
        }
        let shelf = Shelf::new(installed);
        let mut shelves = HashMap::clone(&self.shelves.load());
        shelves.insert(environment.clone(), Arc::new(shelf));
        self.shelves.store(Arc::new(shelves));
    }

    /// Takes down the environments that `is_there` denies; their streams end.
    pub(crate) fn retain(&self, is_there: impl Fn(&EnvironmentId) -> bool) {
        let shelves = self.shelves.load();
        if shelves.keys().all(&is_there) {
            return;
        }
        let mut left = HashMap::clone(&shelves);
        left.retain(|environment, _| is_there(environment));
        self.shelves.store(Arc::new(left));
    }
}

#[cfg(test)]
mod tests {
    use engine::KeyLists;
    use serde_json::json;

    use super::*;

    fn state(revision: Revision) -> Arc<Installed> {
        let document = json!({
            "schema": 1, "epoch": "e", "revision": revision, "project": "p", "environment": "dev", "flags": {},
        });
        Arc::new(Installed::new(&serde_json::from_value(document).unwrap(), &KeyLists::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn streams_are_told_at_once_and_then_of_many_states_together() {
        let (hub, id) = (Hub::new(), EnvironmentId("dev".into()));
        hub.install(&id, state(1));
        let mut told = hub.watch_told(&id).unwrap();
        let mut states = hub.watch(&id).unwrap();
        let begun = Instant::now();
        let mut heard = Vec::new();
        for revision in 2..=1_001 {
            hub.install(&id, state(revision));
            assert_eq!(*states.borrow_and_update(), revision, "who waits for a state hears of each");
            tokio::time::sleep(Duration::from_millis(1)).await;
            if told.has_changed().unwrap() {
                heard.push((begun.elapsed().as_millis(), *told.borrow_and_update()));
            }
        }
        assert_eq!(heard[0].1, 2, "the first at once");
        assert!((150..=260).contains(&heard.len()), "{} times in a second", heard.len());
        assert!(heard.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 4), "{heard:?}");
        tokio::time::sleep(MOST_REST).await;
        assert_eq!(*told.borrow_and_update(), 1_001, "the last is told");
        tokio::time::sleep(MOST_REST).await;
        hub.install(&id, state(1_002));
        assert_eq!(*told.borrow_and_update(), 1_002, "after a pause at once again");
    }

    #[tokio::test(start_paused = true)]
    async fn the_more_streams_there_are_the_longer_they_are_left_alone() {
        let (hub, id) = (Hub::new(), EnvironmentId("dev".into()));
        hub.install(&id, state(1));
        let streams: Vec<_> = (0..10_000).map(|_| hub.watch_told(&id).unwrap()).collect();
        hub.install(&id, state(2));
        hub.install(&id, state(3));
        let mut told = streams[0].clone();
        assert_eq!(*told.borrow_and_update(), 2);
        let begun = Instant::now();
        told.changed().await.unwrap();
        assert_eq!((*told.borrow(), begun.elapsed().as_millis()), (3, 250));
    }
}
