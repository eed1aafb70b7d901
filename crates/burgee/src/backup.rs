//! `burgee store backup` and `burgee store restore`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use domain::founding::Founding;
use domain::ports::{Clock, Store};
use domain::time::Timestamp;
use store::BackupError;

use crate::cli::StoreCommand;
use crate::config::Config;
use crate::system::{SystemClock, SystemIds};
use crate::verify;

/// Runs one of the commands.
pub(crate) async fn run(config: &Config, command: &StoreCommand) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Backup { file, .. } => backup(config, file).await,
        StoreCommand::Restore { file, replace, .. } => restore(config, file, *replace).await,
    }
}

async fn backup(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    store::backup(&config.database, file).await?;
    let copied = store::open_read_only(&format!("sqlite:{}", file.display())).await;
    let copied = copied.context("the backup was written and cannot be opened")?;
    let sound = verify::walk(&*copied).await?;
    copied.close().await;
    store::remove_lock(file)?;
    println!("backup  {}", file.display());
    if !sound {
        // It is a true copy all the same, and may be all there is.
        eprintln!("burgee: the log in the database, and so in the backup, is not the one that was written");
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A fault while a copy is looked through.
#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

async fn restore(config: &Config, file: &Path, replace: bool) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now().to_string().replace([':', '.'], "-");
    let mut last = None;
    let prepare = async |address: String| {
        last = prepare(&address, file).await?;
        Ok::<_, RestoreError>(())
    };
    let restored = store::restore(file, &config.database, replace, &now, prepare).await;
    let replaced = restored.map_err(|error| match error {
        RestoreError::Backup(error) => error.into(),
        RestoreError::Other(error) => error,
    })?;
    if let Some(replaced) = replaced {
        println!("kept      {}", replaced.display());
    }
    println!("restored  {}", config.place());
    println!();
    println!("{}", after_restore(last));
    Ok(ExitCode::SUCCESS)
}

/// What an operator must know of the database that was put back; `last` is when its last change was made.
fn after_restore(last: Option<Timestamp>) -> String {
    let since = last.map_or_else(|| "the backup".to_owned(), |last| format!("{last}, its last change"));
    format!(
        "Everyone signs in again: all sessions, links and setup tokens have ended, and a new key signs session tokens
(a JWT_SECRET_KEY that was given before signs no more).
What was revoked, rotated, deactivated, deleted or demoted after {since}, is
not known here and holds again. Look through, and end anew what should have ended:
  SDK keys            GET /api/v1/projects/{{project}}/sdk-keys of each project
  access tokens       GET /api/v1/service-accounts/{{id}}/tokens, and each person at GET /auth/tokens
  accounts and roles  GET /auth/users, GET /api/v1/service-accounts, GET /api/v1/instance/grants
docs/backup.md says how the database that was replaced tells what that was."
    )
}

/// Looks through a copy of the backup, brought up to date, ends what the backup would bring back, and names its history
/// anew: what clients were told since the backup may have had the same revisions. Gives when its last change was made.
async fn prepare(address: &str, file: &Path) -> anyhow::Result<Option<Timestamp>> {
    let store: Arc<dyn Store> = store::open(address).await?;
    if store.epoch().await?.is_none() {
        bail!("{} is empty: nothing was ever started on it", file.display());
    }
    if !verify::walk(&*store).await? {
        bail!("{} was edited: its log is not the one that was written; take another backup", file.display());
    }
    let founding = Founding {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        shortest_password: 0,
        token_ttl: 0,
        make_admin: false,
    };
    let last = founding.note_restore().await?;
    founding.renew_epoch().await?;
    store.close().await;
    Ok(last)
}
