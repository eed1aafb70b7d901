//! What is not ours is refused with one clear line, and left as it is; what is ours keeps everything.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use burgee_store::{OpenError, open};
use domain::account::{AccountKind, LinkTerms};
use domain::audit;
use domain::id::Id;
use domain::key::Key;
use domain::log::{Chain, Change, Write};
use domain::ports::Store;
use domain::project::Project;
use domain::time::Timestamp;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;
use testkit::postgres;

/// A place for a file, in a folder that goes away.
fn place() -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("burgee.db");
    Ok((folder, path))
}

async fn open_file(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    open(&format!("sqlite:{}", path.display())).await
}

async fn connect(path: &Path) -> Result<SqliteConnection> {
    Ok(SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await?)
}

/// Why an address was refused: one line that names the place.
async fn refusal(address: &str, place: &str) -> Result<OpenError> {
    let Err(error) = open(address).await else { anyhow::bail!("{address} was opened") };
    let line = error.to_string();
    ensure!(!line.contains('\n'), "more than a line: {line:?}");
    ensure!(line.contains(place), "it does not say where: {line}");
    Ok(error)
}

async fn file_refusal(path: &Path) -> Result<OpenError> {
    let place = path.display().to_string();
    refusal(&format!("sqlite:{place}"), &place).await
}

fn project(id: Id, key: Key, name: &str) -> Write {
    Write::CreateProject(Project::new(id, key, name, Timestamp::from_millis(0)))
}

fn change(write: Write) -> Change {
    Change {
        chain: Chain::Instance,
        at: Timestamp::from_millis(1),
        actor: Id::NIL,
        source: "test".to_owned(),
        action: "create_project",
        entities: Vec::new(),
        before: None,
        after: Some("{ }".to_owned()),
        comment: None,
        standing: None,
        reads: Vec::new(),
        writes: vec![write],
    }
}

#[tokio::test]
async fn a_file_is_made_with_its_folder_for_its_owner_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("not/there/yet.db");
    let store = open_file(&path).await?;
    store.renew_epoch("11111111").await?;
    for made in ["yet.db", "yet.db-wal", "yet.db-shm"] {
        let mode = fs::metadata(path.with_file_name(made))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{made}");
    }
    assert_eq!(fs::metadata(folder.path().join("not"))?.permissions().mode() & 0o777, 0o700);
    Ok(())
}

#[tokio::test]
async fn a_file_keeps_everything() -> Result<()> {
    let (_folder, path) = place()?;
    let id: Id = "0190a6e0-0000-7000-8000-000000000001".parse()?;
    let key = Key::parse("kept").context("no key")?;
    let store = open_file(&path).await?;
    store.renew_epoch("22222222").await?;
    store.commit(change(project(id, key, "Kept"))).await?;
    let heads = store.heads().await?;
    drop(store);
    let store = open_file(&path).await?;
    assert_eq!(store.epoch().await?.as_deref(), Some("22222222"));
    assert_eq!(store.project("kept").await?.map(|project| project.id), Some(id));
    assert_eq!(store.heads().await?, heads);
    assert!(audit::verify(&*store).await?.iter().all(|chain| chain.fault.is_none()));
    // What a power cut may not take, and what tells the file from others.
    let mut connection = connect(&path).await?;
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await?;
    assert_eq!(journal, "wal");
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await?;
    assert_eq!(application, i64::from(u32::from_be_bytes(*b"BURG")));
    Ok(())
}

#[tokio::test]
async fn a_row_of_the_log_changed_by_hand_is_found() -> Result<()> {
    let edits = [
        "UPDATE changes SET after = '{}' WHERE revision = 2",
        "UPDATE changes SET at = at + 1 WHERE revision = 1",
        "DELETE FROM changes WHERE revision = 2",
        "DELETE FROM changes WHERE revision = 3",
    ];
    for edit in edits {
        let (_folder, path) = place()?;
        let store = open_file(&path).await?;
        for name in ["a", "b", "c"] {
            let key = Key::parse(name).context("no key")?;
            let id = format!("0190a6e0-0000-7000-8000-00000000000{name}").parse()?;
            store.commit(change(project(id, key, name))).await?;
        }
        connect(&path).await?.execute(edit).await?;
        let verified = audit::verify(&*store).await?;
        let instance = verified.first().context("no chain")?;
        assert!(instance.fault.is_some(), "{edit} went unnoticed");
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_file_is_taken() -> Result<()> {
    let (_folder, path) = place()?;
    fs::write(&path, "")?;
    open_file(&path).await?;
    // A start that was cut off after it had marked the file.
    let (_folder, path) = place()?;
    connect(&path).await?.execute("PRAGMA application_id = 0x42555247").await?;
    open_file(&path).await?;
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() -> Result<()> {
    for content in ["x", "not a database\n", &"SQLite format 4 ".repeat(500)] {
        let (_folder, path) = place()?;
        fs::write(&path, content)?;
        let error = file_refusal(&path).await?;
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
        assert_eq!(fs::read_to_string(&path)?, content, "it was left as it is");
    }
    let (_folder, path) = place()?;
    fs::write(&path, [b"SQLite format 3\0".as_slice(), &[7; 4_096]].concat())?;
    let error = file_refusal(&path).await?;
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() -> Result<()> {
    for made in ["CREATE TABLE flags (id TEXT)", "PRAGMA application_id = 7; CREATE TABLE t (x)"] {
        let (folder, path) = place()?;
        let mut connection = connect(&path).await?;
        connection.execute(made).await?;
        connection.close().await?;
        let before = fs::read(&path)?;
        let error = file_refusal(&path).await?;
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert_eq!(fs::read(&path)?, before, "it was left as it is");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1, "nothing was put beside it");
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() -> Result<()> {
    let (folder, path) = place()?;
    fs::write(&path, "")?;
    // Nobody can make files in these, not root either.
    for path in [PathBuf::from("/proc/burgee.db"), path.join("below-a-file.db"), folder.path().to_owned()] {
        let error = file_refusal(&path).await?;
        assert!(matches!(error, OpenError::File { .. }), "{error:?}");
        assert!(error.to_string().contains("writable"), "it does not say what to do: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_address_is_refused_without_its_secrets() -> Result<()> {
    for address in ["mysql://root:hunter2@db/burgee", "sqlite:", "sqlite::memory:", "burgee.db", ""] {
        let error = refusal(address, "sqlite:PATH").await?;
        assert!(matches!(error, OpenError::Address { .. }), "{address}: {error:?}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    Ok(())
}

/// Where the migrations that were run are noted.
const HISTORY: &str = "burgee_migrations";
/// What an older Burgee wrote about accounts, before they had a kind.
const OLD_ACCOUNTS: [&str; 4] = [
    "INSERT INTO accounts VALUES
     ('00000000-0000-7000-8000-000000000001', 'ada@example.org', 'Ada', 'admin', '$argon2id$', 5, 6),
     ('00000000-0000-7000-8000-000000000002', 'admin-key', 'Admin key', 'admin', NULL, 5, 6)",
    "INSERT INTO access_tokens VALUES
     ('00000000-0000-7000-8000-000000000003', '00000000-0000-7000-8000-000000000002', 'feed', 7)",
    "INSERT INTO signing_keys VALUES ('00000000-0000-7000-8000-000000000004', 'secret', 8)",
    "INSERT INTO instance VALUES (1, 'feedbeef')",
];

async fn has_what_an_older_one_wrote(store: &dyn Store) -> Result<()> {
    let admins = store.admins(9).await?;
    ensure!(admins.len() == 1 && admins[0].email == "ada@example.org" && admins[0].active, "{admins:?}");
    let (token, account) = store.access_token("feed").await?.context("its token is gone")?;
    ensure!(account.kind == AccountKind::Service && token.scopes.is_none() && token.expires_at.is_none());
    ensure!(store.was_given("feed").await?, "so it does not come back once it was deleted");
    ensure!(store.signing_keys().await?[0].secret == b"secret");
    ensure!(store.epoch().await?.as_deref() == Some("feedbeef"));
    Ok(())
}

#[tokio::test]
async fn accounts_of_an_older_schema_come_along() -> Result<()> {
    // Only the steps before accounts had a kind, as an older Burgee ran them.
    let (_folder, path) = place()?;
    let mut connection = connect(&path).await?;
    connection.execute("PRAGMA application_id = 0x42555247").await?;
    let mut steps = sqlx::migrate!("migrations/sqlite");
    steps.dangerous_set_table_name(HISTORY);
    steps.run_direct(Some(5), &mut connection, false).await?;
    for row in OLD_ACCOUNTS {
        connection.execute(row).await?;
    }
    connection.close().await?;
    has_what_an_older_one_wrote(&*open_file(&path).await?).await?;

    let address = postgres::database().await?;
    let mut connection = PgConnection::connect(&address).await?;
    let mut steps = sqlx::migrate!("migrations/postgres");
    steps.dangerous_set_table_name(HISTORY);
    steps.run_direct(Some(5), &mut connection, false).await?;
    for row in OLD_ACCOUNTS {
        connection.execute(row).await?;
    }
    has_what_an_older_one_wrote(&*open(&address).await?).await
}

/// What an older Burgee wrote before identities had ids.
const OLD_IDENTITIES: [&str; 5] = [
    "INSERT INTO accounts (id, email, name, role, password_hash, version, updated_at, kind, active, created_at) VALUES
     ('00000000-0000-7000-8000-000000000001', 'ada@example.org', 'Ada', 'admin', '$argon2id$', 5, 6, 'person', TRUE, 6)",
    "INSERT INTO identities VALUES ('https://a.example', '1', '00000000-0000-7000-8000-000000000001', 7)",
    "INSERT INTO identities VALUES ('https://b.example', '1', '00000000-0000-7000-8000-000000000001', 8)",
    "INSERT INTO reset_links VALUES ('00000000-0000-7000-8000-000000000001', 'feed', 9)",
    "INSERT INTO signing_keys (id, secret, created_at) VALUES ('00000000-0000-7000-8000-000000000004', 'secret', 8)",
];

async fn has_what_was_written_before_identities_had_ids(store: &dyn Store) -> Result<()> {
    let (link, ada) = store.reset_link("feed").await?.context("the link is gone")?;
    ensure!(link.terms == LinkTerms { made_by: Id::NIL, revoke_tokens: false });
    let identities = store.identities(ada.id).await?;
    ensure!(identities.len() == 2 && identities[0].id != identities[1].id, "{identities:?}");
    ensure!(store.account_by_identity("https://b.example", "1").await? == Some(ada));
    ensure!(store.signing_keys().await?[0].given, "nobody knows, so a fingerprint of it will stay");
    Ok(())
}

#[tokio::test]
async fn identities_and_links_of_an_older_schema_come_along() -> Result<()> {
    let (_folder, path) = place()?;
    let mut connection = connect(&path).await?;
    connection.execute("PRAGMA application_id = 0x42555247").await?;
    let mut steps = sqlx::migrate!("migrations/sqlite");
    steps.dangerous_set_table_name(HISTORY);
    steps.run_direct(Some(11), &mut connection, false).await?;
    for row in OLD_IDENTITIES {
        connection.execute(row).await?;
    }
    connection.close().await?;
    has_what_was_written_before_identities_had_ids(&*open_file(&path).await?).await?;

    let address = postgres::database().await?;
    let mut connection = PgConnection::connect(&address).await?;
    let mut steps = sqlx::migrate!("migrations/postgres");
    steps.dangerous_set_table_name(HISTORY);
    steps.run_direct(Some(11), &mut connection, false).await?;
    for row in OLD_IDENTITIES {
        connection.execute(row).await?;
    }
    has_what_was_written_before_identities_had_ids(&*open(&address).await?).await
}

#[tokio::test]
async fn a_newer_schema_is_refused() -> Result<()> {
    const NEWER: &str = "INSERT INTO burgee_migrations (version, description, success, checksum, execution_time)
                         SELECT 9999, 'to come', success, checksum, 0 FROM burgee_migrations WHERE version = 1";
    let (_folder, path) = place()?;
    drop(open_file(&path).await?);
    connect(&path).await?.execute(NEWER).await?;
    let error = file_refusal(&path).await?;
    assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error:?}");

    let address = postgres::database().await?;
    drop(open(&address).await?);
    PgConnection::connect(&address).await?.execute(NEWER).await?;
    let error = refusal(&address, "PostgreSQL at 127.0.0.1").await?;
    assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_postgres_of_another_program_is_refused() -> Result<()> {
    let address = postgres::database().await?;
    PgConnection::connect(&address).await?.execute("CREATE TABLE flags (id TEXT)").await?;
    let error = refusal(&address, "PostgreSQL at 127.0.0.1").await?;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    // Tables of other names are nobody's trouble.
    let address = postgres::database().await?;
    PgConnection::connect(&address).await?.execute("CREATE TABLE somebody_elses (id TEXT)").await?;
    open(&address).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_may_open_one_postgres_at_once() -> Result<()> {
    let address = postgres::database().await?;
    let (one, two, three) = tokio::join!(open(&address), open(&address), open(&address));
    one?.renew_epoch("33333333").await?;
    assert_eq!(two?.epoch().await?.as_deref(), Some("33333333"));
    assert_eq!(three?.epoch().await?.as_deref(), Some("33333333"));
    Ok(())
}

#[tokio::test]
async fn a_postgres_that_is_not_there_is_named_without_its_password() -> Result<()> {
    // Port 1 is nobody's.
    let error = refusal("postgres://burgee:hunter2@127.0.0.1:1/burgee", "127.0.0.1:1/burgee").await?;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_lost_postgres_is_unavailable_and_comes_back() -> Result<()> {
    let address = postgres::database().await?;
    let store = open(&address).await?;
    store.renew_epoch("44444444").await?;
    let mut other = PgConnection::connect(&address).await?;
    // A lock that outlasts our patience: what waits for it is told so, and nothing is written.
    other.execute("BEGIN; LOCK TABLE chains").await?;
    let key = Key::parse("late").context("no key")?;
    let id: Id = "0190a6e0-0000-7000-8000-000000000002".parse()?;
    let late = change(project(id, key, ""));
    let error = store.commit(late.clone()).await.err().context("it was committed")?;
    let unavailable = domain::ports::StoreError::Unavailable(String::new().into());
    assert_eq!(error.to_string(), unavailable.to_string(), "{error:?}");
    other.execute("ROLLBACK").await?;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'burgee' AND datname = current_database()";
    other.execute(kill).await?;
    assert_eq!(store.epoch().await?.as_deref(), Some("44444444"), "a new connection is made");
    assert_eq!(store.commit(late).await?, 1);
    Ok(())
}
