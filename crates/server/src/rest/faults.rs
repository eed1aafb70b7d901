//! What applications are not answered by as it was written, told where people look: why a flag or a segment, or a part
//! of it, is not understood, and which segments are asked as they were until their key lists are here.
//!
//! What is written is checked, so there is a fault only in what came otherwise: from a newer version of this program,
//! or by an edit of the database. Asked are the rules that this node serves: they are in memory, and know.

use std::collections::HashMap;
use std::iter::once;
use std::sync::Arc;

use delivery::{EnvironmentId, Installed};
use domain::error::Error;
use domain::id::Id;
use domain::key::Key;
use engine::json::{Violation, Violations};
use engine::model::Condition;
use http::StatusCode;
use serde::{Serialize, Serializer};

use crate::AppState;
use crate::problem::Problem;

/// What this node does not serve of an environment as it was written.
pub(super) struct Faults {
    /// What it does not understand, by what it is about, such as `flag new-cart`.
    problems: HashMap<String, Vec<Violation>>,
    /// The environment, if some of its segments are asked as they were.
    behind: Option<Arc<Installed>>,
}

/// Something that is shown, with what is wrong with it.
#[derive(Serialize)]
pub(super) struct Shown<'a, T> {
    #[serde(flatten)]
    pub(super) thing: &'a T,
    #[serde(skip_serializing_if = "Problems::is_empty")]
    problems: Problems,
}

#[derive(Default)]
struct Problems {
    not_understood: Vec<Violation>,
    asked_as_before: Vec<Violation>,
}

impl Problems {
    fn is_empty(&self) -> bool {
        self.not_understood.is_empty() && self.asked_as_before.is_empty()
    }
}

impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.not_understood.iter().chain(&self.asked_as_before).cloned();
        serializer.collect_seq(all.map(wire::problem::Violation::from))
    }
}

impl<T> Shown<'_, T> {
    /// Whether something is wrong with it: what it says of that changes while the thing does not.
    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// With more that is wrong; where something is not understood for it, this knows more of why.
    pub(super) fn and(mut self, problems: Vec<Violation>) -> Self {
        let not_understood = &mut self.problems.not_understood;
        not_understood.retain(|known| problems.iter().all(|more| more.path != known.path));
        not_understood.extend(problems);
        self
    }
}

impl Faults {
    /// Those of an environment; none if it is not loaded here.
    pub(super) fn of(state: &AppState, environment: Id) -> Self {
        let mut problems: HashMap<_, Vec<_>> = HashMap::new();
        let installed = state.hub.read(&EnvironmentId(environment.to_string().into()));
        for (about, problem) in installed.iter().flat_map(|installed| installed.ruleset().problems()) {
            problems.entry(about).or_default().push(problem.clone());
        }
        Self { problems, behind: installed.filter(|installed| installed.is_behind()) }
    }

    /// A `thing` of this kind (`flag`, `segment`) and key, with what is wrong with it.
    pub(super) fn with<'a, T>(&'a self, kind: &str, key: &Key, thing: &'a T) -> Shown<'a, T> {
        let not_understood = self.problems.get(&format!("{kind} {key}")).cloned().unwrap_or_default();
        let behind = self.behind.as_deref();
        let asked_as_before = behind.map_or_else(Vec::new, |installed| match kind {
            "flag" => flag_asked_as_before(installed, key.as_str()),
            _ => segment_asked_as_before(installed, key.as_str()),
        });
        Shown { thing, problems: Problems { not_understood, asked_as_before } }
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
        let mut meant: Vec<_> = self.problems.keys().filter(is_meant).collect();
        meant.sort_unstable();
        // Of the whole of it, and not of a part.
        let whole = |about: &String| {
            let why = self.problems.get(about)?.iter().find(|problem| problem.path.is_empty())?;
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

/// The segments that the rules of a flag ask as they were, by the places where these name them.
fn flag_asked_as_before(installed: &Installed, key: &str) -> Vec<Violation> {
    let flag = installed.ruleset().flag(key).and_then(|flag| flag.document().known());
    let rules = flag.into_iter().flat_map(|flag| flag.rules.iter().enumerate());
    let rules = rules.filter_map(|(index, rule)| Some((index, rule.known()?)));
    rules
        .flat_map(|(index, rule)| {
            named_asked_as_before(installed, &rule.when, &format!("rules[{index}].when"))
        })
        .take(Violations::MOST)
        .collect()
}

/// Whether a segment is asked as it was; if not, those that its condition asks so.
fn segment_asked_as_before(installed: &Installed, key: &str) -> Vec<Violation> {
    let Some(waiting) = installed.asked_as_before([key]).next() else {
        let segment = installed.ruleset().segment(key).and_then(|segment| segment.known());
        let when = segment.and_then(|segment| segment.when.as_ref());
        let named = when.into_iter().flat_map(|when| named_asked_as_before(installed, when, "when"));
        return named.take(Violations::MOST).collect();
    };
    let violation = |path: &str| Violation { path: path.to_owned(), message: waiting.to_string() };
    match &*waiting.key_lists {
        [] => vec![violation("")],
        lists => lists.iter().map(|(path, _)| violation(path)).collect(),
    }
}

/// The segments that a condition asks as they were, through other segments too.
fn named_asked_as_before<'a>(
    installed: &'a Installed,
    when: &'a Condition,
    path: &str,
) -> impl Iterator<Item = Violation> + use<'a> {
    let path = path.to_owned();
    when.parts().into_iter().flat_map(move |(way, part)| {
        let Condition::Segment(named) = part else { return Vec::new() };
        let reached = once(named.as_str()).chain(installed.ruleset().segments_of_segment(named));
        let told = installed.asked_as_before(reached).map(|waiting| Violation {
            path: format!("{path}{way}.segment"),
            message: format!("the segment {:?} {waiting}", waiting.segment),
        });
        told.collect()
    })
}
