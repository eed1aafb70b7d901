//! Work that computes for some time: it lets everyone else go first, but not for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SendError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::error::{Error, Result};

/// If so long no work was done of which there is some, all cores have something better to do, and may for minutes.
const PATIENCE: Duration = Duration::from_millis(500);

/// How much is worked at once, and how many may work or wait for it; who comes then is told to come back.
#[derive(Clone)]
pub(crate) struct Background {
    places: Arc<Semaphore>,
    gentle: Arc<Threads>,
    /// One, when the gentle ones do not come to it.
    firm: Arc<Threads>,
    patience: Duration,
}

/// Threads that are there for one kind of work, and so is the memory that it takes. What others wait for must not hang on
/// those that give way: they share nothing with the reactor, whose locks they would hold while they are kept from going
/// on. A usual thread hands them each job and waits for it.
struct Threads {
    turns: Arc<Semaphore>,
    most: usize,
    /// What each of them does first.
    begin: fn(),
    jobs: OnceLock<Sender<Job>>,
    /// When a job was last handed out or done.
    last: Mutex<Instant>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Background {
    /// `begin` is what each of the threads does first, so that others go before it; they start when there is work.
    pub(crate) fn new(threads: usize, begin: fn(), places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            gentle: Arc::new(Threads::new(threads, begin)),
            firm: Arc::new(Threads::new(1, || ())),
            patience: PATIENCE,
        }
    }

    /// Does the work, if not too many wait already; a second time, on a usual thread, if it is kept waiting for too long.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<T> {
        let place = self.places.clone().try_acquire_owned();
        let place = Arc::new(place.map_err(|_| Error::TooMany { retry_after: 1 })?);
        let work = Arc::new(work);
        let gently = self.gentle.work(place.clone(), work.clone());
        tokio::pin!(gently);
        loop {
            if let Ok(done) = timeout(self.patience / 2, &mut gently).await {
                return done;
            }
            if self.gentle.rest() >= self.patience {
                break;
            }
        }
        tracing::debug!("no core is free for work in the background");
        tokio::select! {
            done = gently => done,
            done = self.firm.work(place, work) => done,
        }
    }
}

impl Threads {
    fn new(most: usize, begin: fn()) -> Self {
        let (jobs, last) = (OnceLock::new(), Mutex::new(Instant::now()));
        Self { turns: Arc::new(Semaphore::new(most)), most, begin, jobs, last }
    }

    /// Has the work done when it is its turn. It keeps turn and place until it is done: who hangs up in the middle makes no
    /// room for more.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        place: Arc<OwnedSemaphorePermit>,
        work: Arc<impl Fn() -> T + Send + Sync + 'static>,
    ) -> Result<T> {
        let turn = self.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|error| Error::Internal(error.into()))?;
        let threads = self.clone();
        let waiting = move || {
            let _held = (place, turn);
            threads.hand_out(work)
        };
        spawn_blocking(waiting).await.map_err(|error| Error::Internal(error.into()))?
    }

    /// Has the work done, and waits for it.
    fn hand_out<T: Send + 'static>(&self, work: Arc<impl Fn() -> T + Send + Sync + 'static>) -> Result<T> {
        self.note();
        let jobs = self.jobs.get_or_init(|| start(self.most, self.begin));
        let (done, result) = channel();
        let job = Box::new(move || {
            // It is waited for until the end.
            let _ = done.send(work());
        });
        if let Err(SendError(job)) = jobs.send(job) {
            job();
        }
        let result = result.recv().map_err(|_| Error::Internal("work in the background panicked".into()));
        self.note();
        result
    }

    fn note(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long nothing was handed out or done.
    fn rest(&self) -> Duration {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// Starts as many of the threads as the system allows; if none, whoever hands out a job does it.
fn start(threads: usize, begin: fn()) -> Sender<Job> {
    let (jobs, queue) = channel();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..threads {
        let queue = queue.clone();
        let thread = Builder::new().name("background".to_owned()).spawn(move || {
            begin();
            while let Some(job) = next(&queue) {
                // Whoever waits for it is told, and the thread goes on.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        });
        if let Err(error) = thread {
            tracing::warn!(%error, "a thread for work in the background does not start");
        }
    }
    jobs
}

fn next(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    /// One that nobody makes firm.
    fn background(places: usize) -> Background {
        Background { patience: Duration::from_mins(10), ..Background::new(1, || (), places) }
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

    /// Work that says when it begins, and ends when it is told to.
    fn told_to_end() -> (impl Fn() -> u8 + Send + Sync + 'static, tokio::sync::mpsc::Receiver<()>, Sender<()>)
    {
        let ((begun, has_begun), (end, ended)) = (tokio::sync::mpsc::channel(8), channel());
        let ended = Mutex::new(ended);
        let work = move || {
            begun.try_send(()).unwrap();
            let _: Result<(), _> = ended.lock().unwrap().recv();
            4
        };
        (work, has_begun, end)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_is_bounded_and_keeps_its_place_when_nobody_waits_for_it() {
        let background = background(2);
        let (work, mut has_begun, end) = told_to_end();
        let first = tokio::spawn({
            let background = background.clone();
            async move { background.work(work).await }
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

    /// The thread that gives way does not come to it; a usual one does.
    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_is_kept_waiting_is_done_nevertheless() {
        let background = Background { patience: Duration::from_millis(20), ..background(8) };
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
        let panics: fn() -> u8 = || panic!("as it should");
        let (starved, waits, panics) =
            tokio::join!(background.work(starved), background.work(|| 5), background.work(panics));
        assert_eq!((starved.unwrap(), waits.unwrap()), (4, 5), "in the middle of it, and before it began");
        assert!(matches!(panics, Err(Error::Internal(_))));
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        is_over.store(true, Ordering::SeqCst);
        while background.places.available_permits() < 8 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// As long as one after another is done, no more is taken of the machine than there are threads for.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_queue_is_not_mistaken_for_a_machine_that_has_no_time() {
        let background = Background { patience: Duration::from_secs(2), ..background(64) };
        let most = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let all: Vec<_> = (0..60)
            .map(|_| {
                let (background, most) = (background.clone(), most.clone());
                tokio::spawn(async move {
                    let work = move || {
                        let now = most.0.fetch_add(1, Ordering::SeqCst) + 1;
                        most.1.fetch_max(now, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(50));
                        most.0.fetch_sub(1, Ordering::SeqCst);
                    };
                    background.work(work).await
                })
            })
            .collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert_eq!(most.1.load(Ordering::SeqCst), 1);
    }
}
