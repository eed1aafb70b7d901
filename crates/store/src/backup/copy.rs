//! From one database to the other, table by table. Both have the same tables and columns, which a test sees to, so
//! that nothing here knows any of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use domain::ports::Store;
use futures_util::TryStreamExt;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row as _};

use super::{BackupError, database_failed, new_database, postgres_connection};
use crate::open::OpenError;
use crate::sql::{HISTORY, postgres};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Whole,
    Long,
    Real,
    Truth,
    Bytes,
}

/// A table and its columns.
#[derive(Debug)]
struct Table {
    name: String,
    columns: Vec<(String, Kind)>,
}

impl Table {
    fn select(&self) -> String {
        let columns: Vec<_> = self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        format!("SELECT {} FROM \"{}\"", columns.join(", "), self.name)
    }

    fn insert(&self) -> String {
        let columns: Vec<_> = self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let values: Vec<_> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        format!("INSERT INTO \"{}\" ({}) VALUES ({})", self.name, columns.join(", "), values.join(", "))
    }

    fn delete(&self) -> String {
        format!("DELETE FROM \"{}\"", self.name)
    }
}

/// Our tables, each after those that it names.
async fn tables(file: &mut SqliteConnection) -> sqlx::Result<Vec<Table>> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> $1 AND name NOT LIKE 'sqlite_%'
         ORDER BY name",
    )
    .bind(HISTORY)
    .fetch_all(&mut *file)
    .await?;
    let mut waiting = Vec::new();
    for name in names {
        let columns: Vec<(String, String)> =
            sqlx::query_as("SELECT name, type FROM pragma_table_info($1) ORDER BY cid")
                .bind(&name)
                .fetch_all(&mut *file)
                .await?;
        let columns = columns.into_iter().map(|(column, kind)| Ok((column, kind_of(&kind)?)));
        let columns = columns.collect::<sqlx::Result<Vec<_>>>()?;
        let needs: Vec<String> = sqlx::query_scalar("SELECT \"table\" FROM pragma_foreign_key_list($1)")
            .bind(&name)
            .fetch_all(&mut *file)
            .await?;
        waiting.push((Table { name, columns }, needs));
    }
    let (mut ordered, mut done) = (Vec::new(), BTreeSet::new());
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|(table, needs)| {
            needs.iter().all(|needed| done.contains(needed) || *needed == table.name)
        });
        let ready = ready.ok_or_else(|| sqlx::Error::Decode("tables name each other in a circle".into()))?;
        let (table, _) = waiting.remove(ready);
        done.insert(table.name.clone());
        ordered.push(table);
    }
    Ok(ordered)
}

fn kind_of(declared: &str) -> sqlx::Result<Kind> {
    match declared {
        "TEXT" => Ok(Kind::Text),
        "INTEGER" => Ok(Kind::Whole),
        "BIGINT" => Ok(Kind::Long),
        "DOUBLE PRECISION" => Ok(Kind::Real),
        "BOOLEAN" => Ok(Kind::Truth),
        "BLOB" => Ok(Kind::Bytes),
        other => Err(sqlx::Error::Decode(format!("columns of the type {other} cannot be copied").into())),
    }
}

/// Copies the rows of a table from one connection to another, whose drivers differ.
macro_rules! copy_rows {
    ($table:expr, $from:expr, $to:expr) => {{
        let (select, insert) = ($table.select(), $table.insert());
        let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(&mut *$from);
        while let Some(row) = rows.try_next().await? {
            let mut query = sqlx::query(AssertSqlSafe(insert.clone()));
            for (place, (_, kind)) in $table.columns.iter().enumerate() {
                query = match kind {
                    Kind::Text => query.bind(row.try_get::<Option<String>, _>(place)?),
                    Kind::Whole => query.bind(row.try_get::<Option<i32>, _>(place)?),
                    Kind::Long => query.bind(row.try_get::<Option<i64>, _>(place)?),
                    Kind::Real => query.bind(row.try_get::<Option<f64>, _>(place)?),
                    Kind::Truth => query.bind(row.try_get::<Option<bool>, _>(place)?),
                    Kind::Bytes => query.bind(row.try_get::<Option<Vec<u8>>, _>(place)?),
                };
            }
            query.execute(&mut *$to).await?;
        }
    }};
}

async fn open(path: &Path, read_only: bool) -> sqlx::Result<SqliteConnection> {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).read_only(read_only).connect().await
}

/// Writes a database as it is at one moment to a new file.
pub(super) async fn from_postgres(address: &str, to: &Path) -> Result<(), BackupError> {
    let (mut from, place) = postgres_connection(address).await?;
    postgres::expect_ours(&mut from, &place).await?;
    new_database(to).await?;
    let copied = async {
        let mut file = open(to, false).await?;
        // One file, nothing beside it.
        sqlx::query("PRAGMA journal_mode = DELETE").execute(&mut file).await?;
        let tables = tables(&mut file).await?;
        let mut reading = from.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let mut writing = file.begin().await?;
        for table in tables.iter().rev() {
            sqlx::query(AssertSqlSafe(table.delete())).execute(&mut *writing).await?;
        }
        for table in &tables {
            copy_rows!(table, reading, writing);
        }
        writing.commit().await?;
        reading.commit().await?;
        file.close().await?;
        from.close().await
    };
    copied.await.map_err(database_failed(to))
}

/// So often it is looked whether somebody has a database open, and with so long between.
const MOST_LOOKS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// Refuses a database in which something is, or that somebody has open. Makes its tables.
pub(super) async fn expect_empty(address: &str) -> Result<(), BackupError> {
    let store = postgres::open(address).await?;
    let epoch = store.epoch().await;
    store.close().await;
    let (mut connection, place) = postgres_connection(address).await?;
    let failed = |cause| BackupError::Database { place: place.clone(), cause };
    if !matches!(epoch, Ok(None)) {
        let hint = "restore to a new database: createdb NAME, and name it in the configuration";
        return Err(BackupError::NotEmpty { place, hint });
    }
    // Connections of our own that were just closed, and those of a server that was just stopped, are still seen a moment.
    let mut looks = 0;
    while others(&mut connection).await.map_err(failed)? > 0 {
        looks += 1;
        if looks == MOST_LOOKS {
            return Err(OpenError::InUse { place, why: "stop the servers first" }.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let _ = connection.close().await;
    Ok(())
}

/// How many connections there are besides this one.
async fn others(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()",
    )
    .bind(postgres::APPLICATION)
    .fetch_one(connection)
    .await
}

/// Writes a file into an empty database, all of it or nothing.
pub(super) async fn into_postgres(from: &Path, address: &str) -> Result<(), BackupError> {
    let (mut connection, _) = postgres_connection(address).await?;
    copy_into(from, &mut connection).await.map_err(database_failed(from))
}

async fn copy_into(from: &Path, connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut file = open(from, true).await?;
    let tables = tables(&mut file).await?;
    let mut reading = file.begin().await?;
    let mut writing = connection.begin().await?;
    for table in tables.iter().rev() {
        sqlx::query(AssertSqlSafe(table.delete())).execute(&mut *writing).await?;
    }
    for table in &tables {
        copy_rows!(table, reading, writing);
    }
    writing.commit().await?;
    reading.commit().await?;
    file.close().await
}
