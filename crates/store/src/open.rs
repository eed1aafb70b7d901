//! From an address to a store that is ready: found or made, recognised as ours, and migrated.

use std::path::PathBuf;
use std::sync::Arc;

use domain::error::Cause;
use domain::ports::Store;

use crate::memory::MemoryStore;
use crate::sql::{postgres, sqlite};

/// Why a store was not opened. Each message is one line that says where, what and what to do; none shows a
/// password. Nothing was written to a database that is not ours.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is of no kind that we know.
    #[error(
        "the database address must be sqlite:PATH, postgres://USER:PASSWORD@HOST:PORT/NAME or memory:{}",
        .given.as_ref().map(|scheme| format!("; {scheme}: is none of them")).unwrap_or_default()
    )]
    Address {
        /// The part before the first colon, if there is a colon.
        given: Option<String>,
    },
    /// The file or its folder cannot be made or used.
    #[error(
        "cannot use the database file {}: {cause}; is its folder writable for the user that runs Burgee, and is there room on its disk?",
        .path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: Cause,
    },
    /// The file holds something else.
    #[error("{} is not an SQLite database; it was left as it is: name another path, or move the file away", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database belongs to another program.
    #[error(
        "{place} has tables that Burgee did not make; it was left as it is: name an empty or a new database"
    )]
    Foreign {
        /// The file, or host and name.
        place: String,
    },
    /// A later version of Burgee made it what it is.
    #[error(
        "{place} was made by a newer Burgee (its schema has step {found}, which this version does not know): start that version, or restore a backup that is older than the upgrade"
    )]
    Newer {
        /// The file, or host and name.
        place: String,
        /// The first migration that is not ours.
        found: i64,
    },
    /// An earlier version of Burgee made it what it is, and it was to be left so.
    #[error(
        "{place} was made by an older Burgee; start this version on it once, or use the version that made it"
    )]
    Older {
        /// The file, or host and name.
        place: String,
    },
    /// Somebody puts a backup in its place, or has it open while that is to be done.
    #[error("{place} is in use by another Burgee: {why}")]
    InUse {
        /// The file, or host and name.
        place: String,
        /// Who waits for whom.
        why: &'static str,
    },
    /// The database cannot hold what we keep.
    #[error("{place} has the encoding {encoding}; make the database with ENCODING 'UTF8'")]
    Encoding {
        /// Host and name.
        place: String,
        /// Its encoding.
        encoding: String,
    },
    /// The server does not answer, or refuses us.
    #[error("cannot open {place}: {cause}; is it running, and are user and password right?")]
    Unreachable {
        /// Host and name.
        place: String,
        /// What the driver said.
        cause: Cause,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the schema of {place} up to date: {cause}")]
    Migration {
        /// The file, or host and name.
        place: String,
        /// What the driver said.
        cause: Cause,
    },
}

/// Opens the store at an address and brings its schema up to date:
///
/// | address | store |
/// |---|---|
/// | `sqlite:PATH` | a file, made with its folder if it is missing, readable by its owner alone |
/// | `postgres://USER:PASSWORD@HOST:PORT/NAME` | a database that exists; several nodes may open it at once |
/// | `memory:` | nothing that outlives the process |
pub async fn open(address: &str) -> Result<Arc<dyn Store>, OpenError> {
    if address == "memory:" {
        return Ok(Arc::new(MemoryStore::default()));
    }
    if address.starts_with("postgres://") || address.starts_with("postgresql://") {
        return Ok(Arc::new(postgres::open(address).await?));
    }
    match file_of(address) {
        Some(path) => Ok(Arc::new(sqlite::open(path).await?)),
        // SQLite's own name for a database that is lost when the last connection closes, among others.
        None => Err(OpenError::Address { given: scheme(address) }),
    }
}

/// Opens a store that is there, only to read it: nothing is made, and its schema must be this version's already.
/// What is asked to be written is refused by the database.
pub async fn open_read_only(address: &str) -> Result<Arc<dyn Store>, OpenError> {
    if address.starts_with("postgres://") || address.starts_with("postgresql://") {
        return Ok(Arc::new(postgres::open_read_only(address).await?));
    }
    match file_of(address) {
        Some(path) => Ok(Arc::new(sqlite::open_read_only(&path).await?)),
        None => Err(OpenError::Address { given: scheme(address) }),
    }
}

/// The file of an address that names one.
pub(crate) fn file_of(address: &str) -> Option<PathBuf> {
    let path = address.strip_prefix("sqlite://").or_else(|| address.strip_prefix("sqlite:"))?;
    (!matches!(path, "" | ":memory:")).then(|| PathBuf::from(path))
}

fn scheme(address: &str) -> Option<String> {
    address.split_once(':').map(|(scheme, _)| scheme.to_owned())
}
