//! Conditions, and the values that they and contexts share.

use serde_json::{Value, json};

use super::dice::Dice;
use super::{grammar, words};

/// A condition whose top is `depth` deep; deeper ones are leaves more and more often.
pub(super) fn condition(dice: &mut Dice, depth: usize) -> Value {
    let each = |dice: &mut Dice| dice.some(4, |dice| condition(dice, depth + 1));
    match dice.below(7 + 3 * depth) {
        0 | 1 => json!({"all": each(dice)}),
        2 | 3 => json!({"any": each(dice)}),
        4 => json!({"not": condition(dice, depth + 1)}),
        5 => json!({"segment": segment_key(dice)}),
        6 => bucket(dice),
        _ => leaf(dice),
    }
}

fn segment_key(dice: &mut Dice) -> &'static str {
    if dice.once_in(20) { "nowhere" } else { dice.pick(&words::SEGMENTS) }
}

fn bucket(dice: &mut Dice) -> Value {
    let from = dice.below(50_001);
    let to = from + dice.below(100_001 - from);
    let mut gate = json!({"to": to});
    if dice.once_in(2) {
        gate["from"] = json!(from);
    }
    spread(dice, &mut gate);
    json!({"bucket": gate})
}

/// Adds what a split and a gate have in common.
pub(super) fn spread(dice: &mut Dice, document: &mut Value) {
    if dice.once_in(3) {
        document["by"] = match dice.below(3) {
            0 => json!(dice.some(5, |dice| dice.pick(&words::ATTRIBUTES))),
            _ => json!(dice.pick(&words::ATTRIBUTES)),
        };
    }
    if dice.once_in(3) {
        document["hash"] = json!(dice.pick(&["murmur3", "fnv1a", "md5", "md5"]));
    }
    if dice.once_in(4) {
        document["salt"] = json!(dice.pick(&["", "new-checkout-flow", "é:x"]));
    }
}

fn leaf(dice: &mut Dice) -> Value {
    let operator = dice.pick(&words::OPERATORS);
    let attribute = dice.pick(&words::ATTRIBUTES);
    leaf_with(dice, attribute, operator)
}

pub(super) fn leaf_with(dice: &mut Dice, attribute: &str, operator: &str) -> Value {
    let mut leaf = json!({"attribute": attribute, "operator": operator});
    if operator.ends_with("in") && dice.once_in(3) {
        leaf["list"] = json!(if dice.once_in(8) { "broken" } else { dice.pick(&words::LISTS) });
    } else if operator != "exists" {
        leaf["values"] = Value::from(values(dice, operator));
    }
    if dice.once_in(3) {
        leaf["ignore_case"] = json!(!dice.once_in(5));
    }
    leaf
}

fn values(dice: &mut Dice, operator: &str) -> Vec<Value> {
    let read: fn(&mut Dice) -> Value = match operator {
        "contains" | "starts_with" | "ends_with" => |dice| Value::from(grammar::part(dice)),
        "matches" => |dice| Value::from(grammar::pattern(dice)),
        "gt" | "gte" | "lt" | "lte" => |dice| if dice.once_in(9) { text(dice) } else { number(dice) },
        "before" | "after" => instant,
        "semver" => |dice| Value::from(grammar::range(dice)),
        "cidr" => |dice| Value::from(grammar::network(dice)),
        _ => scalar,
    };
    match operator {
        "in" | "not_in" | "contains" | "starts_with" | "ends_with" | "matches" | "semver" | "cidr" => {
            dice.some(4, read)
        }
        _ => vec![read(dice)],
    }
}

/// Text, number or boolean.
pub(super) fn scalar(dice: &mut Dice) -> Value {
    match dice.below(8) {
        0 => json!(dice.once_in(2)),
        1..=3 => number(dice),
        _ => text(dice),
    }
}

/// What an operator can mostly read.
pub(super) fn readable(dice: &mut Dice, operator: &str) -> Value {
    match operator {
        "gt" | "gte" | "lt" | "lte" => number(dice),
        "before" | "after" => instant(dice),
        "semver" => json!(dice.pick(&words::VERSIONS)),
        "cidr" => json!(dice.pick(&words::ADDRESSES)),
        "matches" => json!(grammar::subject(dice)),
        _ => scalar(dice),
    }
}

/// What operators of all kinds can read.
pub(super) fn comparable(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0 => instant(dice),
        1 | 2 => json!(dice.pick(&words::VERSIONS)),
        3 => json!(dice.pick(&words::ADDRESSES)),
        4 | 5 => json!(dice.pick(&words::SUBJECTS)),
        _ => scalar(dice),
    }
}

pub(super) fn text(dice: &mut Dice) -> Value {
    json!(dice.pick(&words::TEXTS))
}

fn number(dice: &mut Dice) -> Value {
    let text = dice.pick(&words::NUMBERS);
    serde_json::from_str(text).unwrap_or_default()
}

fn instant(dice: &mut Dice) -> Value {
    if dice.once_in(4) { number(dice) } else { json!(dice.pick(&words::INSTANTS)) }
}
