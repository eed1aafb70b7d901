//! From a toggle to all clients, one toggle at a time.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::moment::Moment;
use crate::report::Figure;
use crate::run::{megabytes, millis};
use crate::server::Program;
use crate::streams::orders::{Manner, Until};
use crate::streams::stage::{PATIENCE, SWITCH, Stage, quantile, share};

/// Of the environment.
const FLAGS: usize = 100;
/// Toggles that are not counted, at first.
const WARM_UP: usize = 3;
/// Between two toggles: each is measured alone.
const PAUSE: Duration = Duration::from_millis(300);

/// Toggles so often with so many clients. A time is from before the toggle's request is sent until the frame was read.
pub(crate) fn measure(
    program: &Program,
    clients: usize,
    toggles: usize,
    manner: Manner,
) -> Result<Vec<Figure>> {
    let row = if manner == Manner::AsksFirst { "fanout-reuse" } else { "fanout" };
    let mut stage = Stage::set(program, FLAGS, clients, manner)?;
    let [mut answered, mut half, mut most, mut last, mut cpu] = [const { Vec::new() }; 5];
    // Of each client at each toggle.
    let mut all = Vec::new();
    for round in 0..WARM_UP + toggles {
        stage.crowds.mark()?;
        let before = stage.process.used()?;
        let begun = Moment::now();
        let revision = stage.toggle(SWITCH)?;
        let took = begun.elapsed();
        stage.crowds.wait_for_all(Until::Revision(revision), PATIENCE)?;
        std::thread::sleep(PAUSE);
        let used = stage.process.used()?.since(before);
        let report = stage.crowds.report(begun)?;
        ensure!(report.arrived.len() == clients, "{} of {clients} were told", report.arrived.len());
        ensure!(report.disorder == 0, "{} events were out of order", report.disorder);
        if round >= WARM_UP {
            answered.push(millis(took));
            half.push(quantile(&report.arrived, 0.5));
            most.push(quantile(&report.arrived, 0.99));
            last.push(quantile(&report.arrived, 1.0));
            cpu.push(millis(used));
            all.extend(report.arrived);
        }
    }
    all.sort_unstable();
    let report = stage.crowds.report(Moment::default())?;
    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    let lost = report.lost as f64;
    Ok(vec![
        Figure::new(row, format!("{clients} clients, toggle to its answer"), "ms", answered),
        Figure::new(row, "toggle to half of the clients", "ms", half),
        Figure::new(row, "toggle to 99 % of the clients", "ms", most),
        Figure::new(
            row,
            "toggle to a client, p99 of all toggles and clients",
            "ms",
            vec![quantile(&all, 0.99)],
        )
        .at_most(100.0),
        Figure::new(row, "toggle to the last client", "ms", last).at_most(100.0).always(),
        Figure::new(row, "server CPU for a toggle", "ms", cpu),
        Figure::new(row, "all clients there", "ms", vec![millis(stage.gathering)]),
        Figure::new(row, "memory of the server before they came", "MB", vec![megabytes(stage.idle)]),
        Figure::new(
            row,
            "memory a client, once all are there",
            "KB",
            vec![share(stage.crowded.saturating_sub(stage.idle), clients)],
        )
        .at_most(12.0),
        Figure::new(
            row,
            "memory a client, of the second half",
            "KB",
            vec![share(stage.crowded.saturating_sub(stage.half), clients / 2)],
        )
        .at_most(12.0),
        Figure::new(row, "memory a client, after the toggles", "KB", vec![stage.kilobytes_a_client()?])
            .at_most(12.0),
        Figure::new(row, "connections lost", "", vec![lost]).at_most(0.0),
    ])
}
