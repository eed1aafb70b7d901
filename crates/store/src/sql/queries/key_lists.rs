//! Large key lists by their content, in pieces: no row is larger than a database likes, and no transaction holds
//! the writer for longer than one piece takes.

use domain::id::Id;
use domain::ports::{KEY_LIST_PIECE, StoreResult};
use domain::segment::KeySet;
use domain::time::Timestamp;
use sqlx::{Pool, Row as _};

use super::rows::text;
use super::{Db, Row, SqlStore, bounded};

/// What is true of `key_lists l` that no config names, last put or named before `$2`.
macro_rules! unnamed {
    () => {
        "l.used_at < $2 AND NOT EXISTS (
             SELECT 1 FROM segment_configs c WHERE c.project_id = l.project_id AND c.included_list = l.sha256)
         AND NOT EXISTS (
             SELECT 1 FROM segment_configs c WHERE c.project_id = l.project_id AND c.excluded_list = l.sha256)"
    };
}

/// Writes what of the list is not there, or not as it must be. A list of that name is the same list, whoever began it.
pub(super) async fn put(store: &SqlStore, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()> {
    bounded(begin(&store.writer, project_id, keys, at)).await?;
    let mut pieces = 0;
    for bytes in keys.bytes().chunks(KEY_LIST_PIECE) {
        bounded(put_piece(&store.writer, project_id, keys.sha256(), pieces, bytes)).await?;
        pieces += 1;
    }
    bounded(complete(&store.writer, project_id, keys.sha256(), pieces)).await
}

/// Notes that the list is wanted.
async fn begin(pool: &Pool<Db>, project_id: Id, keys: &KeySet, at: Timestamp) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO key_lists (project_id, sha256, length, complete, used_at) VALUES ($1, $2, $3, FALSE, $4)
         ON CONFLICT (project_id, sha256) DO UPDATE SET length = excluded.length, used_at = excluded.used_at",
    )
    .bind(project_id.to_string())
    .bind(keys.sha256())
    .bind(i64::try_from(keys.bytes().len()).unwrap_or(i64::MAX))
    .bind(at.as_millis())
    .execute(pool)
    .await?;
    Ok(())
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
         ON CONFLICT (project_id, sha256, position) DO UPDATE SET bytes = excluded.bytes
         WHERE key_list_chunks.bytes <> excluded.bytes",
    )
    .bind(project_id.to_string())
    .bind(sha256)
    .bind(position)
    .bind(bytes)
    .execute(pool)
    .await?;
    Ok(())
}

async fn complete(pool: &Pool<Db>, project_id: Id, sha256: &str, pieces: i32) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM key_list_chunks WHERE project_id = $1 AND sha256 = $2 AND position >= $3")
        .bind(project_id.to_string())
        .bind(sha256)
        .bind(pieces)
        .execute(pool)
        .await?;
    sqlx::query("UPDATE key_lists SET complete = TRUE WHERE project_id = $1 AND sha256 = $2")
        .bind(project_id.to_string())
        .bind(sha256)
        .execute(pool)
        .await?;
    Ok(())
}

/// Reads no piece: both databases know how long it is without it.
pub(super) async fn is_whole(pool: &Pool<Db>, project_id: Id, sha256: &str) -> sqlx::Result<bool> {
    if !crate::fit::storable(sha256) {
        return Ok(false);
    }
    let whole = sqlx::query(
        "SELECT 1 FROM key_lists l WHERE l.project_id = $1 AND l.sha256 = $2 AND l.complete AND l.length = (
             SELECT coalesce(sum(length(c.bytes)), 0) FROM key_list_chunks c
             WHERE c.project_id = l.project_id AND c.sha256 = l.sha256)",
    )
    .bind(project_id.to_string())
    .bind(sha256)
    .fetch_optional(pool)
    .await?;
    Ok(whole.is_some())
}

pub(super) async fn length(pool: &Pool<Db>, project_id: Id, sha256: &str) -> sqlx::Result<Option<u64>> {
    if !crate::fit::storable(sha256) {
        return Ok(None);
    }
    sqlx::query("SELECT length FROM key_lists WHERE project_id = $1 AND sha256 = $2 AND complete")
        .bind(project_id.to_string())
        .bind(sha256)
        .try_map(|row: Row| Ok(row.try_get::<i64, _>("length")?.try_into().unwrap_or_default()))
        .fetch_optional(pool)
        .await
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
