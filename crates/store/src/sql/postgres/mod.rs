//! PostgreSQL: several nodes on one database.

#[path = "../queries/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "one set of queries, compiled for each database: see `sql`")]
mod queries;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use super::{HISTORY, expect_steps, migration_error, ours};
use crate::open::OpenError;
use queries::SqlStore;

/// The database that the queries speak to.
type Db = sqlx::Postgres;

/// Each statement sees what is committed when it begins. A commit first takes the row of its chain, so all
/// that it reads afterwards is what its predecessor left.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// All statements see the same state.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// After a query: nobody changes what it found before the transaction ends.
const LOCK_SHARED: &str = " FOR SHARE";
/// A function `(text, part)` that is positive if the part is in the text.
const POSITION: &str = "strpos";

/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// What our connections are called, so that others can tell whether a server is running.
pub(crate) const APPLICATION: &str = "burgee";
/// Connections of one node.
const CONNECTIONS: u32 = 10;
/// Connections of a command that only reads.
const READING_CONNECTIONS: u32 = 2;
/// What the server allows our statements, in milliseconds.
const LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "5000"),
    ("lock_timeout", "5000"),
    ("idle_in_transaction_session_timeout", "10000"),
];
/// Likewise while migrating: another node may be at it, and a step over a large table takes its time.
const MIGRATION_LIMITS: [(&str, &str); 2] = [("statement_timeout", "600000"), ("lock_timeout", "60000")];

/// Whether the error with this SQLSTATE may be gone later: connection (08), transaction rollback (40),
/// resources (53), operator (57, time-outs are among them), system (58), no lock in time, a read-only standby.
fn passes(code: &str) -> bool {
    ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        || matches!(code, "55P03" | "25006" | "25P03")
}

/// Opens a database that exists.
pub(crate) async fn open(address: &str) -> Result<SqlStore, OpenError> {
    let options = options(address)?.application_name(APPLICATION);
    let place = place(&options);
    let unreachable =
        |error: sqlx::Error| OpenError::Unreachable { place: place.clone(), cause: error.into() };
    let migrating = options.clone().options(MIGRATION_LIMITS);
    let mut connection = tokio::time::timeout(PATIENCE, migrating.connect())
        .await
        .map_err(|_| unreachable(sqlx::Error::PoolTimedOut))?
        .map_err(unreachable)?;
    recognise(&mut connection, &place).await?;
    // One node at a time: sqlx holds an advisory lock, which goes with the connection if it fails.
    let migrated = ours(sqlx::migrate!("migrations/postgres")).run_direct(None, &mut connection, false).await;
    migrated.map_err(|error| migration_error(place.clone(), error))?;
    connection.close().await.map_err(unreachable)?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
    let pool = pool.connect_with(options.options(LIMITS)).await.map_err(unreachable)?;
    Ok(SqlStore { writer: pool.clone(), reader: pool, _lock: None })
}

/// Opens a database that is there and ours, as it is.
pub(crate) async fn open_read_only(address: &str) -> Result<SqlStore, OpenError> {
    let options = options(address)?;
    let place = place(&options);
    let mut connection = connect(&options).await?;
    expect_ours(&mut connection, &place).await?;
    let unreachable =
        |error: sqlx::Error| OpenError::Unreachable { place: place.clone(), cause: error.into() };
    connection.close().await.map_err(unreachable)?;
    let options = options.options(LIMITS).options([("default_transaction_read_only", "on")]);
    let pool = PgPoolOptions::new().max_connections(READING_CONNECTIONS).acquire_timeout(PATIENCE);
    let pool = pool.connect_with(options).await.map_err(unreachable)?;
    Ok(SqlStore { writer: pool.clone(), reader: pool, _lock: None })
}

fn options(address: &str) -> Result<PgConnectOptions, OpenError> {
    address.parse().map_err(|_| OpenError::Address { given: Some("postgres".to_owned()) })
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    let unreachable =
        |error: sqlx::Error| OpenError::Unreachable { place: place(options), cause: error.into() };
    tokio::time::timeout(PATIENCE, options.connect())
        .await
        .map_err(|_| unreachable(sqlx::Error::PoolTimedOut))?
        .map_err(unreachable)
}

/// One connection to a database that is there, for what is no use case, and the name of the place.
pub(crate) async fn connection(address: &str) -> Result<(PgConnection, String), OpenError> {
    let options = options(address)?;
    Ok((connect(&options).await?, place(&options)))
}

/// Refuses a database that is not ours, or that another version left.
pub(crate) async fn expect_ours(connection: &mut PgConnection, place: &str) -> Result<(), OpenError> {
    let foreign = |_| OpenError::Foreign { place: place.to_owned() };
    let run: Vec<i64> = sqlx::query_scalar("SELECT version FROM burgee_migrations")
        .fetch_all(connection)
        .await
        .map_err(foreign)?;
    expect_steps(&sqlx::migrate!("migrations/postgres"), &run, place)
}

/// Refuses a database whose tables another program made, or that cannot hold every text.
async fn recognise(connection: &mut PgConnection, place: &str) -> Result<(), OpenError> {
    let unreachable =
        |error: sqlx::Error| OpenError::Unreachable { place: place.to_owned(), cause: error.into() };
    let encoding: String =
        sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut *connection).await.map_err(unreachable)?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { place: place.to_owned(), encoding });
    }
    // The history is made before the first table, so a start that is under way elsewhere is not taken for
    // a stranger.
    let foreign: bool = sqlx::query_scalar(
        "SELECT count(*) FILTER (WHERE table_name = $1) = 0 AND count(*) > 0
         FROM information_schema.tables
         WHERE table_schema = current_schema() AND table_name = ANY ($2 || $1)",
    )
    .bind(HISTORY)
    .bind(TABLES.as_slice())
    .fetch_one(connection)
    .await
    .map_err(unreachable)?;
    if foreign { Err(OpenError::Foreign { place: place.to_owned() }) } else { Ok(()) }
}

/// The names that our first migration takes.
const TABLES: [&str; 14] = [
    "access_tokens",
    "accounts",
    "chains",
    "change_entities",
    "changes",
    "effects",
    "environments",
    "flag_configs",
    "flag_tags",
    "flags",
    "instance",
    "projects",
    "sdk_keys",
    "signing_keys",
];

/// Where the database is, without user and password.
fn place(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or_else(|| options.get_username());
    format!("PostgreSQL at {}:{}/{name}", options.get_host(), options.get_port())
}
