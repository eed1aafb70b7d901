//! Requests that may be asked again.

use domain::id::Id;
use domain::idempotency::Attempt;
use domain::ports::{Noted, StoreResult};
use domain::time::Timestamp;
use sqlx::{Pool, Row as _};

use super::rows::{id, text, time};
use super::{BEGIN_WRITE, Connection, Db, Row, bounded};

/// So many are forgotten with one statement, so that nobody waits long for the one writer of SQLite.
const BATCH: i64 = 500;

pub(super) async fn note(
    pool: &Pool<Db>,
    attempt: &Attempt,
    forgotten: Timestamp,
    most: u32,
) -> sqlx::Result<Noted> {
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    sqlx::query("DELETE FROM idempotency_keys WHERE account_id = $1 AND key_hash = $2 AND begun_at < $3")
        .bind(attempt.account_id.to_string())
        .bind(&attempt.key_hash)
        .bind(forgotten.as_millis())
        .execute(&mut *transaction)
        .await?;
    let noted = match earlier(&mut transaction, attempt).await? {
        Some(earlier) => Noted::Before(earlier),
        None if count(&mut transaction, attempt.account_id, forgotten).await? >= i64::from(most) => {
            Noted::TooMany
        }
        None if insert(&mut transaction, attempt).await? => Noted::New,
        // Somebody else was faster by a hair: they have committed, or the insert would still wait.
        None => match earlier(&mut transaction, attempt).await? {
            Some(earlier) => Noted::Before(earlier),
            None => return Err(sqlx::Error::RowNotFound),
        },
    };
    transaction.commit().await?;
    Ok(noted)
}

async fn earlier(connection: &mut Connection, attempt: &Attempt) -> sqlx::Result<Option<Attempt>> {
    sqlx::query(
        "SELECT id, account_id, key_hash, credential_hash, fingerprint, begun_at, answer
         FROM idempotency_keys WHERE account_id = $1 AND key_hash = $2",
    )
    .bind(attempt.account_id.to_string())
    .bind(&attempt.key_hash)
    .try_map(|row: Row| {
        Ok(Attempt {
            id: id(&row, "id")?,
            account_id: id(&row, "account_id")?,
            key_hash: text(&row, "key_hash")?,
            credential_hash: text(&row, "credential_hash")?,
            fingerprint: text(&row, "fingerprint")?,
            begun_at: time(&row, "begun_at")?,
            answer: row.try_get("answer")?,
        })
    })
    .fetch_optional(connection)
    .await
}

async fn count(connection: &mut Connection, account_id: Id, since: Timestamp) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM idempotency_keys WHERE account_id = $1 AND begun_at >= $2")
        .bind(account_id.to_string())
        .bind(since.as_millis())
        .fetch_one(connection)
        .await
}

async fn insert(connection: &mut Connection, attempt: &Attempt) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO idempotency_keys
             (id, account_id, key_hash, credential_hash, fingerprint, begun_at, answer)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account_id, key_hash) DO NOTHING",
    )
    .bind(attempt.id.to_string())
    .bind(attempt.account_id.to_string())
    .bind(&attempt.key_hash)
    .bind(&attempt.credential_hash)
    .bind(&attempt.fingerprint)
    .bind(attempt.begun_at.as_millis())
    .bind(&attempt.answer)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn end(pool: &Pool<Db>, id: Id, answer: Option<&[u8]>) -> sqlx::Result<()> {
    let query = match answer {
        Some(answer) => sqlx::query("UPDATE idempotency_keys SET answer = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(answer.to_vec()),
        None => sqlx::query("DELETE FROM idempotency_keys WHERE id = $1").bind(id.to_string()),
    };
    query.execute(pool).await?;
    Ok(())
}

pub(super) async fn sweep(pool: &Pool<Db>, before: Timestamp) -> StoreResult<u64> {
    let mut swept = 0;
    loop {
        let gone = bounded(sweep_batch(pool, before)).await?;
        swept += gone;
        if gone < BATCH.unsigned_abs() {
            return Ok(swept);
        }
    }
}

async fn sweep_batch(pool: &Pool<Db>, before: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query(
        "DELETE FROM idempotency_keys WHERE id IN (
             SELECT id FROM idempotency_keys WHERE begun_at < $1 ORDER BY begun_at LIMIT $2)",
    )
    .bind(before.as_millis())
    .bind(BATCH)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
