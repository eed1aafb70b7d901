//! The queries, in SQL that both databases read. This folder is mounted by `sqlite` and by `postgres`; `Db` is
//! the one that mounts. What the two say differently is a constant or function of theirs, named here:

use super::{BEGIN_READ, BEGIN_WRITE, Db, POSITION, passes};

mod accounts;
mod append;
mod commit;
mod context_fields;
mod environment_writes;
mod environments;
mod flags;
mod key_lists;
mod log;
mod log_writes;
mod rows;
mod sdk_keys;
mod security;
mod segment_writes;
mod segments;
mod snapshot;
mod writes;

use std::fs::File;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use domain::account::{AccessToken, Account, SigningKey};
use domain::context_field::ContextField;
use domain::environment::Environment;
use domain::flag::{FlagEverywhere, FlagHere};
use domain::id::Id;
use domain::key::Key;
use domain::log::{Chain, Change, Hash, LogEntry};
use domain::ports::{
    CommitError, FlagFilter, Head, KeyedFilter, LogFilter, Page, ProjectRules, SecurityFilter, SecurityHead,
    Store, StoreError, StoreResult,
};
use domain::sdk_key::SdkKey;
use domain::security::{SecurityEntry, SecurityNote};
use domain::segment::{KeySet, SegmentEverywhere, SegmentSummary};
use domain::time::Timestamp;
use engine::model::{Delta, Revision, Snapshot};
use sqlx::{Database, Pool, Transaction};

type Row = <Db as Database>::Row;
type Connection = <Db as Database>::Connection;

/// No call lasts longer, whatever the network does. The database's own limits come first; a commit that ends
/// here may or may not have been made, as when a connection is lost.
const LONGEST: Duration = Duration::from_secs(10);

/// The store on the database that mounts.
pub(crate) struct SqlStore {
    pub(in super::super) writer: Pool<Db>,
    pub(in super::super) reader: Pool<Db>,
    /// Held for as long as the database is open, where it is a file.
    pub(in super::super) _lock: Option<File>,
}

impl SqlStore {
    /// A transaction in which all reads see one state.
    async fn reading(&self) -> sqlx::Result<Transaction<'static, Db>> {
        self.reader.begin_with(BEGIN_READ).await
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn commit(&self, change: Change) -> Result<Revision, CommitError> {
        crate::fit::check(&change)?;
        let committed = tokio::time::timeout(LONGEST, commit::commit(&self.writer, &change)).await;
        committed.map_err(|_| too_long())?.map_err(|fault| match fault {
            commit::Fault::Stale => CommitError::Stale,
            commit::Fault::Taken(what) => CommitError::Taken { what },
            commit::Fault::Sql(error) => store_error(error).into(),
        })
    }

    async fn close(&self) {
        // The writer last: on SQLite the last connection moves the write-ahead log into the file.
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn epoch(&self) -> StoreResult<Option<String>> {
        bounded(environments::epoch(&self.reader)).await
    }

    async fn renew_epoch(&self, epoch: &str) -> StoreResult<()> {
        bounded(environments::renew_epoch(&self.writer, epoch)).await
    }

    async fn heads(&self) -> StoreResult<Vec<Head>> {
        bounded(log::heads(&self.reader)).await
    }

    async fn chains_in_log(&self) -> StoreResult<Vec<Chain>> {
        bounded(log::chains(&self.reader)).await
    }

    async fn checkpoints(&self) -> StoreResult<Vec<Head>> {
        bounded(log::checkpoints(&self.reader)).await
    }

    async fn log(&self, chain: Chain, filter: &LogFilter) -> StoreResult<Page<LogEntry>> {
        bounded(log::page(self, chain, filter)).await
    }

    async fn log_after(&self, chain: Chain, after: Revision, limit: u32) -> StoreResult<Vec<LogEntry>> {
        bounded(log::after(&self.reader, chain, after, limit)).await
    }

    async fn logged_entity(&self, project_id: Id, kind: &str, key: &str) -> StoreResult<Option<Id>> {
        bounded(log::entity(&self.reader, project_id, kind, key)).await
    }

    async fn append_security(
        &self,
        notes: &[SecurityNote],
        checkpoint: Option<(Revision, Hash)>,
    ) -> StoreResult<bool> {
        bounded(security::append(&self.writer, notes, checkpoint)).await
    }

    async fn security_log(&self, filter: &SecurityFilter) -> StoreResult<Page<SecurityEntry>> {
        bounded(security::page(self, filter)).await
    }

    async fn security_head(&self) -> StoreResult<SecurityHead> {
        bounded(security::head(&self.reader)).await
    }

    async fn project_rules(&self, project_id: Id) -> StoreResult<Option<ProjectRules>> {
        bounded(log_writes::project_rules(&self.reader, project_id)).await
    }

    async fn project(&self, key: &str) -> StoreResult<Option<Id>> {
        bounded(environments::project(&self.reader, key)).await
    }

    async fn environments(&self, project_id: Id) -> StoreResult<Vec<Environment>> {
        bounded(environments::all(&self.reader, project_id)).await
    }

    async fn dependencies_version(&self, project_id: Id) -> StoreResult<Revision> {
        bounded(environments::dependencies_version(&self.reader, project_id)).await
    }

    async fn snapshot(&self, environment_id: Id) -> StoreResult<Option<Snapshot>> {
        bounded(snapshot::snapshot(self, environment_id)).await
    }

    async fn changes_since(&self, environment_id: Id, revision: Revision) -> StoreResult<Option<Delta>> {
        bounded(snapshot::changes_since(self, environment_id, revision)).await
    }

    async fn flag(&self, project_id: Id, key: &Key) -> StoreResult<Option<FlagEverywhere>> {
        bounded(flags::flag(self, project_id, key)).await
    }

    async fn flags_named(&self, project_id: Id, keys: &[Key]) -> StoreResult<Vec<FlagEverywhere>> {
        bounded(flags::named(self, project_id, keys)).await
    }

    async fn flags(&self, environment: &Environment, filter: &FlagFilter) -> StoreResult<Page<FlagHere>> {
        bounded(flags::page(self, environment, filter)).await
    }

    async fn segment(&self, project_id: Id, key: &Key) -> StoreResult<Option<SegmentEverywhere>> {
        bounded(segments::segment(self, project_id, key)).await
    }

    async fn segments(
        &self,
        environment: &Environment,
        filter: &KeyedFilter,
    ) -> StoreResult<Page<SegmentSummary>> {
        bounded(segments::page(self, environment, filter)).await
    }

    async fn put_key_list(&self, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()> {
        key_lists::put(self, project_id, keys, at).await
    }

    async fn has_key_list(&self, project_id: Id, sha256: &str) -> StoreResult<bool> {
        bounded(key_lists::is_whole(&self.reader, project_id, sha256)).await
    }

    async fn key_list_chunk(
        &self,
        project_id: Id,
        sha256: &str,
        position: u32,
    ) -> StoreResult<Option<Vec<u8>>> {
        bounded(key_lists::piece(&self.reader, project_id, sha256, position)).await
    }

    async fn sweep_key_lists(&self, project_id: Id, before: Timestamp) -> StoreResult<u64> {
        key_lists::sweep(self, project_id, before).await
    }

    async fn context_field(&self, project_id: Id, key: &Key) -> StoreResult<Option<ContextField>> {
        bounded(context_fields::field(&self.reader, project_id, key)).await
    }

    async fn context_fields(&self, project_id: Id, filter: &KeyedFilter) -> StoreResult<Page<ContextField>> {
        bounded(context_fields::page(self, project_id, filter)).await
    }

    async fn sdk_keys(&self, project_id: Id) -> StoreResult<Vec<SdkKey>> {
        bounded(sdk_keys::of_project(&self.reader, project_id)).await
    }

    async fn sdk_keys_in_force(&self) -> StoreResult<Vec<SdkKey>> {
        bounded(sdk_keys::in_force(&self.reader)).await
    }

    async fn account(&self, id: Id) -> StoreResult<Option<Account>> {
        bounded(accounts::by_id(&self.reader, id)).await
    }

    async fn account_by_email(&self, email: &str) -> StoreResult<Option<Account>> {
        bounded(accounts::by_email(&self.reader, email)).await
    }

    async fn account_names(&self, ids: &[Id]) -> StoreResult<Vec<(Id, String)>> {
        bounded(accounts::names(&self.reader, ids)).await
    }

    async fn access_token(&self, hash: &str) -> StoreResult<Option<(AccessToken, Account)>> {
        bounded(accounts::access_token(&self.reader, hash)).await
    }

    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>> {
        bounded(accounts::signing_keys(&self.reader)).await
    }
}

async fn bounded<T>(work: impl Future<Output = sqlx::Result<T>> + Send) -> StoreResult<T> {
    tokio::time::timeout(LONGEST, work).await.map_err(|_| too_long())?.map_err(store_error)
}

fn too_long() -> StoreError {
    StoreError::Unavailable(format!("the database did not answer within {} s", LONGEST.as_secs()).into())
}

/// What an error of the driver means: something that passes, or something that is wrong.
fn store_error(error: sqlx::Error) -> StoreError {
    use sqlx::Error;
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let passing = match &error {
        Error::Database(_) => code.is_some_and(|code| passes(&code)),
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => true,
        _ => false,
    };
    if passing { StoreError::Unavailable(error.into()) } else { StoreError::Corrupt(error.into()) }
}
