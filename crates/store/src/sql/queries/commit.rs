//! A change becomes a revision: one transaction, in the order that its chain's row lets through.

use domain::access::{Proof, Standing};
use domain::account::Role;
use domain::grant::Holder;
use domain::id::Id;
use domain::log::{Chain, Change, Counted, Hash, ReadVersion, Write};
use domain::ports::CommitError;
use engine::model::Revision;
use sqlx::{AssertSqlSafe, Pool, Row as _};

use super::append::append;
use super::people::granted;
use super::rows::{hash, revision, signed, word};
use super::writes::{Query, Writes, mark_environments};
use super::{BEGIN_WRITE, Connection, Db, LOCK_SHARED, Row, store_error};

/// Why nothing was committed.
pub(super) enum Fault {
    /// What it was decided upon has changed or gone.
    Stale,
    /// What who asked stood on does not hold any more.
    Lapsed,
    /// Something that must be new is not.
    Taken(&'static str),
    /// The database failed.
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Fault> for CommitError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Stale => Self::Stale,
            Fault::Lapsed => Self::Lapsed,
            Fault::Taken(what) => Self::Taken { what },
            Fault::Sql(error) => store_error(error).into(),
        }
    }
}

pub(super) async fn commit(pool: &Pool<Db>, change: &Change) -> Result<Revision, Fault> {
    // Dropped without `commit`, at any fault, it is rolled back.
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    let revision = make(&mut transaction, change).await?;
    transaction.commit().await?;
    Ok(revision)
}

pub(super) async fn commit_both(
    pool: &Pool<Db>,
    first: &Change,
    second: &Change,
) -> Result<(Revision, Revision), Fault> {
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    let revisions = (make(&mut transaction, first).await?, make(&mut transaction, second).await?);
    transaction.commit().await?;
    Ok(revisions)
}

/// Makes a change in a transaction.
async fn make(connection: &mut Connection, change: &Change) -> Result<Revision, Fault> {
    let project_id = change.chain.id();
    let (revision, previous) = advance(connection, change).await?;
    // Whoever is changing a project that goes ends before, and whoever comes after finds it gone.
    for write in &change.writes {
        if let Write::DeleteProject { id } = write {
            take_chain(connection, *id).await?;
        }
    }
    if let Some(standing) = &change.standing {
        check_standing(connection, standing).await?;
    }
    for read in &change.reads {
        check(connection, change.chain, read).await?;
    }
    let mut writes = Writes::new(connection, change, revision);
    for write in &change.writes {
        writes.apply(write).await?;
    }
    mark_environments(connection, project_id, revision).await?;
    append(connection, change, revision, &previous).await?;
    Ok(revision)
}

/// Takes the chain's next revision, and with it the chain, until the transaction ends. Answers the hash of the
/// entry before as well. Of a project that has gone the chain stays, and grows by what is taken out of it alone.
async fn advance(connection: &mut Connection, change: &Change) -> Result<(Revision, Hash), Fault> {
    let id = change.chain.id().to_string();
    let chain = sqlx::query(
        "UPDATE chains SET revision = revision + 1 WHERE project_id = $1 RETURNING revision, hash",
    );
    let row = chain
        .bind(id.clone())
        .try_map(|row: Row| Ok((revision(&row, "revision")?, hash(&row, "hash")?)))
        .fetch_optional(&mut *connection)
        .await?;
    let outlives = change.chain == Chain::Instance || change.is_of_the_log_alone();
    // Asked once the chain is held, and not with it: PostgreSQL answers a statement that waited by what was there before.
    if !outlives
        && sqlx::query("SELECT 1 FROM projects WHERE id = $1")
            .bind(id)
            .fetch_optional(connection)
            .await?
            .is_none()
    {
        return Err(Fault::Stale);
    }
    row.ok_or(Fault::Stale)
}

/// With the account held, so that nobody takes something from it before the change is made.
async fn check_standing(connection: &mut Connection, standing: &Standing) -> Result<(), Fault> {
    let text = format!("SELECT role FROM accounts WHERE id = $1 AND active{LOCK_SHARED}");
    let role = sqlx::query(AssertSqlSafe(text))
        .bind(standing.account_id.to_string())
        .try_map(|row: Row| word(&row, "role", Role::parse))
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(Fault::Lapsed)?;
    if let Some(proof) = standing.proof {
        let (query, id) = match proof {
            Proof::Session(id) => (sqlx::query("SELECT 1 FROM sessions WHERE id = $1"), id),
            Proof::AccessToken(id) => (sqlx::query("SELECT 1 FROM access_tokens WHERE id = $1"), id),
        };
        query.bind(id.to_string()).fetch_optional(&mut *connection).await?.ok_or(Fault::Lapsed)?;
    }
    let granted = granted(connection, Holder::Account(standing.account_id)).await?;
    if standing.holds(role, &granted) { Ok(()) } else { Err(Fault::Lapsed) }
}

async fn take_chain(connection: &mut Connection, project_id: Id) -> Result<(), Fault> {
    let query = sqlx::query("UPDATE chains SET revision = revision WHERE project_id = $1");
    let done = query.bind(project_id.to_string()).execute(connection).await?;
    if done.rows_affected() == 0 { Err(Fault::Stale) } else { Ok(()) }
}

/// The version of what belongs to the instance, which no project's chain guards: so nobody changes it before the
/// transaction ends.
fn version_of(table: &'static str, id: Id) -> Query {
    let text = format!("SELECT version FROM {table} WHERE id = $1{LOCK_SHARED}");
    sqlx::query(AssertSqlSafe(text)).bind(id.to_string())
}

async fn check(connection: &mut Connection, chain: Chain, read: &ReadVersion) -> Result<(), Fault> {
    let project_id = chain.id();
    let (query, expected) = match read {
        ReadVersion::Flag { id, version } => {
            let query = sqlx::query("SELECT version FROM flags WHERE project_id = $1 AND id = $2");
            (query.bind(project_id.to_string()).bind(id.to_string()), version)
        }
        ReadVersion::Config { flag_id, environment_id, version } => {
            let query = sqlx::query(
                "SELECT version FROM flag_configs
                 WHERE project_id = $1 AND flag_id = $2 AND environment_id = $3",
            );
            let query = query.bind(project_id.to_string()).bind(flag_id.to_string());
            (query.bind(environment_id.to_string()), version)
        }
        ReadVersion::Segment { id, version } => {
            let query = sqlx::query("SELECT version FROM segments WHERE project_id = $1 AND id = $2");
            (query.bind(project_id.to_string()).bind(id.to_string()), version)
        }
        ReadVersion::SegmentConfig { segment_id, environment_id, version } => {
            let query = sqlx::query(
                "SELECT version FROM segment_configs
                 WHERE project_id = $1 AND segment_id = $2 AND environment_id = $3",
            );
            let query = query.bind(project_id.to_string()).bind(segment_id.to_string());
            (query.bind(environment_id.to_string()), version)
        }
        ReadVersion::ContextField { id, version } => {
            let query = sqlx::query("SELECT version FROM context_fields WHERE project_id = $1 AND id = $2");
            (query.bind(project_id.to_string()).bind(id.to_string()), version)
        }
        ReadVersion::Environment { id, version } => {
            let query = sqlx::query("SELECT version FROM environments WHERE project_id = $1 AND id = $2");
            (query.bind(project_id.to_string()).bind(id.to_string()), version)
        }
        ReadVersion::Project { id, version } => {
            (sqlx::query("SELECT version FROM projects WHERE id = $1").bind(id.to_string()), version)
        }
        ReadVersion::Team { id, version } => (version_of("teams", *id), version),
        ReadVersion::Role { id, version } => (version_of("roles", *id), version),
        ReadVersion::SdkKey { id, version } => {
            let query = sqlx::query("SELECT version FROM sdk_keys WHERE project_id = $1 AND id = $2");
            (query.bind(project_id.to_string()).bind(id.to_string()), version)
        }
        ReadVersion::Account { id, version } => (version_of("accounts", *id), version),
        ReadVersion::Dependencies { version } => {
            let query = sqlx::query("SELECT dependencies AS version FROM projects WHERE id = $1");
            (query.bind(project_id.to_string()), version)
        }
        ReadVersion::Head { chain: of, revision } => {
            // The change itself took the next one of its own chain; another's stays until the transaction ends.
            let taken = u64::from(*of == chain);
            let text =
                format!("SELECT revision - $2 AS version FROM chains WHERE project_id = $1{LOCK_SHARED}");
            (sqlx::query(AssertSqlSafe(text)).bind(of.id().to_string()).bind(signed(taken)), revision)
        }
        ReadVersion::Room { of, most } => return check_room(connection, project_id, *of, *most).await,
    };
    let current: Option<i64> =
        query.try_map(|row: Row| row.try_get("version")).fetch_optional(connection).await?;
    if current == Some(signed(*expected)) { Ok(()) } else { Err(Fault::Stale) }
}

/// Whoever else adds one waits for the chain, so what is counted here stays so until the change is made.
async fn check_room(
    connection: &mut Connection,
    project_id: Id,
    of: Counted,
    most: u64,
) -> Result<(), Fault> {
    let query = match of {
        Counted::AccessTokens { account_id } => {
            let query = sqlx::query("SELECT count(*) AS count FROM access_tokens WHERE account_id = $1");
            query.bind(account_id.to_string())
        }
        Counted::Roles => sqlx::query("SELECT count(*) AS count FROM roles"),
        Counted::SdkKeys { at } => {
            let query = sqlx::query(
                "SELECT count(*) AS count FROM sdk_keys
                 WHERE project_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
            );
            query.bind(project_id.to_string()).bind(at.as_millis())
        }
    };
    let count = query.try_map(|row: Row| revision(&row, "count")).fetch_one(connection).await?;
    if count < most { Ok(()) } else { Err(Fault::Stale) }
}
