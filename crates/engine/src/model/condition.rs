//! When a rule holds: a tree of all, any and not over comparisons of one attribute each.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::json::{At, Object, Violations, deserialize};

/// No deeper than this, the comparison included.
pub const MOST_DEPTH: usize = 16;
/// No more values than this in one comparison.
const MOST_VALUES: usize = 10_000;
/// No longer than this, in bytes, are an attribute's path and a value.
const MOST_TEXT: usize = 4_096;

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Holds when each does; when there is none, for everyone.
    All(Vec<Condition>),
    /// Holds when one does; when there is none, for nobody.
    Any(Vec<Condition>),
    /// Holds when the other does not.
    Not(Box<Condition>),
    /// Compares one attribute.
    Leaf(Leaf),
}

/// A comparison of one attribute with some values.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Path of the attribute in the context.
    pub attribute: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with; checked to suit the operator.
    pub values: Vec<Value>,
    /// Compares texts after folding both.
    pub ignore_case: bool,
}

/// How an attribute is compared with the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The same as the one value.
    Equals,
    /// Readable, and not the same as the one value.
    NotEquals,
    /// Has any of the texts inside.
    Contains,
    /// The same as any of the values.
    In,
}

impl Operator {
    const ALL: [Self; 4] = [Self::Equals, Self::NotEquals, Self::Contains, Self::In];

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "not_equals",
            Self::Contains => "contains",
            Self::In => "in",
        }
    }

    /// Reads the name of an operator.
    pub fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        let name = at.text(violations)?;
        let operator = Self::ALL.into_iter().find(|operator| operator.name() == name);
        if operator.is_none() {
            let known: Vec<_> = Self::ALL.iter().map(|operator| operator.name()).collect();
            at.fault(
                violations,
                format_args!("{name:?} is not an operator of this version; use one of {}", known.join(", ")),
            );
        }
        operator
    }
}

impl Condition {
    /// Reads the long form.
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
            all.each(violations, MOST_VALUES, inner).map(Self::All)
        } else if let Some(any) = object.get("any") {
            any.each(violations, MOST_VALUES, inner).map(Self::Any)
        } else if let Some(not) = object.get("not") {
            inner(not, violations).map(|condition| Self::Not(Box::new(condition)))
        } else if let Some(node) = ["segment", "bucket", "list"].into_iter().find(|node| object.has(node)) {
            object
                .fault(violations, format_args!("conditions on a {node} are not understood by this version"));
            return None;
        } else {
            Leaf::read(&object, violations).map(Self::Leaf)
        };
        object.deny_unknown(violations);
        condition
    }
}

impl Leaf {
    fn read(object: &Object<'_>, violations: &mut Violations) -> Option<Self> {
        let attribute = object.require(violations, "attribute").and_then(|at| read_attribute(at, violations));
        let operator = object.require(violations, "operator").and_then(|at| Operator::read(at, violations));
        let values = object.require(violations, "values")?;
        let ignore_case = object.optional(violations, "ignore_case", |at, violations| at.boolean(violations));
        let operator = operator?;
        let values = read_values(values, operator, violations);
        Some(Self {
            attribute: attribute?,
            operator,
            values: values?,
            ignore_case: ignore_case?.unwrap_or_default(),
        })
    }
}

/// Reads an attribute's path.
pub fn read_attribute(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let path = at.text(violations)?;
    if path.is_empty() || path.len() > MOST_TEXT {
        at.fault(violations, format_args!("must name an attribute, in 1 to {MOST_TEXT} bytes"));
        return None;
    }
    Some(path.to_owned())
}

/// Reads the values that an operator compares with.
pub fn read_values(at: At<'_>, operator: Operator, violations: &mut Violations) -> Option<Vec<Value>> {
    let values = at.each(violations, MOST_VALUES, |at, violations| read_value(at, operator, violations))?;
    if matches!(operator, Operator::Equals | Operator::NotEquals) && values.len() != 1 {
        at.fault(
            violations,
            format_args!("{} compares with exactly one value; for several use in", operator.name()),
        );
        return None;
    }
    Some(values)
}

/// Reads one value that an operator compares with.
pub fn read_value(at: At<'_>, operator: Operator, violations: &mut Violations) -> Option<Value> {
    let fits = match (operator, at.value()) {
        (_, Value::String(text)) if text.len() > MOST_TEXT => false,
        (Operator::Contains, value) => value.as_str().is_some_and(|text| !text.is_empty()),
        (_, value) => value.is_string() || value.is_number() || value.is_boolean(),
    };
    if !fits {
        let expected = if operator == Operator::Contains {
            "a text that is not empty"
        } else {
            "a text, a number or a boolean"
        };
        at.fault(
            violations,
            format_args!("{} needs {expected}, of at most {MOST_TEXT} bytes", operator.name()),
        );
        return None;
    }
    Some(at.value().clone())
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
            Self::Leaf(leaf) => {
                members.serialize_entry("attribute", &leaf.attribute)?;
                members.serialize_entry("operator", leaf.operator.name())?;
                members.serialize_entry("values", &leaf.values)?;
                if leaf.ignore_case {
                    members.serialize_entry("ignore_case", &true)?;
                }
            }
        }
        members.end()
    }
}
