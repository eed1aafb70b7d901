//! Both databases have one schema, step by step and column by column.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, PgConnection};
use testkit::postgres;

/// What belongs to the instance as a whole, and so to no project.
const OF_THE_INSTANCE: [&str; 16] = [
    "access_tokens",
    "accounts",
    "given",
    "grants",
    "idempotency_bytes",
    "idempotency_keys",
    "identities",
    "instance",
    "projects",
    "reset_links",
    "roles",
    "security_events",
    "sessions",
    "signing_keys",
    "team_members",
    "teams",
];
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
    assert_eq!(tables.len(), 36, "{tables:?}");
    for ((table, index), columns) in &indexes {
        let of_the_instance = OF_THE_INSTANCE.contains(&table.as_str());
        assert!(of_the_instance || columns.contains("project_id"), "{table}: {index} {columns:?}");
    }
    Ok(())
}

/// A database as it was before the ninth step: a key in force and a revoked one, of one environment.
const FORMER_KEYS: &str = "
    INSERT INTO projects (id, key, name) VALUES ('p', 'default', 'Default');
    INSERT INTO environments (project_id, id, key, name, protected, position, created_at, updated_at, snapshot_revision)
    VALUES ('p', 'e', 'production', '', FALSE, 0, 1, 1, 1);
    INSERT INTO sdk_keys (project_id, id, environment_id, name, kind, hint, hash, created_by, created_at, revoked_at)
    VALUES ('p', 'k1', 'e', 'shop', 'server', 'bgs_1', 'h1', 'a', 10, NULL),
           ('p', 'k2', 'e', 'page', 'client', 'bgc_2', 'h2', 'a', 20, 30);
    INSERT INTO change_entities (project_id, entity_id, revision, kind, key)
    VALUES ('p', 'k1', 4, 'sdk_key', 'shop'), ('p', 'k2', 5, 'sdk_key', 'page'), ('p', 'k2', 6, 'sdk_key', 'page')";

/// What came of them, in a line each.
const KEYS: &str = "
    SELECT k.id || ' ' || k.name || ' ' || k.kind || ' ' || k.hash || ' ' || e.environment_id || ' ' || k.origins
           || ' v' || k.version || ' u' || k.updated_at || ' r' || COALESCE(k.revoked_at, 0)
    FROM sdk_keys k JOIN sdk_key_environments e ON e.project_id = k.project_id AND e.sdk_key_id = k.id
    WHERE NOT k.whole_project AND k.expires_at IS NULL AND k.last_used_at IS NULL ORDER BY k.id";

/// The steps before the one that is named so, and that one.
fn steps_until(database: &str, last: &str) -> Result<(Vec<String>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let read = |name: &String| fs::read_to_string(folder.join(name));
    let before =
        steps(database)?.iter().filter(|name| name.as_str() < last).map(read).collect::<Result<_, _>>()?;
    Ok((before, read(&last.to_owned())?))
}

#[tokio::test]
async fn former_keys_still_open_what_they_did() -> Result<()> {
    const STEP: &str = "0009_sdk_keys.sql";
    let expected =
        ["k1 shop server h1 e [] v4 u10 r0".to_owned(), "k2 page client h2 e [] v6 u30 r30".to_owned()];
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new().filename(folder.path().join("old.db"));
    let mut connection = options.create_if_missing(true).foreign_keys(true).connect().await?;
    let (before, step) = steps_until("sqlite", STEP)?;
    for sql in before.iter().map(String::as_str).chain([FORMER_KEYS, &step]) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    }
    let kept: Vec<String> = sqlx::query_scalar(KEYS).fetch_all(&mut connection).await?;
    assert_eq!(kept, expected);

    let mut connection = PgConnection::connect(&postgres::database().await?).await?;
    let (before, step) = steps_until("postgres", STEP)?;
    for sql in before.iter().map(String::as_str).chain([FORMER_KEYS, &step]) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    }
    let kept: Vec<String> = sqlx::query_scalar(KEYS).fetch_all(&mut connection).await?;
    assert_eq!(kept, expected);
    Ok(())
}

/// A database as it was when projects were changed on the instance's chain.
const FORMER_PROJECTS: &str = "
    INSERT INTO projects (id, key, name, version) VALUES ('p', 'default', 'Default', 90), ('q', 'shop', 'Shop', 91);
    INSERT INTO chains (project_id, revision, hash) VALUES ('p', 41, 'x')";

#[tokio::test]
async fn no_later_change_takes_the_version_of_a_former_project() -> Result<()> {
    const STEP: &str = "0014_ownership.sql";
    const VERSIONS: &str = "SELECT version FROM projects ORDER BY id";
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new().filename(folder.path().join("old.db"));
    let mut connection = options.create_if_missing(true).foreign_keys(true).connect().await?;
    let (before, step) = steps_until("sqlite", STEP)?;
    for sql in before.iter().map(String::as_str).chain([FORMER_PROJECTS, &step]) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    }
    let kept: Vec<i64> = sqlx::query_scalar(VERSIONS).fetch_all(&mut connection).await?;
    assert_eq!(kept, [41, 0], "the last revision of its own chain");

    let mut connection = PgConnection::connect(&postgres::database().await?).await?;
    let (before, step) = steps_until("postgres", STEP)?;
    for sql in before.iter().map(String::as_str).chain([FORMER_PROJECTS, &step]) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    }
    let kept: Vec<i64> = sqlx::query_scalar(VERSIONS).fetch_all(&mut connection).await?;
    assert_eq!(kept, [41, 0], "the last revision of its own chain");
    Ok(())
}
