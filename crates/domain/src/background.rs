//! Work that computes for some time: it lets everyone else go first, but not for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::error::{Error, Result};

/// How long work lets others go first, waiting included. On a machine whose cores all have something better to do it
/// would not be done in minutes; all who may wait are done in far less where they have not.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much is worked at once, and how many may work or wait for it; who comes then is told to come back.
#[derive(Clone)]
pub(crate) struct Background {
    /// Of threads that others go before.
    threads: Handle,
    places: Arc<Semaphore>,
    /// As many as there are threads.
    gently: Arc<Semaphore>,
    /// As many again, on threads like all others.
    firmly: Arc<Semaphore>,
}

impl Background {
    pub(crate) fn new(threads: Handle, places: usize) -> Self {
        let turns = threads.metrics().num_workers();
        let [places, gently, firmly] = [places, turns, turns].map(|most| Arc::new(Semaphore::new(most)));
        Self { threads, places, gently, firmly }
    }

    /// Does the work, if not too many wait already; a second time if the first is kept waiting. It keeps its place until
    /// it is done: who hangs up in the middle makes no room for more.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<T> {
        let place = self.places.clone().try_acquire_owned();
        let place = Arc::new(place.map_err(|_| Error::TooMany { retry_after: 1 })?);
        let work = Arc::new(work);
        let gently = self.gently(place.clone(), work.clone());
        tokio::pin!(gently);
        let done = if let Ok(done) = timeout(PATIENCE, &mut gently).await {
            done
        } else {
            tokio::select! {
                done = gently => done,
                done = self.firmly(place, work) => done,
            }
        };
        done.map_err(|error| Error::Internal(error.into()))
    }

    async fn gently<T: Send + 'static>(
        &self,
        place: Arc<OwnedSemaphorePermit>,
        work: Arc<impl Fn() -> T + Send + Sync + 'static>,
    ) -> Result<T, JoinError> {
        let turn = self.gently.clone().acquire_owned().await;
        let work = async move {
            let _held = (place, turn);
            work()
        };
        self.threads.spawn(work).await
    }

    async fn firmly<T: Send + 'static>(
        &self,
        place: Arc<OwnedSemaphorePermit>,
        work: Arc<impl Fn() -> T + Send + Sync + 'static>,
    ) -> Result<T, JoinError> {
        let turn = self.firmly.clone().acquire_owned().await;
        let work = move || {
            let _held = (place, turn);
            work()
        };
        tokio::task::spawn_blocking(work).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    fn background(places: usize) -> Background {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let handle = threads.handle().clone();
        // A runtime must not be dropped inside of another.
        std::mem::forget(threads);
        Background::new(handle, places)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_asks_again_on_the_answer_finds_the_place_free() {
        let background = background(1);
        for number in 0..2_000 {
            let done = background.work(move || number).await;
            assert_eq!(done.unwrap_or_else(|error| panic!("{number}: {error}")), number);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_panics_leaves_its_place_to_others() {
        let background = background(1);
        let panics: fn() -> u8 = || panic!("as it should");
        for _ in 0..3 {
            assert!(matches!(background.work(panics).await, Err(Error::Internal(_))));
        }
        assert_eq!(background.work(|| 5).await.unwrap(), 5);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_is_bounded_and_keeps_its_place_when_nobody_waits_for_it() {
        let background = background(2);
        let (end, ended) = channel::<()>();
        let ended = std::sync::Mutex::new(ended);
        let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
        let first = background.clone();
        let first = tokio::spawn(async move {
            let work = move || {
                begun.try_send(()).unwrap();
                ended.lock().unwrap().recv().is_err()
            };
            first.work(work).await
        });
        has_begun.recv().await.unwrap();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());

        let second = tokio::spawn({
            let background = background.clone();
            async move { background.work(|| 2).await }
        });
        while background.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(background.work(|| 3).await, Err(Error::TooMany { retry_after: 1 })));
        drop(end);
        assert_eq!(second.await.unwrap().unwrap(), 2);
    }

    /// The thread that gives way does not come to it; a second one does.
    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_is_kept_waiting_is_done_nevertheless() {
        let background = background(8);
        let (is_over, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (over, count) = (is_over.clone(), begun.clone());
        let starved = move || {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                while !over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            4
        };
        let waits = background.work(|| 5);
        let (starved, waits) = tokio::join!(background.work(starved), waits);
        assert_eq!((starved.unwrap(), waits.unwrap()), (4, 5), "in the middle of it, and before it began");
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        is_over.store(true, Ordering::SeqCst);
        while background.places.available_permits() < 8 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
