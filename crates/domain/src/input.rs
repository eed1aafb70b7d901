//! Reading what people write: what all their documents share.

use engine::json::{At, Object, Violation, Violations};

use crate::condition::ShortForms;
use crate::key::Key;

/// No name is longer, in bytes.
const MOST_NAME: usize = 256;
/// No description is longer, in bytes.
const MOST_DESCRIPTION: usize = 4_096;

/// The key of something new; a fault if it is missing or none.
pub(crate) fn read_key(object: &Object<'_>, violations: &mut Violations) -> Option<Key> {
    let at = object.require(violations, "key")?;
    let key = Key::parse(at.text(violations)?);
    if key.is_none() {
        at.fault(violations, Key::RULE);
    }
    key
}

/// A key that a document names about `what` (a noun with its article) that is there must be its own.
pub(crate) fn check_key(own: &Key, what: &str, object: &Object<'_>, violations: &mut Violations) {
    if let Some(at) = object.get("key").filter(|at| at.value().as_str() != Some(own.as_str())) {
        let message =
            format_args!("{what}'s key never changes, and this one's is {:?}; make another", own.as_str());
        at.fault(violations, message);
    }
}

/// What people call something.
pub(crate) fn read_name(at: At<'_>, violations: &mut Violations) -> String {
    bounded_text(at, MOST_NAME, violations)
}

/// What people should know of it.
pub(crate) fn read_description(at: At<'_>, violations: &mut Violations) -> String {
    bounded_text(at, MOST_DESCRIPTION, violations)
}

/// `null` empties a list.
pub(crate) fn or_empty<T>(
    at: At<'_>,
    violations: &mut Violations,
    read: impl FnOnce(At<'_>, &mut Violations) -> Option<Vec<T>>,
) -> Vec<T> {
    if at.is_null() { Vec::new() } else { read(at, violations).unwrap_or_default() }
}

/// `null` empties a text.
fn bounded_text(at: At<'_>, most: usize, violations: &mut Violations) -> String {
    if at.is_null() {
        return String::new();
    }
    let text = text_of(at, violations);
    if text.len() > most {
        at.fault(violations, format_args!("has {} bytes; at most {most} are allowed", text.len()));
    }
    if text.contains('\0') {
        at.fault(violations, "has a character U+0000, which no database keeps");
    }
    text
}

pub(crate) fn text_of(at: At<'_>, violations: &mut Violations) -> String {
    at.text(violations).unwrap_or_default().to_owned()
}

/// What did not read, and what is wrong with what did, each told once and where it was written. Nothing is said of
/// the meaning of what did not read, nor of what stands at a path that is `unread`; what is around it has its own.
pub(crate) fn all_faults(
    mut told: Vec<Violation>,
    meaning: Vec<Violation>,
    short_forms: &ShortForms,
    unread: &[String],
) -> Vec<Violation> {
    let shape: Vec<_> = told.iter().map(|violation| violation.path.clone()).collect();
    for Violation { path, message } in meaning {
        let path = short_forms.written(path);
        let told_already = shape.iter().any(|known| stands_in(&path, known));
        let was_unread = unread.iter().any(|unread| stands_in(&path, unread));
        if !told_already && !was_unread && told.len() < Violations::MOST {
            told.push(Violation { path, message });
        }
    }
    told
}

/// Whether a path is another one, or leads on from it.
fn stands_in(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
