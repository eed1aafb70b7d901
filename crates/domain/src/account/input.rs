//! What people write about accounts and tokens, read once for all use cases.

use engine::json::{At, Violations};

use super::Role;
use crate::role::read_word;

/// The longest e-mail, name and password, in bytes. A password's bound keeps hashing it cheap.
pub(super) const MOST_TEXT: usize = 254;
/// A token has at most this many scopes.
const MOST_SCOPES: usize = 100;

/// An e-mail, in lower case.
pub(super) fn read_email(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let email = at.text(violations)?;
    if !is_email(email) {
        at.fault(
            violations,
            format_args!("must be an e-mail address of at most {MOST_TEXT} ASCII characters"),
        );
    }
    Some(email.to_lowercase())
}

/// Whether a text can be an account's e-mail.
pub(crate) fn is_email(email: &str) -> bool {
    // ASCII alone: of two that look alike to people, one would pass for the other in the log.
    let plain = |character: char| character.is_ascii_graphic();
    let shaped = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    // In lower case a text may be longer.
    shaped && email.to_lowercase().len() <= MOST_TEXT && email.chars().all(plain)
}

/// A password that is to be chosen.
pub(super) fn read_new_password(at: At<'_>, violations: &mut Violations, shortest: usize) -> Option<String> {
    let password = at.text(violations)?;
    if !is_password(password, shortest) {
        at.fault(violations, password_rule(shortest));
    }
    Some(password.to_owned())
}

/// A password that is to be compared. One that is longer than any is not worth the work.
pub(super) fn read_password(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let password = at.text(violations)?;
    if password.len() > MOST_TEXT {
        at.fault(violations, format_args!("must have at most {MOST_TEXT} bytes"));
    }
    Some(password.to_owned())
}

/// Whether a text can be a password: not too short to be guessed, nor so long that hashing it is work.
pub(crate) fn is_password(password: &str, shortest: usize) -> bool {
    password.chars().count() >= shortest && password.len() <= MOST_TEXT
}

/// What is wrong with a text that cannot.
pub(crate) fn password_rule(shortest: usize) -> String {
    format!("must have {shortest} characters or more, in at most {MOST_TEXT} bytes")
}

/// What people call something; may be empty.
pub(super) fn read_name(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let name = at.text(violations)?;
    if name.len() > MOST_TEXT || name.chars().any(char::is_control) {
        at.fault(violations, format_args!("must have at most {MOST_TEXT} bytes, on one line"));
    }
    Some(name.to_owned())
}

/// What people call something; not empty.
pub(super) fn read_some_name(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let name = read_name(at, violations)?;
    if name.is_empty() {
        at.fault(violations, "is empty; give it a name to tell it by");
    }
    Some(name)
}

/// Any role.
pub(super) fn read_role(at: At<'_>, violations: &mut Violations) -> Option<Role> {
    let role = Role::parse(at.text(violations)?);
    if role.is_none() {
        at.fault(violations, ROLE_RULE);
    }
    role
}

/// What is wrong with a text that is no role.
pub(super) const ROLE_RULE: &str = "must be member, viewer, developer or admin";

/// Permission words.
pub(super) fn read_scopes(at: At<'_>, violations: &mut Violations) -> Option<Vec<String>> {
    let mut scopes = at.each(violations, MOST_SCOPES, read_word)?;
    if scopes.is_empty() {
        at.fault(
            violations,
            "is empty: such a token could do nothing; leave scopes out for all that you may",
        );
    }
    scopes.sort();
    scopes.dedup();
    Some(scopes)
}
