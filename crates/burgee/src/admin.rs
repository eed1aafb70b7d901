//! `burgee admin`: accounts and signing keys, on the database itself. A server that runs on it asks the database at
//! each request, so it notices at once.

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use domain::account::{MadeLink, Promotion};
use domain::control::{Control, DEFAULT_PROJECT, Request};
use domain::ports::Store;

use crate::boot::settings;
use crate::cli::AdminCommand;
use crate::config::Config;
use crate::system::{SystemClock, SystemIds};

/// No line with a password is longer, in bytes: what is longer is none.
const MOST_LINE: u64 = 1_024;

/// Runs one command. Whoever is not there is told on standard output, with exit code 1.
pub(crate) async fn run(config: &Config, command: AdminCommand) -> anyhow::Result<ExitCode> {
    let password = match &command {
        AdminCommand::Create { password_stdin: true, .. } => Some(read_password(std::io::stdin())?),
        _ => None,
    };
    let store = open(config).await?;
    store
        .project(DEFAULT_PROJECT)
        .await?
        .with_context(|| format!("nothing was ever started on {}: start the server once", config.place()))?;
    let control = Control::new(
        store.clone(),
        Arc::new(bus::InProcess::default()),
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        settings(config),
    );
    let code = act(&control, command, password).await;
    store.close().await;
    code
}

/// A database that is there: none is made by looking after it.
async fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    if let Some(path) = config.database.strip_prefix("sqlite:")
        && !std::path::Path::new(path).is_file()
    {
        bail!("there is no database {path}; name its configuration with --config");
    }
    Ok(store::open(&config.database).await?)
}

async fn act(control: &Control, command: AdminCommand, password: Option<String>) -> anyhow::Result<ExitCode> {
    let request = Request { source: "cli".to_owned(), ..Request::default() };
    match command {
        AdminCommand::Create { email, .. } => {
            let made = control.create_admin(&email, password, &request).await?;
            println!("Admin '{}' made.", made.account.email);
            if let Some(link) = &made.reset {
                show(link);
            }
        }
        AdminCommand::Promote { email, .. } => match control.promote(&email, &request).await? {
            Some(Promotion::Promoted { from }) => {
                println!("Success! User '{email}' promoted from {} to admin.", from.name());
            }
            Some(Promotion::Already) => println!("User '{email}' is already an admin."),
            None => return Ok(not_found(&email)),
        },
        AdminCommand::ResetPassword { email, revoke_tokens, .. } => {
            let Some(link) = control.create_link_for(&email, revoke_tokens, &request).await? else {
                return Ok(not_found(&email));
            };
            show(&link);
        }
        AdminCommand::RotateSigningKeys { revoke_old, .. } => {
            let key = control.replace_signing_keys(revoke_old, &request).await?;
            let old = if revoke_old { "is refused from now on" } else { "holds until it expires" };
            println!("Key {} signs session tokens; what older ones signed {old}.", key.id);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn not_found(email: &str) -> ExitCode {
    println!("User with email '{email}' not found.");
    ExitCode::FAILURE
}

fn show(link: &MadeLink) {
    println!("Reset token  {}", link.token);
    println!("Good once, until {}: POST /auth/reset-password {{\"token\", \"password\"}}", link.expires_at);
}

/// The first line, without its end.
fn read_password(input: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    input.take(MOST_LINE).read_to_string(&mut text).context("the password cannot be read")?;
    text.lines().next().map(str::to_owned).context("there is no password on standard input")
}
