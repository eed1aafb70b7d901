//! A thousand toggles in one second, with thousands of clients.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::arrivals::Pace;
use crate::load::Load;
use crate::report::Figure;
use crate::run::millis;
use crate::server::Program;
use crate::streams::orders::{Manner, Until};
use crate::streams::stage::{PATIENCE, Stage, quantile};
use crate::target::{NUMBER, Template};

const TOGGLES: u32 = 1_000;
/// They are due so many a second, so that all can be sent within one second where none has to wait.
const RATE: u32 = 1_100;
/// What all may take to be sent, in milliseconds.
const SECOND: f64 = 1_000.0;
/// People who toggle at once.
const CONNECTIONS: usize = 16;
/// Between two storms.
const REST: Duration = Duration::from_secs(2);

/// Storms over as many flags, or over one. All clients must end where the log does.
#[expect(clippy::cast_precision_loss, reason = "figures")]
pub(crate) fn measure(
    program: &Program,
    clients: usize,
    rounds: usize,
    is_one_flag: bool,
) -> Result<Vec<Figure>> {
    let row = if is_one_flag { "storm-one" } else { "storm" };
    let mut stage = Stage::set(program, 100, clients, Manner::Reads)?;
    let distinct = if is_one_flag { 1 } else { u64::from(TOGGLES) };
    for number in 0..distinct {
        stage.server.api.post("/api/v1/flags", &json!({ "key": format!("burst-{number:08}") }))?;
    }
    let target = stage.server.control()?;
    let path = format!("/api/v1/flags/burst-{NUMBER}/toggle");
    let load = Load {
        template: Template::new(target.request("POST", &path, None), distinct),
        target,
        pace: Pace::Open(RATE),
        connections: CONNECTIONS,
        threads: 1,
        sources: 1,
        warm_up: Duration::ZERO,
        lasting: Duration::from_secs(u64::from(TOGGLES)) / RATE,
        patience: PATIENCE,
    };
    let [
        mut sent,
        mut took,
        mut taken,
        mut frames,
        mut cpu,
        mut last,
        mut since_first,
        mut failed,
        mut stray,
    ] = [const { Vec::new() }; 9];
    for _ in 0..rounds {
        let head = stage.server.head()?;
        stage.crowds.wait_for_all(Until::Revision(head), PATIENCE)?;
        std::thread::sleep(REST);
        stage.crowds.mark()?;
        let before = stage.process.used()?;
        let outcome = load.run(None)?;
        let head = stage.server.head()?;
        stage.crowds.wait_for_all(Until::Revision(head), PATIENCE)?;
        let used = stage.process.used()?.since(before);
        let report = stage.crowds.report(outcome.first)?;
        ensure!(report.disorder == 0, "{} events were out of order", report.disorder);
        let there = report.revisions.get(&head).copied().unwrap_or_default();
        let end = quantile(&report.arrived, 1.0);
        let sending = millis(outcome.last_sent.since(outcome.first));
        sent.push(sending);
        took.push(millis(outcome.last.since(outcome.first)));
        taken.push(outcome.tally.answers() as f64 / outcome.last.since(outcome.first).as_secs_f64());
        frames.push(report.frames as f64);
        cpu.push(used.as_secs_f64());
        last.push(end - sending);
        since_first.push(end);
        if outcome.tally.failures() > 0 {
            eprintln!("toggles were answered {:?}", outcome.tally.statuses);
        }
        failed.push(outcome.tally.failures() as f64);
        stray.push((clients - there) as f64);
    }
    Ok(vec![
        Figure::new(
            row,
            format!("{clients} clients, first of {TOGGLES} toggles due to the last sent"),
            "ms",
            sent,
        )
        .at_most(SECOND)
        .always(),
        Figure::new(row, "first toggle due to the last answer", "ms", took),
        Figure::new(row, "toggles taken meanwhile", "/s", taken),
        Figure::new(row, "frames read by all clients", "", frames).at_most(1_000_000.0).always(),
        Figure::new(row, "server CPU", "s", cpu).at_most(5.0),
        Figure::new(row, "last client final after the last toggle was sent", "ms", last).at_most(500.0),
        Figure::new(row, "last client final after the first toggle was due", "ms", since_first),
        Figure::new(row, "toggles that failed", "", failed).at_most(0.0).always(),
        Figure::new(row, "clients that ended elsewhere", "", stray).at_most(0.0).always(),
    ])
}
