//! Events on their way into the log: those that are the same are counted, and a flood is bounded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{MOST_DETAIL, MOST_SUBJECT, SecurityEvent, SecurityKind, SecurityNote, bounded};
use crate::id::Id;
use crate::time::Timestamp;

/// After an event was written, the same one is counted for so long before it is written again, in milliseconds.
const QUIET: i64 = 60_000;
/// No more different events wait or are counted at a time; what does not fit is counted as dropped.
const MOST_WAITING: usize = 10_000;
/// So many different events of a kind are written at once, and then so many a second: of each kind, so that a flood of
/// one does not hide another. What is beyond is counted as dropped.
const BURST: i64 = 1_000;
const A_SECOND: i64 = 10;

/// What makes two events the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Same {
    kind: &'static str,
    actor: Option<Id>,
    address: Option<IpAddr>,
    subject: String,
    detail: String,
}

/// Events that are the same.
#[derive(Debug)]
struct Group {
    first: Timestamp,
    last: Timestamp,
    /// How many are not written yet.
    count: u64,
    /// The next ones are written then.
    due: Timestamp,
}

/// How many different events of a kind may still come, in thousandths.
#[derive(Debug)]
struct Budget {
    thousandths: i64,
    at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<Same, Group>,
    budgets: HashMap<&'static str, Budget>,
    dropped: Option<Group>,
}

/// What waits. Held by all who note; the lock is never held for longer than a look into a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending(Arc<Mutex<State>>);

impl Pending {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic leaves nothing half done that would matter: at most an event is missing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in.
    pub(super) fn note(&self, event: SecurityEvent) {
        let SecurityEvent { at, kind, actor, address, subject, detail } = event;
        let (subject, detail) = (bounded(subject, MOST_SUBJECT), bounded(detail, MOST_DETAIL));
        self.state().note(Same { kind: kind.name(), actor, address, subject, detail }, at);
    }

    /// What is to be written now: each event the first time at once, then once a minute with its count. With `all`,
    /// also what is counted still.
    pub(super) fn take(&self, now: Timestamp, all: bool) -> Vec<SecurityNote> {
        self.state().take(now, all)
    }

    /// What was taken and could not be written, to be taken again.
    pub(super) fn give_back(&self, notes: Vec<SecurityNote>) {
        let mut state = self.state();
        for note in notes {
            state.give_back(note);
        }
    }
}

impl State {
    fn note(&mut self, same: Same, at: Timestamp) {
        if let Some(group) = self.groups.get_mut(&same) {
            group.add(at, at, 1);
        } else if self.groups.len() < MOST_WAITING && self.spend(same.kind, at) {
            self.groups.insert(same, Group { first: at, last: at, count: 1, due: at });
        } else {
            self.drop_some(at, at, 1);
        }
    }

    fn spend(&mut self, kind: &'static str, now: Timestamp) -> bool {
        let full = BURST * 1_000;
        let budget = self.budgets.entry(kind).or_insert(Budget { thousandths: full, at: now });
        let gained = (now.as_millis() - budget.at.as_millis()).max(0).saturating_mul(A_SECOND);
        budget.thousandths = budget.thousandths.saturating_add(gained).min(full);
        budget.at = budget.at.max(now);
        let may = budget.thousandths >= 1_000;
        if may {
            budget.thousandths -= 1_000;
        }
        may
    }

    fn drop_some(&mut self, first: Timestamp, last: Timestamp, count: u64) {
        let dropped = self.dropped.get_or_insert(Group { first, last, count: 0, due: first });
        dropped.add(first, last, count);
    }

    fn take(&mut self, now: Timestamp, all: bool) -> Vec<SecurityNote> {
        let mut notes = Vec::new();
        self.groups.retain(|same, group| {
            if !all && group.due > now {
                return true;
            }
            let again = group.count > 0;
            if again {
                notes.push(same.note(group));
                (group.count, group.due) = (0, now.earlier(-QUIET));
            }
            // What did not come again for a minute is new the next time.
            again
        });
        if let Some(dropped) = self.dropped.take_if(|dropped| all || dropped.due <= now) {
            notes.push(Same::dropped().note(&dropped));
        }
        // In the order of time, whatever that of the table is.
        notes.sort_by_key(|note| note.at);
        notes
    }

    fn give_back(&mut self, note: SecurityNote) {
        let SecurityNote { at, last_at, count, kind, actor, address, subject, detail } = note;
        let kind = SecurityKind::ALL.into_iter().map(SecurityKind::name).find(|name| *name == kind);
        let Some(kind) = kind.filter(|kind| *kind != SecurityKind::EventsDropped.name()) else {
            return self.drop_some(at, last_at, count);
        };
        let there = self.groups.len();
        match self.groups.entry(Same { kind, actor, address, subject, detail }) {
            Entry::Occupied(mut group) => {
                let group = group.get_mut();
                group.add(at, last_at, count);
                group.due = at;
            }
            Entry::Vacant(place) if there < MOST_WAITING => {
                place.insert(Group { first: at, last: last_at, count, due: at });
            }
            Entry::Vacant(_) => self.drop_some(at, last_at, count),
        }
    }
}

impl Group {
    fn add(&mut self, first: Timestamp, last: Timestamp, count: u64) {
        self.first = if self.count == 0 { first } else { self.first.min(first) };
        self.last = if self.count == 0 { last } else { self.last.max(last) };
        self.count += count;
    }
}

impl Same {
    fn dropped() -> Self {
        Self {
            kind: SecurityKind::EventsDropped.name(),
            actor: None,
            address: None,
            subject: String::new(),
            detail: "too many different events at once; these were not written".to_owned(),
        }
    }

    fn note(&self, group: &Group) -> SecurityNote {
        SecurityNote {
            at: group.first,
            last_at: group.last,
            count: group.count,
            kind: self.kind.to_owned(),
            actor: self.actor,
            address: self.address,
            subject: self.subject.clone(),
            detail: self.detail.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: SecurityKind, subject: impl Into<String>, at: i64) -> SecurityEvent {
        let (actor, address, detail) = (None, None, String::new());
        let at = Timestamp::from_millis(at);
        SecurityEvent { at, kind, actor, address, subject: subject.into(), detail }
    }

    fn told(notes: &[SecurityNote]) -> Vec<(&str, u64)> {
        notes.iter().map(|note| (note.subject.as_str(), note.count)).collect()
    }

    #[test]
    fn the_same_again_is_counted_and_told_once_a_minute() {
        let pending = Pending::default();
        let take = |at| pending.take(Timestamp::from_millis(at), false);
        pending.note(event(SecurityKind::SignInFailed, "a", 0));
        pending.note(event(SecurityKind::SignInFailed, "a", 1));
        pending.note(event(SecurityKind::SignInFailed, "b", 2));
        assert_eq!(told(&take(1_000)), [("a", 2), ("b", 1)]);
        for at in 2_000..2_500 {
            pending.note(event(SecurityKind::SignInFailed, "a", at));
        }
        assert!(take(2_500).is_empty(), "told a moment ago");
        let later = take(61_000);
        assert_eq!(told(&later), [("a", 500)]);
        assert_eq!(
            (later[0].at, later[0].last_at),
            (Timestamp::from_millis(2_000), Timestamp::from_millis(2_499))
        );
        assert!(take(200_000).is_empty());
        pending.note(event(SecurityKind::SignInFailed, "a", 200_001));
        assert_eq!(told(&take(200_001)), [("a", 1)], "after a quiet minute it is new");
    }

    #[test]
    fn a_flood_of_one_kind_is_bounded_counted_and_hides_no_other() {
        let pending = Pending::default();
        let flood = 50_000;
        for number in 0..flood {
            pending.note(event(SecurityKind::TokenRefused, number.to_string(), 0));
        }
        pending.note(event(SecurityKind::SignedIn, "owner", 0));
        let notes = pending.take(Timestamp::from_millis(1_000), false);
        assert_eq!(notes.len(), usize::try_from(BURST).unwrap() + 2);
        assert!(notes.iter().any(|note| note.kind == "signed_in"));
        let dropped = notes.iter().find(|note| note.kind == "events_dropped").unwrap();
        assert_eq!(dropped.count, flood - BURST as u64);
    }

    #[test]
    fn what_could_not_be_written_is_written_later_and_a_shutdown_takes_all() {
        let pending = Pending::default();
        pending.note(event(SecurityKind::SignedIn, "a", 0));
        let notes = pending.take(Timestamp::from_millis(0), false);
        pending.note(event(SecurityKind::SignedIn, "a", 5));
        pending.give_back(notes);
        let again = pending.take(Timestamp::from_millis(10), false);
        assert_eq!(told(&again), [("a", 2)]);
        assert_eq!((again[0].at, again[0].last_at), (Timestamp::from_millis(0), Timestamp::from_millis(5)));
        pending.note(event(SecurityKind::SignedIn, "a", 20));
        assert_eq!(told(&pending.take(Timestamp::from_millis(30), true)), [("a", 1)]);
    }

    #[test]
    fn texts_are_cut_at_their_bound_and_keep_no_nul() {
        let pending = Pending::default();
        pending.note(event(SecurityKind::SignInFailed, format!("\0{}", "ä".repeat(300)), 0));
        let notes = pending.take(Timestamp::from_millis(0), false);
        assert_eq!(notes[0].subject, format!("\u{fffd}{}", "ä".repeat(126)));
    }
}
