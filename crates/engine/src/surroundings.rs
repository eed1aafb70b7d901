//! What a flag or a segment is compiled against: everything it may name.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::compiled::Compiled;
use crate::context::Path;
use crate::json::{Violation, Violations};
use crate::key_list::{KeyList, KeyLists};
use crate::model::{self, List, Read};
use crate::segment::Segment;

/// No segment names others in more levels than this, itself included.
pub(crate) const MOST_SEGMENT_DEPTH: usize = 8;

/// A segment as the ruleset keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownSegment {
    pub(crate) document: Arc<Read<model::Segment>>,
    /// None if it cannot be understood.
    pub(crate) compiled: Option<Arc<Segment>>,
    /// Why not.
    pub(crate) problems: Arc<[Violation]>,
    /// How many levels of segments there are from here down, itself included.
    pub(crate) depth: usize,
}

pub(crate) type Segments = BTreeMap<String, KnownSegment>;
pub(crate) type Lists = BTreeMap<String, Arc<Read<List>>>;

/// What is not compiled itself.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) lists: &'a Lists,
    /// None where only what was written is checked: a list that is named by its digest is taken for good.
    pub(crate) key_lists: Option<&'a KeyLists>,
    /// Paths that were met already.
    pub(crate) paths: &'a Paths,
}

/// Everything that can be named.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) given: Given<'a>,
    /// Segments that are compiled already.
    pub(crate) segments: &'a Segments,
    /// Flags that are compiled already.
    pub(crate) flags: &'a dyn Fn(&str) -> Option<Arc<Compiled>>,
}

/// Each path once: flags of one environment look at the same few attributes.
#[derive(Debug, Default)]
pub(crate) struct Paths(RefCell<HashMap<Box<str>, Arc<Path>>>);

impl<'a> Surroundings<'a> {
    pub(crate) fn path(&self, name: &str) -> Arc<Path> {
        let mut paths = self.given.paths.0.borrow_mut();
        if let Some(path) = paths.get(name) {
            return Arc::clone(path);
        }
        let path = Arc::new(Path::new(name));
        paths.insert(name.into(), Arc::clone(&path));
        path
    }

    pub(crate) fn segment(&self, key: &str) -> Result<Arc<Segment>, String> {
        let known = self.segments.get(key).ok_or_else(|| {
            format!("there is no segment {key:?} in this environment; make it first, or mend the key")
        })?;
        known.compiled.clone().ok_or_else(|| {
            let why = known.problems.first().map(Violation::to_string).unwrap_or_default();
            format!("the segment {key:?} is not understood: {why}")
        })
    }

    pub(crate) fn list(&self, key: &str) -> Result<&'a List, String> {
        let list = self.given.lists.get(key).ok_or_else(|| {
            format!(
                "there is no context list {key:?}; make a context field of this key first, or give values"
            )
        })?;
        list.as_result().map_err(|why| format!("the context list {key:?} is not understood: {why}"))
    }

    pub(crate) fn key_list(&self, sha256: &str, count: u64) -> Result<Arc<KeyList>, String> {
        let Some(key_lists) = self.given.key_lists else { return Ok(Arc::default()) };
        let list = key_lists.get(sha256).ok_or_else(|| format!("the list {sha256} was not fetched"))?;
        if list.len() as u64 != count {
            return Err(format!("the list {sha256} has {} keys; {count} are expected", list.len()));
        }
        Ok(Arc::clone(list))
    }
}

impl KnownSegment {
    /// Compiles a segment whose own segments are compiled. `cycle` spells the cycle that it is on.
    pub(crate) fn new(
        key: &str,
        document: &Arc<Read<model::Segment>>,
        surroundings: &Surroundings<'_>,
        depth: usize,
        cycle: Option<String>,
    ) -> Self {
        let mut violations = Violations::default();
        if let Some(cycle) = cycle {
            violations.add("when", format_args!("segments must not name each other in a circle: {cycle}"));
        } else if depth > MOST_SEGMENT_DEPTH {
            violations.add(
                "when",
                format_args!("names segments {depth} levels deep; at most {MOST_SEGMENT_DEPTH} are allowed"),
            );
        }
        let compiled = if violations.is_empty() {
            Segment::new(key, document, surroundings, &mut violations)
        } else {
            // Nobody can ask it, but what else is wrong with it is told as well.
            let rest = without_broken_segments(document, surroundings);
            Segment::new(key, &rest, surroundings, &mut violations)
        };
        let problems = violations.into_result(Some(())).err().unwrap_or_default();
        Self {
            document: Arc::clone(document),
            compiled: compiled.map(Arc::new),
            problems: problems.into(),
            depth,
        }
    }

    /// How much there is to test in it at most.
    pub(crate) fn weight(&self) -> u64 {
        self.compiled.as_ref().map_or(1, |segment| segment.weight())
    }
}

/// The segment without the segments that it names and that are not compiled: on a circle nothing can be said of
/// them but that.
fn without_broken_segments(
    document: &Arc<Read<model::Segment>>,
    surroundings: &Surroundings<'_>,
) -> Arc<Read<model::Segment>> {
    let Some(segment) = document.known() else { return Arc::clone(document) };
    let mut segment = segment.clone();
    if let Some(when) = &mut segment.when {
        leave_out_broken(when, surroundings);
    }
    Arc::new(segment.into())
}

fn leave_out_broken(condition: &mut model::Condition, surroundings: &Surroundings<'_>) {
    match condition {
        model::Condition::All(children) | model::Condition::Any(children) => {
            for child in children {
                leave_out_broken(child, surroundings);
            }
        }
        model::Condition::Not(child) => leave_out_broken(child, surroundings),
        model::Condition::Segment(key) => {
            if surroundings.segment(key).is_err() {
                *condition = model::Condition::All(Vec::new());
            }
        }
        model::Condition::Leaf(_) | model::Condition::Bucket(_) => {}
    }
}
