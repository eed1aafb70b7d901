//! Reading what people write: what all their documents share.

use engine::json::{At, Violation, Violations};

use crate::condition::ShortForms;

/// `null` empties a list.
pub(crate) fn or_empty<T>(
    at: At<'_>,
    violations: &mut Violations,
    read: impl FnOnce(At<'_>, &mut Violations) -> Option<Vec<T>>,
) -> Vec<T> {
    if at.is_null() { Vec::new() } else { read(at, violations).unwrap_or_default() }
}

/// `null` empties a text.
pub(crate) fn bounded_text(at: At<'_>, most: usize, violations: &mut Violations) -> String {
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
