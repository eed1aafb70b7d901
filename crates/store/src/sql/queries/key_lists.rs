//! Large key lists by their content, in pieces: no row is larger than a database likes, and no transaction holds
//! the writer for longer than one piece takes.

use domain::id::Id;
use domain::ports::StoreResult;
use domain::segment::KeySet;
use domain::time::Timestamp;
use sqlx::{Pool, Row as _};

use super::rows::text;
use super::{Db, Row, SqlStore, bounded};

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

/// What is true of `key_lists l` that no config names, last put or named before `$2`.
macro_rules! unnamed {
    () => {
        "l.used_at < $2 AND NOT EXISTS (
             SELECT 1 FROM segment_configs c WHERE c.project_id = l.project_id AND c.included_list = l.sha256)
         AND NOT EXISTS (
             SELECT 1 FROM segment_configs c WHERE c.project_id = l.project_id AND c.excluded_list = l.sha256)"
    };
}

/// Writes what of the list is not there yet. A list of that name is the same list, whoever began it.
pub(super) async fn put(store: &SqlStore, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()> {
    if bounded(begin(&store.writer, project_id, keys.sha256(), at)).await? {
        return Ok(());
    }
    for (position, bytes) in (0_i32..).zip(keys.bytes().chunks(PIECE)) {
        bounded(put_piece(&store.writer, project_id, keys.sha256(), position, bytes)).await?;
    }
    bounded(complete(&store.writer, project_id, keys.sha256())).await
}

/// Notes that the list is wanted, and answers whether it is there already.
async fn begin(pool: &Pool<Db>, project_id: Id, sha256: &str, at: Timestamp) -> sqlx::Result<bool> {
    sqlx::query(
        "INSERT INTO key_lists (project_id, sha256, complete, used_at) VALUES ($1, $2, FALSE, $3)
         ON CONFLICT (project_id, sha256) DO UPDATE SET used_at = excluded.used_at
         RETURNING complete",
    )
    .bind(project_id.to_string())
    .bind(sha256)
    .bind(at.as_millis())
    .try_map(|row: Row| row.try_get("complete"))
    .fetch_one(pool)
    .await
}

async fn put_piece(
    pool: &Pool<Db>,
    project_id: Id,
    sha256: &str,
    position: i32,
    bytes: &[u8],
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO key_list_chunks (project_id, sha256, position, bytes) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(project_id.to_string())
    .bind(sha256)
    .bind(position)
    .bind(bytes)
    .execute(pool)
    .await?;
    Ok(())
}

async fn complete(pool: &Pool<Db>, project_id: Id, sha256: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE key_lists SET complete = TRUE WHERE project_id = $1 AND sha256 = $2")
        .bind(project_id.to_string())
        .bind(sha256)
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn piece(
    pool: &Pool<Db>,
    project_id: Id,
    sha256: &str,
    position: u32,
) -> sqlx::Result<Option<Vec<u8>>> {
    if !crate::fit::storable(sha256) {
        return Ok(None);
    }
    sqlx::query(
        "SELECT c.bytes FROM key_lists l
         JOIN key_list_chunks c ON c.project_id = l.project_id AND c.sha256 = l.sha256
         WHERE l.project_id = $1 AND l.sha256 = $2 AND l.complete AND c.position = $3",
    )
    .bind(project_id.to_string())
    .bind(sha256)
    .bind(i32::try_from(position).unwrap_or(i32::MAX))
    .try_map(|row: Row| row.try_get("bytes"))
    .fetch_optional(pool)
    .await
}

/// One list at a time, for each has many pieces.
pub(super) async fn sweep(store: &SqlStore, project_id: Id, before: Timestamp) -> StoreResult<u64> {
    let mut swept = 0;
    for sha256 in bounded(unnamed(&store.reader, project_id, before)).await? {
        swept += bounded(remove(&store.writer, project_id, &sha256, before)).await?;
    }
    Ok(swept)
}

async fn unnamed(pool: &Pool<Db>, project_id: Id, before: Timestamp) -> sqlx::Result<Vec<String>> {
    sqlx::query(concat!("SELECT l.sha256 FROM key_lists l WHERE l.project_id = $1 AND ", unnamed!()))
        .bind(project_id.to_string())
        .bind(before.as_millis())
        .try_map(|row: Row| text(&row, "sha256"))
        .fetch_all(pool)
        .await
}

/// Asks again: it may have been put or named since. Its pieces go with it.
async fn remove(pool: &Pool<Db>, project_id: Id, sha256: &str, before: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query(concat!(
        "DELETE FROM key_lists AS l WHERE l.project_id = $1 AND l.sha256 = $3 AND ",
        unnamed!()
    ))
    .bind(project_id.to_string())
    .bind(before.as_millis())
    .bind(sha256)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
