//! Reading what people write: what all their documents share.

use engine::json::{At, Violations};

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
