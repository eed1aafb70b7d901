//! Every figure that is promised, in turns with the floor, as one table.

mod overload;
mod questions;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::builder::PossibleValue;
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
    /// One flag whose split is tracked, for another person each time.
    OfrepSingleTracked,
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
    /// The same; each client asked for all flags before, on the connection that its stream is opened on.
    FanoutReuse,
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
            let value = row.to_possible_value();
            let name = value.as_ref().map_or("", PossibleValue::get_name);
            eprintln!("{name}");
            // One that fails leaves the others their figures.
            match self.measure(program, row, &mut servers) {
                Ok(more) => figures.extend(more),
                Err(error) => {
                    eprintln!("{name} was not measured: {error:#}");
                    figures.push(Figure::not_measured(name, format!("{error:#}")));
                }
            }
        }
        print!("{}", table(&figures));
        if let Some(file) = &self.json {
            let held: Vec<_> = figures.iter().map(Figure::summary).collect();
            std::fs::write(file, format!("{:#}\n", json!({ "machine": machine, "figures": held })))?;
        }
        let missing = figures.iter().filter(|figure| figure.is_missing()).count();
        ensure!(missing == 0, "{missing} rows were not measured");
        Ok(())
    }

    fn measure(&self, program: &Program, row: Row, servers: &mut Servers) -> Result<Vec<Figure>> {
        let lasting = Duration::try_from_secs_f64(self.seconds)?;
        if let Some(spec) = questions::Spec::of(row) {
            let server = server_with(program, spec.flags, spec.is_tracked(), servers)?;
            return spec.measure(server, self.rounds, lasting);
        }
        if row == Row::Overload {
            return overload::measure(server_with(program, 5_000, false, servers)?, lasting);
        }
        // Servers that nobody asks take memory and some time.
        servers.clear();
        let (scene, clients, rounds) = match row {
            Row::Storm => (Scene::Storm, self.clients, self.rounds),
            Row::StormOne => (Scene::StormOne, self.clients, self.rounds),
            Row::Reconnect => (Scene::Reconnect, self.clients, self.rounds),
            Row::ReconnectKill => (Scene::ReconnectKill, self.clients, self.rounds),
            Row::Slow => (Scene::Slow, self.deaf, 1),
            Row::FanoutReuse => (Scene::FanoutReuse, self.clients, self.toggles),
            _ => (Scene::Fanout, self.clients, self.toggles),
        };
        streams::measure(program, scene, clients, rounds)
    }
}

/// By how many flags they have, and whether the tracked one is among them.
type Servers = BTreeMap<(usize, bool), Server>;

/// The server with these flags; where there is none yet, one that was started after it was filled.
fn server_with<'s>(
    program: &Program,
    flags: usize,
    is_tracked: bool,
    servers: &'s mut Servers,
) -> Result<&'s Server> {
    match servers.entry((flags, is_tracked)) {
        Entry::Occupied(server) => Ok(server.into_mut()),
        Entry::Vacant(place) => {
            let mut server = Server::start(program)?;
            server::fill(&mut server.api, flags - usize::from(is_tracked))?;
            if is_tracked {
                server::make_tracked(&mut server.api)?;
            }
            server.stop(false)?;
            server.start_again()?;
            Ok(place.insert(server))
        }
    }
}
