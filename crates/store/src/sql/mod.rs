//! The store on two databases. The queries are one set of files, mounted by each of them: inside, `Db` is the
//! database that mounts. So both have their own types, and the SQL is written once.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migrator};

use crate::open::OpenError;

/// Where each migration that was run is noted. Not sqlx's own name for it: another program that uses sqlx may
/// have that table, and its history is not ours.
const HISTORY: &str = "burgee_migrations";

/// Our migrations, noted in our own table.
fn ours(mut migrator: Migrator) -> Migrator {
    migrator.dangerous_set_table_name(Cow::Borrowed(HISTORY));
    migrator
}

fn migration_error(place: String, error: MigrateError) -> OpenError {
    match error {
        MigrateError::VersionMissing(found) => OpenError::Newer { place, found },
        error => OpenError::Migration { place, cause: error.into() },
    }
}
