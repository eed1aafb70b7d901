//! Which changes of segments wait for their large key lists, and what is evaluated in the meantime.
//!
//! Flags wait for nothing. A segment that names a list which is not here yet is evaluated as it was before, or, if
//! there is none to go on with, is one that is not understood and says which list is missing. What is evaluated is
//! then a mixture of shapes that were never together: in it, one may name what is not understood, or a circle may
//! close that no document has. So whatever the mixture would lose waits as well, until it loses nothing that could be
//! asked before. What was removed is kept too, since what waits may still name it in its old shape.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use engine::model::{Condition, Delta, Read, Segment, Snapshot};
use engine::{KeyLists, Ruleset};

use crate::list_name::Name;

/// After so many mixtures that lose something, all segments wait that can be asked as they were: that loses nothing,
/// and each try compiles anew what changed. Segments are no deeper than eight.
const MOST_MIXTURES: usize = 16;

type Keys<'a> = BTreeSet<&'a str>;

/// What is wrong with a ruleset: what it is about, such as `flag new-cart`, and a sentence.
type Problems = HashSet<(String, String)>;

/// Compiles what of `wanted` can be evaluated, and gives it with what must wait; nothing waits unless a list is
/// missing. `before` is what was evaluated until now, and `compile` the change from there.
pub(crate) fn divide(
    wanted: &Delta,
    before: Option<&Ruleset>,
    held: &KeyLists,
    compile: impl Fn(&Delta) -> Ruleset,
) -> (Ruleset, Delta) {
    let mut waiting = lacking(wanted, held);
    if waiting.is_empty() {
        return (compile(wanted), Delta { revision: wanted.revision, ..Delta::default() });
    }
    let knows = |key: &str| before.is_some_and(|before| before.knows_segment(key));
    let known_problems = before.map(problems).unwrap_or_default();
    let mut mixtures = 0;
    loop {
        let (now, behind) = split(wanted, &waiting, knows);
        let mixture = Mixture {
            ruleset: compile(&now),
            waiting: &waiting,
            may_wait: wanted
                .segments
                .iter()
                .filter_map(|(key, segment)| Some((key.as_str(), segment.as_ref()?.known()?)))
                .filter(|(key, _)| !waiting.contains(key) && knows(key))
                .collect(),
        };
        mixtures += 1;
        let more = if mixtures < MOST_MIXTURES { mixture.culprits(&known_problems) } else { mixture.all() };
        if more.is_empty() {
            return (mixture.ruleset, behind);
        }
        waiting.extend(more);
    }
}

/// The segments that a list is missing for.
pub(crate) fn lacking<'a>(wanted: &'a Delta, held: &KeyLists) -> Keys<'a> {
    let lacks = |segment: &Segment| Name::all_of_segment(segment).any(|name| !name.is_held(held));
    let known = |segment: &'a Option<Arc<Read<Segment>>>| segment.as_ref()?.known();
    let lacking = wanted.segments.iter().filter(|(_, segment)| known(segment).is_some_and(lacks));
    lacking.map(|(key, _)| key.as_str()).collect()
}

/// Divides `wanted` into what is tried now, and what waits: these segments, and all that is removed.
fn split(wanted: &Delta, waiting: &Keys<'_>, knows: impl Fn(&str) -> bool) -> (Delta, Delta) {
    let mut behind = Delta { revision: wanted.revision, ..Delta::default() };
    behind.segments.extend(wanted.segments.iter().filter_map(|(key, segment)| {
        let waits = segment.is_none() || waiting.contains(key.as_str());
        waits.then(|| (key.clone(), segment.clone()))
    }));
    let mut now = wanted.clone();
    now.segments.retain(|key, segment| match behind.segments.get(key) {
        // There is nothing to ask in its place, and so it says itself what is missing.
        Some(_) => segment.is_some() && !knows(key),
        None => true,
    });
    behind.lists.extend(now.lists.extract_if(.., |_, list| list.is_none()));
    (now, behind)
}

/// Some segments as they are wanted, the waiting ones as they were.
struct Mixture<'a, 'w> {
    ruleset: Ruleset,
    waiting: &'w Keys<'a>,
    /// The segments as they are wanted that could wait: all of them can be asked as they were.
    may_wait: BTreeMap<&'a str, &'a Segment>,
}

impl<'a> Mixture<'a, '_> {
    fn all(&self) -> Keys<'a> {
        self.may_wait.keys().copied().collect()
    }

    /// Those for which something is lost that could be asked before; none if nothing is.
    fn culprits(&self, known: &Problems) -> Keys<'a> {
        let is_lost = |key: &str| self.may_wait.contains_key(key) && !self.ruleset.knows_segment(key);
        // Who names a lost one may be understood without waiting, once that one waits.
        let is_cause = |key: &str, segment: &Segment| {
            is_lost(key)
                && !names_any(segment, is_lost)
                && self.is_mixed(&self.ruleset.segments_of_segment(key))
        };
        let causes: Keys<'_> = self
            .may_wait
            .iter()
            .filter(|(key, segment)| is_cause(key, segment))
            .map(|(key, _)| *key)
            .collect();
        if causes.is_empty() { self.beneath_new_problems(known) } else { causes }
    }

    /// What flags and segments that did not change, and have come over a bound, reach of what could wait.
    fn beneath_new_problems(&self, known: &Problems) -> Keys<'a> {
        let mut beneath = Keys::new();
        for (about, _) in problems(&self.ruleset).difference(known) {
            let reached = match about.split_once(' ') {
                Some(("flag", key)) => self.ruleset.segments_of_flag(key),
                Some(("segment", key)) => self.ruleset.segments_of_segment(key),
                _ => Keys::new(),
            };
            if self.is_mixed(&reached) {
                beneath.extend(self.may_wait.keys().filter(|key| reached.contains(*key)));
            }
        }
        beneath
    }

    /// Whether something among these waits: or what is wrong has nothing to do with the mixture.
    fn is_mixed(&self, reached: &Keys<'_>) -> bool {
        reached.iter().any(|key| self.waiting.contains(key))
    }
}

fn problems(ruleset: &Ruleset) -> Problems {
    ruleset.problems().map(|(about, problem)| (about, problem.to_string())).collect()
}

fn names_any(segment: &Segment, is_one: impl Fn(&str) -> bool) -> bool {
    let parts = segment.when.as_ref().map(Condition::parts).unwrap_or_default();
    parts.iter().any(|(_, part)| matches!(part, Condition::Segment(named) if is_one(named)))
}

/// What of a fetched snapshot can be evaluated in the place of `before`, and what must wait; see [`divide`].
pub(crate) fn divide_snapshot(
    fetched: &Snapshot,
    before: Option<&Ruleset>,
    held: &KeyLists,
) -> (Ruleset, Delta) {
    let (segments, lists) = match before.map(Ruleset::snapshot) {
        Some(Snapshot { segments, lists, .. }) => (segments, lists),
        None => Default::default(),
    };
    let wanted = Delta {
        revision: fetched.revision,
        flags: BTreeMap::new(),
        segments: change(&segments, &fetched.segments),
        lists: change(&lists, &fetched.lists),
    };
    divide(&wanted, before, held, |now| {
        let mut mixture = Snapshot { segments: segments.clone(), lists: lists.clone(), ..fetched.clone() };
        mixture.apply(now);
        Ruleset::compile(&mixture, held)
    })
}

/// What leads from `before` to `after`, with everything that is there after.
fn change<T: Clone>(
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
) -> BTreeMap<String, Option<T>> {
    let gone = before.keys().map(|key| (key.clone(), None));
    gone.chain(after.iter().map(|(key, entity)| (key.clone(), Some(entity.clone())))).collect()
}

/// One change in the place of two that follow each other.
pub(crate) fn merge(first: &Delta, then: &Delta) -> Delta {
    let mut merged = first.clone();
    merged.revision = then.revision;
    merged.flags.extend(then.flags.clone());
    merged.segments.extend(then.segments.clone());
    merged.lists.extend(then.lists.clone());
    merged
}
