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
mod tests;
