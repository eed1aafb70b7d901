//! Work that takes long is done off the reactor, a few at a time.

use std::sync::Arc;
use std::thread::Builder;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

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

    /// The same on a thread that ends with the work, so that it may be changed (`begin`) as others must not be.
    pub(crate) async fn work_apart<T: Send + 'static>(
        self,
        begin: fn(),
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (done, result) = oneshot::channel();
        let work = move || {
            begin();
            let result = work();
            // Before anyone hears of it: who asks again on the answer finds the place free.
            drop(self);
            // Who hung up wants no result.
            let _ = done.send(result);
        };
        Builder::new().name("apart".to_owned()).spawn(work).map_err(|error| Error::Internal(error.into()))?;
        result.await.map_err(|error| Error::Internal(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn who_asks_again_on_the_answer_finds_the_place_free() {
        let turns = Turns::new(1, 1);
        for number in 0..2_000 {
            let turn = turns.take().await;
            let turn = turn.unwrap_or_else(|error| panic!("{number}: {error}"));
            assert_eq!(turn.work_apart(|| (), move || number).await.unwrap(), number);
            let turn = turns.take().await;
            let turn = turn.unwrap_or_else(|error| panic!("{number}: {error}"));
            assert_eq!(turn.work(move || number).await.unwrap(), number);
        }
    }
}
