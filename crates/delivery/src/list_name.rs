//! Which large key lists documents name.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::KeyLists;
use engine::model::{Delta, Keys, Read, Segment, Snapshot};

/// How a segment names a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) sha256: String,
    pub(crate) count: u64,
}

impl Name {
    fn of(keys: &Keys) -> Option<Self> {
        match keys {
            Keys::Inline(_) => None,
            Keys::Blob { sha256, count } => Some(Self { sha256: sha256.clone(), count: *count }),
        }
    }

    /// Whether the list is among these.
    pub(crate) fn is_held(&self, held: &KeyLists) -> bool {
        held.get(&self.sha256).is_some_and(|list| list.len() as u64 == self.count)
    }

    /// The lists that a segment names.
    pub(crate) fn all_of_segment(segment: &Segment) -> impl Iterator<Item = Self> {
        [&segment.included, &segment.excluded].into_iter().filter_map(Self::of)
    }

    /// The lists that a fetched snapshot names.
    pub(crate) fn all_of_snapshot(snapshot: &Snapshot) -> BTreeSet<Self> {
        names(snapshot.segments.values())
    }

    /// The lists that a change names.
    pub(crate) fn all_of_delta(delta: &Delta) -> BTreeSet<Self> {
        names(delta.segments.values().flatten())
    }
}

fn names<'a>(segments: impl Iterator<Item = &'a Arc<Read<Segment>>>) -> BTreeSet<Name> {
    let known = segments.filter_map(|segment| segment.known());
    known.flat_map(Name::all_of_segment).collect()
}
