//! Clients that never read, while a lot is to be told.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::moment::Moment;
use crate::report::Figure;
use crate::run::megabytes;
use crate::server::Program;
use crate::streams::crowds::Crowds;
use crate::streams::orders::{Manner, Until};
use crate::streams::stage::{PATIENCE, SOURCES, STREAM, Stage};

const ROW: &str = "slow";
/// Clients that read, and must not notice.
const READERS: usize = 100;
/// Of the value that each change tells, in bytes.
const VALUE: usize = 100_000;
const TOGGLES: usize = 200;
/// How long the server is watched afterwards.
const WATCH: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(500);

/// Tells `clients` who do not read 20 MB each, and watches what the server holds and whom it lets go.
#[expect(clippy::cast_precision_loss, reason = "figures")]
pub(crate) fn measure(program: &Program, clients: usize) -> Result<Vec<Figure>> {
    let mut stage = Stage::set(program, 100, READERS, Manner::Reads)?;
    let values = json!([{ "key": "a", "value": "x".repeat(VALUE) }, { "key": "b", "value": "y" }]);
    let large =
        json!({ "key": "large", "kind": "string", "variants": values, "default": { "variant": "a" } });
    stage.server.api.post("/api/v1/flags", &large)?;
    let files = stage.process.open_files()?;
    let mut deaf = Crowds::gather(&stage.server.target()?, STREAM, clients, SOURCES, Manner::Deaf)?;
    deaf.wait_for_all(Until::Open { since: Moment::default() }, PATIENCE)?;
    std::thread::sleep(LOOK);
    let before = stage.process.resident()?;
    let begun = Moment::now();
    let mut most = before;
    for _ in 0..TOGGLES {
        let revision = stage.toggle("large")?;
        stage.crowds.wait_for_all(Until::Revision(revision), PATIENCE)?;
        most = most.max(stage.process.resident()?);
    }
    let told = begun.elapsed();
    let most_of_system = tcp_memory()?;
    let (mut dropped, mut held) = (f64::NAN, clients);
    while begun.elapsed() < told + WATCH {
        most = most.max(stage.process.resident()?);
        held = stage.process.open_files()?.saturating_sub(files);
        if held == 0 {
            dropped = begun.elapsed().as_secs_f64();
            break;
        }
        std::thread::sleep(LOOK);
    }
    let grown = megabytes(most.saturating_sub(before));
    Ok(vec![
        Figure::new(
            ROW,
            format!("{clients} deaf clients, {TOGGLES} changes of {VALUE} bytes"),
            "s",
            vec![told.as_secs_f64()],
        ),
        Figure::new(ROW, "memory of the server before", "MB", vec![megabytes(before)]),
        Figure::new(ROW, "most that came to it", "MB", vec![grown]),
        Figure::new(
            ROW,
            "what the system held for all connections then",
            "MB",
            vec![megabytes(most_of_system)],
        ),
        Figure::new(ROW, "memory of the server afterwards", "MB", vec![megabytes(stage.process.resident()?)]),
        Figure::new(ROW, "deaf clients still held", "", vec![held as f64]).at_most(0.0),
        Figure::new(ROW, "first change to the last deaf client let go", "s", vec![dropped]),
    ])
}

/// Bytes that the system holds for connections, whoever's they are.
fn tcp_memory() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat")?;
    let line = text.lines().find(|line| line.starts_with("TCP:")).context("no TCP in sockstat")?;
    let (_, pages) = line.rsplit_once("mem ").context("no memory in sockstat")?;
    Ok(pages.trim().parse::<u64>()? * u64::try_from(rustix::param::page_size())?)
}
