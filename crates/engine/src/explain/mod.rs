//! Why a flag answers what it answers: each thing that was tried, for machines and for people.
//!
//! The evaluation itself tells what it tries (`trace.rs`); here the events are put together with the documents
//! that they are about. What is told is bounded, however large the flag (`bounds.rs`) and its values and the context (`cut.rs`) are.

mod almost;
mod bounds;
mod steps;
mod teller;
mod text;
mod words;

use serde::Serialize;
use serde_json::Value;

pub use steps::{Bucketed, Chosen, NoKey, Note, Share, Step, Tested, Untried, What};

use crate::asked::{Asked, Assignments};
use crate::context::Context;
use crate::ruleset::Ruleset;

/// Why a flag answers what it answers. Its `Display` is for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The flag that was asked.
    pub flag: String,
    /// Its value; none where the caller's own default holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The variant that the value belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Why, in a word.
    pub reason: &'static str,
    /// What went wrong, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
    /// Id of the rule that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What was tried, in order.
    pub steps: Vec<Step>,
}

impl Ruleset {
    /// Why a flag answers what it answers; none if there is no such flag. `assignments` as in
    /// [`Ruleset::evaluate_assigned`].
    pub fn explain(
        &self,
        key: &str,
        context: &Context,
        assignments: Option<&dyn Assignments>,
    ) -> Option<Explanation> {
        let flag = self.compiled(key)?;
        let mut recorder = bounds::Recorder::default();
        let asked = Asked { context, assignments };
        flag.answer(asked, &mut recorder);
        teller::tell(asked, self, recorder.into_events())
    }
}
