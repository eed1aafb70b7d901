//! Finding an attribute in a context.

use serde_json::{Map, Value};

use super::text;

/// The attribute at `path`; `None` when it is absent. The targeting key comes as its text.
pub(super) fn find(context: &Map<String, Value>, path: &str) -> Option<Value> {
    if path == "targetingKey" {
        return targeting_key(context).map(Value::from);
    }
    if path.starts_with('$') {
        return None;
    }
    if let Some(value) = context.get(path) {
        return Some(value.clone());
    }
    let parts: Vec<&str> = path.split('.').collect();
    if parts.len() > 8 || parts[0] == "targetingKey" {
        return None;
    }
    let mut found = context.get(parts[0])?;
    for part in &parts[1..] {
        found = found.as_object()?.get(*part)?;
    }
    Some(found.clone())
}

/// The targeting key as text: a number or boolean is its text; anything else but a text with something in it is
/// no key.
pub(super) fn targeting_key(context: &Map<String, Value>) -> Option<String> {
    as_key(context.get("targetingKey")?)
}

/// The first of `paths` that gives a key.
pub(super) fn key(context: &Map<String, Value>, paths: &[String]) -> Option<String> {
    paths.iter().find_map(|path| as_key(&find(context, path)?))
}

fn as_key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(_) => text::double(value).map(text::of_number),
        Value::Bool(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}
