//! A server with a flag to be toggled, and thousands of clients that follow it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::moment::Moment;
use crate::process::Process;
use crate::server::{self, Program, Server};
use crate::streams::crowds::Crowds;
use crate::streams::orders::{Manner, Until};

/// Where a server tells of changes.
pub(crate) const STREAM: &str = "/sdk/v1/stream";
/// The flag that is toggled.
pub(crate) const SWITCH: &str = "switch";
/// Clients that are there already wait so long for those that are not.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// A server that did nothing for so long holds what it holds.
const REST: Duration = Duration::from_secs(1);
/// An address may hold a part of a server's connections only.
pub(crate) const SOURCES: u8 = 5;

/// All of it.
pub(crate) struct Stage {
    /// Before the server, so that they end before it does.
    pub(crate) crowds: Crowds,
    pub(crate) server: Server,
    pub(crate) process: Process,
    /// Bytes that the server held before the clients came, when half were there, and when all were.
    pub(crate) idle: u64,
    pub(crate) half: u64,
    pub(crate) crowded: u64,
    /// From the first client's way to the last one's first event, of both halves.
    pub(crate) gathering: Duration,
}

impl Stage {
    /// Starts a server with `flags` flags and sends `clients` to it, which have all been told its state at the end.
    pub(crate) fn set(program: &Program, flags: usize, clients: usize, manner: Manner) -> Result<Self> {
        let mut server = Server::start(program)?;
        server::fill(&mut server.api, flags)?;
        server.api.post("/api/v1/flags", &json!({ "key": SWITCH }))?;
        let head = server.head()?;
        // What making flags and signing in took is gone with that process: what clients take must not hide in it.
        server.stop(false)?;
        server.start_again()?;
        eprintln!("Burgee runs as process {} with {flags} flags; {clients} clients come", server.pid()?);
        std::thread::sleep(REST);
        let process = server.process()?;
        let idle = process.resident()?;
        let begun = Moment::now();
        let target = server.target()?;
        let mut crowds = Crowds::gather(&target, STREAM, clients - clients / 2, SOURCES, manner)?;
        crowds.wait_for_all(Until::Revision(head), PATIENCE)?;
        let mut gathering = begun.elapsed();
        std::thread::sleep(REST);
        let half = process.resident()?;
        let begun = Moment::now();
        crowds.add(&target, STREAM, clients / 2, SOURCES, manner)?;
        crowds.wait_for_all(Until::Revision(head), PATIENCE)?;
        gathering += begun.elapsed();
        std::thread::sleep(REST);
        let crowded = process.resident()?;
        Ok(Self { crowds, server, process, idle, half, crowded, gathering })
    }

    /// Toggles a flag and gives the revision that this led to, which every client is told sooner or later.
    pub(crate) fn toggle(&mut self, flag: &str) -> Result<u64> {
        let answer = self.server.api.post(&format!("/api/v1/flags/{flag}/toggle"), &Value::Null)?;
        answer["version"].as_u64().with_context(|| format!("no version in {answer}"))
    }

    /// Kilobytes (1,024 bytes) that a client costs the server now.
    pub(crate) fn kilobytes_a_client(&self) -> Result<f64> {
        Ok(share(self.process.resident()?.saturating_sub(self.idle), self.crowds.clients))
    }
}

/// Kilobytes that each of so many has of it.
#[expect(clippy::cast_precision_loss, reason = "a figure")]
pub(crate) fn share(bytes: u64, clients: usize) -> f64 {
    bytes as f64 / 1024.0 / clients.max(1) as f64
}

/// Milliseconds below which a share of sorted microseconds lies, 1 for the last.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index, and a figure"
)]
pub(crate) fn quantile(sorted: &[u64], share: f64) -> f64 {
    let place = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).map_or(f64::NAN, |micros| *micros as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_those_that_were_measured() {
        let sorted: Vec<u64> = (1..=100).map(|number| number * 1_000).collect();
        let quantiles = [0.0, 0.5, 0.99, 1.0].map(|share| quantile(&sorted, share));
        assert_eq!(format!("{quantiles:?}"), "[1.0, 50.0, 99.0, 100.0]");
        assert!(quantile(&[], 0.5).is_nan());
    }
}
