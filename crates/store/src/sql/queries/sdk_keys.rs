//! Keys for applications.

use domain::id::Id;
use domain::sdk_key::{SdkKey, SdkKeyKind};
use domain::time::Timestamp;
use sqlx::{Pool, Row as _};

use super::rows::{id, text, time, word};
use super::{Db, Row};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "project_id, id, environment_id, name, kind, hint, hash, created_by, created_at, revoked_at"
    };
}

fn read(row: &Row) -> sqlx::Result<SdkKey> {
    let revoked_at: Option<i64> = row.try_get("revoked_at")?;
    Ok(SdkKey {
        id: id(row, "id")?,
        project_id: id(row, "project_id")?,
        environment_id: id(row, "environment_id")?,
        name: text(row, "name")?,
        kind: word(row, "kind", SdkKeyKind::parse)?,
        hint: text(row, "hint")?,
        hash: text(row, "hash")?,
        created_by: id(row, "created_by")?,
        created_at: time(row, "created_at")?,
        revoked_at: revoked_at.map(Timestamp::from_millis),
    })
}

pub(super) async fn of_project(pool: &Pool<Db>, project_id: Id) -> sqlx::Result<Vec<SdkKey>> {
    sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM sdk_keys WHERE project_id = $1 ORDER BY created_at DESC, id DESC"
    ))
    .bind(project_id.to_string())
    .try_map(|row: Row| read(&row))
    .fetch_all(pool)
    .await
}

pub(super) async fn in_force(pool: &Pool<Db>) -> sqlx::Result<Vec<SdkKey>> {
    sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM sdk_keys WHERE revoked_at IS NULL ORDER BY created_at DESC, id DESC"
    ))
    .try_map(|row: Row| read(&row))
    .fetch_all(pool)
    .await
}
