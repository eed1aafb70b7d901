use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use engine::KeyLists;
use engine::model::Snapshot;
use serde_json::{Value, json};
use wire::events::{Batch, Event, Exposure, Receipt};

use super::*;
use crate::ports::SinkError;

/// Half a minute into a minute.
const NOW: i64 = 1_767_225_630_000;

/// Takes batches once, as stores do; says that it failed after each of the first few.
#[derive(Default)]
struct FakeSink {
    taken: Mutex<BTreeMap<(String, String), Batch>>,
    failures: AtomicU32,
    is_gone: bool,
}

#[async_trait]
impl Sink for FakeSink {
    async fn take(&self, environment: &EnvironmentId, batch: Batch) -> Result<Receipt, SinkError> {
        if self.is_gone {
            return Err(SinkError::Gone);
        }
        let key = (environment.to_string(), batch.id.clone());
        self.taken.lock().unwrap().entry(key).or_insert(batch);
        let spend = |left: u32| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok() {
            return Err(SinkError::Unavailable("the answer was lost".into()));
        }
        Ok(Receipt::default())
    }
}

impl FakeSink {
    fn events(&self) -> Vec<Event> {
        let taken = self.taken.lock().unwrap();
        taken.values().flat_map(|batch| batch.events.iter().map(|sent| sent.event.clone())).collect()
    }

    /// How many evaluations there were, by flag, version, variant and reason.
    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for event in self.events() {
            if let Event::Count(count) = event {
                assert_eq!((count.from, count.to), (NOW - 30_000, NOW));
                let key = format!("{} {} {} {}", count.flag, count.version, count.variant, count.reason);
                *counts.entry(key).or_default() += count.n;
            }
        }
        counts
    }

    fn exposures(&self) -> Vec<Exposure> {
        let exposure = |event| match event {
            Event::Exposure(exposure) => Some(exposure),
            _ => None,
        };
        self.events().into_iter().filter_map(exposure).collect()
    }
}

fn tally(keep_units: bool) -> Arc<Tally> {
    Tally::new(Box::new(|| NOW), [1; 16], [2; 16], keep_units)
}

fn environment() -> EnvironmentId {
    EnvironmentId("prod".into())
}

fn flag(version: u64, members: Value) -> Value {
    let mut flag = json!({"kind": "boolean", "version": version, "enabled": true, "default": {"variant": "on"},
        "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}], "off_variant": "off"});
    let Value::Object(members) = members else { panic!("members are an object") };
    flag.as_object_mut().unwrap().extend(members);
    flag
}

fn snapshot(flags: Value) -> Snapshot {
    let flags = serde_json::from_value(flags).unwrap();
    Snapshot { flags, ..Snapshot::empty("9f", 7, "shop", "prod") }
}

fn half() -> Value {
    json!([{"variant": "on", "weight": 50_000}, {"variant": "off", "weight": 50_000}])
}

fn ask(tallied: &Tallied, ruleset: &Ruleset, key: &str, attributes: Value) {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    let context = Context::new(attributes);
    let flag = ruleset.flag(key).unwrap();
    tallied.counter().count(&flag, &flag.evaluate(&context), &context);
}

#[tokio::test]
async fn each_answer_counts_by_what_it_was() {
    let (tally, sink) = (tally(true), FakeSink::default());
    let document = snapshot(json!({
        "a": flag(3, json!({})),
        "b": flag(4, json!({"enabled": false})),
        "c": flag(5, json!({"default": {"split": half()}})),
        "d": flag(6, json!({"default": null, "targets": [{"variant": "off", "keys": ["u1"]}]})),
    }));
    let ruleset = Ruleset::compile(&document, &KeyLists::default());
    let tallied = Tallied::new(&tally, &environment(), &ruleset, None);
    for (key, user) in
        [("a", "u1"), ("a", "u2"), ("b", "u1"), ("c", "u1"), ("c", ""), ("d", "u1"), ("d", "u2")]
    {
        ask(&tallied, &ruleset, key, json!({"targetingKey": user}));
    }
    tally.flush(&sink).await;
    let split = ruleset.evaluate("c", &Context::for_key("u1")).variant().unwrap();
    let expected = [
        ("a 3 on STATIC".to_owned(), 2),
        ("b 4 off DISABLED".to_owned(), 1),
        (format!("c 5 {split} SPLIT"), 1),
        ("c 5  ERROR".to_owned(), 1),
        ("d 6 off TARGETING_MATCH".to_owned(), 1),
        ("d 6  DEFAULT".to_owned(), 1),
    ];
    assert_eq!(sink.counts(), BTreeMap::from(expected));
    tally.flush(&sink).await;
    assert_eq!(sink.taken.lock().unwrap().len(), 1, "nothing new, nothing sent");
    assert!(sink.exposures().is_empty(), "nothing is tracked");
}

#[tokio::test]
async fn threads_lose_nothing_and_a_batch_that_may_have_been_taken_stays_the_same() {
    let tally = tally(false);
    let sink = FakeSink { failures: AtomicU32::new(2), ..FakeSink::default() };
    let ruleset = Ruleset::compile(&snapshot(json!({ "a": flag(3, json!({})) })), &KeyLists::default());
    let tallied = Tallied::new(&tally, &environment(), &ruleset, None);
    let ask_often = || (0..10_000).for_each(|_| ask(&tallied, &ruleset, "a", json!({})));
    for round in 1..=4 {
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(ask_often))));
        tally.flush(&sink).await;
        if round == 1 {
            assert_eq!(sink.counts()["a 3 on STATIC"], 40_000, "it was taken, and the answer was lost");
        }
    }
    assert_eq!(sink.counts()["a 3 on STATIC"], 160_000);
    assert_eq!(sink.taken.lock().unwrap().len(), 3, "what came while it failed went together");
}

#[tokio::test]
async fn flags_that_stay_go_on_and_those_that_change_are_counted_apart() {
    let (tally, sink) = (tally(false), FakeSink::default());
    let first = snapshot(json!({"a": flag(3, json!({})), "b": flag(3, json!({})), "d": flag(3, json!({}))}));
    let ruleset = Ruleset::compile(&first, &KeyLists::default());
    let tallied = Tallied::new(&tally, &environment(), &ruleset, None);
    let mut delta = engine::model::Delta { revision: 8, ..Default::default() };
    let changed = flag(8, json!({"variants": [{"key": "on", "value": true}], "off_variant": null}));
    for (key, flag) in [("a", Value::Null), ("b", changed), ("c", flag(8, json!({})))] {
        delta.flags.insert(key.to_owned(), serde_json::from_value(flag).unwrap());
    }
    let after = ruleset.apply(&delta, &KeyLists::default());
    let next = Tallied::new(&tally, &environment(), &after, Some((&ruleset, &tallied)));
    // Who asked before the change is answered after it.
    for key in ["a", "b", "d"] {
        ask(&tallied, &ruleset, key, json!({}));
    }
    for key in ["b", "c", "d"] {
        ask(&next, &after, key, json!({}));
    }
    assert_eq!(tally.rows.lock().unwrap().len(), 5);
    drop(tallied);
    tally.flush(&sink).await;
    let counted: Vec<_> = sink.counts().into_iter().map(|(key, n)| format!("{key} {n}")).collect();
    let expected =
        ["a 3 on STATIC 1", "b 3 on STATIC 1", "b 8 on STATIC 1", "c 8 on STATIC 1", "d 3 on STATIC 2"];
    assert_eq!(counted, expected);
    assert_eq!(tally.rows.lock().unwrap().len(), 3, "what nobody adds to is let go");
}

#[tokio::test]
async fn a_tracked_split_tells_each_unit_once_and_version() {
    let tracked = |version| {
        let rules = json!([{"id": "r1", "when": {"attribute": "beta", "operator": "in", "values": [true]},
            "serve": {"split": half(), "by": "account", "track": true}}]);
        let default = json!({"split": half(), "track": true});
        snapshot(json!({
            "a": flag(version, json!({"rules": rules, "default": default})),
            "b": flag(version, json!({"default": {"split": half()}})),
            "c": flag(version, json!({"prerequisites": [{"flag": "a", "variants": ["on"]}]})),
        }))
    };
    for keep_units in [true, false] {
        let (tally, sink) = (tally(keep_units), FakeSink::default());
        for version in [3, 3, 4] {
            let ruleset = Ruleset::compile(&tracked(version), &KeyLists::default());
            let tallied = Tallied::new(&tally, &environment(), &ruleset, None);
            let long = "x".repeat(300);
            for user in ["u1", "u1", "u2", long.as_str()] {
                for key in ["a", "b", "c"] {
                    ask(&tallied, &ruleset, key, json!({"targetingKey": user}));
                }
                ask(&tallied, &ruleset, "a", json!({"targetingKey": user, "beta": true, "account": 42}));
                ask(&tallied, &ruleset, "a", json!({"targetingKey": user, "beta": true}));
            }
            tally.flush(&sink).await;
        }
        let told: Vec<_> = sink.exposures();
        let named: BTreeSet<_> = told
            .iter()
            .map(|one| format!("{} {} {} {}", one.flag, one.version, one.rule, one.unit))
            .collect();
        let expected = ["a 3  u1", "a 3  u2", "a 3 r1 42", "a 4  u1", "a 4  u2", "a 4 r1 42"];
        let expected = expected.into_iter().filter(|_| keep_units).map(str::to_owned).collect();
        assert_eq!(named, expected);
        assert_eq!(told.len(), named.len(), "each once");
    }
}

#[tokio::test]
async fn what_finds_no_room_is_told_when_it_is_met_again() {
    let (tally, sink) = (tally(true), FakeSink::default());
    let document = snapshot(json!({ "a": flag(3, json!({"default": {"split": half(), "track": true}})) }));
    let ruleset = Ruleset::compile(&document, &KeyLists::default());
    let tallied = Tallied::new(&tally, &environment(), &ruleset, None);
    let meet = || (0..10_000).for_each(|user| ask(&tallied, &ruleset, "a", json!({"targetingKey": user})));
    meet();
    tally.flush(&sink).await;
    assert_eq!(sink.exposures().len(), 8_192, "so many wait");
    let sizes: Vec<_> = sink.taken.lock().unwrap().values().map(|batch| batch.events.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 2_000), "{sizes:?}");
    for _ in 0..2 {
        meet();
        tally.flush(&sink).await;
    }
    let units: BTreeSet<_> = sink.exposures().into_iter().map(|one| one.unit).collect();
    assert!(units.len() > 9_900, "{}", units.len());
}

#[tokio::test]
async fn what_belongs_to_nobody_is_dropped() {
    let (tally, sink) = (tally(false), FakeSink { is_gone: true, ..FakeSink::default() });
    let ruleset = Ruleset::compile(&snapshot(json!({ "a": flag(3, json!({})) })), &KeyLists::default());
    let tallied = Tallied::new(&tally, &environment(), &ruleset, None);
    ask(&tallied, &ruleset, "a", json!({}));
    tally.flush(&sink).await;
    let sink = FakeSink::default();
    tally.flush(&sink).await;
    assert!(sink.events().is_empty());
}
