//! Reading what people write about a context field.

use std::collections::HashSet;

use engine::json::{At, Object, Violations};
use engine::model::List;
use serde_json::Value;

use super::{ContextField, FieldKind};
use crate::condition::check_numbers;
use crate::input::{read_description, read_name};

/// No field has more values.
const MOST_VALUES: usize = 10_000;
/// All values of a field fit into one request, in bytes of JSON: what GET answers can be sent back.
const MOST_BYTES: usize = 900_000;

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 5] = ["id", "version", "values_count", "created_at", "updated_at"];

/// Takes over the members that the document names, and keeps the others. The key is the caller's to read, and the
/// name of what has no other.
pub(super) fn apply(field: &mut ContextField, object: &Object<'_>, violations: &mut Violations) {
    object.ignore(&READ_ONLY);
    object.ignore(&["key"]);
    if let Some(name) = object.get("name") {
        field.name = read_name(name, violations);
    }
    if field.name.is_empty() {
        field.name = field.key.to_string();
    }
    if let Some(kind) = object.get("type") {
        field.kind = read_kind(kind, violations).unwrap_or(field.kind);
    }
    if let Some(description) = object.get("description") {
        field.description = read_description(description, violations);
    }
    if let Some(values) = object.get("values") {
        if let Some(read) = read_values(values, violations) {
            field.values = Vec::new();
            add(field, read);
            check_values(field, values, violations);
        }
    } else if let Some(kind) = object.get("type") {
        check_held_values(field, kind, violations);
    }
    object.deny_unknown(violations);
}

/// `{"add": […], "remove": […]}`: first what goes, then what comes, so that what is in both is there.
pub(super) fn apply_values(field: &mut ContextField, object: &Object<'_>, violations: &mut Violations) {
    let removed = object.get("remove").and_then(|at| read_values(at, violations)).unwrap_or_default();
    let removed: HashSet<_> = removed.iter().map(compared).collect();
    field.values.retain(|value| !removed.contains(&compared(value)));
    if let Some(at) = object.get("add")
        && let Some(added) = read_values(at, violations)
    {
        let held = std::mem::take(&mut field.values);
        add(field, added.clone());
        check_values(field, at, violations);
        field.values = held;
        add(field, added);
        check_bounds(field, at, violations);
    }
    if !object.has("add") && !object.has("remove") {
        object.fault(violations, "must name values to add or to remove");
    }
    object.deny_unknown(violations);
}

fn read_kind(at: At<'_>, violations: &mut Violations) -> Option<FieldKind> {
    let kind = FieldKind::parse(at.text(violations)?);
    if kind.is_none() {
        let names = FieldKind::ALL.map(FieldKind::name).join(", ");
        at.fault(violations, format_args!("must be one of {names}"));
    }
    kind
}

/// `null` empties them.
fn read_values(at: At<'_>, violations: &mut Violations) -> Option<Vec<Value>> {
    if at.is_null() { Some(Vec::new()) } else { List::read(at, violations).map(|List(values)| values) }
}

/// Those that are not there yet.
fn add(field: &mut ContextField, values: Vec<Value>) {
    let mut known: HashSet<String> = field.values.iter().map(compared).collect();
    field.values.extend(values.into_iter().filter(|value| known.insert(compared(value))));
}

/// Equal for values that conditions take for the same: `1` and `1.0` are one number.
fn compared(value: &Value) -> String {
    match value.as_f64() {
        // Zero has one sign.
        Some(number) => (number + 0.0).to_string(),
        None => value.to_string(),
    }
}

fn check_values(field: &ContextField, at: At<'_>, violations: &mut Violations) {
    if at.is_null() {
        return;
    }
    let kind = field.kind;
    at.each(violations, usize::MAX, |at, violations| {
        check_numbers(at.value(), &at.path(), violations);
        if let Err(why) = kind.check(at.value()) {
            at.fault(violations, why);
        }
        Some(())
    });
    check_bounds(field, at, violations);
}

fn check_bounds(field: &ContextField, at: At<'_>, violations: &mut Violations) {
    if field.values.len() > MOST_VALUES {
        let count = field.values.len();
        at.fault(
            violations,
            format_args!("the field would have {count} values; at most {MOST_VALUES} are allowed"),
        );
    }
    let bytes: usize = field.values.iter().map(|value| value.to_string().len() + 1).sum();
    if bytes > MOST_BYTES {
        at.fault(
            violations,
            format_args!("the field's values would take {bytes} bytes; at most {MOST_BYTES} are allowed"),
        );
    }
}

/// Values that were there before must suit a new type as well.
fn check_held_values(field: &ContextField, kind: At<'_>, violations: &mut Violations) {
    if let Some(value) = field.values.iter().find(|value| field.kind.check(value).is_err()) {
        kind.fault(
            violations,
            format_args!("does not suit a value that it has, {value}; replace values with it"),
        );
    }
}
