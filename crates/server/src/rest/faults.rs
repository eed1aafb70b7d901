//! What applications cannot be answered by, told where people look: why a flag or a segment, or a part of it, is not
//! understood.
//!
//! What is written is checked, so there is a fault only in what came otherwise: from a newer version of this program,
//! or by an edit of the database. Asked are the rules that this node serves: they know, and looking costs nothing.

use std::collections::HashMap;

use delivery::EnvironmentId;
use domain::error::Error;
use domain::id::Id;
use domain::key::Key;
use engine::json::{Violation, Violations};
use http::StatusCode;
use serde::Serialize;

use crate::AppState;
use crate::problem::Problem;

/// All that this node does not understand of an environment, by what it is about, such as `flag new-cart`.
pub(super) struct Faults(HashMap<String, Vec<Violation>>);

/// Something that is shown, with what is wrong with it.
#[derive(Serialize)]
pub(super) struct Shown<'a, T> {
    #[serde(flatten)]
    pub(super) thing: &'a T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<wire::problem::Violation>,
}

impl<T> Shown<'_, T> {
    /// With more that is wrong; where something is said of the same place already, this knows more of it.
    pub(super) fn and(mut self, problems: Vec<Violation>) -> Self {
        self.problems.retain(|known| problems.iter().all(|more| more.path != known.path));
        self.problems.extend(problems.into_iter().map(Into::into));
        self
    }
}

impl Faults {
    /// Those of an environment; none if it is not loaded here.
    pub(super) fn of(state: &AppState, environment: Id) -> Self {
        let mut faults: HashMap<_, Vec<_>> = HashMap::new();
        if let Some(installed) = state.hub.read(&EnvironmentId(environment.to_string().into())) {
            for (about, problem) in installed.ruleset().problems() {
                faults.entry(about).or_default().push(problem.clone());
            }
        }
        Self(faults)
    }

    fn about(&self, kind: &str, key: &str) -> &[Violation] {
        self.0.get(&format!("{kind} {key}")).map(Vec::as_slice).unwrap_or_default()
    }

    /// A `thing` of this kind (`flag`, `segment`) and key, with what is wrong with it.
    pub(super) fn with<'a, T>(&'a self, kind: &str, key: &Key, thing: &'a T) -> Shown<'a, T> {
        Shown { thing, problems: self.about(kind, key.as_str()).iter().cloned().map(Into::into).collect() }
    }

    /// Why one of a kind could not be shown: it does not read, if that is known of it.
    pub(super) fn explain(&self, kind: &str, key: &str, error: Error) -> Problem {
        self.unreadable(error, |about| **about == format!("{kind} {key}"))
    }

    /// Why those of a kind could not be listed: one of them does not read, if that is known.
    pub(super) fn explain_list(&self, kind: &str, error: Error) -> Problem {
        self.unreadable(error, |about| about.split(' ').next() == Some(kind))
    }

    fn unreadable(&self, error: Error, is_meant: impl Fn(&&String) -> bool) -> Problem {
        let mut meant: Vec<_> = self.0.keys().filter(is_meant).collect();
        meant.sort_unstable();
        // Of the whole of it, and not of a part.
        let whole = |about: &String| {
            let why = self.0.get(about)?.iter().find(|problem| problem.path.is_empty())?;
            Some(Violation { path: about.clone(), message: why.message.clone() })
        };
        let why: Vec<_> = meant.into_iter().filter_map(whole).take(Violations::MOST).collect();
        match (&error, why.first()) {
            (Error::Internal(_), Some(first)) => {
                let message = format!(
                    "{} is kept in a form that this version cannot read, as a newer one may have written it, and \
                     applications cannot be answered by it: {}",
                    first.path, first.message
                );
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", message).with_violations(why)
            }
            _ => error.into(),
        }
    }
}
