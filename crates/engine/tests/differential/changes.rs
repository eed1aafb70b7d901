//! A change applied is the snapshot compiled, with everything that entities may name of each other; and documents
//! that are mostly broken harm nobody.

use burgee_engine::Ruleset;
use burgee_engine::model::{Delta, Snapshot};
use serde_json::{Map, Value, json};

use crate::cases;
use crate::compare;
use crate::world::{self, dice::Dice};

const WORLDS: u64 = 100;
const STEPS: usize = 4;
const QUESTIONS: usize = 8;

/// Some entities of `other` in place of those of the same key, some deleted, at the next revision.
fn delta(dice: &mut Dice, snapshot: &Value, other: &Value) -> Value {
    let mut delta = json!({"revision": snapshot["revision"].as_u64().unwrap() + 1});
    for kind in ["flags", "segments", "lists"] {
        let keys = snapshot[kind].as_object().unwrap().keys().chain(other[kind].as_object().unwrap().keys());
        let some: Vec<&String> = keys.filter(|_| dice.once_in(4)).collect();
        let entities: Map<String, Value> = some
            .into_iter()
            .map(|key| (key.clone(), other[kind].get(key).cloned().unwrap_or_default()))
            .collect();
        delta[kind] = Value::Object(entities);
    }
    delta
}

fn read(snapshot: &Value) -> Snapshot {
    serde_json::from_value(snapshot.clone()).unwrap()
}

#[test]
fn a_change_applied_is_the_snapshot_compiled() {
    for seed in 0..WORLDS {
        let mut dice = Dice::new(seed.wrapping_mul(7_919));
        let mut world = world::world(&mut dice);
        let key_lists = compare::key_lists(&world);
        let mut ruleset = compare::compile(&world);
        for step in 0..STEPS {
            let other = world::world(&mut dice);
            let change = delta(&mut dice, &world.snapshot, &other.snapshot);
            let typed: Delta = serde_json::from_value(change.clone()).unwrap();
            let mut applied = read(&world.snapshot);
            applied.apply(&typed);
            cases::apply(&mut world.snapshot, &change);
            ruleset = ruleset.apply(&typed, &key_lists);
            let fresh = Ruleset::compile(&read(&world.snapshot), &key_lists);
            let place = || format!("world {seed}, step {step}: {change}");
            assert!(applied == read(&world.snapshot), "the document, {}", place());
            assert!(ruleset == fresh, "the rules, {}", place());
            for _ in 0..QUESTIONS {
                let question = world::question(&mut dice);
                let [applied, compiled] =
                    [&ruleset, &fresh].map(|ruleset| compare::engine(ruleset, &question));
                assert_eq!(applied, compiled, "{question:?}, {}", place());
            }
        }
    }
}

/// Whatever the documents and the context are like: an answer comes, and its parts go together.
#[test]
fn no_document_and_no_context_harms_an_evaluation() {
    for seed in 0..WORLDS {
        let mut dice = Dice::new(seed.wrapping_mul(104_729));
        let world = world::wild(&mut dice);
        let ruleset = compare::compile(&world);
        for _ in 0..QUESTIONS {
            let question = world::wild_question(&mut dice);
            let answer = compare::engine(&ruleset, &question);
            let has = |name: &str| answer.get(name).is_some();
            let is_sound = has("value") == has("variant")
                && has("error") == (answer["reason"] == "ERROR")
                && !(has("error") && has("value"));
            assert!(is_sound, "world {seed}: {question:?}: {answer}");
        }
    }
}
