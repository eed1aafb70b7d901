//! Reading what people write about an environment.

use engine::json::{At, Object, Violations};

use super::position::MOST_POSITION;
use super::{Color, Environment};
use crate::input::{read_description, read_name};

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// Takes over the members that the document names, and keeps the others. The key is the caller's to read.
pub(super) fn apply(environment: &mut Environment, object: &Object<'_>, violations: &mut Violations) {
    object.ignore(&READ_ONLY);
    object.ignore(&["key"]);
    if let Some(name) = object.get("name") {
        environment.name = read_name(name, violations);
    }
    if environment.name.is_empty() {
        environment.name = environment.key.to_string();
    }
    if let Some(description) = object.get("description") {
        environment.description = read_description(description, violations);
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

/// The two environments of a copy, `from` and `to`.
pub(crate) fn read_places(
    object: &Object<'_>,
    environments: &[Environment],
    violations: &mut Violations,
) -> Option<(Environment, Environment)> {
    let mut place = |member| read_place(object.require(violations, member)?, environments, violations);
    let (from, to) = (place("from"), place("to"));
    let (from, to) = (from?, to?);
    if from == to {
        object.fault(violations, "from and to are the same environment");
    }
    Some((from, to))
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
