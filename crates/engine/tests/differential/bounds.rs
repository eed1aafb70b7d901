//! What is exactly as large as it may be answers; one more is refused. Both evaluators say so.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::compare;
use crate::world::{Question, World};

/// A flag that serves `on` to everyone, with other members on top.
fn flag(members: &Value) -> Value {
    let mut flag = json!({
        "kind": "boolean", "version": 1, "enabled": true, "off_variant": "off",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}], "default": {"variant": "on"},
    });
    for (name, member) in members.as_object().into_iter().flatten() {
        flag[name] = member.clone();
    }
    flag
}

fn needing(flags: impl IntoIterator<Item = String>) -> Value {
    let needed: Vec<Value> =
        flags.into_iter().map(|flag| json!({"flag": flag, "variants": ["on"]})).collect();
    flag(&json!({"prerequisites": needed}))
}

/// A flag that serves `off` to those for whom `when` holds.
fn with_rule(when: &Value) -> Value {
    flag(&json!({"rules": [{"id": "r", "when": when, "serve": {"variant": "off"}}]}))
}

fn holds_for_all() -> Value {
    json!({"not": {"attribute": "a", "operator": "exists"}})
}

/// What both say of the flag `f`.
fn answer(flags: &Map<String, Value>, segments: &Map<String, Value>) -> Value {
    let snapshot = json!({
        "schema": 1, "epoch": "c0ffee", "revision": 7, "project": "default", "environment": "production",
        "lists": {}, "segments": segments, "flags": flags,
    });
    let world = World { snapshot, blobs: BTreeMap::new() };
    let question = Question { flag: "f".to_owned(), context: Map::new(), assignments: BTreeMap::new() };
    let engine = compare::engine(&compare::compile(&world), &question);
    assert_eq!(engine, compare::second(&world, &question), "the two differ");
    engine
}

fn assert_answers(answer: &Value, reason: &str) {
    assert_eq!(answer["reason"], reason, "{answer}");
}

fn assert_too_much(answer: &Value) {
    assert_eq!((&answer["reason"], &answer["error"]), (&json!("ERROR"), &json!("GENERAL")), "{answer}");
}

/// `f` with so many prerequisites, each with so many of its own.
fn wide(first: usize, second: impl Fn(usize) -> usize) -> Value {
    let mut flags = Map::from_iter([("f".to_owned(), needing((0..first).map(|n| format!("p{n}"))))]);
    for n in 0..first {
        flags.insert(format!("p{n}"), needing((0..second(n)).map(|m| format!("q{n}-{m}"))));
        flags.extend((0..second(n)).map(|m| (format!("q{n}-{m}"), flag(&json!({})))));
    }
    answer(&flags, &Map::new())
}

#[test]
fn sixteen_prerequisites_for_a_flag() {
    assert_answers(&wide(16, |_| 0), "DEFAULT");
    assert_too_much(&wide(17, |_| 0));
}

#[test]
fn sixty_four_prerequisites_in_all() {
    assert_answers(&wide(16, |_| 3), "DEFAULT");
    assert_too_much(&wide(16, |n| if n == 9 { 4 } else { 3 }));
}

#[test]
fn prerequisites_thirty_two_deep() {
    let chain = |length: usize| {
        let mut flags = Map::from_iter([("f".to_owned(), needing(["p1".to_owned()]))]);
        flags.extend((1..length).map(|n| (format!("p{n}"), needing([format!("p{}", n + 1)]))));
        flags.insert(format!("p{length}"), flag(&json!({})));
        answer(&flags, &Map::new())
    };
    assert_answers(&chain(32), "DEFAULT");
    assert_too_much(&chain(33));
}

#[test]
fn a_thousand_leaves() {
    let leaves = |count: usize| {
        let leaf = json!({"attribute": "a", "operator": "exists"});
        let when = json!({"any": vec![leaf; count]});
        answer(&Map::from_iter([("f".to_owned(), with_rule(&when))]), &Map::new())
    };
    assert_answers(&leaves(1_000), "DEFAULT");
    assert_too_much(&leaves(1_001));
}

#[test]
fn sixty_four_segments() {
    let segments = |count: usize| {
        let named: Vec<Value> = (0..count).map(|n| json!({"segment": format!("s{n}")})).collect();
        let segments = (0..count).map(|n| (format!("s{n}"), json!({"included": [], "excluded": []})));
        answer(&Map::from_iter([("f".to_owned(), with_rule(&json!({"any": named})))]), &segments.collect())
    };
    assert_answers(&segments(64), "DEFAULT");
    assert_too_much(&segments(65));
}

#[test]
fn segments_eight_deep() {
    let chain = |length: usize| {
        let mut segments: Map<String, Value> = (1..length)
            .map(|n| (format!("s{n}"), json!({"when": {"segment": format!("s{}", n + 1)}})))
            .collect();
        segments.insert(format!("s{length}"), json!({"when": holds_for_all()}));
        answer(&Map::from_iter([("f".to_owned(), with_rule(&json!({"segment": "s1"})))]), &segments)
    };
    assert_answers(&chain(8), "TARGETING_MATCH");
    assert_too_much(&chain(9));
}

/// A condition counts from its own top, a segment's too.
#[test]
fn a_segments_condition_sixteen_deep() {
    let deep = |depth: usize| {
        let when = (2..depth).fold(holds_for_all(), |inside, _| json!({"all": [inside]}));
        let segments = Map::from_iter([("s".to_owned(), json!({"when": when}))]);
        let rule = with_rule(&json!({"all": [{"segment": "s"}]}));
        answer(&Map::from_iter([("f".to_owned(), rule)]), &segments)
    };
    assert_answers(&deep(16), "TARGETING_MATCH");
    assert_answers(&deep(17), "DEFAULT");
}
