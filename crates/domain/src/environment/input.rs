//! Reading what people write about an environment.

use engine::json::{At, Object, Violations};

use super::{Color, Environment};
use crate::input::bounded_text;
use crate::key::Key;

const MOST_NAME: usize = 256;
const MOST_DESCRIPTION: usize = 4_096;
/// Positions go this far either way: those that make way for others stay numbers that every reader has.
const MOST_POSITION: i32 = 1_000_000_000;

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// Takes over the members that the document names, and keeps the others. The key is the caller's to read.
pub(super) fn apply(environment: &mut Environment, object: &Object<'_>, violations: &mut Violations) {
    object.ignore(&READ_ONLY);
    object.ignore(&["key"]);
    if let Some(name) = object.get("name") {
        environment.name = bounded_text(name, MOST_NAME, violations);
    }
    if environment.name.is_empty() {
        environment.name = environment.key.to_string();
    }
    if let Some(description) = object.get("description") {
        environment.description = bounded_text(description, MOST_DESCRIPTION, violations);
    }
    if let Some(color) = object.get("color") {
        environment.color = read_color(color, violations).unwrap_or(environment.color);
    }
    if let Some(protected) = object.get("protected") {
        environment.protected = protected.boolean(violations).unwrap_or_default();
    }
    if let Some(position) = object.get("position") {
        environment.position = read_position(position, violations).unwrap_or(environment.position);
    }
    object.deny_unknown(violations);
}

fn read_position(at: At<'_>, violations: &mut Violations) -> Option<i32> {
    let range = format!("{} to {MOST_POSITION}", -MOST_POSITION);
    let position = at.whole::<i32>(violations, &range)?;
    let fits = (-MOST_POSITION..=MOST_POSITION).contains(&position);
    if !fits {
        at.fault(violations, format_args!("must be a whole number ({range}), not {position}"));
    }
    fits.then_some(position)
}

/// `null` is the colour of an environment of which nobody said.
fn read_color(at: At<'_>, violations: &mut Violations) -> Option<Color> {
    if at.is_null() {
        return Some(Color::PLAIN);
    }
    let color = Color::parse(at.text(violations)?);
    if color.is_none() {
        at.fault(violations, Color::RULE);
    }
    color
}

/// The key of a new environment; a fault if it is missing or none.
pub(super) fn read_key(object: &Object<'_>, violations: &mut Violations) -> Option<Key> {
    let at = object.require(violations, "key")?;
    let key = Key::parse(at.text(violations)?);
    if key.is_none() {
        at.fault(violations, Key::RULE);
    }
    key
}

/// A key that a document about an existing environment names must be its own.
pub(super) fn check_key(environment: &Environment, object: &Object<'_>, violations: &mut Violations) {
    if let Some(at) = object.get("key")
        && at.value().as_str() != Some(environment.key.as_str())
    {
        at.fault(violations, "an environment's key never changes; make another environment");
    }
}

/// The environment that a member names by its key.
pub(crate) fn read_place(
    at: At<'_>,
    environments: &[Environment],
    violations: &mut Violations,
) -> Option<Environment> {
    let key = at.text(violations)?;
    let found = environments.iter().find(|environment| environment.key.as_str() == key);
    if found.is_none() {
        at.fault(violations, "is no environment; GET /api/v1/environments lists them");
    }
    found.cloned()
}
