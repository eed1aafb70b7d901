//! A second evaluator: slow, obvious, and written from the contract (`docs/evaluation.md` and the readings in
//! `conformance/README.md`) without a look at the engine. What the two do not agree about, one of them or the
//! contract has wrong.
//!
//! It works on the documents as they travel. Where the contract leaves something open, a comment that begins with
//! `Reading:` says how it is taken here.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

mod condition;
mod flag;
mod hash;
mod instant;
mod leaf;
mod network;
mod path;
mod pattern;
mod serve;
mod text;
mod version;

use flag::Flag;
use serve::Served;

/// Something that this reader does not know. What it spoils is up to what it stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Unknown;

type Known<T> = Result<T, Unknown>;

/// Everything that an answer depends on.
struct World<'w> {
    snapshot: &'w Value,
    context: &'w Map<String, Value>,
    blobs: &'w BTreeMap<String, Vec<String>>,
    assignments: &'w BTreeMap<String, String>,
    /// What flags and segments said already: many ways may lead to one, and each is evaluated once.
    answers: RefCell<BTreeMap<String, Answer>>,
    segments: RefCell<BTreeMap<String, Known<bool>>>,
}

impl<'w> World<'w> {
    fn new(
        snapshot: &'w Value,
        context: &'w Map<String, Value>,
        blobs: &'w BTreeMap<String, Vec<String>>,
        assignments: &'w BTreeMap<String, String>,
    ) -> Self {
        Self {
            snapshot,
            context,
            blobs,
            assignments,
            answers: RefCell::default(),
            segments: RefCell::default(),
        }
    }
}

/// What `flag` gives for `context`: an object of `value`, `variant`, `reason`, `error`, `rule`, `flag_version` and
/// `revision`; the first two, `error` and `rule` only if there are such.
///
/// `blobs` holds the keys of large lists by the SHA-256 in hex that names them, `assignments` earlier variants by
/// the key of their flag.
pub(crate) fn evaluate(
    snapshot: &Value,
    flag: &str,
    context: &Map<String, Value>,
    blobs: &BTreeMap<String, Vec<String>>,
    assignments: &BTreeMap<String, String>,
) -> Value {
    let world = World::new(snapshot, context, blobs, assignments);
    let answer = world.ask(flag);
    let mut members = Map::new();
    if let Some((variant, value)) = answer.variant {
        members.insert("value".to_owned(), value);
        members.insert("variant".to_owned(), Value::from(variant));
    }
    members.insert("reason".to_owned(), Value::from(answer.reason));
    members.extend(answer.error.map(|error| ("error".to_owned(), Value::from(error))));
    members.extend(answer.rule.map(|rule| ("rule".to_owned(), Value::from(rule))));
    members.insert("flag_version".to_owned(), json!(flag::version(&snapshot["flags"][flag])));
    members.insert("revision".to_owned(), snapshot["revision"].clone());
    Value::Object(members)
}

/// Whether all of a flag but its rules is known, whatever its surroundings are like.
pub(crate) fn reads(snapshot: &Value, flag: &str) -> bool {
    let (context, blobs, assignments) = (Map::new(), BTreeMap::new(), BTreeMap::new());
    let world = World::new(snapshot, &context, &blobs, &assignments);
    flag::read(&world, flag, &snapshot["flags"][flag]).is_ok()
}

/// How large a pattern is, in the contract's count; `None` for what is no pattern.
pub(crate) fn pattern_size(text: &str) -> Option<usize> {
    pattern::pattern(text).map(|pattern| pattern.size())
}

/// The place of a key, and the 32 bits that it was made of; `None` for a hash that is not known.
pub(crate) fn place(hash: &str, salt: &str, key: &str) -> Option<(i64, u32)> {
    hash::NAMES.contains(&hash).then(|| (hash::place(hash, salt, key), hash::digest(hash, salt, key)))
}

/// One code point as it is compared where case is ignored.
pub(crate) fn fold(letter: char) -> char {
    text::fold_char(letter)
}

/// An answer without its version and revision.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    variant: Option<(String, Value)>,
    reason: &'static str,
    error: Option<&'static str>,
    rule: Option<String>,
}

impl Answer {
    fn error(code: &'static str) -> Self {
        Self { variant: None, reason: "ERROR", error: Some(code), rule: None }
    }

    fn off(flag: &Flag, reason: &'static str) -> Self {
        let variant = flag.off_variant.as_deref().map(|variant| flag.variant(variant));
        Self { variant, reason, error: None, rule: None }
    }

    fn served(flag: &Flag, served: Served, reason: &'static str) -> Self {
        let plain = |variant, reason| Self { variant, reason, error: None, rule: None };
        match served {
            Served::Nothing => plain(None, reason),
            Served::Variant(variant) => plain(Some(flag.variant(&variant)), reason),
            Served::OfSplit(variant) => plain(Some(flag.variant(&variant)), "SPLIT"),
            Served::KeyMissing => Self::error("TARGETING_KEY_MISSING"),
        }
    }
}

impl World<'_> {
    /// The six steps of the contract's "Order".
    fn ask(&self, key: &str) -> Answer {
        let Some(document) = self.snapshot["flags"].get(key) else {
            return Answer::error("FLAG_NOT_FOUND");
        };
        let Ok(flag) = flag::read(self, key, document) else {
            return Answer::error("PARSE_ERROR");
        };
        if let Some(code) = flag::refusal(self, key, &flag) {
            return Answer::error(code);
        }
        if flag.archived || !flag.enabled {
            return Answer::off(&flag, "DISABLED");
        }
        if !flag.prerequisites.iter().all(|(other, variants)| self.is_met(other, variants)) {
            return Answer::off(&flag, "PREREQUISITE_FAILED");
        }
        if let Some(variant) = self.target(&flag) {
            return Answer::served(&flag, Served::Variant(variant), "TARGETING_MATCH");
        }
        for rule in flag.rules_in_order() {
            if let Ok(Some(served)) = self.rule(key, &flag, rule) {
                let id = rule.get("id").and_then(Value::as_str).map(str::to_owned);
                return Answer { rule: id, ..Answer::served(&flag, served, "TARGETING_MATCH") };
            }
        }
        let is_plain = flag.prerequisites.is_empty()
            && flag.targets.iter().all(|(_, keys)| keys.is_empty())
            && flag.rules.is_empty();
        let reason = match &flag.default {
            Served::Variant(_) if is_plain => "STATIC",
            _ => "DEFAULT",
        };
        Answer::served(&flag, flag.default.clone(), reason)
    }

    fn is_met(&self, other: &str, variants: &[String]) -> bool {
        let known = self.answers.borrow().get(other).cloned();
        let answer = known.unwrap_or_else(|| self.ask(other));
        self.answers.borrow_mut().insert(other.to_owned(), answer.clone());
        let counts = !matches!(answer.reason, "DISABLED" | "PREREQUISITE_FAILED" | "ERROR");
        counts && answer.variant.is_some_and(|(variant, _)| variants.contains(&variant))
    }

    fn target(&self, flag: &Flag) -> Option<String> {
        let unit = path::targeting_key(self.context)?;
        flag.targets.iter().find(|(_, keys)| keys.contains(&unit)).map(|(variant, _)| variant.clone())
    }

    /// What a rule serves, `None` if it does not hold.
    ///
    /// Reading: a rule has an id always.
    fn rule(&self, key: &str, flag: &Flag, rule: &Map<String, Value>) -> Known<Option<Served>> {
        only(rule, &["id", "priority", "when", "serve"])?;
        rule.get("id").and_then(Value::as_str).ok_or(Unknown)?;
        flag::priority(rule)?;
        let served = serve::serve(self, key, rule.get("serve").ok_or(Unknown)?, &flag.variant_keys())?;
        let place = condition::Place { salt: format!("{key}:gate"), around: Vec::new() };
        let holds = match rule.get("when") {
            Some(when) => condition::holds(self, when, 1, &place)?,
            None => true,
        };
        Ok(holds.then_some(served))
    }
}

/// Nothing but these members.
fn only(document: &Map<String, Value>, members: &[&str]) -> Known<()> {
    if document.keys().all(|name| members.contains(&name.as_str())) { Ok(()) } else { Err(Unknown) }
}

/// This reader has none of the abilities that a document may need.
fn needs(document: &Map<String, Value>) -> Known<()> {
    match document.get("needs") {
        None => Ok(()),
        Some(Value::Array(words)) if words.is_empty() => Ok(()),
        Some(_) => Err(Unknown),
    }
}
