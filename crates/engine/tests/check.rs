//! What keeps a flag from being saved, and what only spoils it where it arrives.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::sync::Arc;

use burgee_engine::model::{Condition, Flag, Leaf, Operands, Operator, Read, Rule, Serve, Snapshot, Target};
use burgee_engine::{
    Context, ErrorCode, KeyLists, Named, Reason, Ruleset, check_flag, check_list, check_segment, uses,
};
use serde_json::{Value, json};

fn sound() -> Value {
    json!({
        "kind": "number", "version": 1, "enabled": true, "off_variant": "low",
        "variants": [{"key": "low", "value": 1}, {"key": "high", "value": 2.5}],
        "targets": [{"variant": "high", "keys": ["u1", "u2"]}],
        "rules": [
            {"id": "r1", "when": {"attribute": "plan", "operator": "equals", "values": ["pro"]},
             "serve": {"variant": "high"}},
            {"id": "r2", "when": {"all": []},
             "serve": {"split": [{"variant": "high", "weight": 25000}, {"variant": "low", "weight": 75000}]}},
        ],
        "default": {"variant": "low"},
    })
}

fn flag(document: Value) -> Flag {
    serde_json::from_value(document).unwrap()
}

/// Replaces what stands at a JSON pointer.
fn with(pointer: &str, value: Value) -> Flag {
    let mut document = sound();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(member.to_owned(), value)),
        Value::Array(elements) => elements[member.parse::<usize>().unwrap()] = value,
        _ => panic!("{parent} has no members"),
    }
    flag(document)
}

fn snapshot(flag: Flag) -> Snapshot {
    let mut snapshot = Snapshot::empty("c0ffee", 7, "default", "development");
    snapshot.flags.insert("f".to_owned(), Arc::new(Read::Known(flag)));
    snapshot
}

fn paths(flag: &Flag) -> Vec<String> {
    let violations = check_flag(&snapshot(flag.clone()), "f").err().unwrap_or_default();
    violations.into_iter().map(|violation| violation.path).collect()
}

fn ruleset(flag: Flag) -> Ruleset {
    Ruleset::compile(&snapshot(flag), &KeyLists::default())
}

#[test]
fn a_sound_flag_passes() {
    assert_eq!(check_flag(&snapshot(flag(sound())), "f"), Ok(()));
}

#[test]
fn each_fault_is_told_with_its_path() {
    let long = "k".repeat(257);
    for (pointer, value, path) in [
        ("/off_variant", json!("purple"), "off_variant"),
        ("/default", json!({"variant": "purple"}), "default.variant"),
        ("/default", json!({"variant": "low", "colour": 1}), "default"),
        (
            "/default",
            json!({"split": [{"variant": "purple", "weight": 100_000}]}),
            "default.split[0].variant",
        ),
        ("/variants/0/value", json!("1"), "variants[0].value"),
        ("/variants/0/value", json!(null), "variants[0].value"),
        ("/variants/0/value", json!(9_007_199_254_740_992_u64), "variants[0].value"),
        ("/variants/1/value", json!(-9_007_199_254_740_992_i64), "variants[1].value"),
        ("/variants/1/value", json!(1e300), "variants[1].value"),
        ("/targets/0/variant", json!("purple"), "targets[0].variant"),
        ("/targets/0/keys/1", json!(""), "targets[0].keys[1]"),
        ("/targets/0/keys/1", json!(long), "targets[0].keys[1]"),
        ("/targets/0/keys/1", json!("a\u{7f}"), "targets[0].keys[1]"),
        ("/targets/0/keys", json!("u1"), "targets"),
        ("/rules/1/id", json!("r1"), "rules[1].id"),
        ("/rules/1/id", json!(""), "rules[1].id"),
        ("/rules/0/serve/variant", json!("purple"), "rules[0].serve.variant"),
        ("/rules/1/serve/split/0/variant", json!("purple"), "rules[1].serve.split[0].variant"),
        ("/rules/1/serve/split/0/weight", json!(1), "rules[1]"),
        ("/rules/0/when", json!({"segment": "beta"}), "rules[0].when.segment"),
        ("/prerequisites", json!([{"flag": "g", "variants": ["on"]}]), "prerequisites[0].flag"),
        ("/needs", json!(["teleport"]), "needs[0]"),
    ] {
        assert_eq!(paths(&with(pointer, value.clone())), [path], "{pointer} = {value}");
    }
}

#[test]
fn names_are_told_apart_and_bounded() {
    let variants =
        json!([{"key": "low", "value": 1}, {"key": "high", "value": 2}, {"key": "low", "value": 3}]);
    assert_eq!(paths(&with("/variants", variants)), ["variants[2].key"]);
    let variants = json!([{"key": "low", "value": 1}, {"key": "high", "value": 2}, {"key": "", "value": 3}]);
    assert_eq!(paths(&with("/variants", variants)), ["variants[2].key"]);
    let targets = json!([{"variant": "low", "keys": ["u1"]}, {"variant": "high", "keys": ["u2", "u1"]}]);
    assert_eq!(paths(&with("/targets", targets)), ["targets[1].keys[1]"]);
}

#[test]
fn all_faults_come_at_once() {
    let mut flag = with("/off_variant", json!("purple"));
    flag.targets = Read::Known(vec![Target { variant: "pink".to_owned(), keys: vec![String::new()] }]);
    flag.rules.push(Read::Known(Rule {
        id: "r2".to_owned(),
        priority: 0,
        when: Condition::All(Vec::new()),
        serve: Serve::variant("green"),
    }));
    let expected =
        ["off_variant", "targets[0].variant", "rules[2].serve.variant", "targets[0].keys[0]", "rules[2].id"];
    assert_eq!(paths(&flag), expected);
}

/// `count` rules of one comparison each.
fn with_leaves(count: usize) -> Flag {
    let leaf = |n: usize| Leaf {
        attribute: "n".to_owned(),
        operator: Operator::Equals,
        operands: Operands::Values(vec![json!(n)]),
        ignore_case: false,
    };
    let rule = |n: usize| Rule {
        id: n.to_string(),
        priority: 0,
        when: Condition::Leaf(leaf(n)),
        serve: Serve::variant("high"),
    };
    let mut flag = flag(sound());
    flag.rules = (0..count).map(|n| Read::Known(rule(n))).collect();
    flag
}

#[test]
fn a_thousand_leaves_and_no_more() {
    assert_eq!(check_flag(&snapshot(with_leaves(1_000)), "f"), Ok(()));
    assert_eq!(paths(&with_leaves(1_001)), ["rules"]);

    let most = ruleset(with_leaves(1_000));
    assert_eq!(most.evaluate("f", &Context::default()).reason(), Reason::Default);
    let too_many = ruleset(with_leaves(1_001));
    let answer = too_many.evaluate("f", &Context::default());
    assert_eq!(answer.error().map(|error| error.code), Some(ErrorCode::General));
    assert_eq!((answer.value(), answer.variant(), answer.reason()), (None, None, Reason::Error));
}

#[test]
fn as_many_rules_and_variants_as_an_answer_can_name_and_no_more() {
    let of_rules = |number: usize| {
        let rule = |id: &str| json!({"id": id, "when": {id: []}, "serve": {"variant": "high"}});
        with("/rules", std::iter::repeat_n(rule("any"), number - 1).chain([rule("all")]).collect())
    };
    let of_variants = |number: usize| {
        let mut flag =
            with("/variants", (0..number).map(|n| json!({"key": format!("v{n}"), "value": n})).collect());
        let last = Serve::Variant(format!("v{}", number - 1));
        (flag.default, flag.off_variant) = (last.into(), None);
        (flag.rules, flag.targets) = (Vec::new(), Vec::new().into());
        flag
    };
    let (rules, variants) = (ruleset(of_rules(65_535)), ruleset(of_variants(65_535)));
    assert_eq!(rules.evaluate("f", &Context::default()).rule(), Some("all"));
    assert_eq!(variants.evaluate("f", &Context::default()).variant(), Some("v65534"));
    for (flag, list) in [(of_rules(65_536), "rules"), (of_variants(65_536), "variants")] {
        assert!(paths(&flag).contains(&list.to_owned()), "{list}");
        let ruleset = ruleset(flag);
        let error = ruleset.evaluate("f", &Context::default()).error().unwrap();
        let details = format!("{list}: 65536 are too many; at most 65535 are allowed");
        assert_eq!((error.code, error.details), (ErrorCode::General, &*details));
    }
}

#[test]
fn what_is_milder_where_it_arrives_answers() {
    let answers = ruleset(with("/rules/1/id", json!("r1")));
    assert_eq!(answers.evaluate("f", &Context::for_key("u1")).value(), Some(&json!(2.5)));
    assert_eq!(answers.problems().count(), 0);
}

#[test]
fn problems_say_which_flag_and_why() {
    let lost = ruleset(with("/rules/0/serve/variant", json!("purple")));
    let problems: Vec<_> = lost.problems().map(|(about, problem)| format!("{about}: {problem}")).collect();
    assert_eq!(
        problems,
        ["flag f: rules[0].serve.variant: \"purple\" is not a variant of this flag, which has low, high"]
    );
    assert_eq!(lost.evaluate("f", &Context::for_key("u1")).reason(), Reason::TargetingMatch);

    let unreadable = ruleset(with("/off_variant", json!("purple")));
    let answer = unreadable.evaluate("f", &Context::for_key("u1"));
    let error = answer.error().unwrap();
    assert_eq!(error.code, ErrorCode::ParseError);
    assert_eq!(error.details, "off_variant: \"purple\" is not a variant of this flag, which has low, high");
}

/// Three flags that require each other in a row, and segments and a list that rules name.
fn related() -> Snapshot {
    let flag = |prerequisites: Value, when: Value| {
        json!({
            "kind": "boolean", "version": 1, "enabled": true, "off_variant": "off",
            "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
            "prerequisites": prerequisites, "default": {"variant": "off"},
            "rules": [{"id": "r1", "when": when, "serve": {"variant": "on"}}],
        })
    };
    let on = |flag: &str| json!([{"flag": flag, "variants": ["on"]}]);
    serde_json::from_value(json!({
        "schema": 1, "epoch": "e", "revision": 1, "project": "p", "environment": "dev",
        "lists": {"tiers": ["gold"]},
        "segments": {
            "beta": {"when": {"any": [{"segment": "staff"}, {"attribute": "tier", "operator": "in", "list": "tiers"}]}},
            "staff": {"included": ["u1"]},
        },
        "flags": {
            "a": flag(on("b"), json!({"all": []})),
            "b": flag(on("c"), json!({"all": [{"segment": "beta"}]})),
            "c": flag(json!([]), json!({"not": {"attribute": "tier", "operator": "not_in", "list": "tiers"}})),
        },
    }))
    .unwrap()
}

fn changed(change: impl FnOnce(&mut Value)) -> Snapshot {
    let mut document = serde_json::to_value(related()).unwrap();
    change(&mut document);
    serde_json::from_value(document).unwrap()
}

fn messages(result: Result<(), Vec<burgee_engine::json::Violation>>) -> Vec<String> {
    result.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn a_cycle_is_refused_by_its_name() {
    assert_eq!(check_flag(&related(), "a"), Ok(()));
    let snapshot = changed(|document| {
        document["flags"]["c"]["prerequisites"] = json!([{"flag": "a", "variants": ["on"]}]);
    });
    assert_eq!(
        messages(check_flag(&snapshot, "c")),
        ["prerequisites: flags must not require each other in a circle: c → a → b → c"]
    );
    let snapshot = changed(|document| document["segments"]["staff"]["when"] = json!({"segment": "beta"}));
    assert_eq!(
        messages(check_segment(&snapshot, "staff")),
        ["when: segments must not name each other in a circle: staff → beta → staff"]
    );
}

#[test]
fn everything_that_is_named_must_be_there() {
    let snapshot = changed(|document| {
        document["flags"]["a"]["prerequisites"] =
            json!([{"flag": "b", "variants": ["purple"]}, {"flag": "z", "variants": ["on"]}]);
        document["flags"]["a"]["rules"][0]["when"] = json!({"all": [{"segment": "gamma"},
            {"attribute": "x", "operator": "in", "list": "colours"},
            {"attribute": "v", "operator": "semver", "values": ["1.0.0", "1.x.3"]}]});
    });
    let paths: Vec<_> =
        check_flag(&snapshot, "a").unwrap_err().into_iter().map(|violation| violation.path).collect();
    assert_eq!(
        paths,
        [
            "rules[0].when.all[0].segment",
            "rules[0].when.all[1].list",
            "rules[0].when.all[2].values[1]",
            "prerequisites[0].variants[0]",
            "prerequisites[1].flag",
        ]
    );
}

#[test]
fn what_depends_on_it_must_not_break() {
    let snapshot = changed(|document| drop(document["lists"].as_object_mut().unwrap().remove("tiers")));
    let broken = messages(check_list(&snapshot, "tiers"));
    assert!(broken.iter().any(|message| message.contains("would break the flag \"c\"")), "{broken:?}");
    assert!(broken.iter().any(|message| message.contains("would break the segment \"beta\"")), "{broken:?}");
    assert_eq!(check_list(&related(), "tiers"), Ok(()));
}

#[test]
fn who_names_something_is_told_with_the_place() {
    let places = |named: Named<'_>| -> Vec<String> {
        uses(&related(), named)
            .into_iter()
            .map(|found| format!("{:?} {} {}", found.user, found.key, found.path))
            .collect()
    };
    assert_eq!(places(Named::Flag("b")), ["Flag a prerequisites[0].flag"]);
    assert_eq!(places(Named::Segment("beta")), ["Flag b rules[0].when.all[0].segment"]);
    assert_eq!(places(Named::Segment("staff")), ["Segment beta when.any[0].segment"]);
    assert_eq!(
        places(Named::List("tiers")),
        ["Segment beta when.any[1].list", "Flag c rules[0].when.not.list"]
    );
    assert_eq!(
        places(Named::Variant { flag: "b", variant: "on" }),
        ["Flag a prerequisites[0].variants[0]", "Flag b rules[0].serve.variant"]
    );
    assert_eq!(
        places(Named::Variant { flag: "c", variant: "off" }),
        ["Flag c off_variant", "Flag c default.variant"]
    );
}
