//! SQLite: one file, one writer, many readers (WAL).

pub(crate) mod file;
pub(crate) mod lock;
#[path = "../queries/mod.rs"]
mod queries;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::{expect_steps, migration_error, ours};
use crate::open::OpenError;
use queries::SqlStore;

/// The database that the queries speak to.
type Db = sqlx::Sqlite;

/// Takes the write lock at once: a transaction that reads first and wants to write later is refused without
/// waiting when another one wrote in between.
const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
/// The first read fixes what the transaction sees.
const BEGIN_READ: &str = "BEGIN";
/// After a query: nobody changes what it found before the transaction ends. Here there is one writer anyway.
const LOCK_SHARED: &str = "";
/// A function `(text, part)` that is positive if the part is in the text.
const POSITION: &str = "instr";

/// How long to wait for a lock or a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// As many reads as run at once; the machines this is made for have few cores.
const READERS: u32 = 4;
/// What each of them keeps of the file, which the system has in memory as well. Reading an environment whole would
/// fill any cache, and nothing gives it back.
const READER_CACHE_KIB: u32 = 512;

/// Whether the error with this (extended) result code may be gone later: busy, locked, out of memory,
/// read-only, interrupted, I/O, full, cannot open.
fn passes(code: &str) -> bool {
    let primary = code.parse::<i32>().map(|code| code & 0xff);
    primary.is_ok_and(|primary| matches!(primary, 5..=10 | 13 | 14))
}

/// Opens the file, making it if there is none.
pub(crate) async fn open(path: PathBuf) -> Result<SqlStore, OpenError> {
    file::prepare(&path)?;
    file::claim(&path).await?;
    // Nothing is left beside what is not ours.
    let lock = lock::share(&path)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged change survives a power cut: each commit is synced, WAL or not.
        .synchronous(SqliteSynchronous::Full);
    migrate(&path, &options).await?;
    let writer = pool().max_connections(1).connect_with(options.clone());
    let options = options.pragma("query_only", "ON").pragma("cache_size", format!("-{READER_CACHE_KIB}"));
    let reader = pool().max_connections(READERS).connect_with(options);
    let unusable = |error: sqlx::Error| file::unusable(&path, error.into());
    Ok(SqlStore {
        writer: writer.await.map_err(unusable)?,
        reader: reader.await.map_err(unusable)?,
        _lock: Some(lock),
    })
}

/// Opens a file that is there and ours, as it is.
pub(crate) async fn open_read_only(path: &Path) -> Result<SqlStore, OpenError> {
    let unusable = |error: sqlx::Error| file::unusable(path, error.into());
    file::expect(path)?;
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE).read_only(true);
    let mut connection = options.connect().await.map_err(unusable)?;
    if !file::is_ours(&mut connection).await.map_err(|error| file::refused(path, error))? {
        return Err(OpenError::Foreign { place: path.display().to_string() });
    }
    // Who may only read here may not make the file, and does without.
    let lock = lock::share(path).ok();
    let run: Vec<i64> = sqlx::query_scalar("SELECT version FROM burgee_migrations")
        .fetch_all(&mut connection)
        .await
        .map_err(unusable)?;
    connection.close().await.map_err(unusable)?;
    expect_steps(&sqlx::migrate!("migrations/sqlite"), &run, &path.display().to_string())?;
    let reader = pool().max_connections(READERS).connect_with(options).await.map_err(unusable)?;
    Ok(SqlStore { writer: reader.clone(), reader, _lock: lock })
}

/// Connections are kept for good: opening one costs more than holding it.
fn pool() -> SqlitePoolOptions {
    let pool = SqlitePoolOptions::new().acquire_timeout(PATIENCE).idle_timeout(None).max_lifetime(None);
    // After a full disk or a failed read SQLite ends the transaction by itself, sqlx's own end of it then fails,
    // and the connection would take no transaction ever again. One that seems to be in one is replaced.
    pool.before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
}

async fn migrate(path: &Path, options: &SqliteConnectOptions) -> Result<(), OpenError> {
    let mut connection = options.connect().await.map_err(|error| file::unusable(path, error.into()))?;
    let migrator = ours(sqlx::migrate!("migrations/sqlite"));
    let migrated = migrator.run_direct(None, &mut connection, false).await;
    migrated.map_err(|error| migration_error(path.display().to_string(), error))
}

#[cfg(test)]
mod tests;
