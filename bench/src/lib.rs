//! The load driver: what Burgee, and any other server, costs and how long it lets one wait. `bench/README.md` says how to
//! read its figures.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are what it is for")]

mod answer;
mod arrivals;
mod bare;
mod exchange;
mod fetch;
mod flood;
mod load;
mod logins;
mod machine;
mod moment;
mod poll;
mod process;
mod report;
mod run;
mod server;
mod spread;
mod start;
mod streams;
mod suite;
mod tally;
mod target;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

use crate::server::Program;

/// Measures Burgee, or any other server, from this machine.
#[derive(Debug, Parser)]
#[command(name = "burgee-bench")]
struct Cli {
    #[command(flatten)]
    burgee: Burgee,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The Burgee that is started where none is given.
#[derive(Debug, Args)]
struct Burgee {
    /// Its file, instead of the one beside this program.
    #[arg(long, global = true)]
    program: Option<String>,
    /// A setting that it is started with, as NAME=VALUE of its environment; again for more.
    #[arg(long = "set", global = true)]
    settings: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every figure that is promised, in turns with the floor.
    Suite(suite::Suite),
    /// One load on one server, whoever's it is.
    Run(run::Run),
    /// Thousands of clients of an event stream.
    Streams(streams::Streams),
    /// From start to the first answer, and what an idle server holds.
    Start,
    /// Evaluation while people sign in.
    Logins {
        /// Another build of the program, measured in turns with the first.
        other: Option<String>,
    },
    /// Ten thousand sign-ins a second by nobody.
    Flood,
    /// Clients of a stream, told what to do on standard input.
    #[command(hide = true)]
    Crowd,
    /// The floor: answers a file's content, wherever it is asked.
    #[command(hide = true)]
    Bare { file: PathBuf },
}

impl Burgee {
    fn program(&self) -> Result<Program> {
        let file = match &self.program {
            Some(file) => std::fs::canonicalize(file).with_context(|| format!("{file} is not there"))?,
            None => Program::beside()?.into(),
        };
        let setting = |text: &String| {
            let (name, value) = text.split_once('=').with_context(|| format!("{text:?} is no NAME=VALUE"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        let settings = self.settings.iter().map(setting).collect::<Result<_>>()?;
        let file = file.into_os_string().into_string().ok().context("the program's path is no text")?;
        Ok(Program { file, settings })
    }
}

/// Runs what waits for many things at once.
fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Runtime::new()?.block_on(future)
}

/// Does what the command line says.
pub fn main() -> Result<()> {
    let Cli { burgee, command } = Cli::parse();
    machine::open_files();
    match command {
        Some(Command::Suite(suite)) => suite.run(&burgee.program()?),
        Some(Command::Run(run)) => run.run(|| burgee.program()),
        Some(Command::Streams(streams)) => streams.run(&burgee.program()?),
        Some(Command::Crowd) => streams::crowd::run(),
        Some(Command::Start) => wait(start::run(&burgee.program()?.file)),
        Some(Command::Logins { other }) => wait(logins::run(&burgee.program()?.file, other.as_deref())),
        Some(Command::Flood) => wait(flood::run(&burgee.program()?.file)),
        Some(Command::Bare { file }) => wait(bare::serve(&file)),
        None => {
            let program = burgee.program()?;
            wait(start::run(&program.file))?;
            // What it could not measure must not keep the others from being measured.
            let suite = suite::Suite::whole().run(&program);
            wait(logins::run(&program.file, None))?;
            wait(flood::run(&program.file))?;
            suite
        }
    }
}
