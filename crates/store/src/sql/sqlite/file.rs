//! The file: made so that nobody else reads it, and recognised before anything is written to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use domain::error::Cause;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::PATIENCE;
use crate::open::OpenError;

/// Says in the file's header that it is ours: "BURG".
const APPLICATION_ID: i64 = 0x4255_5247;
/// What every SQLite file that is not empty begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Makes the file and its folder where they are missing, and refuses one that is no database.
pub(super) fn prepare(path: &Path) -> Result<(), OpenError> {
    let failed = |error: io::Error| unusable(path, error.into());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).map_err(failed)?;
    }
    match make_file(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map(drop).map_err(failed),
    }
    // SQLite would take a file of a few bytes for an empty database, and overwrite it.
    let start = beginning(path).map_err(failed)?;
    if start.is_empty() || start == MAGIC {
        return Ok(());
    }
    Err(OpenError::NotADatabase { path: path.to_owned() })
}

/// Refuses a file that is not there, or is no database.
pub(crate) fn expect(path: &Path) -> Result<(), OpenError> {
    let start = beginning(path).map_err(|error| unusable(path, error.into()))?;
    if start == MAGIC { Ok(()) } else { Err(OpenError::NotADatabase { path: path.to_owned() }) }
}

fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether the file says that it is ours.
pub(crate) async fn is_ours(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(connection).await?;
    Ok(id == APPLICATION_ID)
}

/// Why a file was not read.
pub(crate) fn refused(path: &Path, error: sqlx::Error) -> OpenError {
    if is_not_a_database(&error) {
        return OpenError::NotADatabase { path: path.to_owned() };
    }
    unusable(path, error.into())
}

/// Refuses a database of another program, and marks an empty one as ours.
///
/// The mark comes before the tables: a start that is cut off between leaves a file that the next start takes.
pub(super) async fn claim(path: &Path) -> Result<(), OpenError> {
    // Without any of our settings: choosing a journal would already write.
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
    let claimed = async {
        let mut connection = options.connect().await?;
        let ours = mark(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(ours)
    };
    match claimed.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(OpenError::Foreign { place: path.display().to_string() }),
        Err(error) => Err(refused(path, error)),
    }
}

async fn mark(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    if id == 0 && tables == 0 {
        sqlx::query("PRAGMA application_id = 0x42555247").execute(connection).await?;
        return Ok(true);
    }
    Ok(id == APPLICATION_ID)
}

/// `SQLITE_NOTADB`.
fn is_not_a_database(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("26")
}

pub(crate) fn unusable(path: &Path, cause: Cause) -> OpenError {
    OpenError::File { path: path.to_owned(), cause }
}

/// SQLite gives its side files (`-wal`, `-shm`) the mode of the file.
#[cfg(unix)]
pub(crate) fn make_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
pub(crate) fn make_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}
