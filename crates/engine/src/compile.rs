//! From a flag as it travels to a flag that can be asked.
//!
//! Nothing here fails as a whole. What is wrong with the flag itself makes every question about it an error,
//! disabled or not; what is wrong with a rule makes that rule never hold, and the flag lives.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use serde_json::Value;

use crate::context::Path;
use crate::json::{Violation, Violations, type_name};
use crate::model::{self, Flag, Hash, Kind, Read, Revision, Target, Variant, WHOLE};
use crate::resolution::ErrorCode;
use crate::tree::Tree;

/// No flag compares more attributes than this in all its rules.
const MOST_LEAVES: usize = 1_000;
/// No value nests deeper than this. JSON readers stop at 128 levels, and a value travels inside other documents.
const MOST_VALUE_DEPTH: usize = 32;
/// The whole numbers up to this, either way, are doubles of their own.
const MOST_WHOLE: f64 = 9_007_199_254_740_991.0;

/// A flag that can be asked.
#[derive(Debug, PartialEq)]
pub(crate) struct Compiled {
    pub(crate) key: Box<str>,
    pub(crate) version: Revision,
    pub(crate) client_visible: bool,
    pub(crate) body: Result<Body, Fault>,
    /// Why it does not compile, or why some of its rules never hold.
    pub(crate) problems: Box<[Box<str>]>,
}

/// Why a flag answers nothing.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: ErrorCode,
    pub(crate) details: Box<str>,
}

/// What a flag that compiled is made of. Variants are named by their place.
#[derive(Debug, PartialEq)]
pub(crate) struct Body {
    /// Neither archived nor disabled.
    pub(crate) on: bool,
    pub(crate) variants: Box<[Variant]>,
    pub(crate) off: Option<usize>,
    pub(crate) targets: HashMap<Box<str>, usize, FixedState>,
    /// In the order in which they are tried. Those that never hold are not among them.
    pub(crate) rules: Box<[Rule]>,
    pub(crate) default: Serve,
    /// It has nothing that could tell one context from another.
    pub(crate) is_static: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) id: Box<str>,
    pub(crate) when: Tree,
    pub(crate) serve: Serve,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Serve {
    Nothing,
    Variant(usize),
    Split(Split),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) shares: Box<[Share]>,
    /// The variant that has all the weight.
    pub(crate) whole: Option<usize>,
    /// Where to look for the key; the targeting key if there are none.
    pub(crate) by: Box<[Path]>,
    pub(crate) hash: Hash,
    pub(crate) salt: Box<str>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Share {
    /// The first bucket that is no longer its own.
    pub(crate) end: u32,
    pub(crate) variant: usize,
}

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
    pub(crate) fn new(key: &str, flag: &Read<Flag>) -> Self {
        match flag {
            Read::Known(flag) => Self::known(key, flag),
            Read::Unknown { raw, why } => Self {
                key: key.into(),
                // What can be said of it all the same.
                version: raw.get("version").and_then(Value::as_u64).unwrap_or_default(),
                client_visible: raw.get("client_visible").and_then(Value::as_bool).unwrap_or_default(),
                body: Err(Fault { code: ErrorCode::ParseError, details: why.as_str().into() }),
                problems: Box::new([why.as_str().into()]),
            },
        }
    }

    fn known(key: &str, flag: &Flag) -> Self {
        let mut findings = Findings::default();
        let body = Compiler::new(key, flag).body(&mut findings);
        let code = match (findings.unreadable.is_empty(), findings.exceeded.is_empty()) {
            (false, _) => Some(ErrorCode::ParseError),
            (true, false) => Some(ErrorCode::General),
            (true, true) => None,
        };
        let problems: Box<[Box<str>]> =
            findings.into_violations().map(|violation| violation.to_string().into()).collect();
        let body = match code {
            Some(code) => Err(Fault { code, details: problems.first().cloned().unwrap_or_default() }),
            None => Ok(body),
        };
        Self { key: key.into(), version: flag.version, client_visible: flag.client_visible, body, problems }
    }
}

/// What a flag's parts are compiled against.
pub(crate) struct Compiler<'a> {
    key: &'a str,
    flag: &'a Flag,
    places: HashMap<&'a str, usize, FixedState>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(key: &'a str, flag: &'a Flag) -> Self {
        // The first of two variants of one name: the second is a fault anyway.
        let places = flag
            .variants
            .iter()
            .enumerate()
            .rev()
            .map(|(place, variant)| (variant.key.as_str(), place))
            .collect();
        Self { key, flag, places }
    }

    /// Compiles all there is, past every fault: what comes out of a flag with findings in `unreadable` or
    /// `exceeded` must not be asked.
    pub(crate) fn body(&self, findings: &mut Findings) -> Body {
        let flag = self.flag;
        let unreadable = &mut findings.unreadable;
        self.check_variants(unreadable);
        self.check_abilities(unreadable);
        let off = flag.off_variant.as_ref().and_then(|off| self.place(off, "off_variant", unreadable));
        let targets = self.targets(unreadable);
        let default = match flag.default.as_result() {
            Ok(serve) => self.serve(serve, "default", unreadable),
            Err(why) => {
                unreadable.add("default", why);
                None
            }
        };
        let rules = self.rules(findings);
        let default = default.unwrap_or(Serve::Nothing);
        Body {
            on: flag.enabled && !flag.archived,
            variants: flag.variants.clone().into(),
            off,
            // A rule that never holds is still a rule.
            is_static: targets.is_empty() && flag.rules.is_empty() && matches!(default, Serve::Variant(_)),
            targets,
            rules,
            default,
        }
    }

    fn check_variants(&self, violations: &mut Violations) {
        for (index, Variant { key, value }) in self.flag.variants.iter().enumerate() {
            if self.places.get(key.as_str()) != Some(&index) {
                violations.add(
                    format_args!("variants[{index}].key"),
                    format_args!("{key:?} is taken by another variant"),
                );
            }
            if let Err(message) = check_value(self.flag.kind, value) {
                violations.add(format_args!("variants[{index}].value"), message);
            }
        }
    }

    fn check_abilities(&self, violations: &mut Violations) {
        match self.flag.prerequisites.as_result() {
            Ok(prerequisites) if prerequisites.is_empty() => {}
            Ok(_) => violations.add("prerequisites", "prerequisites are not understood by this version"),
            Err(why) => violations.add("prerequisites", why),
        }
        for (index, ability) in self.flag.needs.iter().enumerate() {
            violations.add(
                format_args!("needs[{index}]"),
                format_args!("{ability:?} is not an ability of this version"),
            );
        }
    }

    fn targets(&self, violations: &mut Violations) -> HashMap<Box<str>, usize, FixedState> {
        let mut places = HashMap::default();
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
                let earlier = *places.entry(key.as_str().into()).or_insert(place);
                if earlier != place {
                    let path = format_args!("targets[{index}].keys[{nth}]");
                    violations.add(path, format_args!("{key:?} stands under another variant already"));
                }
            }
        }
        places
    }

    fn rules(&self, findings: &mut Findings) -> Box<[Rule]> {
        let mut rules = Vec::with_capacity(self.flag.rules.len());
        let mut leaves = 0;
        for (index, rule) in self.flag.rules.iter().enumerate() {
            let rule = match rule.as_result() {
                Ok(rule) => rule,
                Err(why) => {
                    findings.lost_rules.add(format_args!("rules[{index}]"), why);
                    continue;
                }
            };
            let when = Tree::new(&rule.when)
                .map_err(|why| findings.lost_rules.add(format_args!("rules[{index}].when"), why));
            leaves += when.as_ref().map_or(0, Tree::leaves);
            let serve =
                self.serve(&rule.serve, format_args!("rules[{index}].serve"), &mut findings.lost_rules);
            if let (Ok(when), Some(serve)) = (when, serve) {
                rules.push((rule.priority, Rule { id: rule.id.as_str().into(), when, serve }));
            }
        }
        if leaves > MOST_LEAVES {
            let message =
                format_args!("compare {leaves} attributes in all; at most {MOST_LEAVES} are allowed");
            findings.exceeded.add("rules", message);
        }
        // Stable: rules of one priority keep the order of the list.
        rules.sort_by_key(|(priority, _)| *priority);
        rules.into_iter().map(|(_, rule)| rule).collect()
    }

    fn serve(
        &self,
        serve: &model::Serve,
        path: impl std::fmt::Display,
        violations: &mut Violations,
    ) -> Option<Serve> {
        match serve {
            model::Serve::Nothing => Some(Serve::Nothing),
            model::Serve::Variant(variant) => {
                self.place(variant, format_args!("{path}.variant"), violations).map(Serve::Variant)
            }
            model::Serve::Split(split) => self.split(split, path, violations).map(Serve::Split),
        }
    }

    fn split(
        &self,
        split: &model::Split,
        path: impl std::fmt::Display,
        violations: &mut Violations,
    ) -> Option<Split> {
        let mut end = 0_u32;
        let mut whole = None;
        let mut shares = Some(Vec::<Share>::with_capacity(split.shares.len()));
        for (index, share) in split.shares.iter().enumerate() {
            end = end.saturating_add(share.weight);
            let place = self.place(&share.variant, format_args!("{path}.split[{index}].variant"), violations);
            let (Some(all), Some(variant)) = (&mut shares, place) else {
                shares = None;
                continue;
            };
            if all.iter().any(|earlier| earlier.variant == variant) {
                let path = format_args!("{path}.split[{index}].variant");
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
        Some(Split {
            shares: shares?.into(),
            whole,
            by: split.by.iter().map(|path| Path::new(path)).collect(),
            hash: split.hash,
            salt: split.salt.as_deref().unwrap_or(self.key).into(),
        })
    }

    /// Where the variant of this name stands.
    fn place(
        &self,
        variant: &str,
        path: impl std::fmt::Display,
        violations: &mut Violations,
    ) -> Option<usize> {
        let place = self.places.get(variant).copied();
        if place.is_none() {
            violations.add(path, format_args!("{variant:?} is not a variant of this flag"));
        }
        place
    }
}

/// Whether a value is of its flag's kind, and no deeper than every reader can read.
fn check_value(kind: Kind, value: &Value) -> Result<(), String> {
    let expected = match (kind, value) {
        (Kind::Object, Value::Object(_) | Value::Array(_)) if is_deeper(value, MOST_VALUE_DEPTH) => {
            return Err(format!("is nested deeper than {MOST_VALUE_DEPTH} levels"));
        }
        (Kind::Boolean, Value::Bool(_))
        | (Kind::String, Value::String(_))
        | (Kind::Object, Value::Object(_) | Value::Array(_)) => return Ok(()),
        (Kind::Number, Value::Number(number)) => {
            let number = number.as_f64().unwrap_or(f64::INFINITY);
            if number.fract() == 0.0 && number.abs() > MOST_WHOLE || !number.is_finite() {
                return Err(format!(
                    "whole numbers go from -{MOST_WHOLE} to {MOST_WHOLE}; serve a text instead"
                ));
            }
            return Ok(());
        }
        (Kind::Boolean, _) => "true or false",
        (Kind::String, _) => "a text",
        (Kind::Number, _) => "a number",
        (Kind::Object, _) => "an object or a list",
    };
    Err(format!("must be {expected}, as all values of this flag are, not {}", type_name(value)))
}

/// Whether lists and objects stand in one another more than `most` times. Looks no further than that.
fn is_deeper(value: &Value, most: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if most == 0 => true,
        Value::Array(list) => list.iter().any(|value| is_deeper(value, most - 1)),
        Value::Object(members) => members.values().any(|value| is_deeper(value, most - 1)),
        _ => false,
    }
}
