//! When a rule holds: a tree of all, any and not over comparisons, segments and gates.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::serve::{Spread, WHOLE};
use super::{Leaf, Operands};
use crate::json::{At, Violations, deserialize};

/// No deeper than this, the comparison included.
pub const MOST_DEPTH: usize = 16;
/// No more conditions than this in one `all` or `any`.
const MOST_CONDITIONS: usize = 10_000;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Holds when each does; when there is none, for everyone.
    All(Vec<Condition>),
    /// Holds when one does; when there is none, for nobody.
    Any(Vec<Condition>),
    /// Holds when the other does not.
    Not(Box<Condition>),
    /// Holds when the segment of this key does.
    Segment(String),
    /// Holds for a part of the keys.
    Bucket(Gate),
    /// Compares one attribute.
    Leaf(Leaf),
}

/// A percentage that lets the others try the next rule: holds when there is a key and its bucket is in a range.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The first bucket that is inside.
    pub from: u32,
    /// The first bucket after that is outside again; at most [`WHOLE`].
    pub to: u32,
    /// How a context finds its bucket. The salt is the flag's key and `:gate` unless given, in a segment the
    /// segment's key and `:segment`.
    pub spread: Spread,
}

impl Condition {
    /// Reads the long form. Whether the values suit their operators, and whether what it refers to is there,
    /// is told when it compiles.
    pub fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        Self::read_at_depth(at, violations, 1)
    }

    fn read_at_depth(at: At<'_>, violations: &mut Violations, depth: usize) -> Option<Self> {
        if depth > MOST_DEPTH {
            at.fault(violations, format_args!("is nested deeper than {MOST_DEPTH} levels"));
            return None;
        }
        let inner = |at: At<'_>, violations: &mut Violations| Self::read_at_depth(at, violations, depth + 1);
        let object = at.object(violations)?;
        let condition = if let Some(all) = object.get("all") {
            all.each(violations, MOST_CONDITIONS, inner).map(Self::All)
        } else if let Some(any) = object.get("any") {
            any.each(violations, MOST_CONDITIONS, inner).map(Self::Any)
        } else if let Some(not) = object.get("not") {
            inner(not, violations).map(|condition| Self::Not(Box::new(condition)))
        } else if let Some(segment) = object.get("segment") {
            segment.text(violations).map(|key| Self::Segment(key.to_owned()))
        } else if let Some(bucket) = object.get("bucket") {
            Gate::read(bucket, violations).map(Self::Bucket)
        } else {
            Leaf::read(&object, violations).map(Self::Leaf)
        };
        object.deny_unknown(violations);
        condition
    }

    /// What cannot be divided any further in it: comparisons, segments and gates, in the order in which they
    /// are written, each with the way to it from here, such as `.any[0]`.
    pub fn parts(&self) -> Vec<(String, &Self)> {
        fn collect<'c>(condition: &'c Condition, path: &str, parts: &mut Vec<(String, &'c Condition)>) {
            match condition {
                Condition::All(children) | Condition::Any(children) => {
                    let name = if matches!(condition, Condition::All(_)) { "all" } else { "any" };
                    for (index, child) in children.iter().enumerate() {
                        collect(child, &format!("{path}.{name}[{index}]"), parts);
                    }
                }
                Condition::Not(child) => collect(child, &format!("{path}.not"), parts),
                part => parts.push((path.to_owned(), part)),
            }
        }
        let mut parts = Vec::new();
        collect(self, "", &mut parts);
        parts
    }

    /// Whether it nests in more levels than `most`, itself included. Looks no further than that.
    pub(crate) fn is_deeper_than(&self, most: usize) -> bool {
        let Some(below) = most.checked_sub(1) else { return true };
        match self {
            Self::All(children) | Self::Any(children) => {
                children.iter().any(|child| child.is_deeper_than(below))
            }
            Self::Not(child) => child.is_deeper_than(below),
            Self::Segment(_) | Self::Bucket(_) | Self::Leaf(_) => false,
        }
    }

    /// Calls `see` with each of its [`Condition::parts`], without the ways to them.
    pub(crate) fn each_part<'c>(&'c self, see: &mut impl FnMut(&'c Self)) {
        match self {
            Self::All(children) | Self::Any(children) => {
                for child in children {
                    child.each_part(see);
                }
            }
            Self::Not(child) => child.each_part(see),
            part => see(part),
        }
    }
}

impl Gate {
    fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let border = |at: At<'_>, violations: &mut Violations| {
            let border = at.whole(violations, "0 to 100000")?;
            if border > WHOLE {
                at.fault(violations, format_args!("is beyond {WHOLE}, the number of buckets"));
                return None;
            }
            Some(border)
        };
        let from = object.optional(violations, "from", border);
        let to = object.require(violations, "to").and_then(|at| border(at, violations));
        let spread = Spread::read(&object, violations);
        object.deny_unknown(violations);
        let (from, to) = (from?.unwrap_or_default(), to?);
        if from > to {
            at.fault(violations, format_args!("runs from {from} to {to}; from must not be above to"));
            return None;
        }
        Some(Self { from, to, spread: spread? })
    }
}

impl Serialize for Gate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        if self.from > 0 {
            members.serialize_entry("from", &self.from)?;
        }
        members.serialize_entry("to", &self.to)?;
        self.spread.write(&mut members)?;
        members.end()
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, Self::read)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        match self {
            Self::All(conditions) => members.serialize_entry("all", conditions)?,
            Self::Any(conditions) => members.serialize_entry("any", conditions)?,
            Self::Not(condition) => members.serialize_entry("not", condition)?,
            Self::Segment(key) => members.serialize_entry("segment", key)?,
            Self::Bucket(gate) => members.serialize_entry("bucket", gate)?,
            Self::Leaf(leaf) => {
                members.serialize_entry("attribute", &leaf.attribute)?;
                members.serialize_entry("operator", leaf.operator.name())?;
                match &leaf.operands {
                    // `exists` takes none.
                    Operands::Values(values) if values.is_empty() && !leaf.operator.takes_values() => {}
                    Operands::Values(values) => members.serialize_entry("values", values)?,
                    Operands::List(key) => members.serialize_entry("list", key)?,
                }
                if leaf.ignore_case {
                    members.serialize_entry("ignore_case", &true)?;
                }
            }
        }
        members.end()
    }
}
