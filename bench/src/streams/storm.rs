//! A thousand toggles in one second, with thousands of clients.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::arrivals::Pace;
use crate::load::Load;
use crate::moment::Moment;
use crate::report::Figure;
use crate::run::millis;
use crate::server::Program;
use crate::streams::orders::Until;
use crate::streams::stage::{PATIENCE, Stage, quantile};
use crate::target::{NUMBER, Template};

const TOGGLES: u32 = 1_000;
const SECOND: Duration = Duration::from_secs(1);
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
    let mut stage = Stage::set(program, 100, clients)?;
    let distinct = if is_one_flag { 1 } else { u64::from(TOGGLES) };
    for number in 0..distinct {
        stage.server.api.post("/api/v1/flags", &json!({ "key": format!("burst-{number:08}") }))?;
    }
    let target = stage.server.control()?;
    let path = format!("/api/v1/flags/burst-{NUMBER}/toggle");
    let load = Load {
        template: Template::new(target.request("POST", &path, None), distinct),
        target,
        pace: Pace::Open(TOGGLES),
        connections: CONNECTIONS,
        threads: 1,
        sources: 1,
        warm_up: Duration::ZERO,
        lasting: SECOND,
        patience: PATIENCE,
    };
    let [mut took, mut frames, mut cpu, mut last, mut since_due, mut failed, mut stray] =
        [const { Vec::new() }; 7];
    for _ in 0..rounds {
        let head = stage.server.head()?;
        stage.crowds.wait_for_all(Until::Revision(head), PATIENCE)?;
        std::thread::sleep(REST);
        stage.crowds.mark()?;
        let (before, begun) = (stage.process.used()?, Moment::now());
        let outcome = load.run(None)?;
        let head = stage.server.head()?;
        stage.crowds.wait_for_all(Until::Revision(head), PATIENCE)?;
        let used = stage.process.used()?.since(before);
        let report = stage.crowds.report(begun)?;
        ensure!(report.disorder == 0, "{} events were out of order", report.disorder);
        let there = report.revisions.get(&head).copied().unwrap_or_default();
        let end = quantile(&report.arrived, 1.0);
        took.push(millis(outcome.last.since(begun)));
        frames.push(report.frames as f64);
        cpu.push(used.as_secs_f64());
        last.push(end - millis(outcome.last_sent.since(begun)));
        since_due.push(end - millis(SECOND));
        if outcome.tally.failures() > 0 {
            eprintln!("toggles were answered {:?}", outcome.tally.statuses);
        }
        failed.push(outcome.tally.failures() as f64);
        stray.push((clients - there) as f64);
    }
    Ok(vec![
        Figure::new(row, format!("{clients} clients, {TOGGLES} toggles until all are answered"), "ms", took),
        Figure::new(row, "frames read by all clients", "", frames).at_most(1_000_000.0).always(),
        Figure::new(row, "server CPU", "s", cpu).at_most(5.0),
        Figure::new(row, "last client final after the last toggle was sent", "ms", last).at_most(500.0),
        Figure::new(row, "last client final after the second was over", "ms", since_due),
        Figure::new(row, "toggles that failed", "", failed).at_most(0.0).always(),
        Figure::new(row, "clients that ended elsewhere", "", stray).at_most(0.0).always(),
    ])
}
