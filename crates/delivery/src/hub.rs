//! The present state of every environment: read without a lock, told without waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use engine::model::Revision;
use tokio::sync::watch;

use crate::freshness::Freshness;
use crate::installed::Installed;
use crate::ports::EnvironmentId;
use crate::tally::Tally;

/// One [`Installed`] for each environment. Many read; the follower alone installs.
#[derive(Default)]
pub struct Hub {
    shelves: ArcSwap<HashMap<EnvironmentId, Arc<Shelf>>>,
    /// Where what is evaluated is counted, if it is.
    tally: Option<Arc<Tally>>,
    freshness: Freshness,
}

struct Shelf {
    installed: ArcSwap<Installed>,
    announced: watch::Sender<Revision>,
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

    /// The present state of an environment; `None` if it is not (or not yet, or no longer) here.
    pub fn read(&self, environment: &EnvironmentId) -> Option<Arc<Installed>> {
        self.shelves.load().get(environment).map(|shelf| shelf.installed.load_full())
    }

    /// Wakes after each new state of an environment, and fails once the environment is gone. Its value, a
    /// revision, is for logs: who wakes reads the state, which may already be a later one.
    pub fn watch(&self, environment: &EnvironmentId) -> Option<watch::Receiver<Revision>> {
        self.shelves.load().get(environment).map(|shelf| shelf.announced.subscribe())
    }

    /// Puts a state in the place of the one before it, then says so: who hears of a state can read it.
    pub(crate) fn install(&self, environment: &EnvironmentId, installed: Arc<Installed>) {
        let revision = installed.position().revision;
        let shelves = self.shelves.load();
        if let Some(tally) = &self.tally {
            let before = shelves.get(environment).map(|shelf| shelf.installed.load_full());
            installed.count_with(tally, environment, before.as_deref());
        }
        if let Some(shelf) = shelves.get(environment) {
            shelf.installed.store(installed);
            shelf.announced.send_replace(revision);
            return;
        }
        let shelf = Shelf { installed: ArcSwap::new(installed), announced: watch::Sender::new(revision) };
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
