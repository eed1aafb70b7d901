//! The second evaluator passes the conformance cases too: what it holds against the engine is worth no more.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::second;
use crate::world::Blobs;

/// Tables, not cases.
const NO_CASES: [&str; 1] = ["fold.json"];

/// Fewer than this means that files went missing.
const FEWEST_CASES: usize = 2_500;

#[derive(Default)]
struct Run {
    asked: usize,
    failures: Vec<String>,
}

impl Run {
    fn file(&mut self, name: &str, file: &Value) {
        for place in items(file, "places") {
            self.place(name, place);
        }
        let mut snapshot = file["snapshot"].clone();
        let blobs = file.get("blobs").map(|blobs| serde_json::from_value(blobs.clone()).unwrap());
        let blobs: Blobs = blobs.unwrap_or_default();
        self.cases(name, &snapshot, &blobs, items(file, "cases"));
        for step in items(file, "steps") {
            apply(&mut snapshot, &step["delta"]);
            self.cases(name, &snapshot, &blobs, items(step, "cases"));
        }
    }

    fn place(&mut self, name: &str, expected: &Value) {
        self.asked += 1;
        let text = |member: &str| expected[member].as_str().unwrap();
        let (place, hash32) = second::place(text("hash"), text("salt"), text("key")).unwrap();
        let got =
            BTreeMap::from([("place", place), ("percent", place / 1_000), ("hash32", i64::from(hash32))]);
        if got.iter().any(|(member, got)| expected.get(member).is_some_and(|expected| expected != got)) {
            self.failures.push(format!("{name}: {expected}: got {got:?}"));
        }
    }

    fn cases(&mut self, name: &str, snapshot: &Value, blobs: &Blobs, cases: &[Value]) {
        for case in cases {
            self.asked += 1;
            let flag = case["flag"].as_str().unwrap();
            let context = case["context"].as_object().unwrap();
            let assignments = case.get("assignments");
            let assignments = assignments.map(|given| serde_json::from_value(given.clone()).unwrap());
            let got = second::evaluate(snapshot, flag, context, blobs, &assignments.unwrap_or_default());
            if differs(&case["expect"], &got) {
                self.failures.push(format!("{name}: {} [{}]: got {got}", case["name"], case["rule"]));
            }
        }
    }
}

/// The members of an answer count also where they are not there; version and revision only where they are given.
fn differs(expected: &Value, got: &Value) -> bool {
    ["value", "variant", "reason", "error", "rule"].iter().any(|name| expected.get(name) != got.get(name))
        || ["flag_version", "revision"]
            .iter()
            .any(|name| expected.get(name).is_some_and(|expected| *expected != got[name]))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

fn items<'v>(document: &'v Value, name: &str) -> &'v [Value] {
    document.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whole entities; null deletes.
pub(crate) fn apply(snapshot: &mut Value, delta: &Value) {
    snapshot["revision"] = delta["revision"].clone();
    for kind in ["flags", "segments", "lists"] {
        let entities: &mut Map<String, Value> = snapshot[kind].as_object_mut().unwrap();
        for (key, entity) in delta.get(kind).and_then(Value::as_object).into_iter().flatten() {
            if entity.is_null() {
                entities.remove(key);
            } else {
                entities.insert(key.clone(), entity.clone());
            }
        }
    }
}

#[test]
fn the_second_evaluator_passes_every_conformance_case() {
    let mut run = Run::default();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        if is_json && !NO_CASES.contains(&name.as_str()) {
            let text = fs::read_to_string(&path).unwrap();
            let file: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            run.file(&name, &file);
        }
    }
    assert!(
        run.failures.is_empty(),
        "{} of {} failed:\n{}",
        run.failures.len(),
        run.asked,
        run.failures.join("\n")
    );
    assert!(run.asked >= FEWEST_CASES, "only {} cases were found", run.asked);
}

/// The second evaluator folds by the standard library, less what is younger than Unicode 16.0: two ways to one
/// table. A library of a newer Unicode asks for more exceptions in `second/text.rs`.
#[test]
fn the_second_evaluator_folds_as_the_shared_table_says() {
    let text = fs::read_to_string(folder().join("fold.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    let mut folded: BTreeMap<i64, i64> = BTreeMap::new();
    for range in items(&table, "ranges") {
        let [first, last, distance, add] = [0, 1, 2, 3].map(|at| range[at].as_i64().unwrap());
        let letters = (first..=last).filter(|letter| (letter - first) % distance == 0);
        folded.extend(letters.map(|letter| (letter, letter + add)));
    }
    for letter in '\0'..=char::MAX {
        let code = i64::from(u32::from(letter));
        let expected = folded.get(&code).copied().unwrap_or(code);
        assert_eq!(i64::from(u32::from(second::fold(letter))), expected, "{letter:?}");
    }
}
