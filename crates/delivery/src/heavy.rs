//! Questions that may take long are answered off the reactor, a few at a time: whatever flags and contexts people
//! make, no one waits for them who asks for something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A question is light if the tests that it takes, times the bytes that they could look at, are no more than this.
/// Measured: as people write conditions, 0.02 to 2 ns for each, so a light question ends well within a millisecond or
/// two; the slowest patterns there are take 5 to 10 ns.
const LIGHT: u64 = 1 << 20;
/// Up to this it is middling: all of thousands of usual flags, which take far less time than they might. They have
/// turns of their own, so that they do not wait behind those which take seconds.
const MIDDLING: u64 = 1 << 26;
/// A test takes about as long as looking at so many bytes, however short the context.
const BYTES_OF_A_TEST: u64 = 64;
/// So many questions wait for their turn; who comes then is told to come back. Each holds its context.
const MOST_WAITING: usize = 64;
/// No question waits longer for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nobody waits longer for an answer that is being made. One flag is about done by then, since [`engine::check_flag`]
/// bounds what it weighs; all of many may not be, and end.
const MOST_TIME: Duration = Duration::from_secs(10);

/// How long a question may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// So short that it is answered where it came in.
    Light,
    Middling,
    Heavy,
}

impl Load {
    /// That of a question of this weight over a context of so many bytes.
    pub(crate) fn of(weight: u64, bytes: usize) -> Self {
        let load = weight.saturating_mul((bytes as u64).saturating_add(BYTES_OF_A_TEST));
        if load <= LIGHT {
            Self::Light
        } else if load <= MIDDLING {
            Self::Middling
        } else {
            Self::Heavy
        }
    }
}

/// The turns that questions take which are not light.
pub(crate) struct Turns {
    middling: Line,
    heavy: Line,
}

impl Turns {
    /// Heavy questions take half of the machine's cores at most: the others are for everything else.
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { middling: Line::new(cores), heavy: Line::new((cores / 2).max(1)) }
    }

    /// Answers when it is the question's turn. `work` is given a question of its own, whether anyone still waits for
    /// the answer: if not, it should end. It keeps its turn until then, so that who hangs up makes no room for more.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        load: Load,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Overload> {
        match load {
            Load::Light => Ok(work(&|| true)),
            Load::Middling => self.middling.answer(work).await,
            Load::Heavy => self.heavy.answer(work).await,
        }
    }
}

struct Line {
    turns: Arc<Semaphore>,
    places: Semaphore,
}

/// Why a question is not answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Overload {
    /// As many wait already as may, or they waited too long.
    Busy,
    /// It takes too long.
    Endless,
    /// The process is about to end.
    Stopped,
}

impl Line {
    fn new(turns: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns)), places: Semaphore::new(MOST_WAITING) }
    }

    async fn answer<T: Send + 'static>(
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
        for (weight, bytes, load, case) in [
            (50, 1_000, Load::Light, "a large flag and a long context"),
            (4 * 500, 300, Load::Light, "five hundred usual flags"),
            (6 * 5_000, 300, Load::Middling, "five thousand"),
            (100, 64 << 10, Load::Middling, "a large flag and the longest context"),
            (10_000, 64 << 10, Load::Heavy, "the heaviest and the longest"),
            (20_000, 0, Load::Middling, "tests that look at nothing"),
            (0, usize::MAX, Load::Light, "nothing to test"),
            (u64::MAX, usize::MAX, Load::Heavy, "beyond counting"),
        ] {
            assert_eq!(Load::of(weight, bytes), load, "{case}");
        }
    }

    /// Turns for one heavy question, taken until the sender is dropped, and places for two.
    async fn taken() -> (Arc<Turns>, mpsc::Sender<()>) {
        let heavy = Line { places: Semaphore::new(2), ..Line::new(1) };
        let (end, ended) = mpsc::channel::<()>();
        let turns = Arc::new(Turns { heavy, middling: Line::new(1) });
        let first = Arc::clone(&turns);
        tokio::spawn(async move { first.answer(Load::Heavy, move |_| ended.recv().is_err()).await });
        while turns.heavy.turns.available_permits() > 0 {
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
                tokio::spawn(async move { turns.answer(Load::Heavy, move |_| number).await })
            })
            .collect();
        while turns.heavy.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.answer(Load::Heavy, |_| 3).await, Err(Overload::Busy));
        for load in [Load::Light, Load::Middling] {
            assert_eq!(
                turns.answer(load, |_| 4).await,
                Ok(4),
                "{load:?} questions do not wait for heavy ones"
            );
        }
        drop(end);
        for (number, waiting) in (1..).zip(waiting) {
            assert_eq!(waiting.await.unwrap(), Ok(number));
        }
        assert_eq!(turns.answer(Load::Heavy, |_| 3).await, Ok(3), "room is given back");
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_for_a_turn() {
        let (turns, end) = taken().await;
        tokio::time::pause();
        let (answer, ()) = tokio::join!(turns.answer(Load::Heavy, |_| ()), pass(PATIENCE));
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
        let work = turns.answer(Load::Middling, move |is_wanted| {
            until_unwanted(is_wanted);
            let _ = say.send(());
        });
        let (answer, ()) = tokio::join!(work, pass(MOST_TIME));
        assert_eq!(answer, Err(Overload::Endless));
        said.recv().unwrap();
    }
}
