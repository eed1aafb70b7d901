//! The command line. Settings belong to the configuration; only what a person types often is here.

use std::path::{Path, PathBuf};

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
    /// Look after accounts and signing keys, on the database itself; the server may run or not.
    Admin {
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Make an account an admin's: the same as `admin promote`, in the words of an older program.
    MakeAdmin {
        /// E-mail of the account.
        email: String,
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
    /// Look after the log.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Back up the database, and put a backup back.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
}

#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Write all that the database has to a new file, while servers go on.
    ///
    /// The file is an SQLite database, whatever database it is of: it can be restored to either. It holds secrets and
    /// can be read by its owner alone.
    Backup {
        /// The file; there must be none yet.
        file: PathBuf,
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
    /// Put a backup in the place of the database; no server may be running on it.
    ///
    /// The backup is looked through first: a damaged one, or one whose log was edited, is refused. Clients take a full
    /// snapshot afterwards.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Take the place of a database that is not empty. It is kept beside the new one.
        #[arg(long)]
        replace: bool,
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub(crate) enum AdminCommand {
    /// Make an admin. Without a password, prints the token of a one-time link for POST /auth/reset-password.
    Create {
        /// E-mail of the account.
        email: String,
        /// Read the password from standard input, up to the end of its first line.
        #[arg(long)]
        password_stdin: bool,
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
    /// Make an account an admin's.
    Promote {
        /// E-mail of the account.
        email: String,
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
    /// Print the token of a one-time link by which someone sets a new password at POST /auth/reset-password.
    ResetPassword {
        /// E-mail of the account.
        email: String,
        /// Using the link revokes the account's access tokens as well: for an account that was taken over.
        #[arg(long)]
        revoke_tokens: bool,
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
    /// Make a new key sign session tokens; what older ones signed holds until it expires.
    RotateSigningKeys {
        /// Refuse at once what older ones signed.
        #[arg(long)]
        revoke_old: bool,
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
    },
}

impl AdminCommand {
    /// The file with settings, if one is named.
    pub(crate) fn config(&self) -> Option<&Path> {
        match self {
            Self::Create { config, .. }
            | Self::Promote { config, .. }
            | Self::ResetPassword { config, .. }
            | Self::RotateSigningKeys { config, .. } => config.as_deref(),
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Recompute every hash of the logs and print the head of each chain.
    ///
    /// Only reads, and can be run while servers do. Keep what it prints elsewhere: given back with --checkpoint, it
    /// proves that nothing that was there then has been changed since.
    Verify {
        /// A YAML file with settings; see docs/config.md.
        #[arg(short, long)]
        config: Option<PathBuf>,
        /// A head that was printed earlier and kept elsewhere; it must still be part of the log. Repeatable.
        #[arg(long, value_name = "HEAD")]
        expect: Vec<String>,
        /// A file with heads, as this command printed them earlier; each must still be part of the log. Repeatable.
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
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
