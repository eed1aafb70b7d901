//! Conditions, compiled: a row of tests, each of which says where to go on.
//!
//! `{"all": [a, {"any": [b, c]}, {"not": d}]}` becomes four steps. A step that holds and one that does not lead
//! on to another step or to an end, so `all`, `any` and `not` cost nothing when asked: they only say where the
//! jumps go. The rules of a flag are one row too: where one fails, the next begins. Steps are made back to
//! front, so that every jump goes to a lower place: a question ends after at most as many tests as there are.

use std::fmt::Display;

use crate::asked::Asked;
use crate::json::Violations;
use crate::model::{Condition, MOST_DEPTH};
use crate::test::{Scope, Test};
use crate::trace::{Event, Listener};

/// Conditions that are tried in order until one holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Steps {
    /// The last is the first condition's first part.
    steps: Box<[Step]>,
    first: Next,
}

#[derive(Debug, PartialEq)]
struct Step {
    test: Test,
    then: Next,
    otherwise: Next,
}

/// Where to go on: the place of a step, or an end, which counts down from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Next(u32);

impl Next {
    /// No condition holds.
    const NONE: Self = Self(u32::MAX);

    /// The `nth` condition holds.
    fn holds(nth: u32) -> Self {
        Self((u32::MAX - 1).saturating_sub(nth))
    }

    /// Which condition holds, at an end.
    fn held(self) -> Option<u32> {
        (u32::MAX - 1).checked_sub(self.0)
    }
}

/// The tests of one condition, in the order in which its parts are written. Tells all that is wrong with them,
/// below `path`, and gives nothing then.
pub(crate) fn tests_of(
    condition: &Condition,
    scope: &Scope<'_>,
    path: impl Display,
    violations: &mut Violations,
) -> Option<Vec<Test>> {
    // What was read is never too deep; what was put together by hand may be.
    if condition.is_deeper_than(MOST_DEPTH) {
        violations.add(path, format_args!("is nested deeper than {MOST_DEPTH} levels"));
        return None;
    }
    let mut tests = Some(Vec::new());
    let mut faults = Vec::new();
    let mut place = 0;
    condition.each_part(&mut |part| {
        match (Test::new(part, scope), &mut tests) {
            (Ok(test), Some(tests)) => tests.push(test),
            (Ok(_), None) => {}
            (Err(why), _) => {
                faults.extend(why.into_iter().map(|(way, message)| (place, way, message)));
                tests = None;
            }
        }
        place += 1;
    });
    if !faults.is_empty() {
        let parts = condition.parts();
        for (place, way, message) in faults {
            let to_part = parts.get(place).map_or("", |(to_part, _)| to_part.as_str());
            violations.add(format_args!("{path}{to_part}{way}"), message);
        }
    }
    tests
}

impl Steps {
    /// Puts conditions in a row, each with its tests.
    pub(crate) fn new<'c>(
        conditions: impl DoubleEndedIterator<Item = (&'c Condition, Vec<Test>)> + ExactSizeIterator,
    ) -> Self {
        let mut steps = Vec::new();
        let mut first = Next::NONE;
        for (nth, (condition, mut tests)) in (0_u32..).zip(conditions).collect::<Vec<_>>().into_iter().rev() {
            first = push(condition, &mut tests, &mut steps, Next::holds(nth), first);
        }
        Self { steps: steps.into(), first }
    }

    /// Which of the conditions is the first that holds.
    #[inline]
    pub(crate) fn first_that_holds<'r>(
        &'r self,
        asked: Asked<'_>,
        listener: &mut impl Listener<'r>,
    ) -> Option<u32> {
        let mut next = self.first;
        while let Some(step) = self.steps.get(next.0 as usize) {
            let holds = step.test.holds(asked, listener);
            listener.hear(|| Event::Tested {
                part: self.steps.len() - 1 - next.0 as usize,
                readable: step.test.reads(asked),
                holds,
            });
            next = if holds { step.then } else { step.otherwise };
        }
        next.held()
    }

    /// How much there is to test, segments gone into.
    pub(crate) fn weight(&self) -> u64 {
        self.steps.iter().fold(0, |sum, step| sum.saturating_add(step.test.weight()))
    }
}

/// Adds what tests `condition` and then goes to one of two places; says where that begins. Takes the tests from
/// their end.
fn push(
    condition: &Condition,
    tests: &mut Vec<Test>,
    steps: &mut Vec<Step>,
    then: Next,
    otherwise: Next,
) -> Next {
    match condition {
        Condition::All(all) => {
            all.iter().rev().fold(then, |next, child| push(child, tests, steps, next, otherwise))
        }
        Condition::Any(any) => {
            any.iter().rev().fold(otherwise, |next, child| push(child, tests, steps, then, next))
        }
        Condition::Not(child) => push(child, tests, steps, otherwise, then),
        Condition::Segment(_) | Condition::Bucket(_) | Condition::Leaf(_) => {
            let at = u32::try_from(steps.len()).map_or(Next::NONE, Next);
            // There is one test for each part.
            steps.extend(tests.pop().map(|test| Step { test, then, otherwise }));
            at
        }
    }
}
