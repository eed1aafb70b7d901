//! Conditions in words, and what of the context speaks for or against them.

use serde_json::Value;

use super::{Bucketed, Note, What};

/// No more values of a comparison, and no more characters of one, are shown to people.
const MOST_SHOWN: usize = 6;
const MOST_CHARACTERS: usize = 60;

impl What {
    /// What is asked for.
    pub(super) fn condition(&self) -> String {
        match self {
            Self::Comparison { attribute, operator, values, left_out, list, ignore_case, .. } => {
                let shown = shown_all(values, *left_out);
                let relation = match list {
                    Some(_) if *operator == "in" => "is in",
                    Some(_) => "is not in",
                    None => relation(operator, values.len() > 1),
                };
                let values = match list {
                    Some(list) => format!(" the list {list} ({shown})"),
                    None if *operator == "exists" => String::new(),
                    None => format!(" {shown}"),
                };
                let case = if *ignore_case { ", in any case" } else { "" };
                format!("{attribute} {relation}{values}{case}")
            }
            Self::Segment { segment, .. } => format!("in the segment {segment}"),
            Self::Bucket { from, to, .. } => format!("in the buckets {}", borders(*from, *to)),
        }
    }

    /// What is there.
    pub(super) fn fact(&self, holds: bool) -> String {
        match self {
            Self::Comparison { attribute, operator, values, actual, note, .. } => match actual {
                None => missing(attribute, operator, note.as_ref()),
                Some(Value::Null) => format!("{attribute} is null, which counts as missing"),
                Some(actual) => {
                    format!(
                        "it is {}{}",
                        shown(actual),
                        remark(operator, actual, values, note.as_ref(), holds)
                    )
                }
            },
            Self::Segment { by, tests, .. } => {
                let why = match *by {
                    "included" => "the targeting key is included by name",
                    "excluded" => "the targeting key is excluded by name, whatever the condition says",
                    "no_condition" => "the targeting key is not included by name, and there is no condition",
                    _ if holds => "its condition holds",
                    _ => "the targeting key is not included by name, and its condition does not hold",
                };
                let end = if tests.is_empty() { "" } else { ":" };
                format!("{why}{end}")
            }
            Self::Bucket { bucket: None, by, .. } => {
                format!("the context has no {} to find one with", key_of(by))
            }
            Self::Bucket { bucket: Some(bucket), hash, salt, .. } => found(bucket, hash, salt),
        }
    }
}

fn missing(attribute: &str, operator: &str, note: Option<&Note>) -> String {
    let but = match note {
        Some(Note::Named(name)) => format!("; there is {name}, but a name must be exact"),
        _ if operator.starts_with("not_") => {
            ", and what is missing satisfies no comparison, not even a negative one".to_owned()
        }
        _ => String::new(),
    };
    format!("the context has no {attribute}{but}")
}

/// What is easily overlooked.
fn remark(operator: &str, actual: &Value, values: &[Value], note: Option<&Note>, holds: bool) -> String {
    let is_list = actual.is_array();
    match note {
        Some(Note::Unreadable) if actual.as_array().is_some_and(Vec::is_empty) => {
            return ", an empty list, which counts as missing".to_owned();
        }
        Some(Note::Unreadable) => {
            let wanted = readable(operator);
            let which = if is_list { "in which nothing is" } else { "which is not" };
            return format!(", {which} {wanted}, so it counts as missing");
        }
        Some(Note::Case) => return ", which differs in case, and case counts here".to_owned(),
        Some(Note::Named(_)) | None => {}
    }
    let negative = operator.starts_with("not_");
    if is_list && operator != "exists" {
        let of_which = match (negative, holds) {
            (false, true) | (true, false) => "one of which is",
            (false, false) | (true, true) => "none of which is",
        };
        return format!(", {of_which}");
    }
    let is_other = holds == negative && matches!(operator, "equals" | "in" | "not_equals" | "not_in");
    let all = |is: fn(&Value) -> bool| !values.is_empty() && values.iter().all(is);
    match actual {
        Value::String(_) if is_other && all(Value::is_number) => ", a text that does not spell such a number",
        Value::String(_) if is_other && all(Value::is_boolean) => ", a text that does not spell it",
        Value::Number(_) if is_other && all(Value::is_string) => ", a number that no such text spells",
        Value::Bool(_) if is_other && all(Value::is_string) => ", a boolean that no such text spells",
        Value::Number(_) if is_other && all(Value::is_boolean) => ", and a number is never a boolean",
        Value::Bool(_) if is_other && all(Value::is_number) => ", and a boolean is never a number",
        _ => "",
    }
    .to_owned()
}

/// What an operator wants of an attribute.
fn readable(operator: &str) -> &'static str {
    match operator {
        "gt" | "gte" | "lt" | "lte" => "a number",
        "before" | "after" => "an instant (RFC 3339 with an offset, or milliseconds since 1970)",
        "semver" => "a version",
        "cidr" => "an IP address",
        "contains" | "starts_with" | "ends_with" | "matches" => "a text",
        _ => "a text, a number or a boolean",
    }
}

/// How an attribute stands to the values of an operator. `several` says that there are more values than one.
fn relation(operator: &str, several: bool) -> &str {
    match (operator, several) {
        ("in", true) => "is one of",
        ("equals" | "in", _) => "is",
        ("not_in", true) => "is none of",
        ("not_equals" | "not_in", _) => "is not",
        ("contains", _) => "contains",
        ("starts_with", _) => "starts with",
        ("ends_with", _) => "ends with",
        ("matches", _) => "matches",
        ("gt", _) => "is above",
        ("gte", _) => "is at least",
        ("lt", _) => "is below",
        ("lte", _) => "is at most",
        ("before", _) => "is before",
        ("after", _) => "is after",
        ("semver", _) => "is a version in",
        ("cidr", _) => "is an address in",
        ("exists", _) => "is there",
        (operator, _) => operator,
    }
}

/// Where a key is, and how it came there.
pub(super) fn found(bucket: &Bucketed, hash: &str, salt: &str) -> String {
    let Bucketed { key, bucket } = bucket;
    format!("{key:?} is in bucket {bucket} ({hash} of \"{salt}:{key}\")")
}

/// What names the unit of a split or a gate.
pub(super) fn key_of(by: &[String]) -> String {
    if by.is_empty() { "targetingKey".to_owned() } else { by.join(" and no ") }
}

/// The last bucket is named, as people count.
pub(super) fn borders(from: u32, to: u32) -> String {
    match to.checked_sub(1) {
        Some(last) if last >= from => {
            let share = f64::from(to - from) / 1_000.0;
            format!("{from} to {last} ({share} %)")
        }
        _ => format!("{from} to {to} (nobody)"),
    }
}

pub(super) fn either(variants: &[String]) -> String {
    variants.join(" or ")
}

fn shown_all(values: &[Value], left_out: usize) -> String {
    let more = values.len().saturating_sub(MOST_SHOWN) + left_out;
    let mut first: Vec<_> = values.iter().take(MOST_SHOWN).map(shown).collect();
    if more > 0 {
        first.push(format!("and {more} more"));
    }
    if first.is_empty() { "nothing at all".to_owned() } else { first.join(", ") }
}

/// A value as JSON, cut where it is long.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
