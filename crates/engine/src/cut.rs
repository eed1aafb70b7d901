//! What is told of a text or a value that is long: as much as a person would read. A flag may compare with ten
//! thousand values, and a context may be 64 KiB of one list.

use serde_json::{Map, Value};

/// No more values of a comparison and elements of an attribute are told.
pub(crate) const MOST_VALUES: usize = 20;
/// No text that is told is longer, in characters.
const MOST_CHARACTERS: usize = 200;

/// Stands for what is inside of something.
const LEFT_OUT: &str = "…";

/// A text, cut where it is long.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A value, cut where it is long. What an object or a list inside of a list has is not told, only that it has
/// something: no operator looks there.
pub(crate) fn cut_value(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().take(MOST_VALUES).map(cut_scalar).collect(),
        value => cut_scalar(value),
    }
}

fn cut_scalar(value: &Value) -> Value {
    match value {
        Value::String(text) => cut(text).into(),
        Value::Array(list) if !list.is_empty() => Value::Array(vec![LEFT_OUT.into()]),
        Value::Object(members) if !members.is_empty() => {
            Value::Object(Map::from_iter([(LEFT_OUT.to_owned(), LEFT_OUT.into())]))
        }
        value => value.clone(),
    }
}
