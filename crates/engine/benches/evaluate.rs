//! What a question costs, and what a change costs.
//!
//! Imitates one environment of a large project: [`FLAGS`] flags of the kinds that people make (plain ones,
//! one comparison with a list of countries, a rollout), asked for one at a time as OFREP does, and all of a
//! hundred as a browser does. Turn [`FLAGS`] to see what grows with the flag set: nothing but compiling, and
//! copying one pointer for each flag when a change is applied.
//!
//! `cargo bench --workspace --bench evaluate`, for a quick look while working. The figures that count, beside
//! another engine and with goals, are `make peers`'s: see `bench/README.md`.

#![expect(clippy::expect_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use burgee_engine::model::{Delta, Flag, Read, Snapshot};
use burgee_engine::{Context, Entry, KeyLists, Ruleset};
use divan::Bencher;
use serde_json::{Map, Value, json};

/// How many flags an environment has.
const FLAGS: usize = 5_000;

fn main() {
    divan::main();
}

fn flag(version: u64, rules: &Value, default: &Value) -> Arc<Read<Flag>> {
    let document = json!({
        "kind": "boolean", "version": version, "enabled": true, "client_visible": true, "off_variant": "off",
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}],
        "rules": rules, "default": default,
    });
    let flag: Flag = serde_json::from_value(document).expect("the bench's flags are sound");
    Arc::new(Read::Known(flag))
}

/// The flag at a place: the three sorts in turn.
fn nth(place: usize, version: u64) -> Arc<Read<Flag>> {
    let countries = json!([{
        "id": "r1", "serve": {"variant": "on"},
        "when": {"attribute": "country", "operator": "in", "values": ["DE", "AT", "CH", "FR", "IT"]},
    }]);
    let half = json!({"split": [{"variant": "on", "weight": 50_000}, {"variant": "off", "weight": 50_000}]});
    match place % 3 {
        0 => flag(version, &json!([]), &json!({"variant": "on"})),
        1 => flag(version, &countries, &json!({"variant": "off"})),
        _ => flag(version, &json!([]), &half),
    }
}

fn key(place: usize) -> String {
    format!("flag-{place:05}")
}

fn snapshot(flags: usize) -> Snapshot {
    let flags = (0..flags).map(|place| (key(place), nth(place, 1))).collect();
    Snapshot { flags, ..Snapshot::empty("c0ffee", 1, "default", "production") }
}

fn compile(snapshot: &Snapshot) -> Ruleset {
    Ruleset::compile(snapshot, &KeyLists::default())
}

fn context() -> Context {
    let attributes =
        [("targetingKey", "user-4711"), ("country", "IT"), ("plan", "pro"), ("email", "a@example.com")];
    Context::new(Map::from_iter(attributes.map(|(name, value)| (name.to_owned(), Value::from(value)))))
}

fn ask(bencher: Bencher<'_, '_>, place: usize) {
    let (ruleset, context, key) = (compile(&snapshot(FLAGS)), context(), key(place));
    bencher.bench_local(|| ruleset.evaluate(black_box(&key), black_box(&context)).variant().is_some());
}

#[divan::bench(sample_size = 1_000)]
fn no_rule(bencher: Bencher<'_, '_>) {
    ask(bencher, 2_400);
}

#[divan::bench(sample_size = 1_000)]
fn one_in(bencher: Bencher<'_, '_>) {
    ask(bencher, 2_401);
}

#[divan::bench(sample_size = 1_000)]
fn half_split(bencher: Bencher<'_, '_>) {
    ask(bencher, 2_402);
}

#[divan::bench(sample_size = 1_000)]
fn all_of_100(bencher: Bencher<'_, '_>) {
    let (ruleset, context) = (compile(&snapshot(100)), context());
    bencher.bench_local(|| {
        let visible = ruleset.flags().filter(Entry::client_visible);
        visible.filter(|flag| flag.evaluate(black_box(&context)).value().is_some()).count()
    });
}

#[divan::bench]
fn make_context(bencher: Bencher<'_, '_>) {
    let attributes: Map<_, _> =
        context().attributes().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    bencher.with_inputs(|| attributes.clone()).bench_local_values(Context::new);
}

#[divan::bench(sample_count = 20)]
fn compile_5000(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot(FLAGS);
    bencher.bench_local(|| compile(black_box(&snapshot)));
}

#[divan::bench]
fn apply_one_of_5000(bencher: Bencher<'_, '_>) {
    let ruleset = compile(&snapshot(FLAGS));
    let delta =
        Delta { revision: 2, flags: BTreeMap::from([(key(2_401), Some(nth(2_401, 2)))]), ..Delta::default() };
    bencher.bench_local(|| ruleset.apply(black_box(&delta), &KeyLists::default()));
}
