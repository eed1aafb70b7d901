//! What is nearly there: attributes of other names, values of other forms.

use serde_json::Value;

use super::{NoKey, Note};
use crate::context::Context;
use crate::cut::{cut, cut_value};
use crate::fold::fold;
use crate::model::Operator;

/// The name of the attribute that says who is asking.
const TARGETING_KEY: &str = "targetingKey";

/// What there is where the attribute at `path` is missing.
pub(super) fn instead(context: &Context, path: &str) -> Option<Note> {
    if path.split('.').next() == Some(TARGETING_KEY)
        && let Some(actual) = no_key(context, path).filter(|actual| !actual.is_null())
    {
        return Some(Note::NoKey(actual));
    }
    if path.starts_with('$') {
        return Some(Note::Reserved);
    }
    no_object(context, path).map(Note::NoObject).or_else(|| almost(context, path).map(Note::Named))
}

/// Why there is no key where keys are looked for, the targeting key if `by` is empty: of each path of which there
/// is something to say. It is for who knows that none of these is a key.
pub(super) fn no_keys(context: &Context, by: &[String]) -> Vec<NoKey> {
    let paths = by.iter().map(String::as_str).chain(by.is_empty().then_some(TARGETING_KEY));
    let no_key = |path: &str| {
        let actual = no_key(context, path);
        let note = if actual.is_none() { instead(context, path) } else { None };
        let found = NoKey { attribute: path.to_owned(), actual, note };
        (found.actual.is_some() || found.note.is_some()).then_some(found)
    };
    paths.filter_map(no_key).collect()
}

/// What stands at a path and is no key.
fn no_key(context: &Context, path: &str) -> Option<Value> {
    if path.split('.').next() != Some(TARGETING_KEY) {
        return context.seen(path).map(cut_value);
    }
    // Nothing is looked for inside of it either.
    let actual = || context.attributes().find(|(name, _)| *name == TARGETING_KEY);
    if context.targeting_key().is_some() { None } else { actual().map(|(_, value)| cut_value(value)) }
}

/// The part of a path at which it goes no further, because what stands there is no object.
fn no_object(context: &Context, path: &str) -> Option<String> {
    let ends = path.match_indices('.').map(|(end, _)| end);
    let parts: Vec<_> = ends.filter_map(|end| path.get(..end)).collect();
    let at = |part: &str| context.seen(part);
    // A shorter part that is no object is where the longer ones are not found.
    let stop = parts.into_iter().find(|part| at(part).is_some_and(|value| !value.is_object()))?;
    at(path).is_none().then(|| cut(stop))
}

/// The name of an attribute that is spelled like this path, or like its first part, but for case and for what
/// joins words.
fn almost(context: &Context, path: &str) -> Option<String> {
    fn plain(name: &str) -> impl Iterator<Item = char> {
        name.chars().filter(|point| !matches!(point, '_' | '-' | ' ')).flat_map(char::to_lowercase)
    }
    let like = |wanted: &str, name: &str| name != wanted && plain(name).eq(plain(wanted));
    let first = path.split('.').next().unwrap_or(path);
    let is_there = |name: &str| context.attributes().any(|(other, _)| other == name);
    let found = context
        .attributes()
        .map(|(name, _)| name)
        .find(|name| like(path, name) || (first != path && like(first, name)))?;
    (!is_there(path)).then(|| cut(found))
}

/// Whether a comparison that counts case would have come out the other way if it did not.
pub(super) fn differs_in_case(operator: Operator, seen: &Value, values: &[Value]) -> bool {
    let same: fn(&str, &str) -> bool = match operator {
        Operator::Equals | Operator::NotEquals | Operator::In | Operator::NotIn => {
            |text, other| text == other
        }
        Operator::Contains => |text, part| text.contains(part),
        Operator::StartsWith => |text, part| text.starts_with(part),
        Operator::EndsWith => |text, part| text.ends_with(part),
        _ => return false,
    };
    let elements = match seen {
        Value::Array(elements) => elements.as_slice(),
        one => std::slice::from_ref(one),
    };
    let any_same = |form: fn(&str) -> String| {
        let in_form = |all: &[Value]| all.iter().filter_map(Value::as_str).map(form).collect::<Vec<_>>();
        let (elements, values) = (in_form(elements), in_form(values));
        elements.iter().any(|element| values.iter().any(|value| same(element, value)))
    };
    !any_same(str::to_owned) && any_same(|text| text.chars().map(fold).collect())
}
