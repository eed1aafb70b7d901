//! Why a flag answers what it answers: each thing that was tried, for machines and for people.
//!
//! The evaluation itself tells what it tries (`trace.rs`); here the events are put together with the documents
//! that they are about.

mod text;

use serde::Serialize;
use serde_json::Value;

use crate::compile::Compiled;
use crate::context::Context;
use crate::evaluate::{Answer, Asked};
use crate::json::Violation;
use crate::model::{Condition, Leaf, Operands, Read, Segment, Serve, Split};
use crate::resolution::{Assignments, Reason, Resolution};
use crate::ruleset::Ruleset;
use crate::trace::{Event, Listener, Membership};

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

/// Something that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Whether the flag is raised at all.
    State {
        /// Enabled in this environment.
        enabled: bool,
        /// Out of use everywhere.
        archived: bool,
    },
    /// Another flag that must have answered with one of some variants.
    Prerequisite {
        /// The other flag.
        flag: String,
        /// Any of these would do.
        variants: Vec<String>,
        /// What it answered; none if there is no such flag.
        #[serde(skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
        /// Its reason; none if there is no such flag.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
        /// Whether that will do.
        holds: bool,
        /// Why it answered so; none if that was told before.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<Box<Explanation>>,
    },
    /// The targeting keys that are given a variant by name.
    Targets {
        /// Who is asking.
        #[serde(skip_serializing_if = "Option::is_none")]
        targeting_key: Option<String>,
        /// Whether they are listed.
        holds: bool,
    },
    /// A rule that never holds in this version of Burgee.
    LostRule {
        /// Its place in the document.
        place: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A rule that was tried.
    Rule {
        /// Its id.
        id: String,
        /// Its place in the document.
        place: usize,
        /// Whether its condition holds.
        holds: bool,
        /// What was tested of its condition; what settles nothing any more is not tested.
        tests: Vec<Tested>,
    },
    /// What the rule that held, or the default, serves.
    Serve {
        /// Whether it is the default.
        default: bool,
        /// The split, if it is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        split: Option<Chosen>,
    },
}

/// A part of a condition that was tested.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tested {
    /// Where it stands, such as `rules[0].when.all[1]`.
    pub path: String,
    /// Whether it holds. Under a `not` that speaks against the condition.
    pub holds: bool,
    /// What it is.
    #[serde(flatten)]
    pub part: Part,
}

/// What was tested.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Part {
    /// A comparison.
    Comparison {
        /// Path of the attribute.
        attribute: String,
        /// How it is compared.
        operator: &'static str,
        /// With what, unless with a list.
        #[serde(skip_serializing_if = "Option::is_none")]
        values: Option<Vec<Value>>,
        /// With which context list.
        #[serde(skip_serializing_if = "Option::is_none")]
        list: Option<String>,
        /// Whether case is ignored.
        ignore_case: bool,
        /// What the context has there; none if it is missing.
        actual: Option<Value>,
    },
    /// A segment.
    Segment {
        /// Its key.
        segment: String,
        /// By what it holds or does not: `included`, `excluded`, `condition` or `no_condition`.
        by: &'static str,
        /// What was tested of its condition.
        tests: Vec<Tested>,
    },
    /// A gate.
    Bucket {
        /// The first bucket inside.
        from: u32,
        /// The first one outside again.
        to: u32,
        /// Who is in the bucket, and which it is; none if there is no key.
        #[serde(flatten)]
        bucket: Option<Bucketed>,
    },
}

/// A key and its bucket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucketed {
    /// The key, as text.
    pub key: String,
    /// Its bucket, 0 to 99999.
    pub bucket: u32,
}

/// How a split chose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// Where it looks for the key; the targeting key if empty.
    pub by: Vec<String>,
    /// How a key finds its bucket.
    pub hash: &'static str,
    /// What is hashed before the key.
    pub salt: String,
    /// Who is in the bucket, and which it is; none if there is no key, or none was needed.
    #[serde(flatten)]
    pub bucket: Option<Bucketed>,
    /// Whether an earlier assignment was kept to.
    pub assigned: bool,
    /// Which buckets are whose, in the order of the split.
    pub shares: Vec<Share>,
}

/// A share of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// Whose it is.
    pub variant: String,
    /// The first bucket.
    pub from: u32,
    /// The first bucket that is not its own any more.
    pub to: u32,
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
        let mut recorder = Recorder::default();
        flag.answer(Asked { context, assignments }, &mut recorder);
        Teller { context, events: recorder.0.into_iter().peekable() }.flag()
    }
}

#[derive(Default)]
struct Recorder<'r>(Vec<Event<'r>>);

impl<'r> Listener<'r> for Recorder<'r> {
    fn hear(&mut self, event: impl FnOnce() -> Event<'r>) {
        self.0.push(event());
    }
}

/// Puts events and documents together.
struct Teller<'r, 'c> {
    context: &'c Context,
    events: std::iter::Peekable<std::vec::IntoIter<Event<'r>>>,
}

impl Teller<'_, '_> {
    /// A flag's own events, from its being asked to its answer.
    fn flag(&mut self) -> Option<Explanation> {
        let Some(Event::Asked(flag)) = self.events.next() else { return None };
        let mut steps = Vec::new();
        let document = flag.document.known().filter(|_| flag.body.is_ok());
        if let Some(document) = document {
            steps.push(Step::State { enabled: document.enabled, archived: document.archived });
        }
        let mut chosen = Choice::default();
        let mut tells_lost_rules = document.is_some_and(|document| document.enabled && !document.archived);
        loop {
            match self.events.next()? {
                Event::Prerequisite(place) => steps.extend(self.prerequisite(flag, place)),
                Event::Targets { hit } => {
                    let targeting_key = self.context.targeting_key().map(str::to_owned);
                    steps.push(Step::Targets { targeting_key, holds: hit });
                    tells_lost_rules &= !hit;
                }
                Event::Rule(place) => {
                    if std::mem::take(&mut tells_lost_rules) {
                        steps.extend(lost_rules(flag));
                    }
                    steps.extend(self.rule(flag, place as usize));
                }
                Event::Bucketed { key, place } => chosen.bucket = Some(Bucketed { key, bucket: place }),
                Event::Assigned => chosen.assigned = true,
                Event::Answered(answer) => {
                    let failed =
                        steps.iter().any(|step| matches!(step, Step::Prerequisite { holds: false, .. }));
                    if tells_lost_rules && !failed {
                        steps.extend(lost_rules(flag));
                    }
                    return Some(explanation(flag, answer, steps, chosen));
                }
                // All others belong to one of these, and are taken with it.
                _ => {}
            }
        }
    }

    fn prerequisite(&mut self, flag: &Compiled, place: usize) -> Option<Step> {
        let why = match self.events.peek()? {
            Event::Asked(_) => self.flag().map(Box::new),
            _ => None,
        };
        let Some(Event::Required { answer, holds }) = self.events.next() else { return None };
        let required = flag.document.known()?.prerequisites.known()?.get(place)?;
        let other = flag.body.as_ref().ok()?.prerequisites.get(place)?.flag.as_deref();
        let variants = other.and_then(|other| other.document.known()).map(|other| &other.variants);
        let variant = answer.and_then(|answer| variants?.get(answer.variant? as usize));
        Some(Step::Prerequisite {
            flag: required.flag.clone(),
            variants: required.variants.clone(),
            variant: variant.map(|variant| variant.key.clone()),
            reason: answer.map(|answer| answer.reason.as_str()),
            holds,
            why,
        })
    }

    fn rule(&mut self, flag: &Compiled, place: usize) -> Option<Step> {
        let rule = flag.document.known()?.rules.get(place)?.known()?;
        let tests = self.tests(&rule.when, &format!("rules[{place}].when"));
        let Some(Event::RuleHolds(holds)) = self.events.next() else { return None };
        Some(Step::Rule { id: rule.id.clone(), place, holds, tests })
    }

    /// What was tested of one condition; stops before what is not about it any more.
    fn tests(&mut self, condition: &Condition, path: &str) -> Vec<Tested> {
        let parts = condition.parts();
        let mut tests = Vec::new();
        let mut bucket = None;
        let mut segment = None;
        while let Some(event) = self.events.next_if(|event| {
            matches!(event, Event::Tested { .. } | Event::Segment { .. } | Event::Bucketed { .. })
        }) {
            match event {
                Event::Segment { key, document } => segment = self.segment(key, document),
                Event::Bucketed { key, place } => bucket = Some(Bucketed { key, bucket: place }),
                Event::Tested { part, seen, holds } => {
                    let Some((way, part)) = parts.get(part) else { continue };
                    let part = match part {
                        Condition::Bucket(gate) => {
                            Some(Part::Bucket { from: gate.from, to: gate.to, bucket: bucket.take() })
                        }
                        Condition::Leaf(leaf) => Some(comparison(leaf, seen)),
                        _ => segment.take(),
                    };
                    tests.extend(part.map(|part| Tested { path: format!("{path}{way}"), holds, part }));
                }
                _ => {}
            }
        }
        tests
    }

    /// A segment's own events, up to what it came to.
    fn segment(&mut self, key: &str, document: &Read<Segment>) -> Option<Part> {
        let when = document.known()?.when.as_ref();
        let tests = when.map(|when| self.tests(when, &format!("segments.{key}.when"))).unwrap_or_default();
        let Some(Event::SegmentHolds(membership)) = self.events.next() else { return None };
        let by = match membership {
            Membership::Included => "included",
            Membership::Excluded => "excluded",
            Membership::Condition(_) => "condition",
            Membership::NoCondition => "no_condition",
        };
        Some(Part::Segment { segment: key.to_owned(), by, tests })
    }
}

fn comparison(leaf: &Leaf, seen: Option<Value>) -> Part {
    let (values, list) = match &leaf.operands {
        Operands::Values(values) => (Some(values.clone()).filter(|_| leaf.operator.takes_values()), None),
        Operands::List(key) => (None, Some(key.clone())),
    };
    Part::Comparison {
        attribute: leaf.attribute.clone(),
        operator: leaf.operator.name(),
        values,
        list,
        ignore_case: leaf.ignore_case,
        actual: seen,
    }
}

/// Rules that were not tried, and never will be.
fn lost_rules(flag: &Compiled) -> Vec<Step> {
    let tried = |place: usize| {
        let body = flag.body.as_ref();
        body.is_ok_and(|body| body.rules.iter().any(|rule| rule.place as usize == place))
    };
    let rules = flag.document.known().map_or(0, |flag| flag.rules.len());
    let why = |place: usize| {
        let start = format!("rules[{place}]");
        let problem = flag.problems.iter().find(|problem| {
            let rest = problem.path.strip_prefix(&start);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        problem.map(Violation::to_string).unwrap_or_default()
    };
    (0..rules).filter(|place| !tried(*place)).map(|place| Step::LostRule { place, why: why(place) }).collect()
}

/// What was heard about how a split chose.
#[derive(Default)]
struct Choice {
    bucket: Option<Bucketed>,
    assigned: bool,
}

fn explanation(flag: &Compiled, answer: Answer, mut steps: Vec<Step>, choice: Choice) -> Explanation {
    steps.extend(served(flag, answer, choice));
    let resolution = Resolution::new(flag, answer, 0);
    let error = resolution.error();
    Explanation {
        flag: flag.key.to_string(),
        value: resolution.value().cloned(),
        variant: resolution.variant().map(str::to_owned),
        reason: resolution.reason().as_str(),
        error: error.map(|error| error.code.as_str()),
        error_details: error.map(|error| error.details.to_owned()),
        rule: resolution.rule().map(str::to_owned),
        steps,
    }
}

/// The rule's or the default's serve, if it came to that.
fn served(flag: &Compiled, answer: Answer, choice: Choice) -> Option<Step> {
    let document = flag.document.known().filter(|_| flag.body.is_ok())?;
    let rule = answer.rule.and_then(|place| document.rules.get(place as usize)?.known());
    let by_target = answer.reason == Reason::TargetingMatch && rule.is_none();
    if by_target || matches!(answer.reason, Reason::Disabled | Reason::PrerequisiteFailed) {
        return None;
    }
    let serve = rule.map_or(document.default.known(), |rule| Some(&rule.serve))?;
    let split = match serve {
        Serve::Split(split) => Some(chosen(flag, split, choice)),
        Serve::Nothing | Serve::Variant(_) => None,
    };
    Some(Step::Serve { default: rule.is_none(), split })
}

fn chosen(flag: &Compiled, split: &Split, choice: Choice) -> Chosen {
    let mut from = 0;
    let shares = split.shares.iter().map(|share| {
        let to = from + share.weight;
        let share = Share { variant: share.variant.clone(), from, to };
        from = to;
        share
    });
    Chosen {
        shares: shares.collect(),
        by: split.spread.by.clone(),
        hash: split.spread.hash.name(),
        salt: split.spread.salt.clone().unwrap_or_else(|| flag.key.to_string()),
        bucket: choice.bucket,
        assigned: choice.assigned,
    }
}
