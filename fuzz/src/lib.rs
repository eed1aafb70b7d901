//! What holds for every answer, and short ways to ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::model::{Flag, Read, SCHEMA, Snapshot};
use engine::{Context, ErrorCode, KeyLists, Reason, Ruleset, check_flag};
use serde_json::{Map, Value, json};

/// Asks for every flag of a ruleset, and sees that the answers are such as an answer can be.
///
/// # Panics
/// Where one is not.
pub fn ask_all(ruleset: &Ruleset, context: &Context) {
    for flag in ruleset.flags() {
        let answer = flag.evaluate(context);
        assert_eq!(answer.value().is_some(), answer.variant().is_some(), "{answer:?}");
        assert_eq!(answer.error().is_some(), answer.reason() == Reason::Error, "{answer:?}");
        assert!(answer.error().is_none() || answer.value().is_none(), "{answer:?}");
        assert_eq!(answer, ruleset.evaluate(flag.key(), context), "the same question has the same answer");
        let why = ruleset.explain(flag.key(), context, None).expect("a flag that is there is explained");
        assert_eq!(
            (why.variant.as_deref(), why.reason),
            (answer.variant(), answer.reason().as_str()),
            "{why}"
        );
    }
}

/// Sees that no flag of a ruleset, all of which was accepted, says that it cannot be read.
///
/// # Panics
/// Where one does.
pub fn none_is_broken(ruleset: &Ruleset, context: &Context) {
    assert_eq!(ruleset.problems().next(), None, "what can be saved compiles");
    for flag in ruleset.flags() {
        let code = flag.evaluate(context).error().map(|error| error.code);
        let broken = [ErrorCode::ParseError, ErrorCode::General];
        assert!(!code.is_some_and(|code| broken.contains(&code)), "{}: {code:?}", flag.key());
    }
}

/// Whether one of `values` holds for the text `asked`, under an operator; `None` where they are refused.
///
/// # Panics
/// Where the engine does not read what is written here.
pub fn holds(operator: &str, values: &[&str], ignore_case: bool, asked: &str) -> Option<bool> {
    let when = json!({"attribute": "it", "operator": operator, "values": values, "ignore_case": ignore_case});
    let flag: Read<Flag> = serde_json::from_value(json!({
        "kind": "boolean", "version": 1, "enabled": true, "default": {"variant": "off"},
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}], "off_variant": "off",
        "rules": [{"id": "r", "when": when, "serve": {"variant": "on"}}],
    }))
    .expect("a flag is an object");
    let snapshot = Snapshot {
        schema: SCHEMA,
        epoch: String::new(),
        revision: 1,
        project: String::new(),
        environment: String::new(),
        lists: BTreeMap::new(),
        segments: BTreeMap::new(),
        flags: BTreeMap::from([("f".to_owned(), Arc::new(flag))]),
    };
    check_flag(&snapshot, "f").ok()?;
    let ruleset = Ruleset::compile(&snapshot, &KeyLists::default());
    let context = Context::new(Map::from_iter([("it".to_owned(), Value::from(asked))]));
    none_is_broken(&ruleset, &context);
    Some(ruleset.evaluate("f", &context).variant() == Some("on"))
}

/// Two texts out of one: before and after the first line's end.
pub fn two_texts(input: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(input).ok()?.split_once('\n')
}
