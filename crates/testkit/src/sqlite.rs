//! A hand in a SQLite file, behind the program's back.

use std::path::Path;

use anyhow::Result;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

/// Runs one statement on a file and gives the number of rows that it touched. Foreign keys are not looked at:
/// who edits a file by hand does not either.
pub async fn execute(file: &Path, statement: &'static str) -> Result<u64> {
    let options = SqliteConnectOptions::new().filename(file).foreign_keys(false);
    let mut connection = options.connect().await?;
    let done = sqlx::query(statement).execute(&mut connection).await?;
    connection.close().await?;
    Ok(done.rows_affected())
}
