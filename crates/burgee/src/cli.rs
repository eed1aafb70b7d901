//! The command line. Settings belong to the configuration; only what a person types often is here.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::LogLevel;
use crate::eval::{EXIT_CODES, Eval};

/// Feature flags in one program.
#[derive(Parser)]
#[command(name = "burgee", version = env!("CARGO_PKG_VERSION"), arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What to write to the log.
    #[arg(short, long, global = true, value_enum)]
    log_level: Option<LogLevel>,
    /// The same as --log-level debug.
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a server.
    Start {
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
    /// Say which version this is.
    Version {
        /// The number alone.
        #[arg(short, long)]
        short: bool,
    },
    /// Ask one flag, and say why it answers so.
    #[command(after_help = EXIT_CODES)]
    Eval(Box<Eval>),
    /// Look after the log.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Recompute every hash of the log and print the head of each chain.
    Verify {
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
        /// A head that was printed earlier and kept elsewhere; it must still be part of the log. Repeatable.
        #[arg(long, value_name = "HEAD")]
        expect: Vec<String>,
    },
}

impl Cli {
    /// The level that was asked for, if any.
    pub(crate) fn log_level(&self) -> Option<LogLevel> {
        self.log_level.or(self.verbose.then_some(LogLevel::Debug))
    }
}

/// What `burgee version` prints.
pub(crate) fn version(short: bool) -> String {
    let number = env!("CARGO_PKG_VERSION");
    if short { number.to_owned() } else { format!("burgee {number}") }
}
