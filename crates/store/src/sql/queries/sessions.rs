//! Sessions, one-time links and the setup token: what accounts prove themselves with that is no change of the log.

use domain::account::{Account, LinkTerms, ResetLink, SigningKey, StoredSession};
use domain::id::Id;
use domain::time::Timestamp;
use engine::model::Revision;
use sqlx::{Pool, QueryBuilder, Row as _};

use super::accounts;
use super::rows::{id, signed, text, time};
use super::{BEGIN_WRITE, Db, LOCK_SHARED, Row};

/// The columns that [`read`] reads, of `sessions s`.
macro_rules! columns {
    () => {
        "s.id AS session_id, s.account_id, s.family, s.refresh_hash, s.created_at AS session_created_at,
         s.expires_at AS session_expires_at"
    };
}

fn read(row: &Row) -> sqlx::Result<StoredSession> {
    Ok(StoredSession {
        id: id(row, "session_id")?,
        account_id: id(row, "account_id")?,
        family: text(row, "family")?,
        refresh_hash: text(row, "refresh_hash")?,
        created_at: time(row, "session_created_at")?,
        expires_at: time(row, "session_expires_at")?,
    })
}

pub(super) async fn open(
    pool: &Pool<Db>,
    session: &StoredSession,
    version: Revision,
    most: u32,
) -> sqlx::Result<bool> {
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    // Whoever changes the account and ends its sessions waits until this one can be seen.
    let mut query = QueryBuilder::<Db>::new("SELECT id FROM accounts WHERE id = ");
    query.push_bind(session.account_id.to_string()).push(" AND version = ").push_bind(signed(version));
    query.push(LOCK_SHARED);
    if query.build().fetch_optional(&mut *transaction).await?.is_none() {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO sessions (id, account_id, family, refresh_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(session.id.to_string())
    .bind(session.account_id.to_string())
    .bind(session.family.as_str())
    .bind(session.refresh_hash.as_str())
    .bind(session.created_at.as_millis())
    .bind(session.expires_at.as_millis())
    .execute(&mut *transaction)
    .await?;
    sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
        .bind(session.created_at.as_millis())
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "DELETE FROM sessions WHERE account_id = $1 AND id NOT IN (
             SELECT id FROM sessions WHERE account_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2)",
    )
    .bind(session.account_id.to_string())
    .bind(i64::from(most))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

/// One query, for every request of a session asks it.
pub(super) async fn proof(
    pool: &Pool<Db>,
    key_id: Id,
    session_id: Id,
) -> sqlx::Result<Option<(SigningKey, StoredSession, Account)>> {
    sqlx::query(concat!(
        "SELECT ",
        accounts::columns!(),
        ", ",
        columns!(),
        ", ",
        accounts::key_columns!(),
        " FROM sessions s JOIN accounts a ON a.id = s.account_id JOIN signing_keys k ON k.id = $1
          WHERE s.id = $2"
    ))
    .bind(key_id.to_string())
    .bind(session_id.to_string())
    .try_map(|row: Row| Ok((accounts::read_key(&row)?, read(&row)?, accounts::read(&row)?)))
    .fetch_optional(pool)
    .await
}

pub(super) async fn of_family(
    pool: &Pool<Db>,
    family: &str,
) -> sqlx::Result<Option<(StoredSession, Account)>> {
    sqlx::query(concat!(
        "SELECT ",
        accounts::columns!(),
        ", ",
        columns!(),
        " FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.family = $1"
    ))
    .bind(family)
    .try_map(|row: Row| Ok((read(&row)?, accounts::read(&row)?)))
    .fetch_optional(pool)
    .await
}

pub(super) async fn rotate(pool: &Pool<Db>, id: Id, present: &str, next: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("UPDATE sessions SET refresh_hash = $3 WHERE id = $1 AND refresh_hash = $2")
        .bind(id.to_string())
        .bind(present)
        .bind(next)
        .execute(pool)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn end(pool: &Pool<Db>, id: Id) -> sqlx::Result<bool> {
    let done = sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id.to_string()).execute(pool).await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn end_all(pool: &Pool<Db>, account_id: Id) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE account_id = $1")
        .bind(account_id.to_string())
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn reset_link(pool: &Pool<Db>, hash: &str) -> sqlx::Result<Option<(ResetLink, Account)>> {
    let both = |row: Row| {
        let account = accounts::read(&row)?;
        let (hash, expires_at) = (text(&row, "link_hash")?, time(&row, "link_expires_at")?);
        let terms = LinkTerms { made_by: id(&row, "made_by")?, revoke_tokens: row.try_get("revoke_tokens")? };
        Ok((ResetLink { account_id: account.id, hash, expires_at, terms }, account))
    };
    sqlx::query(concat!(
        "SELECT l.hash AS link_hash, l.expires_at AS link_expires_at, l.made_by, l.revoke_tokens, ",
        accounts::columns!(),
        " FROM reset_links l JOIN accounts a ON a.id = l.account_id WHERE l.hash = $1"
    ))
    .bind(hash)
    .try_map(both)
    .fetch_optional(pool)
    .await
}

pub(super) async fn setup_token(pool: &Pool<Db>) -> sqlx::Result<Option<(String, Timestamp)>> {
    sqlx::query(
        "SELECT setup_hash, setup_expires_at FROM instance
         WHERE setup_hash IS NOT NULL AND setup_expires_at IS NOT NULL",
    )
    .try_map(|row: Row| Ok((text(&row, "setup_hash")?, time(&row, "setup_expires_at")?)))
    .fetch_optional(pool)
    .await
}

pub(super) async fn put_setup_token(pool: &Pool<Db>, hash: &str, expires_at: Timestamp) -> sqlx::Result<()> {
    sqlx::query("UPDATE instance SET setup_hash = $1, setup_expires_at = $2")
        .bind(hash)
        .bind(expires_at.as_millis())
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn note_tokens_used(pool: &Pool<Db>, uses: &[(Id, Timestamp)]) -> sqlx::Result<()> {
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    for (token_id, at) in uses {
        sqlx::query(
            "UPDATE access_tokens SET last_used_at = $2
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
        )
        .bind(token_id.to_string())
        .bind(at.as_millis())
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}
