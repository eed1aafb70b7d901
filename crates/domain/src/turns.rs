//! Work that takes long is done off the reactor, a few at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// How many may work at once, and how many may work or wait for it; who comes then is told to come back.
#[derive(Clone)]
pub(crate) struct Turns {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// A turn, to be used once.
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Turns {
    pub(crate) fn new(turns: usize, places: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), places: Arc::new(Semaphore::new(places)) }
    }

    /// Waits for a turn, if not too many wait already.
    pub(crate) async fn take(&self) -> Result<Turn> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::TooMany { retry_after: 1 })?;
        let turn = self.turns.clone().acquire_owned().await;
        Ok(Turn { _place: place, _turn: turn.map_err(|error| Error::Internal(error.into()))? })
    }
}

impl Turn {
    /// Does the work. It keeps its turn until it is done: who hangs up in the middle makes no room for more.
    pub(crate) async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let work = move || {
            let _held = self;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.into()))
    }
}
