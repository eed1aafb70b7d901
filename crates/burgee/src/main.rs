//! Burgee: feature flags in one program.

mod admin;
mod backup;
mod banner;
mod boot;
mod cli;
mod config;
mod eval;
mod keep;
mod limits;
mod outbound;
mod seen;
mod serve;
mod system;
mod telemetry;
mod upkeep;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{AdminCommand, AuditCommand, Cli, Command, StoreCommand};
use crate::config::{Config, ConfigError};

/// Beside the system's: a fifth of a question's time less, and memory that is let go of goes back to the system.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code for a configuration that cannot be (`EX_USAGE`).
const BAD_CONFIG: u8 = 64;

fn main() -> ExitCode {
    outbound::use_ring();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            // One line for who starts it; causes after colons.
            eprintln!("burgee: {error:#}");
            if error.is::<ConfigError>() { ExitCode::from(BAD_CONFIG) } else { ExitCode::FAILURE }
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let level = cli.log_level();
    match cli.command {
        Command::Version { short } => {
            println!("{}", cli::version(short));
            Ok(ExitCode::SUCCESS)
        }
        Command::Start { config } => {
            let config = Config::load(config.as_deref(), level)?;
            telemetry::init(&config.log);
            runtime()?.block_on(boot::start(config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin { command } => {
            let config = Config::load(command.config(), level)?;
            telemetry::init(&config.log);
            runtime()?.block_on(admin::run(&config, command))
        }
        Command::MakeAdmin { email, config } => {
            let config = Config::load(config.as_deref(), level)?;
            telemetry::init(&config.log);
            runtime()?.block_on(admin::run(&config, AdminCommand::Promote { email, config: None }))
        }
        Command::Eval(question) => runtime()?.block_on(eval::eval(*question)),
        Command::Audit { command: AuditCommand::Verify { config, expect, checkpoint } } => {
            let config = Config::load(config.as_deref(), level)?;
            telemetry::init(&config.log);
            runtime()?.block_on(verify::verify(&config, expect, &checkpoint))
        }
        Command::Store { command } => {
            let (StoreCommand::Backup { config, .. } | StoreCommand::Restore { config, .. }) = &command;
            let config = Config::load(config.as_deref(), level)?;
            telemetry::init(&config.log);
            runtime()?.block_on(backup::run(&config, &command))
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
