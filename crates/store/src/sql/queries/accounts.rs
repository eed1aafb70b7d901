//! Accounts, their credentials, and what signs their sessions.

use domain::account::{AccessToken, Account, Role, SigningKey};
use domain::id::Id;
use sqlx::{Pool, QueryBuilder, Row as _};

use super::rows::{id, text, time, word};
use super::{Db, Row};

/// So many ids are looked up with one query; a database takes only so many values in one.
const BATCH: usize = 500;

/// The columns that [`read`] reads, of `accounts a`.
macro_rules! columns {
    () => {
        "a.id, a.email, a.name, a.role, a.password_hash, a.created_at, a.updated_at"
    };
}

fn read(row: &Row) -> sqlx::Result<Account> {
    Ok(Account {
        id: id(row, "id")?,
        email: text(row, "email")?,
        name: text(row, "name")?,
        role: word(row, "role", Role::parse)?,
        password_hash: row.try_get("password_hash")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) async fn by_id(pool: &Pool<Db>, id: Id) -> sqlx::Result<Option<Account>> {
    sqlx::query(concat!("SELECT ", columns!(), " FROM accounts a WHERE a.id = $1"))
        .bind(id.to_string())
        .try_map(|row: Row| read(&row))
        .fetch_optional(pool)
        .await
}

pub(super) async fn by_email(pool: &Pool<Db>, email: &str) -> sqlx::Result<Option<Account>> {
    if !crate::fit::storable(email) {
        return Ok(None);
    }
    sqlx::query(concat!("SELECT ", columns!(), " FROM accounts a WHERE a.email = $1"))
        .bind(email)
        .try_map(|row: Row| read(&row))
        .fetch_optional(pool)
        .await
}

pub(super) async fn names(pool: &Pool<Db>, ids: &[Id]) -> sqlx::Result<Vec<(Id, String)>> {
    let mut names = Vec::new();
    for batch in ids.chunks(BATCH) {
        let mut query = QueryBuilder::<Db>::new("SELECT id, email FROM accounts WHERE id IN (");
        let mut values = query.separated(", ");
        for id in batch {
            values.push_bind(id.to_string());
        }
        query.push(")");
        let named = |row: Row| Ok((id(&row, "id")?, text(&row, "email")?));
        names.extend(query.build().try_map(named).fetch_all(pool).await?);
    }
    Ok(names)
}

pub(super) async fn access_token(
    pool: &Pool<Db>,
    hash: &str,
) -> sqlx::Result<Option<(AccessToken, Account)>> {
    if !crate::fit::storable(hash) {
        return Ok(None);
    }
    let both = |row: Row| {
        let account = read(&row)?;
        let token = AccessToken {
            id: id(&row, "token_id")?,
            account_id: account.id,
            hash: text(&row, "token_hash")?,
            created_at: time(&row, "token_created_at")?,
        };
        Ok((token, account))
    };
    sqlx::query(concat!(
        "SELECT t.id AS token_id, t.hash AS token_hash, t.created_at AS token_created_at, ",
        columns!(),
        " FROM access_tokens t JOIN accounts a ON a.id = t.account_id WHERE t.hash = $1"
    ))
    .bind(hash)
    .try_map(both)
    .fetch_optional(pool)
    .await
}

pub(super) async fn signing_keys(pool: &Pool<Db>) -> sqlx::Result<Vec<SigningKey>> {
    sqlx::query("SELECT id, secret, created_at FROM signing_keys ORDER BY created_at, id")
        .try_map(|row: Row| {
            let secret = row.try_get("secret")?;
            Ok(SigningKey { id: id(&row, "id")?, secret, created_at: time(&row, "created_at")? })
        })
        .fetch_all(pool)
        .await
}
