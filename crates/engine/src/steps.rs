//! Conditions, compiled: a row of tests, each of which says where to go on.
//!
//! `{"all": [a, {"any": [b, c]}, {"not": d}]}` becomes four steps. A step that holds and one that does not lead
//! on to another step or to an end, so `all`, `any` and `not` cost nothing when asked: they only say where the
//! jumps go. Steps are made back to front, so that every jump goes to a lower place: whatever was compiled
//! ends after at most as many tests as it has steps.

use std::fmt::Display;

use crate::evaluate::Asked;
use crate::json::Violations;
use crate::model::{Condition, MOST_DEPTH};
use crate::test::{Scope, Test};
use crate::trace::{Event, Listener};

/// A compiled condition.
#[derive(Debug, PartialEq)]
pub(crate) struct Steps {
    /// The last is the condition's first part.
    steps: Box<[Step]>,
    first: Next,
}

#[derive(Debug, PartialEq)]
struct Step {
    test: Test,
    then: Next,
    otherwise: Next,
}

/// The place of the next step; places that no step has are the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Next(u32);

impl Next {
    const HOLDS: Self = Self(u32::MAX);
    const FAILS: Self = Self(u32::MAX - 1);
}

impl Steps {
    /// Compiles a condition. Tells all that is wrong with it, below `path`, and gives nothing then.
    pub(crate) fn new(
        condition: &Condition,
        scope: &Scope<'_>,
        path: impl Display,
        violations: &mut Violations,
    ) -> Option<Self> {
        let mut builder = Builder { scope, steps: Some(Vec::new()), made: 0, faults: Vec::new() };
        let first = builder.push(condition, Next::HOLDS, Next::FAILS, 1);
        if !builder.faults.is_empty() {
            let parts = condition.parts();
            // Found back to front.
            for (part, way, message) in builder.faults.into_iter().rev() {
                let place = parts.len().checked_sub(1 + part).and_then(|place| parts.get(place));
                let to_part = place.map_or("", |(path, _)| path.as_str());
                violations.add(format_args!("{path}{to_part}{way}"), message);
            }
            return None;
        }
        builder.steps.map(|steps| Self { steps: steps.into(), first })
    }

    /// Whether it holds.
    #[inline]
    pub(crate) fn hold<'r>(&'r self, asked: Asked<'_>, listener: &mut impl Listener<'r>) -> bool {
        let mut next = self.first;
        while let Some(step) = self.steps.get(next.0 as usize) {
            let holds = step.test.holds(asked, listener);
            listener.hear(|| Event::Tested {
                part: self.steps.len() - 1 - next.0 as usize,
                seen: step.test.seen(asked),
                readable: step.test.reads(asked),
                holds,
            });
            next = if holds { step.then } else { step.otherwise };
        }
        next == Next::HOLDS
    }

    /// How much there is to test, segments gone into.
    pub(crate) fn weight(&self) -> u64 {
        self.steps.iter().fold(0, |sum, step| sum.saturating_add(step.test.weight()))
    }
}

struct Builder<'a> {
    scope: &'a Scope<'a>,
    /// None once one of them could not be made.
    steps: Option<Vec<Step>>,
    /// How many parts were seen.
    made: usize,
    /// Part counted from the last, way within it, what is wrong.
    faults: Vec<(usize, String, String)>,
}

impl Builder<'_> {
    /// Adds what tests `condition` and then goes to one of two places; says where that begins.
    fn push(&mut self, condition: &Condition, then: Next, otherwise: Next, depth: usize) -> Next {
        if depth > MOST_DEPTH {
            self.fault(String::new(), format!("is nested deeper than {MOST_DEPTH} levels"));
            return Next::FAILS;
        }
        match condition {
            Condition::All(all) => {
                all.iter().rev().fold(then, |next, child| self.push(child, next, otherwise, depth + 1))
            }
            Condition::Any(any) => {
                any.iter().rev().fold(otherwise, |next, child| self.push(child, then, next, depth + 1))
            }
            Condition::Not(child) => self.push(child, otherwise, then, depth + 1),
            part => self.push_step(part, then, otherwise),
        }
    }

    fn push_step(&mut self, part: &Condition, then: Next, otherwise: Next) -> Next {
        let test = match Test::new(part, self.scope) {
            Ok(test) => Some(test),
            Err(faults) => {
                for (way, message) in faults {
                    self.fault(way, message);
                }
                None
            }
        };
        self.made += 1;
        let Some(steps) = &mut self.steps else { return Next::FAILS };
        let at = Next(u32::try_from(steps.len()).unwrap_or_default());
        match test {
            Some(test) => steps.push(Step { test, then, otherwise }),
            None => self.steps = None,
        }
        at
    }

    fn fault(&mut self, way: String, message: String) {
        self.faults.push((self.made, way, message));
    }
}
