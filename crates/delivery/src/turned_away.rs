//! What is told in the log of questions that are not answered because they take long: when that begins and, with how
//! many there were, when it ends, and not of each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// It is over if nobody was turned away for so long.
const QUIET: Duration = Duration::from_secs(10);

/// Whether questions are turned away these days. Only these and those that take long come by here.
#[derive(Default)]
pub(crate) struct TurnedAway {
    spell: Mutex<Spell>,
    /// Whether there is a spell: saves who is answered the lock.
    is_on: AtomicBool,
}

impl TurnedAway {
    /// A question was not answered.
    pub(crate) fn refused(&self) {
        let mut spell = self.spell.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_on.store(true, Ordering::Relaxed);
        if spell.refuse(Instant::now()) {
            tracing::warn!(
                "questions that take long are turned away: there are too many of them at a time, or they take too long"
            );
        }
    }

    /// One that takes long was.
    pub(crate) fn answered(&self) {
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        let mut spell = self.spell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turned_away) = spell.end(Instant::now()) {
            self.is_on.store(false, Ordering::Relaxed);
            tracing::info!(turned_away, "questions that take long are all answered again");
        }
    }
}

/// A time in which questions are turned away.
#[derive(Debug, Default)]
struct Spell {
    count: u64,
    last: Option<Instant>,
}

impl Spell {
    /// One more; whether it is the first.
    fn refuse(&mut self, now: Instant) -> bool {
        self.count += 1;
        self.last.replace(now).is_none()
    }

    /// How many there were, if it is over now.
    fn end(&mut self, now: Instant) -> Option<u64> {
        let last = self.last?;
        if now.duration_since(last) < QUIET {
            return None;
        }
        self.last = None;
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_begins_once_and_ends_when_it_is_quiet() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut spell = Spell::default();
        assert_eq!(spell.end(at(0)), None, "there is none yet");
        assert_eq!([spell.refuse(at(1)), spell.refuse(at(1)), spell.refuse(at(9))], [true, false, false]);
        assert_eq!(spell.end(at(18)), None, "some are answered in between");
        assert_eq!(spell.end(at(19)), Some(3));
        assert_eq!(spell.end(at(40)), None, "it is over");
        assert!(spell.refuse(at(41)), "another one");
        assert_eq!(spell.end(at(60)), Some(1));
    }
}
