//! Conditions in words, and what of the context speaks for or against them.

use serde_json::Value;

use super::{Bucketed, NoKey, Note, What};
use crate::text;

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
                let is_of_texts = readable(operator).contains("a text");
                let case = if *ignore_case && is_of_texts { ", in any case" } else { "" };
                format!("{attribute} {relation}{values}{case}")
            }
            Self::Segment { segment, .. } => format!("in the segment {segment}"),
            Self::Bucket { from, to, .. } => format!("in the buckets {}", borders(*from, *to)),
        }
    }

    /// What is there.
    pub(super) fn fact(&self, holds: bool) -> String {
        match self {
            Self::Comparison { attribute, operator, values, actual, actual_left_out, note, .. } => {
                match actual {
                    None => missing(attribute, operator, note.as_ref()),
                    Some(Value::Null) => format!("{attribute} is null, which counts as missing"),
                    Some(actual) => {
                        let in_all = match actual_left_out {
                            0 => String::new(),
                            more => format!(" ({} in all)", actual.as_array().map_or(0, Vec::len) + more),
                        };
                        format!(
                            "it is {}{in_all}{}",
                            shown_actual(actual),
                            remark(operator, actual, values, note.as_ref(), holds)
                        )
                    }
                }
            }
            Self::Segment { membership, keyless, no_keys, tests, .. } => {
                let not_included = || match keyless {
                    true => format!("{}, so nobody is included by name", lack(&[], no_keys)),
                    false => "the targeting key is not included by name".to_owned(),
                };
                let why = match *membership {
                    "included" => "the targeting key is included by name".to_owned(),
                    "excluded" => {
                        "the targeting key is excluded by name, whatever the condition says".to_owned()
                    }
                    "no_condition" => format!("{}, and there is no condition", not_included()),
                    _ if holds => "its condition holds".to_owned(),
                    _ => format!("{}, and its condition does not hold", not_included()),
                };
                let end = if tests.is_empty() { "" } else { ":" };
                format!("{why}{end}")
            }
            Self::Bucket { bucket: None, by, no_keys, .. } => {
                format!("{} to find one with", lack(by, no_keys))
            }
            Self::Bucket { bucket: Some(bucket), hash, salt, .. } => found(bucket, hash, salt),
        }
    }
}

fn missing(attribute: &str, operator: &str, note: Option<&Note>) -> String {
    let but = match note {
        Some(Note::NoKey(actual)) => {
            // It may be a path into the targeting key.
            let name = attribute.split('.').next().unwrap_or(attribute);
            return format!("{}, so {attribute} counts as missing", no_key(name, actual));
        }
        Some(note @ (Note::Named(_) | Note::NoObject(_) | Note::Reserved)) => format!("; {}", instead(note)),
        _ if operator.starts_with("not_") => {
            ", and what is missing satisfies no comparison, not even a negative one".to_owned()
        }
        _ => String::new(),
    };
    format!("the context has no {attribute}{but}")
}

/// What there is in place of what is missing.
fn instead(note: &Note) -> String {
    match note {
        Note::Named(name) => format!("there is {name}, but a name must be exact"),
        Note::NoObject(part) => format!("there is {part}, but it is no object to look into"),
        Note::Reserved => {
            "names that begin with $ are reserved, and what a caller sends under them is dropped".to_owned()
        }
        Note::Unreadable | Note::Case | Note::NoKey(_) => String::new(),
    }
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
            if !is_list && is_beyond(operator, actual) {
                return ", a number beyond a double's range, which counts as missing".to_owned();
            }
            let which = if is_list { "in which nothing is" } else { "which is not" };
            return format!(", {which} {wanted}, so it counts as missing");
        }
        Some(Note::Case) => return ", which differs in case, and case counts here".to_owned(),
        Some(Note::Named(_) | Note::NoObject(_) | Note::NoKey(_) | Note::Reserved) | None => {}
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

/// Whether an operator that reads numbers would read one here, were it not as large.
fn is_beyond(operator: &str, actual: &Value) -> bool {
    let reads_spelled = readable(operator).contains("a number");
    match actual {
        Value::Number(number) => number.as_f64().is_none_or(f64::is_infinite),
        Value::String(text) => reads_spelled && text::number(text).is_some_and(f64::is_infinite),
        _ => false,
    }
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
    let (key, hashed) = (quoted(key), quoted(&format!("{salt}:{key}")));
    format!("{key} is in bucket {bucket} ({hash} of {hashed})")
}

/// That the context has no key at `by`, and why what it has there is none.
pub(super) fn lack(by: &[String], no_keys: &[NoKey]) -> String {
    let by = if by.is_empty() { "targetingKey".to_owned() } else { by.join(" or ") };
    let nothing_there = no_keys.iter().all(|found| found.actual.is_none());
    let key = if nothing_there { "" } else { "key at " };
    let mut why: Vec<_> = no_keys.iter().map(NoKey::why).collect();
    // That names are reserved need not be said of each.
    why.dedup();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    format!("the context has no {key}{by}{why}")
}

impl NoKey {
    fn why(&self) -> String {
        match (&self.actual, &self.note) {
            (Some(actual), _) => no_key(&self.attribute, actual),
            (None, Some(note)) => instead(note),
            (None, None) => String::new(),
        }
    }
}

/// Why what stands where a key is looked for is none.
fn no_key(attribute: &str, actual: &Value) -> String {
    let what = match actual {
        Value::Null => return format!("{attribute} is null, which counts as missing"),
        Value::String(_) => "an empty text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        _ => "a number beyond a double's range",
    };
    format!("{attribute} is {}, and {what} names nobody", shown_actual(actual))
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
    if variants.is_empty() { "one of no variants".to_owned() } else { variants.join(" or ") }
}

fn shown_all(values: &[Value], left_out: usize) -> String {
    let more = values.len().saturating_sub(MOST_SHOWN) + left_out;
    let mut first: Vec<_> = values.iter().take(MOST_SHOWN).map(shown).collect();
    if more > 0 {
        first.push(format!("and {more} more"));
    }
    if first.is_empty() { "nothing at all".to_owned() } else { first.join(", ") }
}

/// What the context has somewhere, cut where it is long.
fn shown_actual(value: &Value) -> String {
    fn inner(value: &Value) -> String {
        match value {
            Value::Object(members) if !members.is_empty() => "{…}".to_owned(),
            Value::Array(list) if !list.is_empty() => "[…]".to_owned(),
            value => value.to_string(),
        }
    }
    match value {
        Value::Array(list) => {
            shortened(&format!("[{}]", list.iter().map(inner).collect::<Vec<_>>().join(",")))
        }
        value => shortened(&inner(value)),
    }
}

/// A value as JSON, cut where it is long.
pub(super) fn shown(value: &Value) -> String {
    shortened(&value.to_string())
}

/// A text as JSON, all of it.
pub(super) fn quoted(text: &str) -> String {
    telling(&Value::from(text).to_string())
}

fn shortened(text: &str) -> String {
    let text = telling(text);
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Spells the characters by which texts differ that look the same: accents that are characters of their own,
/// spaces that are none, and what cannot be seen.
fn telling(text: &str) -> String {
    let is_telling = |point: char| {
        matches!(
            point,
            '\u{a0}' | '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
                | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
    };
    let mut told = String::with_capacity(text.len());
    for point in text.chars() {
        // All of these are in the basic plane, so that this is how JSON spells them.
        let spelled = is_telling(point).then(|| format!("\\u{:04x}", u32::from(point)));
        match spelled {
            Some(spelled) => told.push_str(&spelled),
            None => told.push(point),
        }
    }
    told
}
