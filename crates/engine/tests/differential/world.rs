//! Worlds made at random: a snapshot in which every part of the contract comes up, well formed and slightly broken,
//! and contexts that speak of the same things.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

mod breakage;
mod condition;
pub(crate) mod dice;
mod grammar;
pub(crate) mod words;

use crate::second;
use dice::Dice;

/// Large lists of keys by their SHA-256.
pub(crate) type Blobs = BTreeMap<String, Vec<String>>;

/// A snapshot as it travels, with what its readers fetch beside it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) snapshot: Value,
    pub(crate) blobs: Blobs,
}

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) flag: String,
    pub(crate) context: Map<String, Value>,
    pub(crate) assignments: BTreeMap<String, String>,
}

/// A world of up to six flags.
pub(crate) fn world(dice: &mut Dice) -> World {
    let blobs = blobs(dice);
    let mut flags = Map::new();
    for (index, key) in words::FLAGS.iter().enumerate() {
        if !dice.once_in(6) {
            flags.insert((*key).to_owned(), flag(dice, index));
        }
    }
    let mut segments = Map::new();
    for (index, key) in words::SEGMENTS.iter().enumerate() {
        if !dice.once_in(6) {
            segments.insert((*key).to_owned(), segment(dice, index, &blobs));
        }
    }
    let lists = json!({
        "tiers": dice.some(6, condition::text),
        "codes": dice.some(6, condition::scalar),
        "broken": dice.some(3, any),
    });
    let mut snapshot = json!({
        "schema": 1, "epoch": "c0ffee", "revision": dice.below(100), "project": "default",
        "environment": "production", "lists": lists, "segments": segments, "flags": flags,
    });
    if dice.once_in(3) {
        let kind = dice.pick(&["flags", "flags", "flags", "segments", "lists"]);
        for entity in snapshot[kind].as_object_mut().into_iter().flat_map(Map::values_mut) {
            if dice.once_in(2) {
                breakage::slip(dice, entity);
            }
        }
    }
    if dice.once_in(8) {
        close_circles(dice, &mut snapshot);
    }
    World { snapshot, blobs }
}

/// A world in which hardly a document is whole.
pub(crate) fn wild(dice: &mut Dice) -> World {
    let mut world = world(dice);
    for kind in ["flags", "segments", "lists"] {
        for entity in world.snapshot[kind].as_object_mut().into_iter().flat_map(Map::values_mut) {
            for _ in 0..dice.below(8) {
                breakage::slip(dice, entity);
            }
        }
    }
    world
}

/// A world with nothing in it but one condition on the attribute `a`: `on` where it holds, `off` elsewhere.
pub(crate) fn about(dice: &mut Dice, operator: &str) -> World {
    let leaf = condition::leaf_with(dice, "a", operator);
    let rule = json!({"id": "r", "when": leaf, "serve": {"variant": "on"}});
    let flag = json!({
        "kind": "boolean", "version": 1, "enabled": true, "variants": variants("boolean"), "rules": [rule],
        "default": {"variant": "off"},
    });
    let snapshot = json!({
        "schema": 1, "epoch": "c0ffee", "revision": 7, "project": "default", "environment": "production",
        "lists": {"tiers": dice.some(6, condition::scalar)}, "segments": {}, "flags": {"f": flag},
    });
    World { snapshot, blobs: Blobs::new() }
}

/// A question to [`about`] that its operator can mostly read.
pub(crate) fn question_about(dice: &mut Dice, operator: &str) -> Question {
    let value = match dice.below(6) {
        0 => attribute_value(dice),
        1 => Value::from(dice.some(4, |dice| condition::readable(dice, operator))),
        _ => condition::readable(dice, operator),
    };
    Question {
        flag: "f".to_owned(),
        context: Map::from_iter([("a".to_owned(), value)]),
        assignments: BTreeMap::new(),
    }
}

/// A question with a context that may be any JSON.
pub(crate) fn wild_question(dice: &mut Dice) -> Question {
    let mut question = question(dice);
    let mut context = Value::Object(question.context);
    for _ in 0..dice.below(6) {
        breakage::slip(dice, &mut context);
    }
    question.context = context.as_object().cloned().unwrap_or_default();
    question
}

/// Lets flags wait for earlier ones too, and so for themselves. The contract leaves open whether a flag that does
/// not compile is part of a circle that runs through it: there are none of those here.
fn close_circles(dice: &mut Dice, snapshot: &mut Value) {
    let sound = snapshot.clone();
    let Some(flags) = snapshot["flags"].as_object_mut() else { return };
    flags.retain(|key, _| second::reads(&sound, key));
    for flag in flags.values_mut() {
        if dice.once_in(2) {
            flag["prerequisites"] = Value::from(dice.some(3, |dice| prerequisite(dice, &words::FLAGS)));
        }
    }
}

/// Keys as a blob has them: sorted, each once.
fn blobs(dice: &mut Dice) -> Blobs {
    let known = &words::BLOBS[..words::BLOBS.len() - 1];
    let keys =
        |dice: &mut Dice| dice.some(8, unit).into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    known.iter().map(|name| ((*name).to_owned(), keys(dice))).collect()
}

/// A question that the world may have something to say to.
pub(crate) fn question(dice: &mut Dice) -> Question {
    let flag = if dice.once_in(30) { "nothing" } else { dice.pick(&words::FLAGS) };
    let mut context: Map<String, Value> = dice.some(7, attribute).into_iter().collect();
    if !dice.once_in(5) {
        context.insert("targetingKey".to_owned(), Value::from(unit(dice)));
    }
    let assignments =
        dice.some(4, |dice| (dice.pick(&words::FLAGS).to_owned(), variant(dice, "string").to_owned()));
    Question { flag: flag.to_owned(), context, assignments: assignments.into_iter().collect() }
}

fn attribute(dice: &mut Dice) -> (String, Value) {
    let name = dice.pick(&words::ATTRIBUTES);
    let value = match name {
        "user" if !dice.once_in(4) => {
            let members = dice.some(4, |dice| (dice.pick(&["plan", "id", "a"]).to_owned(), inner(dice)));
            Value::Object(members.into_iter().collect())
        }
        _ => attribute_value(dice),
    };
    (name.to_owned(), value)
}

fn inner(dice: &mut Dice) -> Value {
    if dice.once_in(5) { json!({"b": attribute_value(dice)}) } else { attribute_value(dice) }
}

fn attribute_value(dice: &mut Dice) -> Value {
    match dice.below(12) {
        0 => any(dice),
        1 | 2 => Value::from(dice.some(4, condition::comparable)),
        _ => condition::comparable(dice),
    }
}

fn unit(dice: &mut Dice) -> String {
    dice.pick(&words::UNITS).to_owned()
}

/// JSON of any kind, not deep.
fn any(dice: &mut Dice) -> Value {
    match dice.below(9) {
        0 => Value::Null,
        1 => json!({"a": condition::scalar(dice)}),
        2 => json!({}),
        3 => Value::from(dice.some(3, any)),
        _ => condition::scalar(dice),
    }
}

const KINDS: [&str; 4] = ["boolean", "string", "number", "object"];

fn variants(kind: &str) -> Value {
    match kind {
        "boolean" => json!([{"key": "on", "value": true}, {"key": "off", "value": false}]),
        "string" => {
            json!([{"key": "on", "value": "x"}, {"key": "off", "value": "x"}, {"key": "b", "value": ""}])
        }
        "number" => {
            json!([{"key": "on", "value": 10}, {"key": "off", "value": 10.0}, {"key": "b", "value": -0.5}])
        }
        _ => {
            json!([{"key": "on", "value": {"a": [1, null]}}, {"key": "off", "value": []}, {"key": "b", "value": {}}])
        }
    }
}

fn variant(dice: &mut Dice, kind: &str) -> &'static str {
    let last = if kind == "boolean" { "off" } else { "b" };
    if dice.once_in(60) { "purple" } else { dice.pick(&["on", "off", last]) }
}

/// The flag at `index`; it waits for later ones alone.
fn flag(dice: &mut Dice, index: usize) -> Value {
    let kind = dice.pick(&KINDS);
    let rules: Vec<Value> = dice.some(5, |dice| rule(dice, kind));
    let mut flag = json!({
        "kind": kind, "version": dice.below(50), "enabled": !dice.once_in(8), "archived": dice.once_in(20),
        "variants": variants(kind), "off_variant": variant(dice, kind), "rules": rules, "default": serve(dice, kind),
        "client_visible": dice.once_in(2),
    });
    if dice.once_in(6) {
        flag["off_variant"] = Value::Null;
    }
    if dice.once_in(2) {
        flag["targets"] = Value::from(dice.some(4, |dice| target(dice, kind)));
    }
    if dice.once_in(3) {
        flag["prerequisites"] =
            Value::from(dice.some(4, |dice| prerequisite(dice, &words::FLAGS[index + 1..])));
    }
    flag
}

fn target(dice: &mut Dice, kind: &str) -> Value {
    // Each variant has keys of its own, save a few that stand under any.
    let variant = variant(dice, kind);
    let own: &[&str] = match variant {
        "on" => &words::UNITS[..3],
        "off" => &words::UNITS[3..6],
        _ => &words::UNITS[6..],
    };
    let keys = dice.some(3, |dice| if dice.once_in(30) { "u1" } else { dice.pick(own) });
    json!({"variant": variant, "keys": keys})
}

fn prerequisite(dice: &mut Dice, flags: &[&str]) -> Value {
    let flag = if flags.is_empty() || dice.once_in(12) { "nothing" } else { dice.pick(flags) };
    json!({"flag": flag, "variants": dice.some(4, |dice| variant(dice, "string"))})
}

fn rule(dice: &mut Dice, kind: &str) -> Value {
    let mut rule = json!({"serve": serve(dice, kind)});
    if !dice.once_in(10) {
        rule["when"] = condition::condition(dice, 1);
    }
    if !dice.once_in(5) {
        rule["id"] = Value::from(dice.pick(&["r1", "r2", "r3", ""]));
    }
    if dice.once_in(2) {
        rule["priority"] = json!(dice.pick(&[-1_i64, 0, 0, 1, 2_147_483_647, -2_147_483_648, 2_147_483_648]));
    }
    rule
}

fn serve(dice: &mut Dice, kind: &str) -> Value {
    match dice.below(10) {
        0 => Value::Null,
        1..=4 => json!({"variant": variant(dice, kind)}),
        _ => split(dice, kind),
    }
}

fn split(dice: &mut Dice, kind: &str) -> Value {
    let mut left = 100_000;
    let keys: &[&str] = if kind == "boolean" { &["on", "off"] } else { &["on", "off", "b"] };
    let first = dice.below(keys.len());
    let mut shares: Vec<Value> = Vec::new();
    for step in 0..keys.len() {
        let is_last = step + 1 == keys.len();
        let weight = match dice.below(5) {
            _ if is_last => left,
            0 => 0,
            1 => left,
            _ => dice.below(left + 1),
        };
        left -= weight;
        shares.push(json!({"variant": keys[(first + step) % keys.len()], "weight": weight}));
    }
    let mut split = json!({"split": shares});
    condition::spread(dice, &mut split);
    if dice.once_in(3) {
        split["sticky"] = json!(!dice.once_in(3));
    }
    if dice.once_in(6) {
        split["track"] = json!(dice.once_in(2));
    }
    if dice.once_in(40) {
        split["split"][0]["weight"] = json!(dice.pick(&[0, 1, -1, 100_001, 50_000]));
    }
    split
}

/// The segment at `index`; it mostly names later ones alone.
fn segment(dice: &mut Dice, index: usize, blobs: &Blobs) -> Value {
    let mut segment = json!({"included": keys(dice, blobs), "excluded": keys(dice, blobs)});
    if !dice.once_in(4) {
        segment["when"] = condition::condition(dice, 2);
    }
    if dice.once_in(3) {
        let named = match words::SEGMENTS.get(index + 1..).filter(|later| !later.is_empty()) {
            Some(later) if !dice.once_in(8) => dice.pick(later),
            _ => dice.pick(&words::SEGMENTS),
        };
        let inside = segment["when"].take();
        let all = if inside.is_null() { vec![] } else { vec![inside] };
        let name = dice.pick(&["all", "any"]);
        let nodes: Vec<Value> = all.into_iter().chain([json!({"segment": named})]).collect();
        segment["when"] = json!({name: nodes});
    }
    segment
}

fn keys(dice: &mut Dice, blobs: &Blobs) -> Value {
    if !dice.once_in(6) {
        return Value::from(dice.some(4, unit));
    }
    let name = dice.pick(&words::BLOBS);
    let count = blobs.get(name).map_or(10_001, Vec::len);
    json!({"sha256": name, "count": if dice.once_in(20) { dice.below(9) } else { count }})
}
