//! Why a flag answers what it answers.

use std::collections::BTreeMap;

use engine::explain::Explanation;
use engine::json::{At, Violations};
use engine::{Assignments, Context, Ruleset};
use serde_json::Value;

use super::{Addressed, read_context, read_name};
use crate::access::Reader;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::turns::Turns;

/// No more earlier assignments are given than this.
const MOST_ASSIGNMENTS: usize = 1_000;
/// How many are explained at once: one may take a core for seconds, where rules and context are as heavy as they may
/// be.
const TURNS: usize = 2;
/// How many may be explained or wait for it; who comes then is told to come back.
const PLACES: usize = 32;

/// The bounds on explaining.
pub(crate) fn explaining() -> Turns {
    Turns::new(TURNS, PLACES)
}

/// A question: which flag, for whom, and what they were given before.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Key of the flag.
    pub flag: String,
    /// Key of the environment, if it is named.
    pub environment: Option<String>,
    /// Who is asking; at most 64 KiB.
    pub context: Context,
    /// Variants by flag, at most 1,000: sticky splits keep to them. None is not the same as none given: then
    /// nobody keeps any.
    pub assignments: Option<BTreeMap<String, String>>,
}

impl Question {
    /// Reads `{"flag", "environment"?, "context"?, "assignments"?}`.
    pub fn read(document: &Value) -> Result<Self> {
        let mut violations = Violations::default();
        let question = At::root(document).object(&mut violations).and_then(|object| {
            let addressed = Addressed::read(&object, &mut violations);
            let context = object.optional(&mut violations, "context", read_context);
            let assignments = object.optional(&mut violations, "assignments", read_assignments);
            object.deny_unknown(&mut violations);
            let Addressed { flag, environment } = addressed?;
            Some(Self { flag, environment, context: context?.unwrap_or_default(), assignments: assignments? })
        });
        violations.into_result(question).map_err(Error::Invalid)
    }
}

impl Control {
    /// Why the flag answers what it answers, by the rules that are being served.
    pub async fn explain_flag(
        &self,
        _reader: &Reader,
        served: Ruleset,
        question: Question,
    ) -> Result<Explanation> {
        let explain = move || {
            let assignments = question.assignments.as_ref().map(|all| all as &dyn Assignments);
            let told = served.explain(&question.flag, &question.context, assignments);
            told.ok_or_else(|| Error::no_flag(&question.flag))
        };
        self.explaining.take().await?.work(explain).await?
    }
}

fn read_assignments(at: At<'_>, violations: &mut Violations) -> Option<BTreeMap<String, String>> {
    let read = |flag: &str, at: At<'_>, violations: &mut Violations| {
        Some((flag.to_owned(), read_name(at, violations)?))
    };
    Some(at.each_member(violations, MOST_ASSIGNMENTS, read)?.into_iter().collect())
}
