//! An explanation is of the answer that is given, whatever the flag and the context.

use std::collections::BTreeMap;

use burgee_engine::explain::{Explanation, Step, Tested, What};
use burgee_engine::model::Snapshot;
use burgee_engine::{Context, KeyLists, Ruleset};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const FLAGS: [&str; 4] = ["a", "b", "c", "d"];
const SEGMENTS: [&str; 4] = ["beta", "gold", "when", "nobody"];

fn value() -> impl Strategy<Value = Value> {
    select(vec![json!("x"), json!("X"), json!("7"), json!(7), json!(true), json!("k1"), json!("")])
}

fn attribute() -> impl Strategy<Value = &'static str> {
    select(vec!["plan", "Plan", "user.plan", "targetingKey", "missing"])
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = select(vec![
        "equals",
        "not_equals",
        "in",
        "not_in",
        "contains",
        "starts_with",
        "gt",
        "lte",
        "resembles",
    ]);
    let comparison = (attribute(), operator, value(), any::<bool>()).prop_map(
        |(attribute, operator, value, ignore_case)| {
            json!({"attribute": attribute, "operator": operator, "values": [value], "ignore_case": ignore_case})
        },
    );
    let leaf = prop_oneof![
        4 => comparison,
        1 => attribute().prop_map(|attribute| json!({"attribute": attribute, "operator": "exists"})),
        1 => attribute().prop_map(|attribute| json!({"attribute": attribute, "operator": "in", "list": "tiers"})),
        2 => select(SEGMENTS.to_vec()).prop_map(|key| json!({"segment": key})),
        1 => (0..=100_000_u32).prop_map(|to| json!({"bucket": {"to": to}})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|all| json!({"all": all})),
            vec(inner.clone(), 0..4).prop_map(|any| json!({"any": any})),
            inner.prop_map(|not| json!({"not": not})),
        ]
    })
}

fn serve() -> impl Strategy<Value = Value> {
    let split = (0..=100_000_u32, any::<bool>(), attribute()).prop_map(|(on, sticky, by)| {
        let split = json!([{"variant": "on", "weight": on}, {"variant": "off", "weight": 100_000 - on}]);
        json!({"split": split, "sticky": sticky, "by": by})
    });
    prop_oneof![
        3 => select(vec!["on", "off"]).prop_map(|variant| json!({"variant": variant})),
        1 => Just(Value::Null),
        3 => split,
    ]
}

fn flag() -> impl Strategy<Value = Value> {
    let rule = (condition(), serve(), -1..2_i32)
        .prop_map(|(when, serve, priority)| json!({"priority": priority, "when": when, "serve": serve}));
    let required = (select(FLAGS.to_vec()), select(vec!["on", "off"]))
        .prop_map(|(flag, variant)| json!({"flag": flag, "variants": [variant]}));
    let states = (prop::bool::weighted(0.9), prop::bool::weighted(0.1));
    (states, vec(rule, 0..4), vec(required, 0..2), any::<bool>(), serve()).prop_map(
        |((enabled, archived), mut rules, prerequisites, has_targets, default)| {
            for (index, rule) in rules.iter_mut().enumerate() {
                rule["id"] = format!("r{index}").into();
            }
            let targets = if has_targets { json!([{"variant": "on", "keys": ["k1"]}]) } else { json!([]) };
            json!({
                "kind": "boolean", "version": 1, "enabled": enabled, "archived": archived, "off_variant": "off",
                "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
                "prerequisites": prerequisites, "targets": targets, "rules": rules, "default": default,
            })
        },
    )
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    let segment = proptest::option::of(condition())
        .prop_map(|when| json!({"included": ["k1"], "excluded": ["k2"], "when": when}));
    let entities = (
        btree_map(select(FLAGS.to_vec()), flag(), 1..5),
        btree_map(select(SEGMENTS.to_vec()), segment, 0..4),
    );
    entities.prop_map(|(flags, segments)| {
        let document = json!({
            "schema": 1, "epoch": "e", "revision": 1, "project": "p", "environment": "dev",
            "lists": {"tiers": ["x", 7]}, "segments": segments, "flags": flags,
        });
        serde_json::from_value(document).unwrap()
    })
}

fn context() -> impl Strategy<Value = Context> {
    let key = select(vec![
        json!("k1"),
        json!("k2"),
        json!("k3"),
        json!(7),
        json!(""),
        json!({"id": 7}),
        Value::Null,
    ]);
    let other = prop_oneof![
        4 => value(),
        1 => vec(value(), 0..3).prop_map(Value::from),
        1 => value().prop_map(|plan| json!({"plan": plan})),
        1 => Just(Value::Null),
    ];
    (key, btree_map(select(vec!["plan", "Plan", "user"]), other, 0..3)).prop_map(|(key, others)| {
        let others = others.into_iter().map(|(name, value)| (name.to_owned(), value));
        Context::new(others.chain([("targetingKey".to_owned(), key)]).collect::<serde_json::Map<_, _>>())
    })
}

/// The rule that is told to have held.
fn held(explanation: &Explanation) -> Vec<&str> {
    let held = explanation.steps.iter().filter_map(|step| match step {
        Step::Rule { id, holds: true, .. } => Some(id.as_str()),
        _ => None,
    });
    held.collect()
}

/// A segment holds by what is told of it.
fn assert_told(tests: &[Tested]) -> Result<(), TestCaseError> {
    for test in tests {
        if let What::Segment { membership, tests, .. } = &test.what {
            let may_hold = matches!(*membership, "included" | "condition");
            prop_assert!(may_hold || !test.holds, "{test:?}");
            prop_assert!(*membership != "included" || test.holds, "{test:?}");
            assert_told(tests)?;
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_explained_is_what_is_answered(
        snapshot in snapshot(), context in context(), given in btree_map(select(FLAGS.to_vec()), select(vec!["on", "off", "gone"]), 0..3),
    ) {
        let ruleset = Ruleset::compile(&snapshot, &KeyLists::default());
        let given: BTreeMap<_, _> = given.into_iter().map(|(key, variant)| (key.to_owned(), variant.to_owned())).collect();
        for flag in ruleset.flags() {
            let explanation = ruleset.explain(flag.key(), &context, Some(&given)).unwrap();
            let answer = ruleset.evaluate_assigned(flag.key(), &context, &given);
            prop_assert_eq!(explanation.value.as_ref(), answer.value());
            prop_assert_eq!(explanation.variant.as_deref(), answer.variant());
            prop_assert_eq!(explanation.reason, answer.reason().as_str());
            prop_assert_eq!(explanation.error, answer.error().map(|error| error.code.as_str()));
            prop_assert_eq!(explanation.rule.as_deref(), answer.rule());
            let held = held(&explanation);
            prop_assert_eq!(held, answer.rule().into_iter().collect::<Vec<_>>(), "{:?}", explanation);
            for step in &explanation.steps {
                if let Step::Rule { tests, .. } = step {
                    assert_told(tests)?;
                }
            }
            let text = explanation.to_string();
            prop_assert!(text.starts_with(flag.key()) && text.ends_with('\n'), "{}", text);
            prop_assert!(serde_json::to_string(&explanation).is_ok());
        }
        prop_assert!(ruleset.explain("nothing", &context, None).is_none());
    }
}

/// How many tests are told, those of segments included.
fn told(explanation: &Explanation) -> usize {
    fn number(tests: &[Tested]) -> usize {
        let inside = tests.iter().map(|test| match &test.what {
            What::Segment { tests, .. } => number(tests),
            _ => 0,
        });
        tests.len() + inside.sum::<usize>()
    }
    let tests = explanation.steps.iter().map(|step| match step {
        Step::Rule { tests, .. } => number(tests),
        _ => 0,
    });
    tests.sum()
}

/// However much there is to tell, an explanation stays readable, and in memory.
#[test]
fn an_explanation_is_bounded() {
    let long = "x".repeat(60_000);
    let leaf = json!({"attribute": "all", "operator": "in", "values": (0..1_000).collect::<Vec<_>>()});
    let gate = json!({"bucket": {"to": 0}});
    let when = json!({"any": std::iter::repeat_n([leaf, gate], 500).flatten().collect::<Vec<_>>()});
    let rules: Vec<_> = (0..3)
        .map(|n| json!({"id": n.to_string(), "when": {"segment": "s"}, "serve": {"variant": "on"}}))
        .collect();
    let document = json!({
        "schema": 1, "epoch": "e", "revision": 1, "project": "p", "environment": "dev",
        "segments": {"s": {"included": [], "excluded": [], "when": when}},
        "flags": {"f": {
            "kind": "boolean", "version": 1, "enabled": true, "rules": rules, "default": {"variant": "on"},
            "variants": [{"key": "on", "value": true}],
        }},
    });
    let snapshot: Snapshot = serde_json::from_value(document).unwrap();
    let ruleset = Ruleset::compile(&snapshot, &KeyLists::default());
    let attributes = json!({"targetingKey": long, "all": vec![long.as_str(); 1_000]});
    let context = Context::new(attributes.as_object().unwrap().clone());
    let explanation = ruleset.explain("f", &context, None).unwrap();
    let left_out = explanation.steps.iter().find_map(|step| match step {
        Step::LeftOut { count } => Some(*count),
        _ => None,
    });
    let told = told(&explanation);
    // The first rule's thousand, and the segment that they stand in.
    assert_eq!(told, 1_001);
    // A thousand parts and the segment itself, in each of three rules, are made.
    assert_eq!(told + left_out.unwrap(), 3 * 1_001);
    let json = serde_json::to_string(&explanation).unwrap();
    assert!(json.len() < 5 << 20, "{}", json.len());
    assert!(explanation.to_string().contains("and 2002 tests more"));
}
