//! Who looks after which flags.

use domain::ports::Page;
use domain::team::{OwnedFlag, OwnedFlags};
use sqlx::Pool;

use super::paging::cut;
use super::rows::{id, key, revision};
use super::{Db, Row, SqlStore};

pub(super) async fn owned_flags(pool: &Pool<Db>, owner: &str) -> sqlx::Result<Vec<OwnedFlags>> {
    sqlx::query(
        "SELECT p.id, p.key, count(*) AS total FROM flags f JOIN projects p ON p.id = f.project_id
         WHERE f.owner = $1 GROUP BY p.id, p.key ORDER BY p.key",
    )
    .bind(owner)
    .try_map(|row: Row| {
        Ok(OwnedFlags {
            project_id: id(&row, "id")?,
            project: key(&row, "key")?,
            flags: revision(&row, "total")?,
        })
    })
    .fetch_all(pool)
    .await
}

pub(super) async fn flags_of_owner(
    store: &SqlStore,
    owner: &str,
    limit: u32,
) -> sqlx::Result<Page<OwnedFlag>> {
    let mut transaction = store.reading().await?;
    let mut items = sqlx::query(
        "SELECT p.key AS project, f.key AS flag FROM flags f JOIN projects p ON p.id = f.project_id
         WHERE f.owner = $1 ORDER BY p.key, f.key LIMIT $2",
    )
    .bind(owner)
    .bind(i64::from(limit) + 1)
    .try_map(|row: Row| Ok(OwnedFlag { project: key(&row, "project")?, flag: key(&row, "flag")? }))
    .fetch_all(&mut *transaction)
    .await?;
    let total = sqlx::query("SELECT count(*) AS total FROM flags f WHERE f.owner = $1")
        .bind(owner)
        .try_map(|row: Row| revision(&row, "total"))
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let more = cut(&mut items, limit);
    Ok(Page { items, total: Some(total), more })
}
