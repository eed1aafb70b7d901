//! The queries, in SQL that both databases read. This folder is mounted by `sqlite` and by `postgres`; `Db` is
//! the one that mounts. What the two say differently is a constant or function of theirs, named here:

use super::{BEGIN_READ, BEGIN_WRITE, Db, LOCK_SHARED, POSITION, passes};

mod account_writes;
mod accounts;
mod append;
mod commit;
mod context_fields;
mod environment_writes;
mod environments;
mod flags;
mod idempotency;
mod key_lists;
mod log;
mod log_writes;
mod owners;
mod paging;
mod people;
mod people_writes;
mod ports;
mod projects;
mod rows;
mod sdk_key_writes;
mod sdk_keys;
mod security;
mod segment_writes;
mod segments;
mod sessions;
mod snapshot;
mod usage;
mod usage_keep;
mod writes;

use std::fs::File;
use std::future::Future;
use std::time::Duration;

use domain::ports::{StoreError, StoreResult};
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
