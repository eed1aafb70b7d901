//! What the engine costs in memory: a typical environment, a segment of a million keys, and a question, which
//! must cost nothing. `bench/README.md` says how to read it.
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

#[path = "memory/counting.rs"]
mod counting;
#[path = "memory/key_list.rs"]
mod key_list;

use std::hint::black_box;
use std::process::ExitCode;

use anyhow::{Result, bail};
use bench_engine::{Caller, Sort, everything, flags};
use counting::Counting;
use engine::model::Snapshot;
use engine::{KeyLists, Ruleset};

#[global_allocator]
static HEAP: Counting = Counting;

/// How many flags a large environment has.
const FLAGS: usize = 5_000;
/// How many callers ask for every flag while allocations are counted.
const CALLERS: usize = 1_000;

fn main() -> Result<ExitCode> {
    typical_environment()?;
    key_list::measure()?;
    questions()
}

fn typical_environment() -> Result<()> {
    let travels = flags::document(FLAGS).to_string();
    let before = counting::held();
    let snapshot: Snapshot = serde_json::from_str(&travels)?;
    let model = counting::held() - before;
    let ruleset = Ruleset::compile(&snapshot, &KeyLists::default());
    let compiled = counting::held() - before - model;
    if ruleset.problems().next().is_some() {
        bail!("a flag does not compile");
    }
    println!(
        "{FLAGS} typical flags: {:.1} MB as the model, {:.1} MB compiled, {:.1} MB in all (goal 15 MB)",
        megabytes(model),
        megabytes(compiled),
        megabytes(model + compiled)
    );
    Ok(())
}

/// Asks for every flag there is, and counts the allocations.
fn questions() -> Result<ExitCode> {
    let mut sound = true;
    for (what, snapshot) in [
        ("the usual flags", flags::snapshot(Sort::ALL.len())?),
        ("one of everything", everything::snapshot()?),
    ] {
        let ruleset = Ruleset::compile(&snapshot, &KeyLists::default());
        if let Some(problem) = ruleset.problems().next() {
            bail!("not all of {what} compiles: {problem:?}");
        }
        let usual = (0..CALLERS).map(|number| Caller::nth(number).context());
        let contexts: Vec<_> = usual.chain(everything::contexts()).collect();
        // A pattern's automaton grows when it meets a new text: what is made once is not a question's.
        for flag in ruleset.flags() {
            black_box(contexts.iter().filter(|context| flag.evaluate(context).value().is_some()).count());
        }
        let mut dear: Vec<(&str, usize)> = Vec::with_capacity(ruleset.len());
        for flag in ruleset.flags() {
            let before = counting::allocations();
            for context in &contexts {
                black_box(flag.evaluate(black_box(context)).value());
            }
            let allocations = counting::allocations() - before;
            if allocations > 0 {
                dear.push((flag.key(), allocations));
            }
        }
        println!("{what}: {} questions, {} flags allocate", ruleset.len() * contexts.len(), dear.len());
        for (key, allocations) in &dear {
            println!("  {key}: {allocations} allocations in {} questions", contexts.len());
        }
        sound &= dear.is_empty();
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
