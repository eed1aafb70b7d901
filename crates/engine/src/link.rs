//! In which order segments and flags are compiled: each after what it names, and no more of them than must be.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compiled::Compiled;
use crate::graph::{Graph, spelled};
use crate::mention::Mention;
use crate::model::{Flag, Read, Segment};
use crate::surroundings::{Given, KnownSegment, Segments, Surroundings};

/// Compiles the segments of these keys, each after those that it names, and adds them to `segments`, which has
/// all others that they may name.
pub(crate) fn compile_segments<'a>(
    segments: &mut Segments,
    keys: impl IntoIterator<Item = &'a str>,
    document: impl Fn(&str) -> Option<&'a Arc<Read<Segment>>>,
    given: Given<'_>,
) {
    let names = |key: &str| -> Vec<&'a str> {
        let mentions = document(key).map(|segment| Mention::all_of_segment(segment));
        mentions.into_iter().flatten().filter_map(Mention::segment).collect()
    };
    let graph = Graph::new(keys, names);
    for key in graph.order() {
        let Some(document) = document(key).filter(|_| !segments.contains_key(key)) else { continue };
        let surroundings = Surroundings { given, segments, flags: &|_| None };
        let cycle = graph.cycle(key).map(spelled);
        let segment = KnownSegment::new(key, document, &surroundings, graph.depth(key), cycle);
        segments.insert(key.to_owned(), segment);
    }
}

/// Compiles the flags of these keys, each after those that it requires; `unchanged` has the others.
pub(crate) fn compile_flags<'a>(
    keys: impl Iterator<Item = &'a str> + Clone,
    document: impl Fn(&str) -> Option<&'a Arc<Read<Flag>>>,
    unchanged: impl Fn(&str) -> Option<Arc<Compiled>>,
    surroundings: Surroundings<'_>,
) -> BTreeMap<&'a str, Arc<Compiled>> {
    let graph = graph_of_flags(keys.clone(), &document);
    let mut compiled: BTreeMap<&str, Arc<Compiled>> = BTreeMap::new();
    for key in graph.order().chain(keys) {
        let Some(document) = document(key) else { continue };
        if compiled.contains_key(key) || unchanged(key).is_some() {
            continue;
        }
        let flags = |key: &str| compiled.get(key).cloned().or_else(|| unchanged(key));
        let surroundings = Surroundings { flags: &flags, ..surroundings };
        let flag = Arc::new(Compiled::new(key, document, &surroundings, &graph));
        compiled.insert(key, flag);
    }
    compiled
}

/// Who requires whom, from these flags on; those that require nobody are left out.
pub(crate) fn graph_of_flags<'a>(
    keys: impl Iterator<Item = &'a str>,
    document: impl Fn(&str) -> Option<&'a Arc<Read<Flag>>>,
) -> Graph<'a> {
    let required = |key: &str| -> Vec<&'a str> {
        let flag = document(key).and_then(|flag| flag.known());
        let required = flag.and_then(|flag| flag.prerequisites.known());
        required.into_iter().flatten().map(|required| required.flag.as_str()).collect()
    };
    Graph::new(keys.filter(|key| !required(key).is_empty()), required)
}
