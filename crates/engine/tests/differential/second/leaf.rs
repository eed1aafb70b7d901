//! One leaf of a condition: an attribute, an operator and its values.

use serde_json::{Map, Value};

use super::network::{self, Network};
use super::pattern::{self, Node};
use super::text::{self, Number, folded};
use super::version::{self, Range};
use super::{Known, Unknown, World, instant, only, path};

/// What a leaf asks, its values read.
enum Test {
    Exists,
    /// Same as one of the values, or as none of them.
    Equality {
        values: Vec<Value>,
        none: bool,
    },
    Text {
        inside: fn(&str, &str) -> bool,
        values: Vec<String>,
    },
    Patterns(Vec<Node>),
    Number {
        holds: fn(f64, f64) -> bool,
        value: f64,
    },
    Instant {
        holds: fn(f64, f64) -> bool,
        value: f64,
    },
    Versions(Vec<Range>),
    Networks(Vec<Network>),
}

/// Whether a leaf holds. Values are read before the attribute is looked for: what is not known is not known in
/// every context.
///
/// Reading: a path is not empty, though a part of it may be.
pub(super) fn holds(world: &World<'_>, leaf: &Map<String, Value>) -> Known<bool> {
    only(leaf, &["attribute", "operator", "values", "list", "ignore_case"])?;
    let attribute =
        leaf.get("attribute").and_then(Value::as_str).filter(|path| !path.is_empty()).ok_or(Unknown)?;
    let operator = leaf.get("operator").and_then(Value::as_str).ok_or(Unknown)?;
    let ignore_case = leaf.get("ignore_case").map_or(Some(false), Value::as_bool).ok_or(Unknown)?;
    let test = test(operator, &values(world, leaf, operator)?, ignore_case)?;
    let Some(found) = path::find(world.context, attribute).filter(|found| !found.is_null()) else {
        return Ok(false);
    };
    let elements = match (&test, found) {
        (Test::Exists, _) => return Ok(true),
        (_, Value::Array(elements)) => elements,
        (_, one) => vec![one],
    };
    let answers: Vec<bool> =
        elements.iter().filter_map(|element| answer(&test, element, ignore_case)).collect();
    Ok(match test {
        Test::Equality { none: true, .. } => !answers.is_empty() && !answers.contains(&true),
        _ => answers.contains(&true),
    })
}

/// The values of a leaf, those of a context list, or none.
///
/// Reading: what takes no value may carry an empty list of them.
fn values(world: &World<'_>, leaf: &Map<String, Value>, operator: &str) -> Known<Vec<Value>> {
    match (leaf.get("values"), leaf.get("list")) {
        (Some(Value::Array(values)), None) => Ok(values.clone()),
        (None, Some(Value::String(list))) if matches!(operator, "in" | "not_in") => {
            world.snapshot["lists"].get(list).and_then(Value::as_array).cloned().ok_or(Unknown)
        }
        (None, None) if operator == "exists" => Ok(Vec::new()),
        _ => Err(Unknown),
    }
}

fn test(operator: &str, values: &[Value], ignore_case: bool) -> Known<Test> {
    Ok(match operator {
        "exists" if values.is_empty() => Test::Exists,
        "equals" | "not_equals" => {
            one(values)?;
            Test::Equality { values: comparable(values)?, none: operator == "not_equals" }
        }
        "in" | "not_in" => Test::Equality { values: comparable(values)?, none: operator == "not_in" },
        "contains" | "starts_with" | "ends_with" => {
            let inside: fn(&str, &str) -> bool = match operator {
                "contains" => |text, value| text.contains(value),
                "starts_with" => |text, value| text.starts_with(value),
                _ => |text, value| text.ends_with(value),
            };
            let values = texts(values)?;
            if values.contains(&"") {
                return Err(Unknown);
            }
            Test::Text {
                inside,
                values: values.into_iter().map(|value| folded(value, ignore_case)).collect(),
            }
        }
        "matches" => Test::Patterns(each(&texts(values)?, pattern::pattern)?),
        "gt" => Test::Number { holds: |one, other| one > other, value: number(one(values)?).ok_or(Unknown)? },
        "gte" => {
            Test::Number { holds: |one, other| one >= other, value: number(one(values)?).ok_or(Unknown)? }
        }
        "lt" => Test::Number { holds: |one, other| one < other, value: number(one(values)?).ok_or(Unknown)? },
        "lte" => {
            Test::Number { holds: |one, other| one <= other, value: number(one(values)?).ok_or(Unknown)? }
        }
        "before" => Test::Instant {
            holds: |one, other| one < other,
            value: instant::instant(one(values)?).ok_or(Unknown)?,
        },
        "after" => Test::Instant {
            holds: |one, other| one > other,
            value: instant::instant(one(values)?).ok_or(Unknown)?,
        },
        "semver" => Test::Versions(each(&texts(values)?, version::range)?),
        "cidr" => Test::Networks(each(&texts(values)?, network::network)?),
        _ => return Err(Unknown),
    })
}

fn one(values: &[Value]) -> Known<&Value> {
    match values {
        [value] => Ok(value),
        _ => Err(Unknown),
    }
}

fn texts(values: &[Value]) -> Known<Vec<&str>> {
    values.iter().map(|value| value.as_str().ok_or(Unknown)).collect()
}

fn each<T>(values: &[&str], read: fn(&str) -> Option<T>) -> Known<Vec<T>> {
    values.iter().map(|value| read(value).ok_or(Unknown)).collect()
}

/// Texts, numbers and booleans; anything else compares with nothing.
fn comparable(values: &[Value]) -> Known<Vec<Value>> {
    let all = values.iter().all(|value| value.is_string() || value.is_number() || value.is_boolean());
    if all { Ok(values.to_vec()) } else { Err(Unknown) }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(_) => text::double(value),
        Value::String(text) => match text::number(text) {
            Number::Finite(number) => Some(number),
            Number::Beyond | Number::No => None,
        },
        _ => None,
    }
}

/// What one element says; `None` when the operator cannot read it.
fn answer(test: &Test, element: &Value, ignore_case: bool) -> Option<bool> {
    match test {
        Test::Exists => Some(true),
        Test::Equality { values, .. } => same_as_any(element, values, ignore_case),
        Test::Text { inside, values } => {
            let text = folded(&text_of(element)?, ignore_case);
            Some(values.iter().any(|value| inside(&text, value)))
        }
        Test::Patterns(patterns) => {
            let text = folded(&text_of(element)?, ignore_case);
            Some(patterns.iter().any(|node| pattern::is_found(node, &text, ignore_case)))
        }
        Test::Number { holds, value } => Some(holds(number(element)?, *value)),
        Test::Instant { holds, value } => Some(holds(instant::instant(element)?, *value)),
        Test::Versions(ranges) => {
            let version = version::version(element.as_str()?)?;
            Some(ranges.iter().any(|range| version::satisfies(&version, range)))
        }
        Test::Networks(networks) => {
            let address = network::address(element.as_str()?)?;
            Some(networks.iter().any(|network| network::is_in(&address, network)))
        }
    }
}

fn text_of(element: &Value) -> Option<String> {
    match element {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) => text::double(element).map(text::of_number),
        _ => None,
    }
}

/// Compared with each value in turn; an element that one of them cannot be compared with, and that none equals,
/// cannot be read.
fn same_as_any(element: &Value, values: &[Value], ignore_case: bool) -> Option<bool> {
    if !(element.is_string() || element.is_number() || element.is_boolean()) {
        return None;
    }
    let answers: Vec<Option<bool>> = values.iter().map(|value| same(element, value, ignore_case)).collect();
    if answers.contains(&Some(true)) {
        return Some(true);
    }
    if answers.contains(&None) { None } else { Some(false) }
}

fn same(element: &Value, value: &Value, ignore_case: bool) -> Option<bool> {
    match (element, value) {
        (Value::String(one), Value::String(other)) => {
            Some(folded(one, ignore_case) == folded(other, ignore_case))
        }
        (Value::Number(_), Value::Number(_)) => Some(equal(text::double(element)?, text::double(value)?)),
        (Value::String(text), Value::Number(_)) => match text::number(text) {
            Number::Finite(number) => Some(equal(number, text::double(value)?)),
            Number::Beyond => None,
            Number::No => Some(false),
        },
        (Value::Number(_), Value::String(text)) => match text::number(text) {
            Number::Finite(number) => Some(equal(text::double(element)?, number)),
            Number::Beyond | Number::No => Some(false),
        },
        (Value::Bool(boolean), Value::String(text)) | (Value::String(text), Value::Bool(boolean)) => {
            Some(folded(text, true) == boolean.to_string())
        }
        (Value::Bool(one), Value::Bool(other)) => Some(one == other),
        _ => Some(false),
    }
}

fn equal(one: f64, other: f64) -> bool {
    one.partial_cmp(&other).is_some_and(std::cmp::Ordering::is_eq)
}
