//! Burgee's engine and Unleash's Yggdrasil side by side.
//!
//! `compare [RUNS]` starts itself RUNS times (10 unless said), for a program's place in memory sways its speed
//! more than the clock does, and prints the medians of all runs and how far they lie apart. `compare --once`
//! is such a run. `bench/README.md` says how to read it.
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod changes;
mod questions;
mod table;
mod timing;
mod yggdrasil;

use std::process::Command;

use anyhow::{Context, Result, bail};
use timing::Figure;

/// How often the program starts itself unless told.
const RUNS: usize = 10;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [once] if once == "--once" => println!("{}", serde_json::to_string(&measure()?)?),
        [] => table::print(&run_often(RUNS)?),
        [runs] => table::print(&run_often(runs.parse().context("RUNS is a whole number")?)?),
        more => bail!("{more:?}: one argument at most, the number of runs"),
    }
    Ok(())
}

fn measure() -> Result<Vec<Figure>> {
    yggdrasil::check_agreement()?;
    let mut figures = Vec::new();
    for flags in [100, 5_000] {
        questions::single(flags, &mut figures)?;
        questions::mixed(flags, &mut figures)?;
        questions::all(flags, &mut figures)?;
    }
    changes::measure(5_000, &mut figures)?;
    Ok(figures)
}

fn run_often(runs: usize) -> Result<Vec<Vec<Figure>>> {
    let run = |_| {
        let output = Command::new(std::env::current_exe()?).arg("--once").output()?;
        if !output.status.success() {
            bail!("a run failed: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    (0..runs.max(1)).map(run).collect()
}
