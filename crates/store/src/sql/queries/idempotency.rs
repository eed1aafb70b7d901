//! Requests that may be asked again.

use domain::id::Id;
use domain::idempotency::Attempt;
use domain::ports::{AnswerRoom, Noted, StoreResult};
use domain::time::Timestamp;
use sqlx::{Pool, Row as _};

use super::rows::{id, signed, text, time};
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
    if earlier(&mut transaction, attempt).await?.is_some_and(|earlier| earlier.begun_at < forgotten) {
        let account = attempt.account_id.to_string();
        hold(&mut transaction, &account).await?;
        let gone = sqlx::query_scalar(
            "DELETE FROM idempotency_keys WHERE account_id = $1 AND key_hash = $2 AND begun_at < $3
             RETURNING CAST(COALESCE(LENGTH(answer), 0) AS BIGINT)",
        )
        .bind(&account)
        .bind(&attempt.key_hash)
        .bind(forgotten.as_millis())
        .fetch_all(&mut *transaction)
        .await?;
        count_bytes(&mut transaction, &account, -gone.iter().sum::<i64>()).await?;
    }
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

pub(super) async fn end(
    pool: &Pool<Db>,
    id: Id,
    answer: Option<&[u8]>,
    room: AnswerRoom,
) -> sqlx::Result<()> {
    let Some(answer) = answer else {
        sqlx::query("DELETE FROM idempotency_keys WHERE id = $1").bind(id.to_string()).execute(pool).await?;
        return Ok(());
    };
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    let account: Option<String> = sqlx::query_scalar("SELECT account_id FROM idempotency_keys WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(account) = account else { return Ok(()) };
    let own = hold(&mut transaction, &account).await?;
    let others: i64 = sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM idempotency_bytes WHERE account_id <> $1",
    )
    .bind(&account)
    .fetch_one(&mut *transaction)
    .await?;
    let allowed = signed(room.of_one).min(signed(room.of_all) - others);
    let size = signed(answer.len() as u64);
    let kept = if size <= allowed { answer } else { &[] };
    let mut added = signed(kept.len() as u64);
    if own + added > allowed && !kept.is_empty() {
        added -= empty_oldest(&mut transaction, &account, own + added - allowed).await?;
    }
    let done = sqlx::query("UPDATE idempotency_keys SET answer = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(kept.to_vec())
        .execute(&mut *transaction)
        .await?;
    if done.rows_affected() == 0 {
        // It was forgotten meanwhile.
        return Ok(());
    }
    count_bytes(&mut transaction, &account, added).await?;
    transaction.commit().await
}

/// Empties the oldest answers of an account that have so many bytes together, or more. Gives how many.
async fn empty_oldest(connection: &mut Connection, account: &str, surplus: i64) -> sqlx::Result<i64> {
    let mut freed = 0;
    while freed < surplus {
        let oldest: Vec<(String, i64)> = sqlx::query_as(
            "SELECT id, CAST(LENGTH(answer) AS BIGINT) FROM idempotency_keys
             WHERE account_id = $1 AND LENGTH(answer) > 0 ORDER BY begun_at, id LIMIT 100",
        )
        .bind(account)
        .fetch_all(&mut *connection)
        .await?;
        if oldest.is_empty() {
            break;
        }
        for (id, size) in oldest {
            sqlx::query("UPDATE idempotency_keys SET answer = $2 WHERE id = $1")
                .bind(id)
                .bind(Vec::<u8>::new())
                .execute(&mut *connection)
                .await?;
            freed += size;
            if freed >= surplus {
                break;
            }
        }
    }
    Ok(freed)
}

/// How many bytes an account's answers have. Until the transaction ends nobody else counts them: whoever changes answers
/// does this first.
async fn hold(connection: &mut Connection, account: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "INSERT INTO idempotency_bytes (account_id, bytes) VALUES ($1, 0)
         ON CONFLICT (account_id) DO UPDATE SET bytes = idempotency_bytes.bytes RETURNING bytes",
    )
    .bind(account)
    .fetch_one(connection)
    .await
}

async fn count_bytes(connection: &mut Connection, account: &str, added: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE idempotency_bytes SET bytes = bytes + $2 WHERE account_id = $1")
        .bind(account)
        .bind(added)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn sweep(pool: &Pool<Db>, before: Timestamp) -> StoreResult<u64> {
    let mut swept = 0;
    while let Some(gone) = bounded(sweep_some(pool, before)).await? {
        swept += gone;
    }
    Ok(swept)
}

/// Some of one account's; `None` if there are none of anybody's.
async fn sweep_some(pool: &Pool<Db>, before: Timestamp) -> sqlx::Result<Option<u64>> {
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    let account: Option<String> = sqlx::query_scalar(
        "SELECT account_id FROM idempotency_keys WHERE begun_at < $1 ORDER BY begun_at LIMIT 1",
    )
    .bind(before.as_millis())
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(account) = account else { return Ok(None) };
    hold(&mut transaction, &account).await?;
    let gone: Vec<i64> = sqlx::query_scalar(
        "DELETE FROM idempotency_keys WHERE id IN (
             SELECT id FROM idempotency_keys WHERE account_id = $1 AND begun_at < $2 LIMIT $3)
         RETURNING CAST(COALESCE(LENGTH(answer), 0) AS BIGINT)",
    )
    .bind(&account)
    .bind(before.as_millis())
    .bind(BATCH)
    .fetch_all(&mut *transaction)
    .await?;
    count_bytes(&mut transaction, &account, -gone.iter().sum::<i64>()).await?;
    transaction.commit().await?;
    Ok(Some(gone.len() as u64))
}
