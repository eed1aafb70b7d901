//! What keeps a flag, a segment or a context list from being saved.
//!
//! A reader is milder with what travels; a writer has no reason to be: everything must compile, everything that
//! is named must be there, and nothing that depends on what is written may break.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Display;
use std::sync::Arc;

use crate::compiled::Compiled;
use crate::json::{Violation, Violations};
use crate::link::{compile_flags, compile_segments};
use crate::mention::Mention;
use crate::model::{Condition, Flag, MOST_NAME, Operands, Operator, Read, Snapshot, is_key, no_variant};
use crate::pattern::Pattern;
use crate::surroundings::{Given, Paths, Segments, Surroundings};

/// No config and no segment tests more than this, segments gone into each time they are named; a pattern counts
/// as its instructions, a text or range to look for as one. A question over the longest context then ends within
/// seconds at the very worst, and within microseconds as people write conditions.
const MOST_WEIGHT: u64 = 10_000;
/// No question weighs more than this, the flags gone into that are required on the way: twice what one flag may.
const MOST_WEIGHT_ASKED: u64 = 20_000;
/// A flag that is required counts as this much at least: up to here it may change without anyone looking at who
/// requires it ([`weighs_on_others`]).
const USUAL_WEIGHT: u64 = 100;
/// So many of the heaviest flags are named where a question weighs too much.
const MOST_NAMED: usize = 3;
/// No segment compares more attributes than this.
const MOST_LEAVES: usize = 1_000;

/// Whether the flag `key` of a snapshot may be written: the snapshot is the environment as it will be, or as
/// much of it as the flag names and is named by.
///
/// # Errors
/// Everything that is wrong, each with its path in the flag's document, such as `rules[2].serve.variant`.
pub fn check_flag(snapshot: &Snapshot, key: &str) -> Result<(), Vec<Violation>> {
    let state = State::new(snapshot);
    let compiled = state.compile([key]);
    let Some(compiled) = compiled.get(key) else { return Ok(()) };
    let mut violations = compiled.problems.to_vec();
    if let Read::Known(flag) = &*compiled.document {
        let mut own = Violations::default();
        check_names(flag, &mut own);
        check_prerequisites(snapshot, flag, &mut own);
        for (index, rule) in flag.rules.iter().enumerate() {
            let Read::Known(rule) = rule else { continue };
            check_patterns(&rule.when, format_args!("rules[{index}].when"), &mut own);
        }
        check_weight_of_flag(compiled, &mut own);
        violations.extend(own.into_result(Some(())).err().unwrap_or_default());
    }
    // What is broken breaks others too: its own faults say enough.
    if violations.is_empty() {
        violations.extend(state.broken_by(Mention::Flag(key)));
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// Whether a flag that names nothing beyond itself may be so heavy that who requires it must be looked at before it
/// is written: [`check_flag`] does, given a snapshot with them. Looks at the document alone, so a flag with patterns
/// may.
pub fn weighs_on_others(flag: &Flag) -> bool {
    let rules = flag.rules.iter().filter_map(Read::known);
    let mut parts = rules.flat_map(|rule| rule.when.parts()).map(|(_, part)| match part {
        Condition::Leaf(leaf) if leaf.operator == Operator::Matches => None,
        Condition::Leaf(leaf) => match &leaf.operands {
            Operands::Values(values) => Some(values.len().max(1) as u64),
            Operands::List(_) => Some(1),
        },
        Condition::Bucket(_) => Some(1),
        _ => None,
    });
    let weight = parts.try_fold(1, |sum: u64, part| sum.checked_add(part?));
    weight.is_none_or(|weight| weight > USUAL_WEIGHT)
}

/// Whether the segment `key` of a snapshot may be written, as [`check_flag`] for a flag. Lists that are named
/// by their digests are taken for good.
///
/// # Errors
/// Everything that is wrong with it, or would be with the flags and segments that name it.
pub fn check_segment(snapshot: &Snapshot, key: &str) -> Result<(), Vec<Violation>> {
    let state = State::new(snapshot);
    let Some(segment) = state.segments.get(key) else { return Ok(()) };
    let mut violations = segment.problems.to_vec();
    if let Some(when) = segment.document.known().and_then(|segment| segment.when.as_ref()) {
        let mut own = Violations::default();
        check_patterns(when, "when", &mut own);
        let mut leaves = 0;
        when.each_part(&mut |part| leaves += usize::from(matches!(part, Condition::Leaf(_))));
        if leaves > MOST_LEAVES {
            own.add("when", format_args!("compares {leaves} attributes; at most {MOST_LEAVES} are allowed"));
        }
        check_weight(segment.weight(), "when", &mut own);
        violations.extend(own.into_result(Some(())).err().unwrap_or_default());
    }
    if violations.is_empty() {
        violations.extend(state.broken_by(Mention::Segment(key)));
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// Whether the context list `key` of a snapshot may be written, or left out of it.
///
/// # Errors
/// What is wrong with it, or would be with the flags and segments that name it.
pub fn check_list(snapshot: &Snapshot, key: &str) -> Result<(), Vec<Violation>> {
    let unread = snapshot.lists.get(key).and_then(|list| list.as_result().err());
    let mut violations: Vec<_> = unread.map(|why| violation("", why)).into_iter().collect();
    violations.extend(State::new(snapshot).broken_by(Mention::List(key)));
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// A snapshot, and its segments compiled.
struct State<'a> {
    snapshot: &'a Snapshot,
    segments: Segments,
}

impl<'a> State<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let mut segments = Segments::new();
        let keys = snapshot.segments.keys().map(String::as_str);
        let paths = Paths::default();
        let given = Given { lists: &snapshot.lists, key_lists: None, paths: &paths };
        compile_segments(&mut segments, keys, |key| snapshot.segments.get(key), given);
        Self { snapshot, segments }
    }

    /// These flags, and those that they require.
    fn compile(&self, keys: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, Arc<Compiled>> {
        let keys: Vec<_> = keys.into_iter().collect();
        let paths = Paths::default();
        let given = Given { lists: &self.snapshot.lists, key_lists: None, paths: &paths };
        let surroundings = Surroundings { given, segments: &self.segments, flags: &|_| None };
        compile_flags(keys.into_iter(), |key| self.snapshot.flags.get(key), |_| None, surroundings)
    }

    /// What is wrong with flags and segments that depend on this one.
    fn broken_by(&self, written: Mention<'a>) -> Vec<Violation> {
        let mut mentions = BTreeSet::from([written]);
        let segments = self
            .segments
            .iter()
            .map(|(key, segment)| (Mention::Segment(key), Mention::all_of_segment(&segment.document)));
        let flags =
            self.snapshot.flags.iter().map(|(key, flag)| (Mention::Flag(key), Mention::all_of_flag(flag)));
        let named: Vec<_> = segments.chain(flags).filter(|(_, named)| !named.is_empty()).collect();
        loop {
            let known = mentions.len();
            for (one, named) in &named {
                if named.iter().any(|named| mentions.contains(named)) {
                    mentions.insert(*one);
                }
            }
            if mentions.len() == known {
                break;
            }
        }
        mentions.remove(&written);
        let flags = self.compile(mentions.iter().copied().filter_map(Mention::flag));
        mentions
            .into_iter()
            .filter_map(|mention| {
                let mut heavy = Violations::default();
                let (kind, key, problems) = match mention {
                    Mention::Flag(key) => {
                        let flag = flags.get(key)?;
                        check_weight_of_flag(flag, &mut heavy);
                        ("flag", key, &*flag.problems)
                    }
                    Mention::Segment(key) => {
                        let segment = self.segments.get(key)?;
                        check_weight(segment.weight(), "when", &mut heavy);
                        ("segment", key, &*segment.problems)
                    }
                    Mention::List(_) => return None,
                };
                let heavy = heavy.into_result(Some(())).err().unwrap_or_default();
                let problem = problems.iter().chain(&heavy).next()?;
                Some(violation(
                    "",
                    &format!("would break the {kind} {key:?}, which depends on it: {problem}"),
                ))
            })
            .collect()
    }
}

fn violation(path: &str, message: &str) -> Violation {
    Violation { path: path.to_owned(), message: message.to_owned() }
}

fn check_weight(weight: u64, path: &str, violations: &mut Violations) {
    if weight > MOST_WEIGHT {
        let message = format_args!(
            "weigh {weight}: each comparison, text and range to look for counts as one and a pattern as its instructions, segments gone into; at most {MOST_WEIGHT} are allowed"
        );
        violations.add(path, message);
    }
}

/// By itself, and with all that it requires.
fn check_weight_of_flag(flag: &Compiled, violations: &mut Violations) {
    let own = flag.weight.saturating_sub(1);
    check_weight(own, "rules", violations);
    let asked = flag.asked();
    let required = asked.iter().skip(1).map(|flag| (flag.weight.max(USUAL_WEIGHT), &*flag.key));
    let mut weights: Vec<_> = required.chain([(own, &*flag.key)]).collect();
    let sum = weights.iter().map(|(weight, _)| *weight).fold(0, u64::saturating_add);
    if sum <= MOST_WEIGHT_ASKED || own > MOST_WEIGHT {
        return;
    }
    weights.sort_unstable_by(|(one, one_key), (other, other_key)| (other, one_key).cmp(&(one, other_key)));
    let heaviest: Vec<_> =
        weights.iter().take(MOST_NAMED).map(|(weight, key)| format!("{key:?} with {weight}")).collect();
    violations.add(
        "prerequisites",
        format_args!(
            "make a question weigh {sum}, the rules of all flags together that it asks, each required one counted as \
             {USUAL_WEIGHT} at least; at most {MOST_WEIGHT_ASKED} are allowed. The heaviest are {}; make their rules \
             lighter, or require fewer flags",
            heaviest.join(", ")
        ),
    );
}

fn check_names(flag: &Flag, violations: &mut Violations) {
    for (index, variant) in flag.variants.iter().enumerate() {
        check_name(&variant.key, format_args!("variants[{index}].key"), violations);
    }
    for (index, target) in flag.targets.known().into_iter().flatten().enumerate() {
        for (nth, key) in target.keys.iter().enumerate() {
            check_name(key, format_args!("targets[{index}].keys[{nth}]"), violations);
        }
    }
    let mut ids = HashSet::new();
    for (index, rule) in flag.rules.iter().enumerate() {
        let Read::Known(rule) = rule else { continue };
        let path = format_args!("rules[{index}].id").to_string();
        check_name(&rule.id, &path, violations);
        if !ids.insert(rule.id.as_str()) {
            violations.add(&path, format_args!("{:?} is the id of another rule already", rule.id));
        }
    }
}

fn check_name(name: &str, path: impl Display, violations: &mut Violations) {
    if !is_key(name) {
        violations.add(path, format_args!("must have 1 to {MOST_NAME} bytes and no control characters"));
    }
}

/// Everything that prerequisites name must be there.
fn check_prerequisites(snapshot: &Snapshot, flag: &Flag, violations: &mut Violations) {
    let mut seen = HashSet::new();
    for (index, required) in flag.prerequisites.known().into_iter().flatten().enumerate() {
        let path = format!("prerequisites[{index}]");
        if !seen.insert(required.flag.as_str()) {
            violations.add(
                format_args!("{path}.flag"),
                format_args!("{:?} is required already; name all its variants there", required.flag),
            );
        }
        let Some(other) = snapshot.flags.get(&required.flag) else {
            violations.add(
                format_args!("{path}.flag"),
                format_args!("there is no flag {:?}; make it first, or mend the key", required.flag),
            );
            continue;
        };
        let Some(other) = other.known() else { continue };
        if other.archived {
            let message = format_args!("{:?} is archived and never answers what is required", required.flag);
            violations.add(format_args!("{path}.flag"), message);
        }
        if required.variants.is_empty() {
            violations.add(format_args!("{path}.variants"), "must name at least one variant");
        }
        for (nth, variant) in required.variants.iter().enumerate() {
            if !other.variants.iter().any(|own| own.key == *variant) {
                let message = no_variant(variant, format_args!("{:?}", required.flag), &other.variants);
                violations.add(format_args!("{path}.variants[{nth}]"), message);
            }
        }
    }
}

/// Patterns are bounded where they are written, so that all readers can afford them.
fn check_patterns(condition: &Condition, path: impl Display, violations: &mut Violations) {
    for (way, part) in condition.parts() {
        let Condition::Leaf(leaf) = part else { continue };
        let Operands::Values(values) = &leaf.operands else { continue };
        if leaf.operator != Operator::Matches {
            continue;
        }
        for (index, value) in values.iter().enumerate() {
            // One that does not read is told where it is compiled.
            let pattern = value.as_str().map(|source| Pattern::new(source, leaf.ignore_case));
            let Some(Ok(pattern)) = pattern else { continue };
            if let Err(why) = pattern.check_size() {
                violations.add(format_args!("{path}{way}.values[{index}]"), why);
            }
        }
    }
}
