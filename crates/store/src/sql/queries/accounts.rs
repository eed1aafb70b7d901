//! Accounts, their credentials, and what signs their sessions.

use domain::account::{AccessToken, Account, AccountKind, Identity, Role, SigningKey};
use domain::id::Id;
use domain::ports::{AccountFilter, Page};
use domain::time::Timestamp;
use sqlx::{Pool, QueryBuilder, Row as _};

use super::paging::{Listing, empty};
use super::rows::{document, id, revision, text, time, word};
use super::{Db, POSITION, Row, SqlStore};

/// So many ids are looked up with one query; a database takes only so many values in one.
const BATCH: usize = 500;

/// The columns that [`read`] reads, of `accounts a`.
macro_rules! columns {
    () => {
        "a.id, a.kind, a.email, a.name, a.role, a.active, a.password_hash, a.version, a.created_at,
         a.updated_at"
    };
}
pub(super) use columns;

/// The columns that [`read_key`] reads, of `signing_keys k`.
macro_rules! key_columns {
    () => {
        "k.id AS key_id, k.secret, k.created_at AS key_created_at, k.verifies_until, k.revoked_at, k.given,
         k.fingerprint"
    };
}
pub(super) use key_columns;

/// The columns that [`read_token`] reads, of `access_tokens t`.
macro_rules! token_columns {
    () => {
        "t.id AS token_id, t.account_id, t.name AS token_name, t.hint, t.hash, t.scopes,
         t.created_at AS token_created_at, t.expires_at, t.last_used_at, t.replaced_by"
    };
}

pub(super) fn read(row: &Row) -> sqlx::Result<Account> {
    Ok(Account {
        id: id(row, "id")?,
        kind: word(row, "kind", AccountKind::parse)?,
        email: text(row, "email")?,
        name: text(row, "name")?,
        role: word(row, "role", Role::parse)?,
        active: row.try_get("active")?,
        password_hash: row.try_get("password_hash")?,
        version: revision(row, "version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) fn read_key(row: &Row) -> sqlx::Result<SigningKey> {
    Ok(SigningKey {
        id: id(row, "key_id")?,
        secret: row.try_get("secret")?,
        created_at: time(row, "key_created_at")?,
        verifies_until: some_time(row, "verifies_until")?,
        revoked_at: some_time(row, "revoked_at")?,
        given: row.try_get("given")?,
        fingerprint: row.try_get("fingerprint")?,
    })
}

fn read_token(row: &Row) -> sqlx::Result<AccessToken> {
    let scopes: Option<String> = row.try_get("scopes")?;
    Ok(AccessToken {
        id: id(row, "token_id")?,
        account_id: id(row, "account_id")?,
        name: text(row, "token_name")?,
        hint: text(row, "hint")?,
        hash: text(row, "hash")?,
        // What does not read must not count as "everything".
        scopes: if scopes.is_some() { Some(document(row, "scopes")?) } else { None },
        created_at: time(row, "token_created_at")?,
        expires_at: some_time(row, "expires_at")?,
        last_used_at: some_time(row, "last_used_at")?,
        replaced_by: match row.try_get::<Option<String>, _>("replaced_by")? {
            Some(_) => Some(id(row, "replaced_by")?),
            None => None,
        },
    })
}

fn some_time(row: &Row, column: &str) -> sqlx::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.try_get(column)?;
    Ok(millis.map(Timestamp::from_millis))
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

pub(super) async fn by_identity(
    pool: &Pool<Db>,
    issuer: &str,
    subject: &str,
) -> sqlx::Result<Option<Account>> {
    if !crate::fit::storable(issuer) || !crate::fit::storable(subject) {
        return Ok(None);
    }
    sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM identities i JOIN accounts a ON a.id = i.account_id WHERE i.issuer = $1 AND i.subject = $2"
    ))
    .bind(issuer)
    .bind(subject)
    .try_map(|row: Row| read(&row))
    .fetch_optional(pool)
    .await
}

pub(super) async fn identities(pool: &Pool<Db>, account_id: Id) -> sqlx::Result<Vec<Identity>> {
    sqlx::query(
        "SELECT id, issuer, subject, account_id, created_at FROM identities WHERE account_id = $1
         ORDER BY created_at, id",
    )
    .bind(account_id.to_string())
    .try_map(|row: Row| {
        Ok(Identity {
            id: id(&row, "id")?,
            issuer: text(&row, "issuer")?,
            subject: text(&row, "subject")?,
            account_id,
            created_at: time(&row, "created_at")?,
        })
    })
    .fetch_all(pool)
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
    sqlx::query(concat!(
        "SELECT ",
        token_columns!(),
        ", ",
        columns!(),
        " FROM access_tokens t JOIN accounts a ON a.id = t.account_id WHERE t.hash = $1"
    ))
    .bind(hash)
    .try_map(|row: Row| Ok((read_token(&row)?, read(&row)?)))
    .fetch_optional(pool)
    .await
}

pub(super) async fn access_tokens(pool: &Pool<Db>, account_id: Id) -> sqlx::Result<Vec<AccessToken>> {
    sqlx::query(concat!(
        "SELECT ",
        token_columns!(),
        " FROM access_tokens t WHERE t.account_id = $1 ORDER BY t.created_at DESC, t.id DESC"
    ))
    .bind(account_id.to_string())
    .try_map(|row: Row| read_token(&row))
    .fetch_all(pool)
    .await
}

pub(super) async fn was_given(pool: &Pool<Db>, fingerprint: &str) -> sqlx::Result<bool> {
    let query = sqlx::query("SELECT fingerprint FROM given WHERE fingerprint = $1");
    Ok(query.bind(fingerprint).fetch_optional(pool).await?.is_some())
}

pub(super) async fn signing_keys(pool: &Pool<Db>) -> sqlx::Result<Vec<SigningKey>> {
    sqlx::query(concat!("SELECT ", key_columns!(), " FROM signing_keys k ORDER BY k.created_at, k.id"))
        .try_map(|row: Row| read_key(&row))
        .fetch_all(pool)
        .await
}

pub(super) async fn admins(pool: &Pool<Db>, most: u32) -> sqlx::Result<Vec<Account>> {
    sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM accounts a
          WHERE a.role = 'admin' AND a.kind = 'person' AND a.active AND a.password_hash IS NOT NULL
          ORDER BY a.created_at, a.id LIMIT $1"
    ))
    .bind(i64::from(most))
    .try_map(|row: Row| read(&row))
    .fetch_all(pool)
    .await
}

/// Accounts of a kind, and how many there are in all.
pub(super) async fn page(
    store: &SqlStore,
    kind: AccountKind,
    filter: &AccountFilter,
) -> sqlx::Result<Page<Account>> {
    let given = [&filter.search, &filter.after];
    if !given.into_iter().flatten().all(|text| crate::fit::storable(text)) {
        return Ok(empty());
    }
    let listing = Listing {
        columns: columns!(),
        from: &|query| push_conditions(query, kind, filter),
        by: "a.email",
        after: filter.after.clone(),
        limit: filter.limit,
        read,
    };
    listing.page(store).await
}

fn push_conditions(query: &mut QueryBuilder<Db>, kind: AccountKind, filter: &AccountFilter) {
    query.push(" FROM accounts a WHERE a.kind = ").push_bind(kind.name());
    if let Some(search) = filter.search.as_ref().filter(|search| !search.is_empty()) {
        let part = search.to_ascii_lowercase();
        query.push(format_args!(" AND ({POSITION}(lower(a.email), ")).push_bind(part.clone()).push(") > 0");
        query.push(format_args!(" OR {POSITION}(lower(a.name), ")).push_bind(part).push(") > 0)");
    }
}
