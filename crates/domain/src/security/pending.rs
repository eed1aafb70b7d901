//! Events on their way into the log: those that are the same are counted, and a flood is bounded.
//!
//! What may be written one by one is bounded for each who is known (an account, a key), for each address of strangers,
//! and for all strangers together, of each kind: so whoever makes noise hides nobody's misuse. What is beyond is counted,
//! with the addresses it came from, in one entry a minute.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::budget::{Budgets, Whose};
use super::{MOST_DETAIL, MOST_SUBJECT, SecurityEvent, SecurityKind, SecurityNote, bounded};
use crate::id::Id;
use crate::time::Timestamp;

/// After an event was written, the same one is counted for so long before it is written again, in milliseconds.
const QUIET: i64 = 60_000;
/// So many different events of strangers, and as many of who is known, wait or are counted at a time; what does not fit
/// is counted with the rest.
const MOST_WAITING: usize = 5_000;
/// So many accounts and keys have a rest of their own; further ones are counted with the strangers'.
const MOST_RESTS: usize = 2_000;
/// So many addresses of a rest are told apart; there may be more.
const MOST_ADDRESSES: usize = 1_000;

/// What makes two events the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Same {
    kind: &'static str,
    known: bool,
    actor: Option<Id>,
    address: Option<IpAddr>,
    subject: String,
    detail: String,
}

/// Events that are the same.
#[derive(Debug)]
struct Group {
    times: Times,
    /// The next ones are written then.
    due: Timestamp,
    /// Whether what waits was taken from a budget already.
    is_paid: bool,
}

/// How often, and when, since that was last written.
#[derive(Debug)]
struct Times {
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

/// What is not written one by one: of somebody who is known, or of all strangers.
#[derive(Debug)]
struct Rest {
    times: Times,
    addresses: HashSet<IpAddr>,
    due: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<Same, Group>,
    /// How many of the groups are of who is known.
    known: usize,
    rests: HashMap<(&'static str, Whose), Rest>,
    budgets: Budgets,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) notes: Vec<SecurityNote>,
    /// Of each note whether it is of who is known, which is not written.
    known: Vec<bool>,
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
        let SecurityEvent { at, kind, known, actor, address, subject, detail } = event;
        let (subject, detail) = (bounded(subject, MOST_SUBJECT), bounded(detail, MOST_DETAIL));
        self.state().note(Same { kind: kind.name(), known, actor, address, subject, detail }, at);
    }

    /// What is to be written now: each event the first time at once, then once a minute with its count. With `all`,
    /// also what is counted still.
    pub(super) fn take(&self, now: Timestamp, all: bool) -> Taken {
        let mut taken = self.state().take(now, all);
        // In the order of time, whatever that of the table is.
        taken.sort_by_key(|(note, _)| note.at);
        let (notes, known) = taken.into_iter().unzip();
        Taken { notes, known }
    }

    /// What was taken and could not be written, to be taken again.
    pub(super) fn give_back(&self, taken: Taken) {
        let mut state = self.state();
        for (note, known) in taken.notes.into_iter().zip(taken.known) {
            state.give_back(note, known);
        }
    }
}

impl State {
    fn note(&mut self, same: Same, at: Timestamp) {
        if let Some(group) = self.groups.get_mut(&same) {
            group.times.add(&Times::once(at));
        } else if self.has_room(same.known) && self.budgets.spend(same.kind, &same.whose(), at) {
            self.insert(same, Group { times: Times::once(at), due: at, is_paid: true });
        } else {
            self.count_with_the_rest(&same, &Times::once(at));
        }
    }

    fn has_room(&self, known: bool) -> bool {
        (if known { self.known } else { self.groups.len() - self.known }) < MOST_WAITING
    }

    fn insert(&mut self, same: Same, group: Group) {
        self.known += usize::from(same.known);
        self.groups.insert(same, group);
    }

    fn count_with_the_rest(&mut self, same: &Same, times: &Times) {
        let own = (same.kind, same.whose().of_all());
        let has_own = self.rests.contains_key(&own) || self.rests.len() < MOST_RESTS;
        let whose = if has_own { own } else { (same.kind, Whose::Strangers) };
        let rest = self.rests.entry(whose).or_insert_with(|| Rest {
            times: Times { first: times.first, last: times.last, count: 0 },
            addresses: HashSet::new(),
            due: times.first,
        });
        rest.times.add(times);
        if rest.addresses.len() < MOST_ADDRESSES {
            rest.addresses.extend(same.address);
        }
    }

    fn take(&mut self, now: Timestamp, all: bool) -> Vec<(SecurityNote, bool)> {
        let (mut notes, mut beyond) = (Vec::new(), Vec::new());
        self.groups.retain(|same, group| {
            if !all && group.due > now {
                return true;
            }
            // What did not come again for a minute is new the next time.
            let again = group.times.count > 0;
            if !again {
                self.known -= usize::from(same.known);
                return false;
            }
            let times = group.times.reset();
            if group.is_paid || self.budgets.spend(same.kind, &same.whose(), now) {
                notes.push((same.note(&times), same.known));
            } else {
                beyond.push((same.clone(), times));
            }
            (group.is_paid, group.due) = (false, now.earlier(-QUIET));
            true
        });
        for (same, times) in beyond {
            self.count_with_the_rest(&same, &times);
        }
        self.rests.retain(|(kind, whose), rest| {
            if !all && rest.due > now {
                return true;
            }
            let again = rest.times.count > 0;
            if again {
                notes.push((rest.note(kind, whose), matches!(whose, Whose::Known(..))));
                rest.due = now.earlier(-QUIET);
            }
            again
        });
        notes
    }

    fn give_back(&mut self, note: SecurityNote, known: bool) {
        let SecurityNote { at, last_at, count, kind, actor, address, subject, detail } = note;
        let kind = SecurityKind::ALL.into_iter().map(SecurityKind::name).find(|name| *name == kind);
        let Some(kind) = kind else { return };
        let times = Times { first: at, last: last_at, count };
        let same = Same { kind, known, actor, address, subject, detail };
        let has_room = self.has_room(same.known);
        match self.groups.entry(same) {
            Entry::Occupied(mut group) => {
                let group = group.get_mut();
                group.times.add(&times);
                (group.due, group.is_paid) = (at, true);
            }
            Entry::Vacant(place) if has_room => {
                self.known += usize::from(place.key().known);
                place.insert(Group { times, due: at, is_paid: true });
            }
            Entry::Vacant(place) => {
                let same = place.into_key();
                self.count_with_the_rest(&same, &times);
            }
        }
    }
}

impl Times {
    fn once(at: Timestamp) -> Self {
        Self { first: at, last: at, count: 1 }
    }

    fn add(&mut self, more: &Self) {
        let is_first = self.count == 0;
        self.first = if is_first { more.first } else { self.first.min(more.first) };
        self.last = if is_first { more.last } else { self.last.max(more.last) };
        self.count += more.count;
    }

    /// What there was; from now on it is counted anew.
    fn reset(&mut self) -> Self {
        Self { count: std::mem::take(&mut self.count), ..*self }
    }
}

impl Same {
    fn whose(&self) -> Whose {
        if self.known { Whose::Known(self.actor, self.subject.clone()) } else { Whose::at(self.address) }
    }

    fn note(&self, times: &Times) -> SecurityNote {
        SecurityNote {
            at: times.first,
            last_at: times.last,
            count: times.count,
            kind: self.kind.to_owned(),
            actor: self.actor,
            address: self.address,
            subject: self.subject.clone(),
            detail: self.detail.clone(),
        }
    }
}

impl Rest {
    /// Says how many there were; after that they are counted anew.
    fn note(&mut self, kind: &str, whose: &Whose) -> SecurityNote {
        let times = self.times.reset();
        let addresses = std::mem::take(&mut self.addresses);
        let from = match addresses.len() {
            1 => "1 address".to_owned(),
            MOST_ADDRESSES => format!("{MOST_ADDRESSES} addresses or more"),
            many => format!("{many} addresses"),
        };
        let (actor, subject) = match whose {
            Whose::Known(actor, subject) => (*actor, subject.clone()),
            Whose::Address(_) | Whose::Strangers => (None, String::new()),
        };
        SecurityNote {
            at: times.first,
            last_at: times.last,
            count: times.count,
            kind: kind.to_owned(),
            actor,
            address: addresses.iter().next().copied().filter(|_| addresses.len() == 1),
            subject,
            detail: format!("more than are told one by one, from {from}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: SecurityKind, subject: impl Into<String>, at: i64) -> SecurityEvent {
        let (known, actor, address, detail) = (false, None, None, String::new());
        let at = Timestamp::from_millis(at);
        SecurityEvent { at, kind, known, actor, address, subject: subject.into(), detail }
    }

    fn told(notes: &[SecurityNote]) -> Vec<(&str, u64)> {
        notes.iter().map(|note| (note.subject.as_str(), note.count)).collect()
    }

    #[test]
    fn the_same_again_is_counted_and_told_once_a_minute() {
        let pending = Pending::default();
        let take = |at| pending.take(Timestamp::from_millis(at), false).notes;
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

    fn from(address: u32, subject: impl Into<String>) -> SecurityEvent {
        let address = Some(IpAddr::from(address.to_be_bytes()));
        SecurityEvent { address, ..event(SecurityKind::KeyRefused, subject, 0) }
    }

    #[test]
    fn a_flood_of_strangers_is_bounded_counted_and_hides_nobody_who_is_known() {
        let pending = Pending::default();
        let flood = 50_000_u32;
        for number in 0..flood {
            pending.note(from(number % 100, number.to_string()));
        }
        pending.note(SecurityEvent { known: true, ..from(1, "bgc_0123…") });
        pending.note(event(SecurityKind::SignInFailed, "owner", 0));
        let notes = pending.take(Timestamp::from_millis(1_000), false).notes;
        assert!(told(&notes).contains(&("bgc_0123…", 1)) && told(&notes).contains(&("owner", 1)));
        let one_by_one = notes.iter().filter(|note| note.count == 1).count();
        assert_eq!((one_by_one, notes.len()), (1_002, 1_003));
        let rest = notes.iter().find(|note| note.count > 1).unwrap();
        assert_eq!((rest.kind.as_str(), rest.count), ("key_refused", u64::from(flood) - 1_000));
        assert_eq!(rest.detail, "more than are told one by one, from 100 addresses");
    }

    #[test]
    fn one_address_or_account_takes_no_others_budget() {
        let pending = Pending::default();
        for number in 0..1_000 {
            pending.note(from(1, number.to_string()));
            pending.note(SecurityEvent { known: true, detail: number.to_string(), ..from(2, "bgc_0123…") });
        }
        pending.note(from(2, "another"));
        let notes = pending.take(Timestamp::from_millis(0), false).notes;
        assert!(told(&notes).contains(&("another", 1)));
        let rest: Vec<_> = notes.iter().filter(|note| note.count > 1).collect();
        assert!(
            rest.len() == 2
                && rest.iter().all(|note| note.count == 950 && note.detail.ends_with("from 1 address"))
        );
        assert!(
            rest.iter().any(|note| note.subject == "bgc_0123…")
                && rest.iter().all(|note| note.address.is_some())
        );
    }

    #[test]
    fn what_goes_on_for_ever_is_written_no_oftener_than_its_budget() {
        let pending = Pending::default();
        let (mut rows, mut events) = (0, 0);
        for minute in 0..24 * 60 {
            let at = minute * QUIET;
            for subject in 0..20 {
                let SecurityEvent { kind, known, actor, address, subject, detail, .. } =
                    from(1, subject.to_string());
                let at = Timestamp::from_millis(at);
                pending.note(SecurityEvent { at, kind, known, actor, address, subject, detail });
            }
            let notes = pending.take(Timestamp::from_millis(at + 1_000), false).notes;
            rows += notes.len();
            events += notes.iter().map(|note| note.count).sum::<u64>();
        }
        events += pending
            .take(Timestamp::from_millis(24 * 60 * QUIET), true)
            .notes
            .iter()
            .map(|note| note.count)
            .sum::<u64>();
        assert_eq!(events, 24 * 60 * 20, "all are counted");
        assert!(rows <= 50 + 2 * 24 * 60, "{rows}");
    }

    #[test]
    fn tables_are_bounded() {
        let pending = Pending::default();
        for number in 0..100_000_u32 {
            let kind = SecurityKind::ALL[number as usize % 9];
            let known = number % 2 == 0;
            pending.note(SecurityEvent { kind, known, ..from(number, number.to_string()) });
        }
        let state = pending.state();
        assert!(
            state.groups.len() <= 2 * MOST_WAITING
                && state.rests.len() <= MOST_RESTS + SecurityKind::ALL.len()
        );
        assert_eq!(state.known, state.groups.keys().filter(|same| same.known).count());
    }

    #[test]
    fn what_could_not_be_written_is_written_later_and_a_shutdown_takes_all() {
        let pending = Pending::default();
        pending.note(event(SecurityKind::SignedIn, "a", 0));
        let notes = pending.take(Timestamp::from_millis(0), false);
        pending.note(event(SecurityKind::SignedIn, "a", 5));
        pending.give_back(notes);
        let again = pending.take(Timestamp::from_millis(10), false).notes;
        assert_eq!(told(&again), [("a", 2)]);
        assert_eq!((again[0].at, again[0].last_at), (Timestamp::from_millis(0), Timestamp::from_millis(5)));
        pending.note(event(SecurityKind::SignedIn, "a", 20));
        assert_eq!(told(&pending.take(Timestamp::from_millis(30), true).notes), [("a", 1)]);
    }

    #[test]
    fn what_could_not_be_written_stays_whose_it_is() {
        let pending = Pending::default();
        let now = Timestamp::from_millis(0);
        pending.note(SecurityEvent { known: true, ..from(1, "bgs_0123…") });
        pending.note(from(1, "bgs_4567…"));
        for _ in 0..2 {
            pending.give_back(pending.take(now, true));
            assert_eq!(pending.state().known, 1);
        }
        // The same again is counted with it, and is of the same.
        pending.note(SecurityEvent { known: true, ..from(1, "bgs_0123…") });
        pending.note(from(1, "bgs_4567…"));
        assert_eq!(told(&pending.take(now, true).notes).iter().map(|(_, count)| count).sum::<u64>(), 4);
        assert_eq!(pending.state().groups.len(), 2);
    }

    #[test]
    fn texts_are_cut_at_their_bound_and_keep_no_nul() {
        let pending = Pending::default();
        pending.note(event(SecurityKind::SignInFailed, format!("\0{}", "ä".repeat(300)), 0));
        let notes = pending.take(Timestamp::from_millis(0), false).notes;
        assert_eq!(notes[0].subject, format!("\u{fffd}{}", "ä".repeat(126)));
    }
}
