//! Which changes of segments wait for their large key lists, and what is evaluated in the meantime.
//!
//! Flags wait for nothing. A segment that names a list which is not here yet is evaluated as it was before, or, if
//! there is none to go on with, is one that is not understood and says which list is missing. With it wait those
//! that would no longer be understood without it. What was removed is kept as well, since what waits may still name
//! it in its old shape.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::KeyLists;
use engine::model::{Condition, Delta, Read, Segment, Snapshot};

use crate::library::Name;

type Segments = BTreeMap<String, Option<Arc<Read<Segment>>>>;

/// Divides `wanted` into what can be evaluated now, and what must wait; nothing waits unless a list is missing.
/// `knows` says whether there is a segment of a key that can be asked meanwhile.
pub(crate) fn divide(wanted: Delta, knows: impl Fn(&str) -> bool, held: &KeyLists) -> (Delta, Delta) {
    let waiting = waiting(&wanted.segments, &knows, held);
    let mut behind = Delta { revision: wanted.revision, ..Delta::default() };
    if waiting.is_empty() {
        return (wanted, behind);
    }
    behind.segments.extend(wanted.segments.iter().filter_map(|(key, segment)| {
        let waits = segment.is_none() || waiting.contains(key.as_str());
        waits.then(|| (key.clone(), segment.clone()))
    }));
    let mut now = wanted;
    now.segments.retain(|key, segment| match behind.segments.get(key) {
        Some(_) => segment.is_some() && !knows(key),
        None => true,
    });
    behind.lists.extend(now.lists.extract_if(.., |_, list| list.is_none()));
    (now, behind)
}

/// The segments that a list is missing for, and those that name one of them that cannot be asked.
fn waiting<'a>(wanted: &'a Segments, knows: impl Fn(&str) -> bool, held: &KeyLists) -> BTreeSet<&'a str> {
    let known = |segment: &'a Option<Arc<Read<Segment>>>| segment.as_ref()?.known();
    let segments: Vec<_> =
        wanted.iter().filter_map(|(key, segment)| Some((key.as_str(), known(segment)?))).collect();
    let lacks = |segment: &Segment| Name::all_of_segment(segment).any(|name| !name.is_held(held));
    let mut waiting: BTreeSet<_> =
        segments.iter().filter(|(_, segment)| lacks(segment)).map(|(key, _)| *key).collect();
    loop {
        let is_lost = |named: &str| waiting.contains(named) && !knows(named);
        let more: Vec<_> = segments
            .iter()
            .filter(|(key, segment)| !waiting.contains(key) && knows(key) && names_any(segment, is_lost))
            .map(|(key, _)| *key)
            .collect();
        if more.is_empty() {
            return waiting;
        }
        waiting.extend(more);
    }
}

fn names_any(segment: &Segment, is_one: impl Fn(&str) -> bool) -> bool {
    let parts = segment.when.as_ref().map(Condition::parts).unwrap_or_default();
    parts.iter().any(|(_, part)| matches!(part, Condition::Segment(named) if is_one(named)))
}

/// What of a fetched snapshot can be evaluated in the place of `before`, and what must wait; see [`divide`].
pub(crate) fn divide_snapshot<'a>(
    fetched: &'a Snapshot,
    before: Snapshot,
    knows: impl Fn(&str) -> bool,
    held: &KeyLists,
) -> (Cow<'a, Snapshot>, Delta) {
    let wanted = Delta {
        revision: fetched.revision,
        flags: BTreeMap::new(),
        segments: change(&before.segments, &fetched.segments),
        lists: change(&before.lists, &fetched.lists),
    };
    let (now, behind) = divide(wanted, knows, held);
    if behind.segments.is_empty() {
        return (Cow::Borrowed(fetched), behind);
    }
    let mut evaluated = Snapshot { segments: before.segments, lists: before.lists, ..fetched.clone() };
    evaluated.apply(&now);
    (Cow::Owned(evaluated), behind)
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
