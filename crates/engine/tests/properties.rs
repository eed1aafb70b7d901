//! What holds for every flag and every context.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeMap;
use std::sync::Arc;

use burgee_engine::model::{Delta, Flag, Read, Snapshot, WHOLE};
use burgee_engine::{Context, KeyLists, Reason, Resolution, Ruleset, check_flag};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Names that flags and contexts share, so that they meet.
const NAMES: &[&str] = &["on", "off", "a", "a.b", "b", "targetingKey", "$x", "", "x"];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(NAMES).prop_map(str::to_owned), 1 => ".{0,6}"]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..5).prop_map(Value::from),
        // Eighths: short in decimal, exact in binary, so that a document read back is the same.
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        select(vec![f64::MAX, 1e21, 1e-7, -0.0]).prop_map(Value::from),
        name().prop_map(Value::from),
        select(vec!["1", "1e999", "-0", "TRUE", "İ", "Σ"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name(), inner, 0..4).prop_map(|members| Value::from(Map::from_iter(members))),
        ]
    })
}

fn any_context() -> impl Strategy<Value = Context> {
    btree_map(name(), any_json(), 0..6).prop_map(|attributes| Context::new(Map::from_iter(attributes)))
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = select(vec!["equals", "not_equals", "in", "contains", "resembles"]);
    let leaf = (name(), operator, vec(any_json(), 0..3), any::<bool>()).prop_map(
        |(attribute, operator, values, ignore_case)| {
            json!({"attribute": attribute, "operator": operator, "values": values, "ignore_case": ignore_case})
        },
    );
    leaf.prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|all| json!({"all": all})),
            vec(inner.clone(), 0..3).prop_map(|any| json!({"any": any})),
            inner.prop_map(|not| json!({"not": not})),
        ]
    })
}

fn serve() -> impl Strategy<Value = Value> {
    let hash = select(vec!["murmur3", "fnv1a", "md5"]);
    prop_oneof![
        3 => select(vec!["on", "off", "purple"]).prop_map(|variant| json!({"variant": variant})),
        1 => Just(Value::Null),
        3 => (0..=WHOLE, name(), hash).prop_map(|(on, by, hash)| {
            let split = json!([{"variant": "on", "weight": on}, {"variant": "off", "weight": WHOLE - on}]);
            json!({"split": split, "by": by, "hash": hash})
        }),
        1 => any_json(),
    ]
}

/// A flag as it may travel: mostly well formed, some of it not.
fn flag() -> impl Strategy<Value = Value> {
    let rule = (condition(), serve(), -2..3_i32).prop_map(
        |(when, serve, priority)| json!({"id": "r", "priority": priority, "when": when, "serve": serve}),
    );
    let target = (select(vec!["on", "off", "purple"]), vec(name(), 0..3))
        .prop_map(|(variant, keys)| json!({"variant": variant, "keys": keys}));
    let whole = (any::<bool>(), vec(rule, 0..4), vec(target, 0..2), serve(), 0..9_u64)
        .prop_map(|(enabled, rules, targets, default, version)| {
            json!({
                "kind": "boolean", "version": version, "enabled": enabled, "off_variant": "off",
                "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
                "targets": targets, "rules": rules, "default": default,
            })
        })
        .boxed();
    let broken =
        (whole.clone(), select(vec!["kind", "variants", "rules", "default", "off_variant"]), any_json())
            .prop_map(|(mut flag, member, value)| {
                flag[member] = value;
                flag
            });
    prop_oneof![6 => whole, 2 => broken, 1 => any_json()]
}

fn read(flag: Value) -> Arc<Read<Flag>> {
    Arc::new(serde_json::from_value(flag).unwrap())
}

fn flags() -> impl Strategy<Value = BTreeMap<String, Arc<Read<Flag>>>> {
    btree_map("[a-h]", flag().prop_map(read), 0..6)
}

fn snapshot(flags: BTreeMap<String, Arc<Read<Flag>>>) -> Snapshot {
    Snapshot { flags, ..Snapshot::empty("c0ffee", 7, "default", "development") }
}

fn compile(snapshot: &Snapshot) -> Ruleset {
    Ruleset::compile(snapshot, &KeyLists::default())
}

/// What all flags give, by key.
fn answers<'r>(ruleset: &'r Ruleset, context: &Context) -> impl Iterator<Item = (&'r str, Resolution<'r>)> {
    ruleset.flags().map(|flag| (flag.key(), flag.evaluate(context)))
}

fn delta(revision: u64) -> impl Strategy<Value = Delta> {
    btree_map("[a-k]", proptest::option::of(flag().prop_map(read)), 0..5).prop_map(move |flags| Delta {
        revision,
        flags,
        ..Delta::default()
    })
}

fn assert_well_formed(resolution: &Resolution<'_>) -> Result<(), TestCaseError> {
    prop_assert_eq!(resolution.value().is_some(), resolution.variant().is_some(), "{:?}", resolution);
    prop_assert_eq!(resolution.error().is_some(), resolution.reason() == Reason::Error, "{:?}", resolution);
    prop_assert!(resolution.error().is_none() || resolution.value().is_none(), "{:?}", resolution);
    Ok(())
}

proptest! {
    #[test]
    fn every_question_has_a_well_formed_answer(flags in flags(), context in any_context()) {
        let ruleset = compile(&snapshot(flags));
        for (key, resolution) in answers(&ruleset, &context) {
            assert_well_formed(&resolution)?;
            prop_assert_eq!(resolution, ruleset.evaluate(key, &context));
        }
        assert_well_formed(&ruleset.evaluate("nothing", &context))?;
    }

    /// What may be written loses nothing: a flag that passes has no problems, and one that has some does not
    /// pass.
    #[test]
    fn what_passes_compiles_whole(flag in flag()) {
        let flag = read(flag);
        let snapshot = snapshot(BTreeMap::from([("f".to_owned(), Arc::clone(&flag))]));
        let ruleset = compile(&snapshot);
        if let Some(flag) = flag.known() {
            let passes = check_flag(&snapshot, "f").is_ok();
            prop_assert!(!passes || ruleset.problems().next().is_none(), "{:?}", flag);
        } else {
            prop_assert!(ruleset.problems().next().is_some());
        }
    }

    #[test]
    fn a_delta_applied_is_the_snapshot_compiled(
        flags in flags(), first in delta(8), second in delta(11), context in any_context(),
    ) {
        let mut snapshot = snapshot(flags);
        let mut ruleset = compile(&snapshot);
        for delta in [first, second] {
            snapshot.apply(&delta);
            ruleset = ruleset.apply(&delta, &KeyLists::default());
            let fresh = compile(&snapshot);
            prop_assert_eq!(&ruleset, &fresh);
            prop_assert!(ruleset.flags().map(|flag| flag.key()).is_sorted());
            prop_assert!(answers(&ruleset, &context).eq(answers(&fresh, &context)));
        }
    }

    #[test]
    fn a_document_survives_the_way_there_and_back(flags in flags(), context in any_context()) {
        let snapshot = snapshot(flags);
        let text = serde_json::to_string(&snapshot).unwrap();
        let back: Snapshot = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
        let (before, after) = (compile(&snapshot), compile(&back));
        let outcome = |ruleset: &Ruleset| -> Vec<_> {
            answers(ruleset, &context).map(|(key, got)| (key.to_owned(), got.reason(), got.variant().map(str::to_owned))).collect()
        };
        prop_assert_eq!(outcome(&before), outcome(&after));
    }
}
