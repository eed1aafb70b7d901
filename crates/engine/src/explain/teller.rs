//! Puts what an evaluation told together with the documents that it was about.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::Value;

use super::almost::{differs_in_case, instead, no_keys};
use super::{Bucketed, Chosen, Explanation, NoKey, Note, Share, Step, Tested, Untried, What};
use crate::answer::{Answer, Outcome};
use crate::asked::Asked;
use crate::compiled::Compiled;
use crate::cut::{MOST_VALUES, cut, cut_value};
use crate::json::Violation;
use crate::model::{Condition, Gate, Leaf, Operands, Read, Rule, Segment, Serve, Split};
use crate::resolution::Resolution;
use crate::ruleset::Ruleset;
use crate::trace::{Divider, Event, Membership};

/// Of a longer list of values nobody is told that the case of one differs.
const MOST_COMPARED: usize = 100;

/// The explanation that the events of one question make; none if there are none.
pub(super) fn tell(asked: Asked<'_>, ruleset: &Ruleset, events: Vec<Event<'_>>) -> Option<Explanation> {
    Teller { asked, ruleset, events: events.into_iter().peekable() }.flag()
}

struct Teller<'r, 'a> {
    asked: Asked<'a>,
    ruleset: &'a Ruleset,
    events: Peekable<IntoIter<Event<'r>>>,
}

impl Teller<'_, '_> {
    /// A flag's own events, from its being asked to its answer.
    fn flag(&mut self) -> Option<Explanation> {
        let Some(Event::Asked(key)) = self.events.next() else { return None };
        let flag: &Compiled = self.ruleset.compiled(key)?;
        let mut steps = Vec::new();
        let document = flag.document.known().filter(|_| flag.body.is_ok());
        if let Some(document) = document {
            steps.push(Step::State { enabled: document.enabled, archived: document.archived });
        }
        let mut choice = Choice::default();
        let (mut tests, mut left_out) = (Vec::new(), None);
        loop {
            if is_of_a_test(self.events.peek()?) {
                tests = self.tests(&parts_of_rules(flag), &format!("{}:gate", flag.key));
                continue;
            }
            match self.events.next()? {
                Event::Prerequisite(place) => steps.extend(self.prerequisite(flag, place)),
                Event::Targets { hit } => {
                    let targeting_key = self.asked.context.targeting_key().map(cut);
                    let no_keys = self.no_targeting_key().unwrap_or_default();
                    steps.push(Step::Targets { targeting_key, no_keys, holds: hit });
                }
                Event::LeftOut(number) => left_out = Some(Step::LeftOut { count: number }),
                Event::Bucketed { key, place, .. } => choice.bucket = Some(Bucketed { key, bucket: place }),
                Event::Assigned => choice.assigned = true,
                Event::Answered(answer) => {
                    steps.extend(rules(flag, answer, tests));
                    steps.extend(left_out);
                    steps.extend(untried_rules(flag, answer));
                    steps.extend(self.served(flag, answer, choice));
                    return Some(explanation(flag, answer, steps));
                }
                // The others belong to these, and are taken with them.
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
        let variant = answer.and_then(|answer| variants?.get(answer.variant?.index()));
        Some(Step::Prerequisite {
            flag: required.flag.clone(),
            variants: required.variants.clone(),
            variant: variant.map(|variant| variant.key.clone()),
            reason: answer.map(|answer| answer.reason().as_str()),
            holds,
            why,
        })
    }

    /// What was tested of these parts; stops before what is not about them any more.
    fn tests(&mut self, parts: &[Part<'_>], gate_salt: &str) -> Vec<Tested> {
        let mut tests = Vec::new();
        let (mut bucket, mut segment) = (None, None);
        while let Some(event) = self.events.next_if(is_of_a_test) {
            match event {
                Event::Segment { key, document } => segment = self.segment(key, document),
                Event::Bucketed { key, place, .. } => bucket = Some(Bucketed { key, bucket: place }),
                Event::Tested { part, readable, holds } => {
                    let Some(Part { path, condition }) = parts.get(part) else { continue };
                    let what = match condition {
                        Condition::Leaf(leaf) => Some(self.comparison(leaf, readable)),
                        Condition::Bucket(gate) => Some(self.gated(gate, gate_salt, bucket.take())),
                        _ => segment.take(),
                    };
                    tests.extend(what.map(|what| Tested { path: path.clone(), holds, what }));
                }
                _ => {}
            }
        }
        tests
    }

    /// A segment's own events, up to what it came to.
    fn segment(&mut self, key: &str, document: &Read<Segment>) -> Option<What> {
        let when = document.known()?.when.as_ref();
        let parts = when.map(|when| Part::all_of(when, &format!("segments.{key}.when")));
        let tests = self.tests(&parts.unwrap_or_default(), &format!("{key}:segment"));
        let Some(Event::SegmentHolds(membership)) = self.events.next() else { return None };
        let membership = match membership {
            Membership::Included => "included",
            Membership::Excluded => "excluded",
            Membership::Condition(_) => "condition",
            Membership::NoCondition => "no_condition",
        };
        let no_keys = self.no_targeting_key();
        Some(What::Segment {
            segment: key.to_owned(),
            membership,
            keyless: no_keys.is_some(),
            no_keys: no_keys.unwrap_or_default(),
            tests,
        })
    }

    /// Why the context has no targeting key; none if it has one.
    fn no_targeting_key(&self) -> Option<Vec<NoKey>> {
        let context = self.asked.context;
        context.targeting_key().is_none().then(|| no_keys(context, &[]))
    }

    fn comparison(&self, leaf: &Leaf, readable: bool) -> What {
        let (values, list) = match &leaf.operands {
            Operands::Values(values) => (values.as_slice(), None),
            Operands::List(key) => {
                let values = self.ruleset.lists().get(key).and_then(|list| list.known());
                (values.map_or(&[][..], |list| &list.0), Some(key.clone()))
            }
        };
        let told = values.get(..MOST_VALUES).unwrap_or(values);
        let compared = values.get(..MOST_COMPARED).unwrap_or(values);
        let seen = self.asked.context.seen(&leaf.attribute);
        let elements = seen.and_then(Value::as_array).map_or(0, Vec::len);
        let actual = seen.map(cut_value);
        let note = match &actual {
            None | Some(Value::Null) => instead(self.asked.context, &leaf.attribute),
            Some(_) if !readable => Some(Note::Unreadable),
            Some(seen) if !leaf.ignore_case && differs_in_case(leaf.operator, seen, compared) => {
                Some(Note::Case)
            }
            Some(_) => None,
        };
        What::Comparison {
            attribute: leaf.attribute.clone(),
            operator: leaf.operator.name(),
            values: told.iter().map(cut_value).collect(),
            left_out: values.len() - told.len(),
            list,
            ignore_case: leaf.ignore_case,
            actual,
            actual_left_out: elements.saturating_sub(MOST_VALUES),
            note,
        }
    }

    fn gated(&self, gate: &Gate, salt: &str, bucket: Option<Bucketed>) -> What {
        let by = &gate.spread.by;
        What::Bucket {
            from: gate.from,
            to: gate.to,
            hash: gate.spread.hash.name(),
            salt: gate.spread.salt.clone().unwrap_or_else(|| salt.to_owned()),
            by: by.clone(),
            no_keys: if bucket.is_none() { no_keys(self.asked.context, by) } else { Vec::new() },
            bucket,
        }
    }

    /// The rule's or the default's serve, if it came to that.
    fn served(&self, flag: &Compiled, answer: Answer, choice: Choice) -> Option<Step> {
        let document = flag.document.known().filter(|_| flag.body.is_ok())?;
        let rule = answer.rule.and_then(|place| document.rules.get(place.index())?.known());
        let by_target = answer.outcome == Outcome::TargetingMatch && rule.is_none();
        if by_target || matches!(answer.outcome, Outcome::Disabled | Outcome::PrerequisiteFailed) {
            return None;
        }
        // A rule that ends in an error is known by the step that it was.
        let serve = rule.map_or(document.default.known(), |rule| Some(&rule.serve))?;
        let split = match serve {
            Serve::Split(split) => Some(self.chosen(flag, split, choice)),
            Serve::Nothing | Serve::Variant(_) => None,
        };
        Some(Step::Serve { default: rule.is_none(), split })
    }

    fn chosen(&self, flag: &Compiled, split: &Split, choice: Choice) -> Chosen {
        let mut from = 0;
        let shares = split.shares.iter().map(|share| {
            let to = from + share.weight;
            let share = Share { variant: share.variant.clone(), from, to };
            from = to;
            share
        });
        let earlier = self.asked.assignments.filter(|_| split.sticky).and_then(|all| all.variant(&flag.key));
        Chosen {
            shares: shares.collect(),
            by: split.spread.by.clone(),
            hash: split.spread.hash.name(),
            salt: split.spread.salt.clone().unwrap_or_else(|| flag.key.to_string()),
            no_keys: if choice.bucket.is_none() {
                no_keys(self.asked.context, &split.spread.by)
            } else {
                Vec::new()
            },
            bucket: choice.bucket,
            sticky: split.sticky,
            earlier: earlier.map(cut),
            assigned: choice.assigned,
        }
    }
}

/// What was heard about how a split chose.
#[derive(Default)]
struct Choice {
    bucket: Option<Bucketed>,
    assigned: bool,
}

/// Whether an event is a test, or goes before one.
fn is_of_a_test(event: &Event<'_>) -> bool {
    matches!(event, Event::Tested { .. } | Event::Segment { .. } | Event::Bucketed { by: Divider::Gate, .. })
}

/// A part of a condition, and where it stands.
struct Part<'c> {
    path: String,
    condition: &'c Condition,
}

impl<'c> Part<'c> {
    fn all_of(condition: &'c Condition, path: &str) -> Vec<Self> {
        let part = |(way, condition)| Self { path: format!("{path}{way}"), condition };
        condition.parts().into_iter().map(part).collect()
    }
}

/// All parts of the rules that are tried, in the order in which they are.
fn parts_of_rules(flag: &Compiled) -> Vec<Part<'_>> {
    tried(flag).flat_map(|(place, rule)| Part::all_of(&rule.when, &format!("rules[{place}].when"))).collect()
}

/// The rules that are tried, with their places in the document.
fn tried(flag: &Compiled) -> impl Iterator<Item = (usize, &Rule)> {
    let places = flag.body.as_ref().map_or([].as_slice(), |body| &body.rules);
    let rule = |place: usize| flag.document.known()?.rules.get(place)?.known();
    places.iter().filter_map(move |compiled| {
        let place = compiled.place.index();
        Some((place, rule(place)?))
    })
}

/// The rules that were tried, each with its tests, before them those that never hold.
fn rules(flag: &Compiled, answer: Answer, tests: Vec<Tested>) -> Vec<Step> {
    let by_target = answer.outcome == Outcome::TargetingMatch && answer.rule.is_none();
    if by_target || matches!(answer.outcome, Outcome::Disabled | Outcome::PrerequisiteFailed) {
        return Vec::new();
    }
    let mut steps = lost_rules(flag);
    let mut tests = tests.into_iter().peekable();
    for (place, rule) in tried(flag) {
        let start = format!("rules[{place}].");
        let own = std::iter::from_fn(|| tests.next_if(|test| test.path.starts_with(&start)));
        let tests = own.collect();
        let holds = answer.rule.is_some_and(|answering| answering.index() == place);
        steps.push(Step::Rule { id: rule.id.clone(), place, priority: rule.priority, holds, tests });
        if holds {
            break;
        }
    }
    steps
}

/// Rules that were not tried, and never will be.
fn lost_rules(flag: &Compiled) -> Vec<Step> {
    let tried: Vec<_> = tried(flag).map(|(place, _)| place).collect();
    let rules = flag.document.known().filter(|_| flag.body.is_ok()).map_or(0, |flag| flag.rules.len());
    let error = |place: usize| {
        let start = format!("rules[{place}]");
        let about = |path: &str| {
            path.strip_prefix(&start).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let problem = flag.problems.iter().find(|problem| about(&problem.path));
        problem.map(Violation::to_string).unwrap_or_default()
    };
    let lost = (0..rules).filter(|place| !tried.contains(place));
    lost.map(|place| Step::LostRule { place, error: error(place) }).collect()
}

/// The rules behind the one that held.
fn untried_rules(flag: &Compiled, answer: Answer) -> Option<Step> {
    let held = answer.rule?.index();
    let behind = tried(flag).skip_while(|(place, _)| *place != held).skip(1);
    let untried =
        |(place, rule): (usize, &Rule)| Untried { id: rule.id.clone(), place, priority: rule.priority };
    let mut rules: Vec<_> = behind.map(untried).collect();
    rules.sort_unstable_by_key(|rule| rule.place);
    (!rules.is_empty()).then_some(Step::Untried { rules })
}

fn explanation(flag: &Compiled, answer: Answer, steps: Vec<Step>) -> Explanation {
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
