//! Questions that may take long are answered off the reactor, a few at a time: whatever flags and contexts people
//! make, no one waits for them who asks for something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A question is light if the tests that it takes, times the bytes that they look at, are no more than this. Measured
/// on the machine of `bench/README.md`, a test takes 0.4 to 2 ns for each byte, so a light question ends within about
/// a millisecond; the slowest pattern there is takes 6 ns.
const LIGHT: u64 = 1 << 20;
/// A test takes about as long as looking at so many bytes, however short the context.
const BYTES_OF_A_TEST: u64 = 64;
/// So many questions wait for their turn; who comes then is told to come back. Each holds its context.
const MOST_WAITING: usize = 64;
/// No question waits longer for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// No question is answered for longer. One flag is done by then ([`engine::check_flag`] bounds it); many may not be.
const MOST_TIME: Duration = Duration::from_secs(10);

/// Whether a question of this weight over a context of so many bytes can be answered where it is.
pub(crate) fn is_light(weight: u64, bytes: usize) -> bool {
    weight.saturating_mul((bytes as u64).saturating_add(BYTES_OF_A_TEST)) <= LIGHT
}

/// The turns that heavy questions take.
pub(crate) struct Turns {
    turns: Arc<Semaphore>,
    places: Semaphore,
}

/// Why a heavy question is not answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Overload {
    /// As many wait already as may, or they waited too long.
    Busy,
    /// It takes too long.
    Endless,
    /// The process is about to end.
    Stopped,
}

impl Turns {
    /// As many turns at a time as half of the machine's cores: the others are for what is light.
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new((cores / 2).max(1))), places: Semaphore::new(MOST_WAITING) }
    }

    /// Answers when it is its turn. `work` is given a question of its own, whether anyone still waits for the answer:
    /// if not, it should end. It keeps its turn until then, so that who hangs up makes no room for more.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Overload> {
        let place = self.places.try_acquire().map_err(|_| Overload::Busy)?;
        let turn = timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| Overload::Busy)?.map_err(|_| Overload::Stopped)?;
        drop(place);
        let wanted = Wanted::default();
        let is_over = Arc::clone(&wanted.is_over);
        let answering = spawn_blocking(move || {
            let _held = turn;
            work(&|| !is_over.load(Ordering::Relaxed))
        });
        let answer = timeout(MOST_TIME, answering).await.map_err(|_| Overload::Endless)?;
        answer.map_err(|_| Overload::Stopped)
    }
}

/// An answer that someone waits for, until this is dropped.
#[derive(Default)]
struct Wanted {
    is_over: Arc<AtomicBool>,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_people_write_is_light_and_what_may_take_long_is_not() {
        assert!(is_light(50, 64 << 4), "a large flag and a long context");
        assert!(is_light(4 * 500, 300), "five hundred usual flags");
        assert!(!is_light(4 * 5_000, 300), "five thousand of them");
        assert!(is_light(10, 64 << 10) && !is_light(100, 64 << 10));
        assert!(!is_light(20_000, 0) && is_light(0, usize::MAX));
        assert!(!is_light(u64::MAX, usize::MAX));
    }

    /// Turns for one, which is taken until the sender is dropped.
    async fn taken() -> (Arc<Turns>, mpsc::Sender<()>) {
        let turns = Turns { turns: Arc::new(Semaphore::new(1)), places: Semaphore::new(2) };
        let (end, ended) = mpsc::channel::<()>();
        let turns = Arc::new(turns);
        let first = Arc::clone(&turns);
        tokio::spawn(async move { first.answer(move |_| ended.recv().is_err()).await });
        while turns.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        (turns, end)
    }

    /// Lets paused time pass, which it does not by itself while work is done; timers go by whole milliseconds.
    async fn pass(time: Duration) {
        tokio::task::yield_now().await;
        tokio::time::advance(time + Duration::from_millis(1)).await;
    }

    #[tokio::test]
    async fn who_comes_when_many_wait_is_sent_away() {
        let (turns, end) = taken().await;
        let waiting: Vec<_> = [1, 2]
            .into_iter()
            .map(|number| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.answer(move |_| number).await })
            })
            .collect();
        while turns.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.answer(|_| 3).await, Err(Overload::Busy));
        drop(end);
        for (number, waiting) in (1..).zip(waiting) {
            assert_eq!(waiting.await.unwrap(), Ok(number));
        }
        assert_eq!(turns.answer(|_| 3).await, Ok(3), "room is given back");
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_for_a_turn() {
        let (turns, end) = taken().await;
        tokio::time::pause();
        let (answer, ()) = tokio::join!(turns.answer(|_| ()), pass(PATIENCE));
        assert_eq!(answer, Err(Overload::Busy));
        drop(end);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_told_so() {
        let turns = Turns::new();
        let (say, said) = mpsc::channel();
        let until_unwanted = |is_wanted: &dyn Fn() -> bool| {
            while is_wanted() {
                std::thread::yield_now();
            }
        };
        tokio::time::pause();
        let work = turns.answer(move |is_wanted| {
            until_unwanted(is_wanted);
            let _ = say.send(());
        });
        let (answer, ()) = tokio::join!(work, pass(MOST_TIME));
        assert_eq!(answer, Err(Overload::Endless));
        said.recv().unwrap();
    }
}
