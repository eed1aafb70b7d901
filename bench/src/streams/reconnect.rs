//! A restart under thousands of clients, while others ask flags.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use crate::arrivals::Pace;
use crate::load::Load;
use crate::moment::Moment;
use crate::report::Figure;
use crate::run::{Protocol, Question, megabytes, millis};
use crate::server::{self, MEASURED, Program};
use crate::streams::orders::{Manner, Until};
use crate::streams::stage::{PATIENCE, SWITCH, Stage, quantile};

/// Questions a second meanwhile.
const RATE: u32 = 500;
const CONNECTIONS: usize = 16;
/// Between two restarts.
const REST: Duration = Duration::from_secs(3);
/// Nobody is asked for longer.
const MOST: Duration = Duration::from_mins(2);

/// Restarts in order, or by `kill -9`. Clients come back when they were told to.
#[expect(clippy::cast_precision_loss, reason = "figures")]
pub(crate) fn measure(
    program: &Program,
    clients: usize,
    rounds: usize,
    is_killed: bool,
) -> Result<Vec<Figure>> {
    let row = if is_killed { "reconnect-kill" } else { "reconnect" };
    let mut stage = Stage::set(program, 100, clients, Manner::Reads)?;
    let [mut stop, mut away, mut half, mut back, mut p99, mut failed, mut refused, mut memory] =
        [const { Vec::new() }; 8];
    for _ in 0..rounds {
        let contexts = server::contexts();
        let question = Question { protocol: Protocol::OfrepSingle, path: None, flag: MEASURED, contexts };
        let target = stage.server.target()?;
        let load = Load {
            template: question.template(&target, 1_000_000, false)?,
            target,
            pace: Pace::Open(RATE),
            connections: CONNECTIONS,
            threads: 1,
            sources: 1,
            warm_up: Duration::ZERO,
            lasting: MOST,
            patience: PATIENCE,
        };
        let before = stage.crowds.report(Moment::default())?;
        let told = Moment::now();
        stop.push(millis(stage.server.stop(is_killed)?));
        let started = Moment::now();
        stage.server.start_again()?;
        away.push(millis(told.elapsed()));
        let all_are_back = AtomicBool::new(false);
        let outcome = thread::scope(|scope| {
            let asking = scope.spawn(|| load.run_until(None, &all_are_back));
            let waited = stage.crowds.wait_for_all(Until::Open { since: started }, PATIENCE);
            all_are_back.store(true, Ordering::Relaxed);
            let outcome = asking.join().map_err(|_| anyhow!("the questions' thread was lost"))?;
            waited.and(outcome)
        })?;
        let report = stage.crowds.report(started)?;
        half.push(quantile(&report.opened, 0.5));
        back.push(quantile(&report.opened, 1.0));
        p99.push(millis(outcome.tally.took.quantile(0.99)));
        failed.push(outcome.tally.failures() as f64);
        let refusals = |refused: &std::collections::BTreeMap<u16, u64>| refused.values().sum::<u64>();
        refused.push((refusals(&report.refused) - refusals(&before.refused)) as f64);
        stage.process = stage.server.process()?;
        memory.push(megabytes(stage.process.resident()?));
        // Who came back must be told of what happens from now on.
        let revision = stage.toggle(SWITCH)?;
        stage.crowds.wait_for_all(Until::Revision(revision), PATIENCE)?;
        let report = stage.crowds.report(Moment::default())?;
        ensure!(report.disorder == 0, "{} events were out of order", report.disorder);
        thread::sleep(REST);
    }
    let way = if is_killed { "killed" } else { "told to stop" };
    Ok(vec![
        Figure::new(row, format!("{clients} clients, {way} until it had stopped"), "ms", stop),
        Figure::new(row, format!("{way} until it answered again"), "ms", away),
        Figure::new(row, "start to half of the clients back", "ms", half),
        Figure::new(row, "start to the last client back", "ms", back).at_most(15_000.0).always(),
        Figure::new(row, format!("evaluation p99 meanwhile, {RATE} a second"), "ms", p99).at_most(5.0),
        Figure::new(row, "evaluations that failed meanwhile", "", failed).at_most(0.0).always(),
        Figure::new(row, "streams refused meanwhile", "", refused),
        Figure::new(row, "memory of the server, once all are back", "MB", memory),
    ])
}
