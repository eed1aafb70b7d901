//! How much a question may weigh: by itself, through segments, and through the flags that it requires.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use burgee_engine::model::Snapshot;
use burgee_engine::{KeyLists, Ruleset, check_flag, check_list, check_segment, weighs_on_others};
use serde_json::{Value, json};

/// A comparison that weighs as much as it has texts.
fn comparison(weight: usize) -> Value {
    let texts: Vec<_> = (0..weight.min(1_000)).map(|number| format!("t{number}")).collect();
    let rest = weight.saturating_sub(1_000);
    let mut all = vec![json!({"attribute": "x", "operator": "contains", "values": texts})];
    if rest > 0 {
        all.push(comparison(rest));
    }
    json!({"all": all})
}

fn flag(when: &Value, required: &[String]) -> Value {
    let required: Vec<_> = required.iter().map(|key| json!({"flag": key, "variants": ["on"]})).collect();
    json!({
        "kind": "boolean", "version": 1, "enabled": true, "off_variant": "off",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "prerequisites": required, "default": {"variant": "off"},
        "rules": [{"id": "r1", "when": when, "serve": {"variant": "on"}}],
    })
}

fn snapshot(flags: &Value, segments: &Value) -> Snapshot {
    serde_json::from_value(json!({
        "schema": 1, "epoch": "e", "revision": 1, "project": "p", "environment": "dev",
        "lists": {"tiers": ["gold"]}, "segments": segments, "flags": flags,
    }))
    .unwrap()
}

fn told(result: Result<(), Vec<burgee_engine::json::Violation>>) -> Vec<String> {
    result.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// `a` requires `b` and `c`, and `b` requires `c` too.
fn required(weights: [usize; 3]) -> Snapshot {
    let [a, b, c] = weights.map(comparison);
    let keys = ["b".to_owned(), "c".to_owned()];
    snapshot(&json!({"a": flag(&a, &keys), "b": flag(&b, &keys[1..]), "c": flag(&c, &[])}), &json!({}))
}

#[test]
fn a_question_weighs_what_it_asks_each_flag_once() {
    let ruleset = Ruleset::compile(&required([5, 30, 200]), &KeyLists::default());
    let weight = |key| ruleset.flag(key).unwrap().weight();
    assert_eq!((weight("a"), weight("b"), weight("c")), (6 + 31 + 201, 31 + 201, 201));
}

#[test]
fn what_no_context_can_change_weighs_nothing() {
    let mut off = flag(&comparison(50), &[]);
    off["enabled"] = json!(false);
    let ruleset = Ruleset::compile(&snapshot(&json!({"off": off}), &json!({})), &KeyLists::default());
    assert_eq!(ruleset.flag("off").unwrap().weight(), 0);
}

#[test]
fn flags_together_have_a_bound() {
    // A required flag counts itself besides its comparisons.
    assert_eq!(check_flag(&required([9_000, 999, 9_999]), "a"), Ok(()));
    let heavy = told(check_flag(&required([9_001, 999, 9_999]), "a"));
    assert_eq!(
        heavy,
        [
            "prerequisites: make a question weigh 20001, the rules of all flags together that it asks, each required \
             one counted as 100 at least; at most 20000 are allowed. The heaviest are \"c\" with 10000, \"a\" with \
             9001, \"b\" with 1000; make their rules lighter, or require fewer flags"
        ]
    );
    assert_eq!(check_flag(&required([9_901, 0, 9_998]), "a"), Ok(()), "a light one counts as 100");
    assert_eq!(told(check_flag(&required([9_902, 0, 9_998]), "a")).len(), 1);
}

#[test]
fn who_is_required_must_not_become_too_heavy() {
    let [broken] = &told(check_flag(&required([9_001, 999, 9_999]), "c"))[..] else {
        panic!("one is broken")
    };
    assert!(
        broken.starts_with("would break the flag \"a\", which depends on it: prerequisites: make"),
        "{broken}"
    );
}

#[test]
fn a_light_flag_may_change_without_a_look_at_who_requires_it() {
    let weighs = |weight| weighs_on_others(&serde_json::from_value(flag(&comparison(weight), &[])).unwrap());
    assert!(!weighs(99) && weighs(100));
    let pattern = json!({"attribute": "x", "operator": "matches", "values": ["a"]});
    assert!(
        weighs_on_others(&serde_json::from_value(flag(&pattern, &[])).unwrap()),
        "it is not read to be counted"
    );
    // So as light as it was or as heavy as it may become unseen, it makes no difference.
    for light in [0, 99] {
        assert_eq!(check_flag(&required([9_900, light, 9_999]), "a"), Ok(()));
        assert_eq!(told(check_flag(&required([9_901, light, 9_999]), "a")).len(), 1);
    }
}

#[test]
fn a_segment_or_list_must_not_make_others_too_heavy() {
    let named = |inner: usize| {
        let all = vec![json!({"segment": "outer"}); 3];
        let outer = json!({"when": {"any": [{"segment": "inner"}, {"segment": "inner"}]}});
        let mut condition = comparison(inner);
        condition["all"]
            .as_array_mut()
            .unwrap()
            .push(json!({"attribute": "t", "operator": "in", "list": "tiers"}));
        let inner = json!({"when": condition});
        snapshot(&json!({"f": flag(&json!({"all": all}), &[])}), &json!({"outer": outer, "inner": inner}))
    };
    // 3 × (2 × (comparisons + list + itself) + itself)
    let most = (10_000 / 3 - 1) / 2 - 2;
    assert_eq!(check_segment(&named(most), "inner"), Ok(()));
    let [broken] = &told(check_segment(&named(most + 1), "inner"))[..] else { panic!("one is broken") };
    let start = "would break the flag \"f\", which depends on it: rules: weigh 10005: ";
    assert!(broken.starts_with(start), "{broken}");
    assert_eq!(check_list(&named(most), "tiers"), Ok(()));
    assert_eq!(told(check_list(&named(most + 1), "tiers")).len(), 1);
}

#[test]
fn sixty_four_light_flags_may_be_required() {
    let mut flags = serde_json::Map::new();
    let keys: Vec<_> = (0..64).map(|number| format!("f{number}")).collect();
    for (number, key) in keys.iter().enumerate() {
        // Each of the first four requires fifteen of the others.
        let below = 4 + number * 15;
        let required = if number < 4 { &keys[below..below + 15] } else { &[] };
        flags.insert(key.clone(), flag(&comparison(99), required));
    }
    flags.insert("top".to_owned(), flag(&comparison(9_000), &keys[..4]));
    let snapshot = snapshot(&Value::Object(flags), &json!({}));
    assert_eq!(check_flag(&snapshot, "top"), Ok(()));
    let ruleset = Ruleset::compile(&snapshot, &KeyLists::default());
    assert_eq!(ruleset.flag("top").unwrap().weight(), 9_001 + 64 * 100);
}
