//! Backups: one file, whatever the database. It is an SQLite database with our tables, so a backup of either database
//! can be restored to either, and a backup is a database that Burgee could be started on.

mod copy;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::open::{OpenError, file_of};
use crate::sql::sqlite::{file, lock};
use crate::sql::{postgres, sqlite};

/// What a database keeps beside its file.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

/// Why there is no backup, or none was restored. Each message is one line that says where, what and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is something under the name already.
    #[error("{} is there already; name another file, or move it away", .0.display())]
    Exists(PathBuf),
    /// A file could not be written or read.
    #[error("{}: {cause}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The backup is damaged.
    #[error("{} is damaged: {found}; take another backup", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What was found first.
        found: String,
    },
    /// There is a database in the place already.
    #[error("{place} is not empty; {hint}")]
    NotEmpty {
        /// Which.
        place: String,
        /// What to do.
        hint: &'static str,
    },
    /// A database did not do what it was asked.
    #[error("{place}: {cause}")]
    Database {
        /// Which.
        place: String,
        /// What the driver said.
        cause: sqlx::Error,
    },
    /// There is nothing to back up or to restore to.
    #[error("a database in memory has no backup: it ends with the process")]
    Memory,
}

/// The database that a restored one took the place of.
pub type Replaced = Option<PathBuf>;

fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |cause| BackupError::File { path: path.to_owned(), cause }
}

fn database_failed(place: &Path) -> impl Fn(sqlx::Error) -> BackupError {
    move |cause| BackupError::Database { place: place.display().to_string(), cause }
}

/// Writes the database at an address, as it is at one moment, to a new file; servers go on meanwhile. Nothing is under
/// the file's name before all of it is written, synced and looked through. What was cut off leaves `FILE.partial`,
/// which the next backup begins anew.
pub async fn backup(address: &str, to: &Path) -> Result<(), BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let partial = lock::beside(to, ".partial");
    remove_database(&partial)?;
    let written = write(address, &partial).await;
    if written.is_err() {
        // The first error is the one to tell.
        let _ = remove_database(&partial);
    }
    written?;
    // Unlike a rename, a link takes nobody's place.
    fs::hard_link(&partial, to).map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
        _ => BackupError::File { path: to.to_owned(), cause },
    })?;
    fs::remove_file(&partial).map_err(failed(&partial))?;
    sync_folder(to)
}

async fn write(address: &str, partial: &Path) -> Result<(), BackupError> {
    match file_of(address) {
        Some(path) => write_file(&path, partial).await?,
        None if address.starts_with("postgres") => copy::from_postgres(address, partial).await?,
        None => return Err(BackupError::Memory),
    }
    check_backup(partial).await?;
    File::open(partial).and_then(|file| file.sync_all()).map_err(failed(partial))
}

async fn write_file(path: &Path, partial: &Path) -> Result<(), BackupError> {
    file::expect(path)?;
    // Its mode comes from how it is made: nobody else reads it.
    file::make_file(partial).map_err(failed(partial))?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.map_err(database_failed(path))?;
    if !file::is_ours(&mut connection).await.map_err(database_failed(path))? {
        return Err(OpenError::Foreign { place: path.display().to_string() }.into());
    }
    let to = partial.to_string_lossy().into_owned();
    sqlx::query("VACUUM INTO $1")
        .bind(to)
        .execute(&mut connection)
        .await
        .map_err(database_failed(partial))?;
    connection.close().await.map_err(database_failed(path))
}

/// Refuses a file that is no backup, or is damaged. Whether its logs are whole is not asked.
async fn check_backup(path: &Path) -> Result<(), BackupError> {
    file::expect(path)?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.map_err(database_failed(path))?;
    let is_ours = file::is_ours(&mut connection).await.map_err(|error| match file::refused(path, error) {
        OpenError::File { path, cause } => BackupError::Damaged { path, found: cause.to_string() },
        error => error.into(),
    })?;
    if !is_ours {
        return Err(OpenError::Foreign { place: path.display().to_string() }.into());
    }
    let found = integrity(&mut connection).await.unwrap_or_else(|error| Some(error.to_string()));
    let _ = connection.close().await;
    match found {
        None => Ok(()),
        Some(found) => Err(BackupError::Damaged { path: path.to_owned(), found }),
    }
}

/// The first thing that is wrong with a database.
async fn integrity(connection: &mut SqliteConnection) -> sqlx::Result<Option<String>> {
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut *connection).await?;
    if found != "ok" {
        return Ok(Some(found));
    }
    let dangling: Option<String> =
        sqlx::query_scalar("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1")
            .fetch_optional(connection)
            .await?;
    Ok(dangling.map(|table| format!("a row of {table} names another one that is not there")))
}

/// Puts a backup in the place of the database at an address. The backup is copied, brought up to date and given to
/// `prepare`, as an address, to be looked through and marked; only what comes through that takes the place, all at
/// once. A database that is there is kept beside it under the name that is answered.
pub async fn restore<E: From<BackupError>>(
    from: &Path,
    address: &str,
    replace: bool,
    now: &str,
    prepare: impl AsyncFnOnce(String) -> Result<(), E>,
) -> Result<Replaced, E> {
    check_backup(from).await?;
    let Some(path) = file_of(address) else {
        if !address.starts_with("postgres") {
            return Err(BackupError::Memory.into());
        }
        copy::expect_empty(address).await?;
        let folder = from.parent().map_or_else(PathBuf::new, Path::to_owned);
        let name = from.file_name().map(PathBuf::from).unwrap_or_default();
        let copied = folder.join(lock::beside(&name, ".restoring"));
        prepare_copy(from, &copied, prepare).await?;
        let done = copy::into_postgres(&copied, address).await;
        remove_database(&copied)?;
        done?;
        return Ok(None);
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    let _alone = lock::alone(&path).map_err(BackupError::from)?;
    let is_there = !is_empty(&path).await?;
    if is_there && !replace {
        let place = path.display().to_string();
        let hint = "ask again with --replace to put the backup in its place; it is kept beside it";
        return Err(BackupError::NotEmpty { place, hint }.into());
    }
    let copied = lock::beside(&path, ".restoring");
    prepare_copy(from, &copied, prepare).await?;
    Ok(take_place(&path, &copied, is_there, now).await?)
}

async fn prepare_copy<E: From<BackupError>>(
    from: &Path,
    copied: &Path,
    prepare: impl AsyncFnOnce(String) -> Result<(), E>,
) -> Result<(), E> {
    remove_database(copied)?;
    let prepared = async {
        file::make_file(copied).map_err(failed(copied))?;
        fs::copy(from, copied).map_err(failed(copied))?;
        prepare(format!("sqlite:{}", copied.display())).await?;
        settle(copied).await?;
        Ok::<_, E>(())
    };
    let prepared = prepared.await;
    if prepared.is_err() {
        // The first error is the one to tell.
        let _ = remove_database(copied);
    }
    prepared
}

/// Moves what stands in the write-ahead log into the file, and the file to the disk.
async fn settle(path: &Path) -> Result<(), BackupError> {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.map_err(database_failed(path))?;
    let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut connection)
        .await
        .map_err(database_failed(path))?;
    connection.close().await.map_err(database_failed(path))?;
    if busy != 0 || lock::beside(path, "-wal").exists() {
        let why = "something still reads it; stop that first";
        return Err(OpenError::InUse { place: path.display().to_string(), why }.into());
    }
    File::open(path).and_then(|file| file.sync_all()).map_err(failed(path))
}

/// Whether there is no database in a place, or one that nothing was ever written to.
async fn is_empty(path: &Path) -> Result<bool, BackupError> {
    if !path.exists() || fs::metadata(path).map_err(failed(path))?.len() == 0 {
        return Ok(true);
    }
    // Whatever it is, it is not empty, and nobody may lose it.
    if file::expect(path).is_err() {
        return Ok(false);
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.map_err(database_failed(path))?;
    let epochs =
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM instance").fetch_one(&mut connection).await;
    let tables =
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await;
    let _ = connection.close().await;
    Ok(epochs.unwrap_or(1) == 0 || tables.unwrap_or(1) == 0)
}

/// One moment the old database stands under its name, the next the new one: whoever pulls the plug leaves one of them.
async fn take_place(path: &Path, copied: &Path, is_there: bool, now: &str) -> Result<Replaced, BackupError> {
    let mut replaced = None;
    if path.exists() {
        let kept = lock::beside(path, &format!(".replaced-{now}"));
        // A write-ahead log that is left would be taken for the new file's.
        let settled = if file::expect(path).is_ok() { settle(path).await } else { Ok(()) };
        if let Err(BackupError::Open(in_use)) = settled {
            return Err(in_use.into());
        }
        if is_there {
            fs::hard_link(path, &kept).map_err(failed(&kept))?;
            replaced = Some(kept.clone());
        }
        // A damaged one may be why there is a backup to restore: its log stays with it.
        if settled.is_err() && lock::beside(path, "-wal").exists() {
            let log = lock::beside(&kept, "-wal");
            fs::rename(lock::beside(path, "-wal"), &log).map_err(failed(&log))?;
        }
    }
    for ending in SIDE_FILES {
        remove(&lock::beside(path, ending))?;
    }
    fs::rename(copied, path).map_err(failed(path))?;
    sync_folder(path)?;
    remove(&lock::beside(copied, ".lock"))?;
    Ok(replaced)
}

/// Removes what opening a backup left beside it.
pub fn remove_lock(file: &Path) -> Result<(), BackupError> {
    remove(&lock::beside(file, ".lock"))
}

fn sync_folder(path: &Path) -> Result<(), BackupError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::File { path: path.to_owned(), cause })
        }
        _ => Ok(()),
    }
}

/// A database of ours that is in nobody's way any more, with what it has beside it.
fn remove_database(path: &Path) -> Result<(), BackupError> {
    for ending in ["", "-wal", "-shm", "-journal", ".lock"] {
        remove(&lock::beside(path, ending))?;
    }
    Ok(())
}

/// A new database with our tables, in which only what the steps themselves put there stands.
async fn new_database(path: &Path) -> Result<(), BackupError> {
    use domain::ports::Store;
    sqlite::open(path.to_owned()).await?.close().await;
    remove(&lock::beside(path, ".lock"))
}

/// The address's own connection, and the name of the place.
async fn postgres_connection(address: &str) -> Result<(sqlx::PgConnection, String), BackupError> {
    Ok(postgres::connection(address).await?)
}
