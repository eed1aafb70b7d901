//! Reading a flag, and the bounds that a flag must keep.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::serve::{self, Served};
use super::{Known, Unknown, World, needs, only};

const MOST_PREREQUISITES: usize = 16;
const MOST_PREREQUISITES_IN_ALL: usize = 64;
const DEEPEST_PREREQUISITES: usize = 32;
const MOST_LEAVES: usize = 1_000;
const MOST_SEGMENTS: usize = 64;
const DEEPEST_SEGMENTS: usize = 8;

/// A flag whose parts outside of rules are all known; rules stay as they came.
pub(super) struct Flag {
    pub(super) enabled: bool,
    pub(super) archived: bool,
    pub(super) off_variant: Option<String>,
    /// Flags, each with the variants that will do.
    pub(super) prerequisites: Vec<(String, Vec<String>)>,
    /// Variants, each with its keys.
    pub(super) targets: Vec<(String, Vec<String>)>,
    pub(super) rules: Vec<Value>,
    /// What the default serves in the context at hand.
    pub(super) default: Served,
    variants: Vec<(String, Value)>,
}

impl Flag {
    /// The variant with its value; `key` is that of one of them.
    pub(super) fn variant(&self, key: &str) -> (String, Value) {
        let value = self.variants.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone());
        (key.to_owned(), value.unwrap_or_default())
    }

    pub(super) fn variant_keys(&self) -> Vec<String> {
        self.variants.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The rules that are objects with a priority that reads, lowest first, otherwise as listed.
    pub(super) fn rules_in_order(&self) -> Vec<&Map<String, Value>> {
        let readable = self.rules.iter().filter_map(Value::as_object);
        let mut rules: Vec<_> = readable.filter_map(|rule| Some((priority(rule).ok()?, rule))).collect();
        rules.sort_by_key(|(priority, _)| *priority);
        rules.into_iter().map(|(_, rule)| rule).collect()
    }
}

/// A rule's priority: an i32, 0 if there is none.
pub(super) fn priority(rule: &Map<String, Value>) -> Known<i32> {
    let priority = rule.get("priority").map_or(Some(0), serve::whole).ok_or(Unknown)?;
    i32::try_from(priority).map_err(|_| Unknown)
}

/// The version of a flag, known or not; 0 if it has none.
pub(super) fn version(document: &Value) -> u64 {
    document["version"].as_u64().unwrap_or(0)
}

/// Reads all of a flag but its rules.
pub(super) fn read(world: &World<'_>, key: &str, document: &Value) -> Known<Flag> {
    let document = document.as_object().ok_or(Unknown)?;
    needs(document)?;
    let kind = document.get("kind").and_then(Value::as_str).ok_or(Unknown)?;
    let variants = variants(kind, document.get("variants").ok_or(Unknown)?)?;
    let variant_keys: Vec<String> = variants.iter().map(|(key, _)| key.clone()).collect();
    let off_variant = match document.get("off_variant") {
        None | Some(Value::Null) => None,
        Some(Value::String(variant)) if variant_keys.contains(variant) => Some(variant.clone()),
        Some(_) => return Err(Unknown),
    };
    document.get("version").and_then(Value::as_u64).ok_or(Unknown)?;
    document.get("client_visible").map_or(Some(false), Value::as_bool).ok_or(Unknown)?;
    Ok(Flag {
        enabled: document.get("enabled").and_then(Value::as_bool).ok_or(Unknown)?,
        archived: document.get("archived").map_or(Some(false), Value::as_bool).ok_or(Unknown)?,
        off_variant,
        prerequisites: prerequisites(document)?,
        targets: targets(document, &variant_keys)?,
        rules: list(document, "rules")?.to_vec(),
        default: serve::serve(world, key, document.get("default").ok_or(Unknown)?, &variant_keys)?,
        variants,
    })
}

fn variants(kind: &str, document: &Value) -> Known<Vec<(String, Value)>> {
    let mut variants: Vec<(String, Value)> = Vec::new();
    for variant in document.as_array().ok_or(Unknown)? {
        let key = variant.get("key").and_then(Value::as_str).ok_or(Unknown)?;
        let value = variant.get("value").ok_or(Unknown)?;
        if !is_of_kind(kind, value) || variants.iter().any(|(other, _)| other == key) {
            return Err(Unknown);
        }
        variants.push((key.to_owned(), value.clone()));
    }
    Ok(variants)
}

fn is_of_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.as_f64().is_some_and(|number| {
            let is_whole = number.fract().abs() <= 0.0;
            !is_whole || number.abs() <= 9_007_199_254_740_991.0
        }),
        "object" => value.is_object() || value.is_array(),
        _ => false,
    }
}

fn list<'d>(document: &'d Map<String, Value>, name: &str) -> Known<&'d [Value]> {
    match document.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Unknown),
    }
}

fn texts(document: &Map<String, Value>, name: &str) -> Known<Vec<String>> {
    let texts = document.get(name).and_then(Value::as_array).ok_or(Unknown)?;
    texts.iter().map(|text| text.as_str().map(str::to_owned).ok_or(Unknown)).collect()
}

fn prerequisites(document: &Map<String, Value>) -> Known<Vec<(String, Vec<String>)>> {
    let read = |prerequisite: &Value| {
        let prerequisite = prerequisite.as_object().ok_or(Unknown)?;
        only(prerequisite, &["flag", "variants"])?;
        let flag = prerequisite.get("flag").and_then(Value::as_str).ok_or(Unknown)?;
        Ok((flag.to_owned(), texts(prerequisite, "variants")?))
    };
    list(document, "prerequisites")?.iter().map(read).collect()
}

fn targets(document: &Map<String, Value>, variants: &[String]) -> Known<Vec<(String, Vec<String>)>> {
    let mut targets: Vec<(String, Vec<String>)> = Vec::new();
    for target in list(document, "targets")? {
        let target = target.as_object().ok_or(Unknown)?;
        only(target, &["variant", "keys"])?;
        let variant = serve::variant(target, variants)?;
        let keys = texts(target, "keys")?;
        let under_another = targets
            .iter()
            .any(|(other, taken)| *other != variant && keys.iter().any(|key| taken.contains(key)));
        if under_another {
            return Err(Unknown);
        }
        targets.push((variant, keys));
    }
    Ok(targets)
}

/// Why a flag that reads does not answer all the same: it is part of a cycle, or a bound is exceeded.
///
/// Reading: a flag that waits for itself does not compile; one that waits for such a flag waits for an error.
pub(super) fn refusal(world: &World<'_>, key: &str, flag: &Flag) -> Option<&'static str> {
    let needed = reachable(&[key.to_owned()], &|key| prerequisites_of(world, key));
    if needed.contains(key) {
        return Some("PARSE_ERROR");
    }
    let leaves: usize = flag.rules.iter().map(|rule| leaves(&rule["when"])).sum();
    let named: Vec<String> = flag.rules.iter().flat_map(|rule| segments(&rule["when"])).collect();
    let inside = |key: &str| segments(&world.snapshot["segments"][key]["when"]);
    let mut in_use = reachable(&named, &inside);
    in_use.extend(named.iter().cloned());
    let too_much = flag.prerequisites.len() > MOST_PREREQUISITES
        || needed.len() > MOST_PREREQUISITES_IN_ALL
        || is_deeper(&prerequisites_of(world, key), DEEPEST_PREREQUISITES, &|key| {
            prerequisites_of(world, key)
        })
        || leaves > MOST_LEAVES
        || in_use.len() > MOST_SEGMENTS
        || is_deeper(&named, DEEPEST_SEGMENTS, &inside);
    too_much.then_some("GENERAL")
}

/// The flags that a flag waits for; none if it is not there or does not read.
fn prerequisites_of(world: &World<'_>, key: &str) -> Vec<String> {
    let flag = read(world, key, &world.snapshot["flags"][key]);
    flag.map_or_else(
        |Unknown| Vec::new(),
        |flag| flag.prerequisites.into_iter().map(|(key, _)| key).collect(),
    )
}

/// All that can be reached from `starts`: they are among it only if something leads back.
fn reachable(starts: &[String], next: &dyn Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = starts.to_vec();
    while let Some(key) = open.pop() {
        open.extend(next(&key).into_iter().filter(|key| found.insert(key.clone())));
    }
    found
}

/// Whether there is a way of more than `depth` keys, `starts` counted.
///
/// Reading: what leads back to itself ends a way, for it is not known and waits for nothing.
fn is_deeper(starts: &[String], depth: usize, next: &dyn Fn(&str) -> Vec<String>) -> bool {
    let mut level: BTreeSet<String> = starts.iter().cloned().collect();
    for _ in 0..depth {
        let ways_on = |key: &String| {
            let is_circle = reachable(std::slice::from_ref(key), next).contains(key);
            if is_circle { Vec::new() } else { next(key) }
        };
        level = level.iter().flat_map(ways_on).collect();
    }
    !level.is_empty()
}

/// How many attributes a condition asks for. Segments count for themselves.
fn leaves(node: &Value) -> usize {
    match node {
        Value::Object(members) if members.contains_key("attribute") => 1,
        Value::Object(members) => members.values().map(leaves).sum(),
        Value::Array(nodes) => nodes.iter().map(leaves).sum(),
        _ => 0,
    }
}

/// The segments that a condition names.
fn segments(node: &Value) -> Vec<String> {
    match node {
        Value::Object(members) if members.contains_key("attribute") => Vec::new(),
        Value::Object(members) => match members.get("segment") {
            Some(Value::String(key)) => vec![key.clone()],
            _ => members.values().flat_map(segments).collect(),
        },
        Value::Array(nodes) => nodes.iter().flat_map(segments).collect(),
        _ => Vec::new(),
    }
}
