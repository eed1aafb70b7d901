//! Thousands of clients of an event stream, and what they see of changes.
//!
//! A process may hold only so many files, so clients live in processes of their own (`crowd`), each of one thread; the
//! driver (`crowds`) tells them by lines of JSON what to wait for and asks what they saw.

pub(crate) mod client;
pub(crate) mod crowd;
pub(crate) mod crowds;
pub(crate) mod events;
pub(crate) mod fanout;
pub(crate) mod orders;
pub(crate) mod reconnect;
pub(crate) mod slow;
pub(crate) mod stage;
pub(crate) mod storm;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::report::{Figure, table};
use crate::server::Program;
use crate::streams::orders::Manner;

/// What happens to the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scene {
    /// One toggle at a time.
    Fanout,
    /// The same; each asked for all flags before, on the connection that its stream is opened on.
    FanoutReuse,
    /// A thousand toggles in a second, of as many flags.
    Storm,
    /// The same of one flag.
    StormOne,
    /// The server is told to stop, and started again.
    Reconnect,
    /// The server is killed, and started again.
    ReconnectKill,
    /// They do not read.
    Slow,
}

/// Thousands of clients of an event stream.
#[derive(Debug, Args)]
pub(crate) struct Streams {
    #[arg(value_enum)]
    scene: Scene,
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Toggles, storms or restarts.
    #[arg(long)]
    rounds: Option<usize>,
}

impl Streams {
    pub(crate) fn run(&self, program: &Program) -> Result<()> {
        let is_fanout = matches!(self.scene, Scene::Fanout | Scene::FanoutReuse);
        let rounds = self.rounds.unwrap_or(if is_fanout { 20 } else { 3 });
        print!("{}", table(&measure(program, self.scene, self.clients, rounds)?));
        Ok(())
    }
}

/// Measures one scene.
pub(crate) fn measure(program: &Program, scene: Scene, clients: usize, rounds: usize) -> Result<Vec<Figure>> {
    match scene {
        Scene::Fanout => fanout::measure(program, clients, rounds, Manner::Reads),
        Scene::FanoutReuse => fanout::measure(program, clients, rounds, Manner::AsksFirst),
        Scene::Storm | Scene::StormOne => storm::measure(program, clients, rounds, scene == Scene::StormOne),
        Scene::Reconnect => reconnect::measure(program, clients, rounds, false),
        Scene::ReconnectKill => reconnect::measure(program, clients, rounds, true),
        Scene::Slow => slow::measure(program, clients),
    }
}
