//! The engine against a second evaluator (`second.rs`), which was written from the contract by someone who has not
//! read the engine: over the cases of `conformance/`, and over worlds made at random.
//!
//! `BURGEE_WORLDS=100000` makes a long run of it, `BURGEE_SEED` another one.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeSet;
use std::env;

use burgee_engine::Ruleset;

mod bounds;
mod cases;
mod changes;
mod compare;
mod second;
mod world;

use compare::Difference;
use world::dice::Dice;
use world::{Question, World};

/// How many worlds are made unless told otherwise, and how many questions are asked of each.
const WORLDS: u64 = 1_000;
const QUESTIONS: usize = 24;
/// Differences after which there is nothing more to learn.
const MOST_DIFFERENCES: usize = 12;

#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the program")]
fn setting(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What came out of questions to both.
#[derive(Default)]
struct Run {
    differences: Vec<String>,
    /// Reasons, error codes and variants that were answered.
    answered: BTreeSet<String>,
}

impl Run {
    /// Asks both; `false` if they differ.
    fn ask(&mut self, place: &str, world: &World, ruleset: &Ruleset, question: &Question) -> bool {
        let answer = compare::engine(ruleset, question);
        let words = ["reason", "error", "variant"].into_iter().filter_map(|name| answer[name].as_str());
        self.answered.extend(words.map(str::to_owned));
        if let Some(difference) = Difference::find(world, ruleset, question) {
            self.differences.push(format!("{place}, {}", difference.smallest().report()));
            return false;
        }
        true
    }

    fn has_learned_enough(&self) -> bool {
        self.differences.len() >= MOST_DIFFERENCES
    }

    fn assert_agreed(&self) {
        assert!(
            self.differences.is_empty(),
            "{} differences:\n{}",
            self.differences.len(),
            self.differences.join("\n")
        );
    }
}

#[test]
fn the_two_agree_about_worlds() {
    let seed = setting("BURGEE_SEED", 4);
    let mut run = Run::default();
    for number in 0..setting("BURGEE_WORLDS", WORLDS) {
        let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let world = world::world(&mut dice);
        let ruleset = compare::compile(&world);
        let place = format!("world {number}");
        let mut questions = 0..QUESTIONS;
        questions.all(|_| run.ask(&place, &world, &ruleset, &world::question(&mut dice)));
        if run.has_learned_enough() {
            break;
        }
    }
    run.assert_agreed();
    for word in [
        "STATIC",
        "DEFAULT",
        "DISABLED",
        "TARGETING_MATCH",
        "SPLIT",
        "PREREQUISITE_FAILED",
        "ERROR",
        "FLAG_NOT_FOUND",
        "PARSE_ERROR",
        "TARGETING_KEY_MISSING",
        "on",
        "off",
        "b",
    ] {
        assert!(run.answered.contains(word), "worlds in which nothing is {word} prove little");
    }
}

#[test]
fn the_two_agree_about_every_operator() {
    let seed = setting("BURGEE_SEED", 4);
    let operators = BTreeSet::from(world::words::OPERATORS);
    for operator in operators {
        let mut run = Run::default();
        for number in 0..setting("BURGEE_WORLDS", WORLDS) {
            let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
            let world = world::about(&mut dice, operator);
            let ruleset = compare::compile(&world);
            let place = format!("{operator}, world {number}");
            let mut questions = 0..QUESTIONS / 4;
            questions.all(|_| run.ask(&place, &world, &ruleset, &world::question_about(&mut dice, operator)));
            if run.has_learned_enough() {
                break;
            }
        }
        run.assert_agreed();
        assert!(run.answered.contains("on") && run.answered.contains("off"), "{operator}: one side only");
    }
}
