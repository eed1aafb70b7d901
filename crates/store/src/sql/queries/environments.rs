//! The instance, its projects and their environments.

use domain::environment::{Color, Environment};
use domain::id::Id;
use engine::model::Revision;
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

pub(super) async fn project(pool: &Pool<Db>, key: &str) -> sqlx::Result<Option<Id>> {
    if !crate::fit::storable(key) {
        return Ok(None);
    }
    sqlx::query("SELECT id FROM projects WHERE key = $1")
        .bind(key)
        .try_map(|row: Row| id(&row, "id"))
        .fetch_optional(pool)
        .await
}

pub(super) async fn dependencies_version(pool: &Pool<Db>, project_id: Id) -> sqlx::Result<Revision> {
    let version = sqlx::query("SELECT dependencies FROM projects WHERE id = $1")
        .bind(project_id.to_string())
        .try_map(|row: Row| revision(&row, "dependencies"))
        .fetch_optional(pool)
        .await?;
    Ok(version.unwrap_or_default())
}

pub(super) async fn all(pool: &Pool<Db>, project_id: Id) -> sqlx::Result<Vec<Environment>> {
    let read = |row: Row| {
        Ok(Environment {
            id: id(&row, "id")?,
            project_id: id(&row, "project_id")?,
            key: key(&row, "key")?,
            name: text(&row, "name")?,
            description: text(&row, "description")?,
            color: word(&row, "color", Color::parse)?,
            protected: row.try_get("protected")?,
            position: row.try_get("position")?,
            version: revision(&row, "version")?,
            created_at: time(&row, "created_at")?,
            updated_at: time(&row, "updated_at")?,
        })
    };
    sqlx::query(
        "SELECT project_id, id, key, name, description, color, protected, position, version, created_at,
                updated_at
         FROM environments WHERE project_id = $1 ORDER BY position, key",
    )
    .bind(project_id.to_string())
    .try_map(read)
    .fetch_all(pool)
    .await
}
