//! A context as a caller sends it, asked of one of everything.
#![no_main]

use std::sync::LazyLock;

use engine::{Context, KeyLists, Ruleset};
use fuzz::ask_all;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

static RULESET: LazyLock<Ruleset> = LazyLock::new(|| {
    let snapshot = bench_engine::everything::snapshot().expect("one of everything is sound");
    Ruleset::compile(&snapshot, &KeyLists::default())
});

fuzz_target!(|document: &[u8]| {
    let Ok(attributes) = serde_json::from_slice::<Map<String, Value>>(document) else { return };
    let context = Context::new(attributes.clone());
    ask_all(&RULESET, &context);

    // Names that begin with `$` are nobody's business.
    let mut more = attributes;
    more.insert("$now".to_owned(), Value::from(1));
    assert_eq!(Context::new(more), context);
});
