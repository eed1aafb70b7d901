//! The store on two databases. The queries are one set of files, mounted by each of them: inside, `Db` is the
//! database that mounts. So both have their own types, and the SQL is written once.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migrator};

use crate::open::OpenError;

/// Where each migration that was run is noted. Not sqlx's own name for it: another program that uses sqlx may
/// have that table, and its history is not ours.
pub(crate) const HISTORY: &str = "burgee_migrations";

/// Our migrations, noted in our own table.
fn ours(mut migrator: Migrator) -> Migrator {
    migrator.dangerous_set_table_name(Cow::Borrowed(HISTORY));
    migrator
}

/// What the steps that were run say of who ran them: all of ours and no other, or an error.
fn expect_steps(migrator: &Migrator, run: &[i64], place: &str) -> Result<(), OpenError> {
    let ours: Vec<i64> = migrator.iter().map(|step| step.version).collect();
    if let Some(found) = run.iter().find(|step| !ours.contains(step)) {
        return Err(OpenError::Newer { place: place.to_owned(), found: *found });
    }
    if ours.iter().all(|step| run.contains(step)) {
        return Ok(());
    }
    Err(OpenError::Older { place: place.to_owned() })
}

fn migration_error(place: String, error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(found) => OpenError::Newer { place, found },
        error => OpenError::Migration { place, cause: error.into() },
    }
}
