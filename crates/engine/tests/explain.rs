//! Explanations are read by people who are puzzled. `explain/` has puzzles with what a colleague would answer:
//! each file is a question, and below it the text. Write a new one, or one anew, by `UPDATE=1 cargo test
//! --workspace --test explain`, and read it before it is committed.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

#[path = "explain/agreement.rs"]
mod agreement;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use burgee_engine::model::Snapshot;
use burgee_engine::{Context, KeyLists, Ruleset};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain")
}

fn ruleset() -> Ruleset {
    let snapshot = fs::read_to_string(folder().join("snapshot.json")).unwrap();
    let snapshot: Snapshot = serde_json::from_str(&snapshot).unwrap();
    Ruleset::compile(&snapshot, &KeyLists::default())
}

struct Puzzle {
    name: &'static str,
    /// What the puzzled person thinks.
    why: &'static str,
    flag: &'static str,
    context: Value,
    given_before: Option<&'static str>,
}

fn puzzle(name: &'static str, flag: &'static str, context: Value, why: &'static str) -> Puzzle {
    Puzzle { name, why, flag, context, given_before: None }
}

fn puzzles() -> Vec<Puzzle> {
    [of_rules_and_flags(), of_values_and_keys(), of_what_does_not_count(), of_assignments()]
        .into_iter()
        .flatten()
        .collect()
}

fn of_rules_and_flags() -> Vec<Puzzle> {
    vec![
        puzzle(
            "prerequisite-disabled",
            "new-checkout",
            json!({"targetingKey": "ann"}),
            "It requires new-cart to be on, and new-cart says on. Why is it off?",
        ),
        puzzle(
            "prerequisite-of-a-prerequisite",
            "express-pay",
            json!({"targetingKey": "ann"}),
            "Both flags before it look fine. Why is it off?",
        ),
        puzzle(
            "excluded-beats-condition",
            "beta-menu",
            json!({"targetingKey": "ann", "plan": "gold"}),
            "Ann has the gold plan, and the beta is for gold. Why is she not in?",
        ),
        puzzle(
            "number-as-text",
            "free-shipping",
            json!({"targetingKey": "ann", "items": "12", "depot": "007"}),
            "12 is more than 9, and the depot is 7. Why no free shipping?",
        ),
        puzzle(
            "no-number-at-all",
            "free-shipping",
            json!({"targetingKey": "ann", "items": "a dozen"}),
            "The order is large. Why no free shipping?",
        ),
        puzzle(
            "missing-under-not",
            "cookie-banner",
            json!({"targetingKey": "ann"}),
            "Neither rule knows the country. Why does the second hold, and the first not?",
        ),
        puzzle(
            "misspelt-attribute",
            "cookie-banner",
            json!({"targetingKey": "ann", "Country": "FR"}),
            "The country is given. Why is it not seen?",
        ),
        puzzle(
            "gate-above-split",
            "pricing",
            json!({"targetingKey": "user-7"}),
            "Half of all get a. Why does user-7 have neither a nor b?",
        ),
        puzzle(
            "inside-the-gate",
            "pricing",
            json!({"targetingKey": "user-42"}),
            "The gate lets buckets below 20000 in. Why has the split another bucket?",
        ),
    ]
}

fn of_values_and_keys() -> Vec<Puzzle> {
    vec![
        puzzle(
            "lost-rule",
            "search",
            json!({"targetingKey": "ann", "name": "Anne", "country": "FR"}),
            "The first rule looks for names like this one. Why does it not hold?",
        ),
        puzzle(
            "case-counts",
            "search",
            json!({"targetingKey": "ann", "country": "de"}),
            "The country is in the list. Why does the rule not hold?",
        ),
        puzzle("target", "search", json!({"targetingKey": "bob"}), "No rule is for bob. Why is it on?"),
        puzzle(
            "priority-order",
            "discount",
            json!({"targetingKey": "ann", "role": "staff"}),
            "The first rule gives staff half. Why does ann get ten?",
        ),
        puzzle(
            "no-key-to-split-by",
            "new-invoice",
            json!({"targetingKey": "ann", "plan": "gold", "company": {"name": "Acme"}}),
            "The default is on, and ann has a targeting key. Why is there no value?",
        ),
        puzzle(
            "context-list",
            "new-invoice",
            json!({"targetingKey": "ann", "plan": "silver", "company": {"id": 7}}),
            "Who decides which plans count?",
        ),
        puzzle(
            "nested-segment",
            "insiders-only",
            json!({"targetingKey": "ann", "email": "ann@example.com", "plan": "gold"}),
            "Ann is excluded from the beta. Why is she an insider?",
        ),
        puzzle(
            "a-tree",
            "night-mode",
            json!({"targetingKey": "cem", "tags": ["day", "sound"], "os": "ios", "dark": "yes"}),
            "It is an iPhone in the dark. Why is it off?",
        ),
        puzzle(
            "none-of-these",
            "night-mode",
            json!({"targetingKey": "cem", "tags": ["night"], "email": "cem@example.com"}),
            "Cem wants the night. Why is it off?",
        ),
    ]
}

fn of_what_does_not_count() -> Vec<Puzzle> {
    vec![
        puzzle(
            "inside-of-a-text",
            "lounge",
            json!({"targetingKey": "ann", "user": "gold", "$plan": "gold"}),
            "The plan is given, twice. Why is it not seen?",
        ),
        puzzle(
            "object-as-value",
            "team-page",
            json!({"targetingKey": "ann", "company": {"id": 7}, "tags": [["z"], {}]}),
            "The company is 7, and z is a tag. Why is it off?",
        ),
        puzzle(
            "accents",
            "menu",
            json!({"targetingKey": "ann", "place": "Cafe\u{301}"}),
            "The place is a Café. Why is it off?",
        ),
        puzzle(
            "number-out-of-range",
            "small-orders",
            json!({"targetingKey": "ann", "items": "1e999"}),
            "That is not five, and more than five. Why is it off?",
        ),
        puzzle(
            "lost-segments",
            "trial",
            json!({"targetingKey": "ann"}),
            "Both rules look fine. Why do they not hold?",
        ),
        puzzle(
            "nothing-served",
            "legacy",
            json!({"targetingKey": "ann", "country": "FR"}),
            "The rule holds. Why is there no value?",
        ),
        puzzle(
            "empty-targeting-key",
            "search",
            json!({"targetingKey": "", "country": "FR"}),
            "There is a targeting key. Why is it not looked for?",
        ),
        puzzle(
            "key-is-an-object",
            "new-invoice",
            json!({"targetingKey": "ann", "plan": "gold", "company": {"id": {"number": 7}}}),
            "The company has an id. Why is there no value?",
        ),
        puzzle(
            "misspelt-key-to-split-by",
            "new-invoice",
            json!({"targetingKey": "ann", "plan": "gold", "Company": {"id": 7}}),
            "The company has an id. Why is there no value?",
        ),
        puzzle(
            "misspelt-targeting-key",
            "beta-menu",
            json!({"targeting_key": "bob", "plan": "silver"}),
            "Bob is in the beta by name. Why is it off?",
        ),
        puzzle(
            "long-list",
            "night-mode",
            json!({"targetingKey": "cem", "tags": (0..25).collect::<Vec<_>>()}),
            "One of the tags must be night. Why is it off?",
        ),
        puzzle(
            "two-ways-to-a-key",
            "team-colours",
            json!({"targetingKey": "ann", "company": {"id": null}, "User": {"id": 7}}),
            "There is a company and a user. Why is there no colour?",
        ),
        puzzle(
            "into-the-targeting-key",
            "staff-page",
            json!({"targetingKey": {"id": "ann", "staff": true}}),
            "Ann is on the staff. Why is it off?",
        ),
    ]
}

fn of_assignments() -> Vec<Puzzle> {
    let sticky = |name, given, why| Puzzle {
        given_before: Some(given),
        ..puzzle(name, "onboarding", json!({"targetingKey": "ann"}), why)
    };
    vec![
        sticky("sticky-kept", "short", "Only a tenth gets short. Why does ann?"),
        sticky("sticky-lost", "none", "Ann was given none before. Why not any more?"),
    ]
}

fn told(ruleset: &Ruleset, puzzle: &Puzzle) -> String {
    let context = Context::new(puzzle.context.as_object().unwrap().clone());
    let given = puzzle.given_before.map(|variant| [(puzzle.flag.to_owned(), variant.to_owned())]);
    let given: BTreeMap<_, _> = given.into_iter().flatten().collect();
    let explanation = ruleset.explain(puzzle.flag, &context, Some(&given)).unwrap();
    let before = puzzle.given_before.map(|variant| format!(", who was given {variant} before"));
    let before = before.unwrap_or_default();
    format!("{}\n\n{} for {}{before}\n\n{explanation}", puzzle.why, puzzle.flag, puzzle.context)
}

#[test]
fn puzzles_are_answered_as_a_colleague_would() {
    let ruleset = ruleset();
    let mut differ = Vec::new();
    for puzzle in &puzzles() {
        let path = folder().join(puzzle.name).with_extension("txt");
        let told = told(&ruleset, puzzle);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &told).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if told != expected {
            differ.push(format!("{}:\n{told}", puzzle.name));
        }
    }
    assert!(differ.is_empty(), "these differ; see the head of this file\n{}", differ.join("\n"));
}

#[test]
fn every_text_belongs_to_a_puzzle() {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let texts = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let texts: BTreeSet<_> =
        texts.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let puzzles: BTreeSet<_> = puzzles().iter().map(|puzzle| puzzle.name.to_owned()).collect();
    assert_eq!(texts, puzzles);
}
