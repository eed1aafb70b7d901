//! Both databases have one schema, step by step and column by column.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, PgConnection};
use testkit::postgres;

/// What belongs to the instance as a whole, and so to no project.
const OF_THE_INSTANCE: [&str; 6] =
    ["access_tokens", "accounts", "instance", "projects", "security_events", "signing_keys"];
/// Where the migrations that were run are noted.
const HISTORY: &str = "burgee_migrations";

async fn sqlite() -> Result<(tempfile::TempDir, SqliteConnection)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("burgee.db");
    burgee_store::open(&format!("sqlite:{}", path.display())).await?;
    let connection = SqliteConnectOptions::new().filename(&path).connect().await?;
    Ok((folder, connection))
}

fn steps(database: &str) -> Result<BTreeSet<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

#[tokio::test]
async fn both_have_the_same_steps_and_all_are_run() -> Result<()> {
    let steps_of = (steps("sqlite")?, steps("postgres")?);
    assert_eq!(steps_of.0, steps_of.1);
    let (_folder, mut connection) = sqlite().await?;
    let run: Vec<i64> = sqlx::query_scalar("SELECT version FROM burgee_migrations ORDER BY version")
        .fetch_all(&mut connection)
        .await?;
    let written: Vec<i64> =
        steps_of.0.iter().filter_map(|name| name.split('_').next()?.parse().ok()).collect();
    assert_eq!(run, written, "a step is not built in: touch crates/store/src/sql/mod.rs");
    Ok(())
}

#[tokio::test]
async fn both_have_the_same_tables_and_columns() -> Result<()> {
    let (_folder, mut connection) = sqlite().await?;
    let sqlite: BTreeSet<(String, String, bool)> = sqlx::query_as(
        "SELECT t.name, c.name, c.\"notnull\" = 0 FROM sqlite_schema t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name <> $1",
    )
    .bind(HISTORY)
    .fetch_all(&mut connection)
    .await?
    .into_iter()
    .collect();
    let address = postgres::database().await?;
    burgee_store::open(&address).await?;
    let mut connection = PgConnection::connect(&address).await?;
    let postgres: BTreeSet<(String, String, bool)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, is_nullable = 'YES' FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name <> $1",
    )
    .bind(HISTORY)
    .fetch_all(&mut connection)
    .await?
    .into_iter()
    .collect();
    assert!(sqlite.len() > 50, "the tables were not found: {sqlite:?}");
    assert_eq!(sqlite, postgres);
    Ok(())
}

#[tokio::test]
async fn every_row_and_unique_index_names_its_project() -> Result<()> {
    let (_folder, mut connection) = sqlite().await?;
    let indexed: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT t.name, i.name, c.name FROM sqlite_schema t
         JOIN pragma_index_list(t.name) i JOIN pragma_index_info(i.name) c
         WHERE t.type = 'table' AND i.\"unique\" = 1 AND t.name <> $1",
    )
    .bind(HISTORY)
    .fetch_all(&mut connection)
    .await?;
    let mut indexes: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (table, index, column) in indexed {
        indexes.entry((table, index)).or_default().insert(column);
    }
    let tables: BTreeSet<_> = indexes.keys().map(|(table, _)| table.as_str()).collect();
    // `instance` has its row number for a key, which is no index of its own.
    assert_eq!(tables.len(), 20, "{tables:?}");
    for ((table, index), columns) in &indexes {
        let of_the_instance = OF_THE_INSTANCE.contains(&table.as_str());
        assert!(of_the_instance || columns.contains("project_id"), "{table}: {index} {columns:?}");
    }
    Ok(())
}
