//! From a flag as it travels to a flag that can be asked.
//!
//! Nothing here fails as a whole. What is wrong with the flag itself makes every question about it an error,
//! disabled or not; what is wrong with a rule makes that rule never hold, and the flag lives.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde_json::Value;

use crate::answer::Place;
use crate::compiled::{Body, Compiled, Fault, Required, Rule, Serve, Share, Split, Targets};
use crate::evaluate::MOST_ASKED;
use crate::graph::{Graph, spelled};
use crate::json::{Violation, Violations};
use crate::lookup::Lookup;
use crate::mention::{Mention, named_in};
use crate::model::{self, Condition, Flag, Prerequisite, Read, Target, Variant, WHOLE, no_variant};
use crate::reason::ErrorCode;
use crate::steps::{Steps, tests_of};
use crate::surroundings::{MOST_SEGMENT_DEPTH, Surroundings};
use crate::test::Scope;
use crate::trace::Divider;
use crate::unit::Unit;

/// No flag compares more attributes than this in all its rules.
const MOST_LEAVES: usize = 1_000;
/// No config names more prerequisites than this.
const MOST_PREREQUISITES: usize = 16;
/// No chain of prerequisites is longer than this, the flag itself not counted.
const MOST_CHAIN: usize = 32;
/// No more distinct segments than this are reached from a config.
const MOST_SEGMENTS: usize = 64;

/// What is wrong with a flag, by what it costs.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The flag cannot be read.
    pub(crate) unreadable: Violations,
    /// The flag can be read and exceeds a bound.
    pub(crate) exceeded: Violations,
    /// A rule never holds.
    pub(crate) lost_rules: Violations,
}

impl Findings {
    /// All of them, the dearest first.
    pub(crate) fn into_violations(self) -> impl Iterator<Item = Violation> {
        let kinds = [self.unreadable, self.exceeded, self.lost_rules];
        kinds.into_iter().flat_map(|violations| violations.into_result(Some(())).err().unwrap_or_default())
    }
}

impl Compiled {
    /// Compiles a flag whose prerequisites and segments are compiled. `flags` is who asks whom.
    pub(crate) fn new(
        key: &str,
        document: &Arc<Read<Flag>>,
        surroundings: &Surroundings<'_>,
        flags: &Graph<'_>,
    ) -> Self {
        let key = Arc::from(key);
        let document = Arc::clone(document);
        let names_others = !Mention::all_of_flag(&document).is_empty();
        let (weight, weight_asked, longest_value) = (0, 0, 0);
        let compiled = match &*document {
            Read::Known(flag) => {
                let mut findings = Findings::default();
                let body = Compiler::new(&key, flag, surroundings, flags).body(&mut findings);
                let (version, client_visible) = (flag.version, flag.client_visible);
                let (body, problems) = findings.judge(body);
                Self {
                    key,
                    version,
                    client_visible,
                    document,
                    names_others,
                    body,
                    weight,
                    weight_asked,
                    longest_value,
                    problems,
                }
            }
            Read::Unknown { raw, why } => Self {
                key,
                // What can be said of it all the same.
                version: raw.get("version").and_then(Value::as_u64).unwrap_or_default(),
                client_visible: raw.get("client_visible").and_then(Value::as_bool).unwrap_or_default(),
                body: Err(Fault { code: ErrorCode::ParseError, details: why.as_str().into() }),
                problems: Box::new([Violation { path: String::new(), message: why.clone() }]),
                document,
                names_others,
                weight,
                weight_asked,
                longest_value,
            },
        };
        compiled.weighed()
    }
}

impl Findings {
    fn judge(self, body: Body) -> (Result<Body, Fault>, Box<[Violation]>) {
        let code = match (self.unreadable.is_empty(), self.exceeded.is_empty()) {
            (false, _) => Some(ErrorCode::ParseError),
            (true, false) => Some(ErrorCode::General),
            (true, true) => None,
        };
        let problems: Box<[_]> = self.into_violations().collect();
        let details = || problems.first().map(Violation::to_string).unwrap_or_default();
        let body = match code {
            Some(code) => Err(Fault { code, details: details().into() }),
            None => Ok(body),
        };
        (body, problems)
    }
}

/// What a flag's parts are compiled against.
pub(crate) struct Compiler<'a> {
    key: &'a str,
    flag: &'a Flag,
    surroundings: &'a Surroundings<'a>,
    flags: &'a Graph<'a>,
    places: HashMap<&'a str, Place, FixedState>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(
        key: &'a str,
        flag: &'a Flag,
        surroundings: &'a Surroundings<'a>,
        flags: &'a Graph<'a>,
    ) -> Self {
        // The first of two variants of one name: the second is a fault anyway.
        let places = flag.variants.iter().enumerate().rev();
        let places =
            places.filter_map(|(at, variant)| Some((variant.key.as_str(), Place::of(at)?))).collect();
        Self { key, flag, surroundings, flags, places }
    }

    /// Compiles all there is, past every fault: what comes out of a flag with findings in `unreadable` or
    /// `exceeded` must not be asked.
    pub(crate) fn body(&self, findings: &mut Findings) -> Body {
        let flag = self.flag;
        let unreadable = &mut findings.unreadable;
        self.check_variants(unreadable);
        for (index, need) in flag.needs.iter().enumerate() {
            let message = format_args!("{need:?} is not an ability of this version");
            unreadable.add(format_args!("needs[{index}]"), message);
        }
        let off = flag.off_variant.as_ref().and_then(|off| self.place(off, "off_variant", unreadable));
        let targets = self.targets(unreadable);
        let default = match flag.default.as_result() {
            Ok(serve) => self.serve(serve, "default", unreadable),
            Err(why) => {
                unreadable.add("default", why);
                None
            }
        };
        let prerequisites = self.prerequisites(findings);
        self.check_segments(&mut findings.exceeded);
        for (number, list) in [(flag.variants.len(), "variants"), (flag.rules.len(), "rules")] {
            if number > Place::MOST {
                let most = Place::MOST;
                findings
                    .exceeded
                    .add(list, format_args!("{number} are too many; at most {most} are allowed"));
            }
        }
        let (steps, rules) = self.rules(findings);
        let default = default.unwrap_or(Serve::Nothing);
        Body {
            on: flag.enabled && !flag.archived,
            // A rule that never holds is still a rule.
            is_static: targets.is_none()
                && flag.rules.is_empty()
                && prerequisites.is_empty()
                && matches!(default, Serve::Variant(_)),
            off,
            prerequisites,
            targets,
            steps,
            rules,
            default,
        }
    }

    /// Bounds and circles are decided by what the documents say, not by what became of the other flags.
    fn prerequisites(&self, findings: &mut Findings) -> Box<[Required]> {
        let required = match self.flag.prerequisites.as_result() {
            Ok(required) => required,
            Err(why) => {
                findings.unreadable.add("prerequisites", why);
                return Box::default();
            }
        };
        if required.is_empty() {
            return Box::default();
        }
        if let Some(cycle) = self.flags.cycle(self.key) {
            let message = format!("flags must not require each other in a circle: {}", spelled(cycle));
            findings.unreadable.add("prerequisites", message);
            return Box::default();
        }
        let names = || required.iter().map(|required| required.flag.as_str());
        let exceeded = [
            (required.len(), MOST_PREREQUISITES, "prerequisites in one config"),
            (self.flags.reach(names(), MOST_ASKED), MOST_ASKED, "distinct flags through all prerequisites"),
            (self.flags.depth(self.key).saturating_sub(1), MOST_CHAIN, "flags in one chain of prerequisites"),
        ];
        for (number, most, what) in exceeded {
            if number > most {
                findings
                    .exceeded
                    .add("prerequisites", format_args!("are more than {most} {what}; leave some out"));
            }
        }
        if !findings.exceeded.is_empty() {
            return Box::default();
        }
        required.iter().map(|required| self.required(required)).collect()
    }

    fn required(&self, required: &Prerequisite) -> Required {
        let flag = (self.surroundings.flags)(&required.flag);
        let variants = flag.as_ref().and_then(|flag| flag.document.known()).map(|other| &*other.variants);
        let named = |variant: &Variant| required.variants.contains(&variant.key);
        let variants = variants.unwrap_or_default().iter().enumerate().filter(|(_, variant)| named(variant));
        Required { variants: variants.filter_map(|(at, _)| Place::of(at)).collect(), flag }
    }

    fn check_segments(&self, exceeded: &mut Violations) {
        let mut reached = BTreeSet::new();
        for rule in self.flag.rules.iter().filter_map(Read::known) {
            named_in(&rule.when, |mention| reached.extend(mention.segment()));
        }
        if reached.is_empty() {
            return;
        }
        let segments = self.surroundings.segments;
        let depth = reached.iter().filter_map(|key| segments.get(*key)).map(|segment| segment.depth).max();
        if depth > Some(MOST_SEGMENT_DEPTH) {
            let message = format_args!("name segments more than {MOST_SEGMENT_DEPTH} levels deep");
            exceeded.add("rules", message);
        }
        let mut waiting: Vec<&str> = reached.iter().copied().collect();
        while let Some(segment) = waiting.pop().and_then(|key| segments.get(key)) {
            for named in Mention::all_of_segment(&segment.document).into_iter().filter_map(Mention::segment) {
                if reached.len() <= MOST_SEGMENTS && reached.insert(named) {
                    waiting.push(named);
                }
            }
        }
        if reached.len() > MOST_SEGMENTS {
            let message = format_args!("reach more than {MOST_SEGMENTS} distinct segments; leave some out");
            exceeded.add("rules", message);
        }
    }

    fn check_variants(&self, violations: &mut Violations) {
        for (index, Variant { key, value }) in self.flag.variants.iter().enumerate() {
            if self.places.get(key.as_str()).copied() != Place::of(index) {
                violations.add(
                    format_args!("variants[{index}].key"),
                    format_args!("{key:?} is taken by another variant"),
                );
            }
            if let Err(message) = self.flag.kind.check(value) {
                violations.add(format_args!("variants[{index}].value"), message);
            }
        }
    }

    fn targets(&self, violations: &mut Violations) -> Option<Box<Targets>> {
        let mut places = Lookup::default();
        let targets = self.flag.targets.as_result().unwrap_or_else(|why| {
            violations.add("targets", why);
            const { &Vec::new() }
        });
        for (index, Target { variant, keys }) in targets.iter().enumerate() {
            let Some(place) = self.place(variant, format_args!("targets[{index}].variant"), violations)
            else {
                continue;
            };
            for (nth, key) in keys.iter().enumerate() {
                let earlier = *places.get_or_insert(key.as_str().into(), place);
                if earlier != place {
                    let path = format_args!("targets[{index}].keys[{nth}]");
                    violations.add(path, format_args!("{key:?} stands under another variant already"));
                }
            }
        }
        (!places.is_empty()).then(|| Box::new(Targets(places)))
    }

    fn rules(&self, findings: &mut Findings) -> (Steps, Box<[Rule]>) {
        let gate_salt = format!("{}:gate", self.key);
        let scope = Scope { surroundings: self.surroundings, gate_salt: &gate_salt };
        let mut rules = Vec::with_capacity(self.flag.rules.len());
        let mut leaves = 0;
        for (place, rule) in self.flag.rules.iter().enumerate() {
            let rule = match rule.as_result() {
                Ok(rule) => rule,
                Err(why) => {
                    findings.lost_rules.add(format_args!("rules[{place}]"), why);
                    continue;
                }
            };
            rule.when.each_part(&mut |part| leaves += usize::from(matches!(part, Condition::Leaf(_))));
            let lost = &mut findings.lost_rules;
            let tests = tests_of(&rule.when, &scope, format_args!("rules[{place}].when"), lost);
            let serve = self.serve(&rule.serve, format_args!("rules[{place}].serve"), lost);
            if let (Some(tests), Some(serve), Some(place)) = (tests, serve, Place::of(place)) {
                rules.push((rule, tests, Rule { place, serve }));
            }
        }
        if leaves > MOST_LEAVES {
            let message =
                format_args!("compare {leaves} attributes in all; at most {MOST_LEAVES} are allowed");
            findings.exceeded.add("rules", message);
        }
        // Stable: rules of one priority keep the order of the list.
        rules.sort_by_key(|(rule, ..)| rule.priority);
        let (conditions, rules): (Vec<_>, Vec<_>) =
            rules.into_iter().map(|(rule, tests, compiled)| ((&rule.when, tests), compiled)).unzip();
        (Steps::new(conditions.into_iter()), rules.into())
    }

    fn serve(&self, serve: &model::Serve, path: impl Display, violations: &mut Violations) -> Option<Serve> {
        match serve {
            model::Serve::Nothing => Some(Serve::Nothing),
            model::Serve::Variant(variant) => {
                self.place(variant, format_args!("{path}.variant"), violations).map(Serve::Variant)
            }
            model::Serve::Split(split) => self.split(split, path, violations).map(Box::new).map(Serve::Split),
        }
    }

    fn split(&self, split: &model::Split, path: impl Display, violations: &mut Violations) -> Option<Split> {
        let mut end = 0_u32;
        let mut whole = None;
        let mut shares = Some(Vec::<Share>::with_capacity(split.shares.len()));
        for (index, share) in split.shares.iter().enumerate() {
            end = end.saturating_add(share.weight);
            let path = format_args!("{path}.split[{index}].variant");
            let place = self.place(&share.variant, path, violations);
            let (Some(all), Some(variant)) = (&mut shares, place) else {
                shares = None;
                continue;
            };
            if all.iter().any(|earlier| earlier.variant == variant) {
                violations.add(path, format_args!("{:?} stands in this split already", share.variant));
                shares = None;
                continue;
            }
            if share.weight == WHOLE {
                whole = Some(variant);
            }
            all.push(Share { end, variant });
        }
        if end != WHOLE {
            let message = format_args!("weights add up to {end}; they must add up to {WHOLE} (100 %)");
            violations.add(format_args!("{path}.split"), message);
            return None;
        }
        let unit = Unit::new(Divider::Split, &split.spread, self.key, self.surroundings);
        Some(Split { shares: shares?.into(), whole, unit, sticky: split.sticky, tracked: split.track })
    }

    /// Where the variant of this name stands.
    fn place(&self, variant: &str, path: impl Display, violations: &mut Violations) -> Option<Place> {
        let place = self.places.get(variant).copied();
        // Beyond a bound it may be there and have no place: the bound is what is told.
        if place.is_none() && self.flag.variants.len() <= Place::MOST {
            violations.add(path, no_variant(variant, "this flag", &self.flag.variants));
        }
        place
    }
}
