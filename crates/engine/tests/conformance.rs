//! The engine against `conformance/*.json`. `conformance/README.md` describes the files.

#![expect(clippy::panic, reason = "a test says what is wrong by failing")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use burgee_engine::model::{Delta, Hash, Snapshot};
use burgee_engine::{Context, KeyList, KeyLists, Resolution, Ruleset, bucket};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Fewer than this means that files went missing.
const FEWEST_CASES: usize = 2_500;
/// The folding table stands among the cases; it is none.
const NO_CASES: [&str; 1] = ["fold.json"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    /// The keys of large lists, by the SHA-256 that a segment names.
    #[serde(default)]
    blobs: BTreeMap<String, Vec<String>>,
    snapshot: Option<Snapshot>,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    places: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    delta: Delta,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rule: String,
    flag: String,
    context: Map<String, Value>,
    /// Earlier assignments of sticky splits: variants by flag key.
    #[serde(default)]
    assignments: BTreeMap<String, String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    variant: Option<String>,
    reason: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    flag_version: Option<u64>,
    #[serde(default)]
    revision: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    rule: String,
    hash: String,
    salt: String,
    key: String,
    #[serde(default)]
    place: Option<u32>,
    #[serde(default)]
    percent: Option<u32>,
    #[serde(default)]
    hash32: Option<u32>,
}

impl Expect {
    fn differs(&self, got: &Resolution<'_>) -> bool {
        self.value.as_ref() != got.value()
            || self.variant.as_deref() != got.variant()
            || self.reason != got.reason().as_str()
            || self.error.as_deref() != got.error().map(|error| error.code.as_str())
            || self.rule.as_deref() != got.rule()
            || self.flag_version.is_some_and(|version| version != got.flag_version())
            || self.revision.is_some_and(|revision| revision != got.revision())
    }
}

impl File {
    fn key_lists(&self) -> KeyLists {
        let mut lists = KeyLists::default();
        for (sha256, keys) in &self.blobs {
            let blob: String = keys.iter().flat_map(|key| [key, "\n"]).collect();
            let list =
                KeyList::read(blob.as_bytes(), [7; 16]).unwrap_or_else(|error| panic!("{sha256}: {error}"));
            lists.insert(sha256.clone(), Arc::new(list));
        }
        lists
    }
}

impl Vector {
    fn failure(&self) -> Option<String> {
        assert!(self.place.or(self.percent).or(self.hash32).is_some(), "a place expects something");
        let hash = [Hash::Murmur3, Hash::Fnv1a, Hash::Md5].into_iter().find(|hash| hash.name() == self.hash);
        let hash = hash.unwrap_or_else(|| panic!("{:?} is a hash", self.hash));
        let place = bucket::place(hash, &self.salt, &self.key);
        let digest = bucket::digest(hash, &self.salt, &self.key);
        let same = self.place.is_none_or(|expected| expected == place)
            && self.percent.is_none_or(|expected| expected == place / 1_000)
            && self.hash32.is_none_or(|expected| expected == digest);
        (!same).then(|| {
            format!("{} {:?}:{:?} [{}]: got {place} of {digest}", self.hash, self.salt, self.key, self.rule)
        })
    }
}

#[derive(Default)]
struct Run {
    asked: usize,
    failures: Vec<String>,
}

impl Run {
    fn file(&mut self, name: &str, file: &File) {
        assert!(!file.about.is_empty(), "{name} says what it is about");
        for place in &file.places {
            self.asked += 1;
            self.failures.extend(place.failure().map(|failure| format!("{name}: {failure}")));
        }
        let Some(snapshot) = &file.snapshot else {
            assert!(file.cases.is_empty() && file.steps.is_empty(), "{name}: cases are asked of a snapshot");
            return;
        };
        let mut snapshot = snapshot.clone();
        let key_lists = file.key_lists();
        let mut ruleset = Ruleset::compile(&snapshot, &key_lists);
        self.cases(name, &ruleset, &file.cases);
        for Step { delta, cases } in &file.steps {
            ruleset = ruleset.apply(delta, &key_lists);
            snapshot.apply(delta);
            assert_eq!(
                ruleset,
                Ruleset::compile(&snapshot, &key_lists),
                "{name}: after revision {}",
                delta.revision
            );
            self.cases(name, &ruleset, cases);
        }
    }

    fn cases(&mut self, name: &str, ruleset: &Ruleset, cases: &[Case]) {
        for case in cases {
            assert!(!case.rule.is_empty(), "{name}: {} names the rule it proves", case.name);
            self.asked += 1;
            let context = Context::new(case.context.clone());
            let got = ruleset.evaluate_assigned(&case.flag, &context, &case.assignments);
            if case.expect.differs(&got) {
                self.failures.push(format!("{name}: {} [{}]: got {got:?}", case.name, case.rule));
            }
        }
    }
}

#[test]
fn every_case_has_the_expected_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut run = Run::default();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "json") || NO_CASES.contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let file: File = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut names: Vec<_> =
            file.cases.iter().chain(file.steps.iter().flat_map(|step| &step.cases)).collect();
        names.sort_by_key(|case| &case.name);
        let twice = names.windows(2).find(|pair| pair[0].name == pair[1].name);
        assert!(twice.is_none(), "{name}: two cases are called {:?}", twice.map(|pair| &pair[0].name));
        run.file(&name, &file);
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

#[test]
fn a_file_with_a_member_that_nobody_reads_is_refused() {
    for text in [
        r#"{"about": "x", "case": []}"#,
        r#"{"about": "x", "cases": [{"name": "n", "rule": "r", "flag": "f", "context": {}, "expects": {}}]}"#,
        r#"{"about": "x", "cases": [{"name": "n", "rule": "r", "flag": "f", "context": {}, "expect": {"reason": "STATIC", "varient": "on"}}]}"#,
    ] {
        assert!(serde_json::from_str::<File>(text).is_err(), "{text}");
    }
}
