//! What can go wrong, by meaning. The doors put it into their own words; none adds a meaning of its own.

use engine::json::{Violation, nearest};

use crate::in_use::Place;
use crate::key::Key;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the caller may not know of it.
    #[error("{what} not found{}", said(.why))]
    NotFound {
        /// What was looked for, as a noun: `flag`.
        what: &'static str,
        /// What was named, and where to see what there is; empty if who asked knows what they named.
        why: String,
    },
    /// There is no environment with the key that the request named.
    #[error("there is no environment {}", .why)]
    NoEnvironment {
        /// What was named, what may be meant, and where to see what there is.
        why: String,
    },
    /// It cannot be, because of what is already there.
    #[error("{message}")]
    Conflict {
        /// Stable word for programs, such as `key_taken`.
        code: &'static str,
        /// What is in the way and what to do.
        message: String,
    },
    /// Some of what was named is not there; nothing was written.
    #[error("{}", summary(.0))]
    NoneSuch(Vec<Violation>),
    /// It cannot be, because of things that can be named: what uses that which should go, or which of many that were
    /// named are not as they must be. Nothing was written.
    #[error("{message}")]
    Blocked {
        /// Stable word for programs, such as `flag_in_use`.
        code: &'static str,
        /// What is in the way and what to do.
        message: String,
        /// Which of many that were named are concerned.
        violations: Vec<Violation>,
        /// What uses it, for programs: not all of it if it is very much.
        places: Vec<Place>,
    },
    /// The caller named a version (`If-Match`) that is no longer the current one.
    #[error("it was changed by someone else since you read it; read it again and repeat your change")]
    Stale {
        /// The current entity tag.
        current: String,
    },
    /// What was sent is wrong; nothing was written.
    #[error("{}", summary(.0))]
    Invalid(Vec<Violation>),
    /// The change must say why and does not; nothing was written.
    #[error("{why}; send it as the header Burgee-Comment")]
    Unexplained {
        /// Whose rule it is.
        why: String,
    },
    /// There is more of it than may be; nothing was written.
    #[error("{message}")]
    TooLarge {
        /// Stable word for programs, such as `too_many_keys`.
        code: &'static str,
        /// The bound, and where it was passed.
        message: String,
    },
    /// The caller is known and may not do this.
    #[error("{message}")]
    Forbidden {
        /// Stable word for programs, such as `protected_environment`.
        code: &'static str,
        /// What would be needed.
        message: String,
    },
    /// The caller is not known.
    #[error("{message}")]
    Unauthenticated {
        /// Stable word for programs, such as `token_expired`.
        code: &'static str,
        /// What is wrong with the credential and what to do.
        message: &'static str,
    },
    /// Too often; later it will do.
    #[error("too many requests; try again in {retry_after} s")]
    TooMany {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// Something that Burgee stands on does not answer; later it may.
    #[error("the store does not answer; try again")]
    Unavailable(#[source] Cause),
    /// A fault of ours.
    #[error("something went wrong inside; it was logged")]
    Internal(#[source] Cause),
}

/// An underlying error, for the log alone.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What use cases return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// There is no flag with this key.
    pub fn no_flag(key: &str) -> Self {
        Self::not_found("flag", key, "GET /api/v1/flags lists them")
    }

    /// There is no segment with this key.
    pub fn no_segment(key: &str) -> Self {
        Self::not_found("segment", key, "GET /api/v1/segments lists them")
    }

    /// There is no context field with this key.
    pub fn no_context_field(key: &str) -> Self {
        Self::not_found("context field", key, "GET /api/v1/context-fields lists them")
    }

    /// There is no project with this key, or the caller may not know of it: nobody learns which.
    pub fn no_project(key: &str) -> Self {
        Self::not_found("project", key, "or you may not see it; GET /api/v1/projects lists yours")
    }

    /// Others were faster many times.
    pub(crate) fn busy() -> Self {
        let message = "it was changed many times while this request was at work; try again";
        Self::Conflict { code: "busy", message: message.to_owned() }
    }

    /// There is no environment with this key among these.
    pub fn no_environment<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<_> = known.into_iter().collect();
        let meant = nearest(key, &known).map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
        Self::NoEnvironment { why: format!("{}; {meant}GET /api/v1/environments lists them", shown(key)) }
    }

    /// There is none of what was looked for (a noun) under this name; `hint` says what there is.
    pub(crate) fn not_found(what: &'static str, name: &str, hint: &str) -> Self {
        Self::NotFound { what, why: format!("there is no {}; {hint}", shown(name)) }
    }

    /// One thing is wrong with what was sent.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation { path: path.into(), message: message.into() }])
    }
}

fn said(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

/// As much of a name as a message needs.
fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(Key::MOST).collect::<String>())
}

/// The first fault, and how many more there are.
pub(crate) fn summary(violations: &[Violation]) -> String {
    match violations {
        [] => "the request is not valid".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
