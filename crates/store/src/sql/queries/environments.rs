//! The instance, and the environments of its projects.

use domain::environment::{Color, Environment};
use domain::id::Id;
use sqlx::{Pool, Row as _};

use super::rows::{id, key, revision, text, time, word};
use super::{Db, Row};

pub(super) async fn epoch(pool: &Pool<Db>) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("SELECT epoch FROM instance").fetch_optional(pool).await
}

pub(super) async fn renew_epoch(pool: &Pool<Db>, epoch: &str) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO instance (id, epoch) VALUES (1, $1)
         ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch",
    )
    .bind(epoch)
    .execute(pool)
    .await?;
    Ok(())
}

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "project_id, id, key, name, description, color, protected, position, version, created_at, updated_at"
    };
}

fn read(row: &Row) -> sqlx::Result<Environment> {
    Ok(Environment {
        id: id(row, "id")?,
        project_id: id(row, "project_id")?,
        key: key(row, "key")?,
        name: text(row, "name")?,
        description: text(row, "description")?,
        color: word(row, "color", Color::parse)?,
        protected: row.try_get("protected")?,
        position: row.try_get("position")?,
        version: revision(row, "version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) async fn of_project(pool: &Pool<Db>, project_id: Id) -> sqlx::Result<Vec<Environment>> {
    sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM environments WHERE project_id = $1 ORDER BY position, key"
    ))
    .bind(project_id.to_string())
    .try_map(|row: Row| read(&row))
    .fetch_all(pool)
    .await
}

pub(super) async fn all(pool: &Pool<Db>) -> sqlx::Result<Vec<Environment>> {
    sqlx::query(concat!("SELECT ", columns!(), " FROM environments ORDER BY project_id, position, key"))
        .try_map(|row: Row| read(&row))
        .fetch_all(pool)
        .await
}
