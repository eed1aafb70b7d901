//! Questions that may take long are answered off the reactor, a few at a time: whatever flags and contexts people
//! make, no one waits for them who asks for something else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{AcquireError, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wire::ofrep::MOST_CONTEXT;

use crate::ports::Reader;
use crate::turned_away::TurnedAway;

/// A question is light if the tests that it takes, times the bytes that they could look at, and the bytes that are
/// written are no more than this. Measured: as people write conditions, 0.02 to 2 ns for each, and the slowest patterns
/// there are take 5 to 10 ns; so a light question ends within about a millisecond whatever it is.
const LIGHT: u64 = 1 << 17;
/// Up to this it is middling: all of thousands of usual flags, which take far less time than they might. They have
/// turns of their own, so that they do not wait behind those which take seconds.
const MIDDLING: u64 = 1 << 26;
/// A test takes about as long as looking at so many bytes, however short the context.
const BYTES_OF_A_TEST: u64 = 64;
/// The contexts of the middling questions that wait for their turn take so much memory at most, in KiB, and one KiB is
/// for each question besides; who comes then is told to come back. Thousands of usual ones fit: they are done within
/// their patience.
const MIDDLING_ROOM: usize = 16 << 10;
/// The same of the heavy ones.
const HEAVY_ROOM: usize = 4 << 10;
/// No question waits longer for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nobody waits longer for an answer that is being made. One flag is about done by then, since [`engine::check_flag`]
/// bounds what it weighs; all of many may not be, and end.
pub(crate) const MOST_TIME: Duration = Duration::from_secs(10);

/// What a question may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// How much there is to test.
    pub(crate) weight: u64,
    /// Of its context.
    pub(crate) bytes: usize,
    /// How many bytes are written of values.
    pub(crate) written: u64,
}

/// How long a question may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// So short that it is answered where it came in.
    Light,
    Middling,
    Heavy,
}

impl Cost {
    pub(crate) fn load(self) -> Load {
        let tested = self.weight.saturating_mul((self.bytes as u64).saturating_add(BYTES_OF_A_TEST));
        let load = tested.saturating_add(self.written);
        if load <= LIGHT {
            Load::Light
        } else if load <= MIDDLING {
            Load::Middling
        } else {
            Load::Heavy
        }
    }

    /// What it holds while it waits, in KiB.
    fn room(self) -> u32 {
        // What of the body was not of the context is gone.
        u32::try_from(1 + self.bytes.min(MOST_CONTEXT) / 1024).unwrap_or(u32::MAX)
    }
}

/// The turns that questions take which are not light.
pub(crate) struct Turns {
    middling: Line,
    heavy: Line,
    turned_away: TurnedAway,
}

impl Turns {
    /// Heavy questions take half of the machine's cores at most: the others are for everything else.
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            middling: Line::new(cores, MIDDLING_ROOM),
            heavy: Line::new((cores / 2).max(1), HEAVY_ROOM),
            turned_away: TurnedAway::default(),
        }
    }

    /// Answers when it is the question's turn. `work` is given a question of its own, whether anyone still waits for
    /// the answer: if not, it should end. It keeps its turn until then, so that who hangs up makes no room for more.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        reader: &Reader,
        cost: Cost,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Overload> {
        let line = match cost.load() {
            Load::Light => return Ok(work(&|| true)),
            Load::Middling => &self.middling,
            Load::Heavy => &self.heavy,
        };
        let answer = line.answer(reader, cost.room(), work).await;
        match &answer {
            Ok(_) => self.turned_away.answered(),
            Err(Overload::Busy | Overload::Endless) => self.turned_away.refused(),
            Err(Overload::Stopped) => {}
        }
        answer
    }
}

struct Line {
    turns: Arc<Semaphore>,
    /// How many there are.
    most_turns: usize,
    /// In KiB.
    room: Semaphore,
    /// Half of it.
    most_room: usize,
    /// Of those who ask, and of some who did.
    shares: Mutex<HashMap<Reader, Arc<Share>>>,
}

/// What there is for one reader: however much they ask, half of the room is left, and the next turn but one goes to
/// whoever else waits.
struct Share {
    /// As many as there are in all: who has one of these waits for one of those.
    turns: Arc<Semaphore>,
    room: Semaphore,
}

/// Why a question is not answered.
#[derive(Debug, PartialEq)]
pub(crate) enum Overload {
    /// As many wait already as may, or they waited too long.
    Busy,
    /// It takes too long, and will the next time.
    Endless,
    /// The process is about to end.
    Stopped,
}

impl Line {
    fn new(turns: usize, room: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(turns)),
            most_turns: turns,
            room: Semaphore::new(room),
            most_room: room / 2,
            shares: Mutex::default(),
        }
    }

    fn share(&self, reader: &Reader) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(reader) {
            return Arc::clone(share);
        }
        // Who asks nothing just now is forgotten, or readers that are gone would stay.
        shares.retain(|_, share| Arc::strong_count(share) > 1);
        let turns = Arc::new(Semaphore::new(self.most_turns));
        let share = Arc::new(Share { turns, room: Semaphore::new(self.most_room) });
        shares.insert(reader.clone(), Arc::clone(&share));
        share
    }

    async fn answer<T: Send + 'static>(
        &self,
        reader: &Reader,
        room: u32,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Overload> {
        let share = self.share(reader);
        let own_room = share.room.try_acquire_many(room).map_err(|_| Overload::Busy)?;
        let room = self.room.try_acquire_many(room).map_err(|_| Overload::Busy)?;
        let turn = async {
            let own = Arc::clone(&share.turns).acquire_owned().await?;
            Ok::<_, AcquireError>((own, Arc::clone(&self.turns).acquire_owned().await?))
        };
        let turn = timeout(PATIENCE, turn).await;
        let turn = turn.map_err(|_| Overload::Busy)?.map_err(|_| Overload::Stopped)?;
        drop((own_room, room));
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
    use crate::ports::{EnvironmentId, KeyKind};

    /// A question that takes long.
    const HEAVY: Cost = Cost { weight: u64::MAX, bytes: 0, written: 0 };

    fn load(weight: u64, bytes: usize, written: u64) -> Load {
        Cost { weight, bytes, written }.load()
    }

    #[test]
    fn what_people_write_is_light_and_what_may_take_long_is_not() {
        for (weight, bytes, written, expected, case) in [
            (50, 1_000, 200, Load::Light, "a large flag and a long context"),
            (4 * 50, 300, 50 * 200, Load::Light, "fifty usual flags"),
            (6 * 5_000, 300, 5_000 * 200, Load::Middling, "five thousand"),
            (100, 64 << 10, 200, Load::Middling, "a large flag and the longest context"),
            (2_000, 2_000, 200, Load::Middling, "a pattern as large as may be and a long context"),
            (10_000, 64 << 10, 200, Load::Heavy, "the heaviest and the longest"),
            (20_000, 0, 200, Load::Middling, "tests that look at nothing"),
            (0, usize::MAX, 0, Load::Light, "nothing to test"),
            (1, 0, 900_000, Load::Middling, "a value that takes long to write"),
            (20, 0, 100 << 20, Load::Heavy, "many of them"),
            (u64::MAX, usize::MAX, u64::MAX, Load::Heavy, "beyond counting"),
        ] {
            assert_eq!(load(weight, bytes, written), expected, "{case}");
        }
    }

    fn reader(environment: &str) -> Reader {
        Reader { environment: EnvironmentId(environment.into()), kind: KeyKind::Server }
    }

    /// Turns for one heavy question, taken by `one` until the sender is dropped, and room for three short ones, of which
    /// two are of one reader.
    async fn taken() -> (Arc<Turns>, mpsc::Sender<()>) {
        let line = || Line { room: Semaphore::new(3), ..Line::new(1, 4) };
        let turns = Turns { heavy: line(), middling: line(), ..Turns::new() };
        let turns = Arc::new(turns);
        let (end, ended) = mpsc::channel::<()>();
        let first = Arc::clone(&turns);
        tokio::spawn(
            async move { first.answer(&reader("one"), HEAVY, move |_| ended.recv().is_err()).await },
        );
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
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for (number, environment) in [(1, "one"), (2, "one"), (3, "other")] {
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            let before = turns.heavy.room.available_permits();
            let room = Arc::clone(&turns);
            waiting.push(tokio::spawn(async move {
                let work = move |_: &dyn Fn() -> bool| order.lock().unwrap().push(number);
                turns.answer(&reader(environment), HEAVY, work).await
            }));
            while room.heavy.room.available_permits() == before {
                tokio::task::yield_now().await;
            }
            let again = room.answer(&reader("one"), Cost { bytes: 1 << 10, ..HEAVY }, |_| ()).await;
            assert_eq!(again, Err(Overload::Busy), "{number}: two more are over half of the room");
        }
        for environment in ["one", "other"] {
            let busy = turns.answer(&reader(environment), HEAVY, |_| ()).await;
            assert_eq!(busy, Err(Overload::Busy), "{environment}: there is no room at all");
            for weight in [0, LIGHT] {
                let cost = Cost { weight, ..HEAVY };
                let answer = turns.answer(&reader(environment), cost, |_| 4).await;
                assert_eq!(answer, Ok(4), "{:?} questions do not wait for heavy ones", cost.load());
            }
        }
        drop(end);
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap(), Ok(()));
        }
        assert_eq!(*order.lock().unwrap(), [3, 1, 2], "who asks often does not keep others from their turn");
        assert_eq!(turns.answer(&reader("one"), HEAVY, |_| 3).await, Ok(3), "room is given back");
        let long = Cost { bytes: 2 << 10, ..HEAVY };
        let busy = turns.answer(&reader("one"), long, |_| 3).await;
        assert_eq!(busy, Err(Overload::Busy), "a long context takes more of it");
    }

    #[tokio::test]
    async fn who_asks_no_longer_is_forgotten() {
        let turns = Turns::new();
        for number in 0..100 {
            assert_eq!(turns.answer(&reader(&number.to_string()), HEAVY, |_| 1).await, Ok(1));
        }
        assert_eq!(turns.heavy.shares.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_for_a_turn() {
        let (turns, end) = taken().await;
        tokio::time::pause();
        let other = reader("other");
        let (answer, ()) = tokio::join!(turns.answer(&other, HEAVY, |_| ()), pass(PATIENCE));
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
        let one = reader("one");
        let work = turns.answer(&one, Cost { weight: LIGHT, ..HEAVY }, move |is_wanted| {
            until_unwanted(is_wanted);
            let _ = say.send(());
        });
        let (answer, ()) = tokio::join!(work, pass(MOST_TIME));
        assert_eq!(answer, Err(Overload::Endless));
        said.recv().unwrap();
    }
}
