//! Every figure that is promised, in turns with the floor, as one table.

mod overload;
mod questions;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::machine;
use crate::report::{Figure, table};
use crate::server::{self, Program, Server};
use crate::streams::{self, Scene};

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Row {
    /// One flag of 100.
    OfrepSingle,
    /// All of 100 flags, for another context each time.
    #[value(name = "ofrep-bulk-100")]
    OfrepBulk100,
    /// All of 5,000 flags, likewise.
    #[value(name = "ofrep-bulk-5000")]
    OfrepBulk5000,
    /// All of 100 flags for who has the answer.
    #[value(name = "ofrep-bulk-304-100")]
    OfrepBulkUnchanged100,
    /// All of 5,000 flags for who has the answer.
    #[value(name = "ofrep-bulk-304-5000")]
    OfrepBulkUnchanged5000,
    /// A snapshot of 40 KB.
    Snapshot,
    /// The same for who has it.
    #[value(name = "snapshot-304")]
    SnapshotUnchanged,
    /// Ten times as many questions about all of 5,000 flags as are carried.
    Overload,
    /// One toggle at a time, and many streams.
    Fanout,
    /// A thousand toggles in a second, of as many flags.
    Storm,
    /// The same of one flag.
    StormOne,
    /// Streams come back after a restart in order.
    Reconnect,
    /// Streams come back after `kill -9`.
    ReconnectKill,
    /// Streams that nobody reads.
    Slow,
}

/// Every figure that is promised, in turns with the floor.
#[derive(Debug, Args)]
pub(crate) struct Suite {
    /// Which parts; all unless any is named.
    #[arg(value_enum)]
    rows: Vec<Row>,
    /// Of each measurement, floor and Burgee in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Of a round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Of a stream.
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Toggles of `fanout`.
    #[arg(long, default_value_t = 30)]
    toggles: usize,
    /// Clients that do not read.
    #[arg(long, default_value_t = 200)]
    deaf: usize,
    /// Writes all rounds there as well, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Suite {
    /// What is measured where nothing is said.
    pub(crate) fn whole() -> Self {
        Self {
            rows: Vec::new(),
            rounds: 5,
            seconds: 3.0,
            clients: 10_000,
            toggles: 30,
            deaf: 200,
            json: None,
        }
    }

    pub(crate) fn run(&self, program: &Program) -> Result<()> {
        ensure!(self.rounds > 0 && self.seconds > 0.0, "no rounds are no figures");
        let machine = machine::describe();
        println!("{}\n", machine::line(&machine));
        let rows = if self.rows.is_empty() { Row::value_variants().to_vec() } else { self.rows.clone() };
        let (mut figures, mut servers) = (Vec::new(), BTreeMap::new());
        for row in rows {
            eprintln!("{row:?}");
            // One that fails leaves the others their figures.
            match self.measure(program, row, &mut servers) {
                Ok(more) => figures.extend(more),
                Err(error) => eprintln!("{row:?} was not measured: {error:#}"),
            }
        }
        print!("{}", table(&figures));
        if let Some(file) = &self.json {
            let held: Vec<_> = figures.iter().map(Figure::summary).collect();
            std::fs::write(file, format!("{:#}\n", json!({ "machine": machine, "figures": held })))?;
        }
        Ok(())
    }

    fn measure(
        &self,
        program: &Program,
        row: Row,
        servers: &mut BTreeMap<usize, Server>,
    ) -> Result<Vec<Figure>> {
        let lasting = Duration::try_from_secs_f64(self.seconds)?;
        if let Some(spec) = questions::Spec::of(row) {
            return spec.measure(server_with(program, spec.flags, servers)?, self.rounds, lasting);
        }
        if row == Row::Overload {
            return overload::measure(server_with(program, 5_000, servers)?, lasting);
        }
        // Servers that nobody asks take memory and some time.
        servers.clear();
        let (scene, clients, rounds) = match row {
            Row::Storm => (Scene::Storm, self.clients, self.rounds),
            Row::StormOne => (Scene::StormOne, self.clients, self.rounds),
            Row::Reconnect => (Scene::Reconnect, self.clients, self.rounds),
            Row::ReconnectKill => (Scene::ReconnectKill, self.clients, self.rounds),
            Row::Slow => (Scene::Slow, self.deaf, 1),
            _ => (Scene::Fanout, self.clients, self.toggles),
        };
        streams::measure(program, scene, clients, rounds)
    }
}

/// The server with so many flags; where there is none yet, one that was started after it was filled.
fn server_with<'s>(
    program: &Program,
    flags: usize,
    servers: &'s mut BTreeMap<usize, Server>,
) -> Result<&'s Server> {
    match servers.entry(flags) {
        Entry::Occupied(server) => Ok(server.into_mut()),
        Entry::Vacant(place) => {
            let mut server = Server::start(program)?;
            server::fill(&mut server.api, flags)?;
            server.stop(false)?;
            server.start_again()?;
            Ok(place.insert(server))
        }
    }
}
