//! Asking both, and making a difference small enough to read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burgee_engine::model::Snapshot;
use burgee_engine::{Context, KeyList, KeyLists, Ruleset};
use serde_json::{Map, Value, json};

use crate::second;
use crate::world::{Question, World};

/// What the engine makes of a world.
pub(crate) fn compile(world: &World) -> Ruleset {
    let snapshot: Snapshot = serde_json::from_value(world.snapshot.clone()).unwrap();
    Ruleset::compile(&snapshot, &key_lists(world))
}

/// The world's large lists, each as the blob that travels.
pub(crate) fn key_lists(world: &World) -> KeyLists {
    let mut lists = KeyLists::default();
    for (sha256, keys) in &world.blobs {
        let blob: String = keys.iter().flat_map(|key| [key.as_str(), "\n"]).collect();
        lists.insert(sha256.clone(), Arc::new(KeyList::read(blob.as_bytes(), [7; 16]).unwrap()));
    }
    lists
}

/// The engine's answer in the words of the second evaluator.
pub(crate) fn engine(ruleset: &Ruleset, question: &Question) -> Value {
    let context = Context::new(question.context.clone());
    let got = if question.assignments.is_empty() {
        ruleset.evaluate(&question.flag, &context)
    } else {
        ruleset.evaluate_assigned(&question.flag, &context, &question.assignments)
    };
    let members = [
        ("value", got.value().cloned()),
        ("variant", got.variant().map(Value::from)),
        ("reason", Some(Value::from(got.reason().as_str()))),
        ("error", got.error().map(|error| Value::from(error.code.as_str()))),
        ("rule", got.rule().map(Value::from)),
        ("flag_version", Some(Value::from(got.flag_version()))),
        ("revision", Some(Value::from(got.revision()))),
    ];
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

pub(crate) fn second(world: &World, question: &Question) -> Value {
    second::evaluate(&world.snapshot, &question.flag, &question.context, &world.blobs, &question.assignments)
}

/// A question that the two answer differently.
#[derive(Debug)]
pub(crate) struct Difference {
    world: World,
    question: Question,
    /// The engine's answer, then the second evaluator's.
    answers: [Value; 2],
}

impl Difference {
    /// Asks both. A panic is an answer too, and always a different one.
    pub(crate) fn find(world: &World, ruleset: &Ruleset, question: &Question) -> Option<Self> {
        let asked = catch_unwind(AssertUnwindSafe(|| engine(ruleset, question)));
        Self::between(world, question, asked.unwrap_or_else(|_| json!("a panic")))
    }

    fn between(world: &World, question: &Question, engine: Value) -> Option<Self> {
        let second = second(world, question);
        (engine != second).then(|| Self {
            world: world.clone(),
            question: question.clone(),
            answers: [engine, second],
        })
    }

    /// The same difference with as little around it as can be: parts are left out as long as both answers stay.
    pub(crate) fn smallest(mut self) -> Self {
        while let Some(smaller) = self.smaller() {
            self = smaller;
        }
        self
    }

    fn smaller(&self) -> Option<Self> {
        let worlds = ["flags", "segments", "lists"].into_iter().flat_map(|kind| {
            cuts(&self.world.snapshot[kind]).into_iter().map(move |cut| {
                let mut world = self.world.clone();
                world.snapshot[kind] = cut;
                (world, self.question.clone())
            })
        });
        let contexts = cuts(&Value::Object(self.question.context.clone())).into_iter().filter_map(|cut| {
            let Value::Object(context) = cut else { return None };
            Some((self.world.clone(), Question { context, ..self.question.clone() }))
        });
        let assignments = self.question.assignments.keys().map(|key| {
            let mut question = self.question.clone();
            question.assignments.remove(key);
            (self.world.clone(), question)
        });
        let candidates = worlds.chain(contexts).chain(assignments);
        candidates
            .filter_map(|(world, question)| Self::again(&world, &question))
            .find(|other| self.is_alike(other))
    }

    fn again(world: &World, question: &Question) -> Option<Self> {
        let asked = catch_unwind(AssertUnwindSafe(|| engine(&compile(world), question)));
        Self::between(world, question, asked.unwrap_or_else(|_| json!("a panic")))
    }

    /// Whether it is the same difference, as far as one can tell: a version may go with what is left out.
    fn is_alike(&self, other: &Self) -> bool {
        let plain = |answer: &Value| {
            let mut answer = answer.clone();
            answer.as_object_mut().and_then(|members| members.remove("flag_version"));
            answer
        };
        self.answers.each_ref().map(plain) == other.answers.each_ref().map(plain)
    }

    /// What a person needs to judge it.
    pub(crate) fn report(&self) -> String {
        let Self { world: World { snapshot, blobs }, question, answers: [engine, second] } = self;
        format!(
            "flag {}\n  flags    {}\n  segments {}\n  lists    {}\n  blobs    {blobs:?}\n  context  {}\n  assigned {:?}\n  engine   {engine}\n  second   {second}",
            question.flag,
            snapshot["flags"],
            snapshot["segments"],
            snapshot["lists"],
            Value::Object(question.context.clone()),
            question.assignments,
        )
    }
}

/// Every document that has one member or element less than `document`, the largest parts first.
fn cuts(document: &Value) -> Vec<Value> {
    match document {
        Value::Object(members) => {
            let without = members.keys().map(|name| without(members, name));
            let inside = members.iter().flat_map(|(name, member)| {
                cuts(member).into_iter().map(|cut| {
                    let mut members = members.clone();
                    members.insert(name.clone(), cut);
                    Value::Object(members)
                })
            });
            without.chain(inside).collect()
        }
        Value::Array(items) => {
            let without = (0..items.len()).map(|at| {
                let mut items = items.clone();
                items.remove(at);
                Value::Array(items)
            });
            let inside = items.iter().enumerate().flat_map(|(at, item)| {
                cuts(item).into_iter().map(move |cut| {
                    let mut items = items.clone();
                    items[at] = cut;
                    Value::Array(items)
                })
            });
            without.chain(inside).collect()
        }
        _ => Vec::new(),
    }
}

fn without(members: &Map<String, Value>, name: &str) -> Value {
    let mut members = members.clone();
    members.remove(name);
    Value::Object(members)
}
