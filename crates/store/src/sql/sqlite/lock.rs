//! Who has the file open: a file beside it, `….lock`, that all who do share and that who replaces the database has
//! alone. SQLite's own locks come and go with each transaction, and do not hold while a file is renamed.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::file::unusable;
use crate::open::OpenError;

/// A path beside another one.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(ending);
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(beside(path, ".lock"))
}

/// With all others who have the database open, until it is dropped.
pub(super) fn share(path: &Path) -> Result<File, OpenError> {
    let file = open(path).map_err(|error| unusable(path, error.into()))?;
    taken(file.try_lock_shared(), path, "a backup is being restored to it; wait until that is done")?;
    Ok(file)
}

/// Alone, until it is dropped.
pub(crate) fn alone(path: &Path) -> Result<File, OpenError> {
    let file = open(path).map_err(|error| unusable(path, error.into()))?;
    taken(file.try_lock(), path, "stop the server first, and whatever else has it open")?;
    Ok(file)
}

fn taken(locked: Result<(), TryLockError>, path: &Path, why: &'static str) -> Result<(), OpenError> {
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { place: path.display().to_string(), why }),
        // A file system without locks: then nobody can be told, and a start must not fail for it.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(unusable(path, error.into())),
    }
}
