//! The security log.

use domain::log::Hash;
use domain::ports::{Page, SecurityFilter, SecurityHead};
use domain::security::{SecurityEntry, SecurityNote, link_security};
use engine::model::Revision;
use sqlx::{Pool, QueryBuilder};

use super::paging::cut;
use super::rows::{hash, revision, signed, text, time};
use super::{BEGIN_WRITE, Connection, Db, Row, SqlStore};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "revision, at, last_at, count, kind, actor, address, subject, detail, hash"
    };
}

fn read(row: &Row) -> sqlx::Result<SecurityEntry> {
    let unreadable =
        |column: &str| sqlx::Error::ColumnDecode { index: column.to_owned(), source: "does not read".into() };
    let given = |column| text(row, column).map(|text| Some(text).filter(|text| !text.is_empty()));
    let actor = given("actor")?.map(|id| id.parse()).transpose();
    let address = given("address")?.map(|address| address.parse()).transpose();
    Ok(SecurityEntry {
        revision: revision(row, "revision")?,
        note: SecurityNote {
            at: time(row, "at")?,
            last_at: time(row, "last_at")?,
            count: revision(row, "count")?,
            kind: text(row, "kind")?,
            actor: actor.map_err(|_| unreadable("actor"))?,
            address: address.map_err(|_| unreadable("address"))?,
            subject: text(row, "subject")?,
            detail: text(row, "detail")?,
        },
        hash: hash(row, "hash")?,
    })
}

pub(super) async fn head(pool: &Pool<Db>) -> sqlx::Result<SecurityHead> {
    sqlx::query("SELECT revision, hash, checkpoint, checkpoint_hash FROM security_chain")
        .try_map(|row: Row| {
            Ok(SecurityHead {
                revision: revision(&row, "revision")?,
                hash: hash(&row, "hash")?,
                checkpoint: revision(&row, "checkpoint")?,
                checkpoint_hash: hash(&row, "checkpoint_hash")?,
            })
        })
        .fetch_one(pool)
        .await
}

/// Takes the chain's row, and with it the chain, until the transaction ends.
pub(super) async fn append(
    pool: &Pool<Db>,
    notes: &[SecurityNote],
    checkpoint: Option<(Revision, Hash)>,
) -> sqlx::Result<bool> {
    // Dropped without `commit`, at any fault, it is rolled back.
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    let (mut last, mut previous) = sqlx::query(
        "UPDATE security_chain SET revision = revision + $1 RETURNING revision - $1 AS revision, hash",
    )
    .bind(signed(notes.len() as u64))
    .try_map(|row: Row| Ok((revision(&row, "revision")?, hash(&row, "hash")?)))
    .fetch_one(&mut *transaction)
    .await?;
    if let Some((through, hash)) = checkpoint
        && !expire(&mut transaction, through, &hash).await?
    {
        return Ok(false);
    }
    for note in notes {
        last += 1;
        previous = link_security(&previous, last, note);
        insert(&mut transaction, last, note, &previous).await?;
    }
    sqlx::query("UPDATE security_chain SET hash = $1")
        .bind(previous.to_vec())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}

async fn insert(
    connection: &mut Connection,
    revision: Revision,
    note: &SecurityNote,
    hash: &Hash,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO security_events (revision, at, last_at, count, kind, actor, address, subject, detail, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(signed(revision))
    .bind(note.at.as_millis())
    .bind(note.last_at.as_millis())
    .bind(signed(note.count))
    .bind(note.kind.as_str())
    .bind(note.actor.map(|actor| actor.to_string()).unwrap_or_default())
    .bind(note.address.map(|address| address.to_string()).unwrap_or_default())
    .bind(note.subject.as_str())
    .bind(note.detail.as_str())
    .bind(hash.to_vec())
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the entry was there to become the checkpoint.
async fn expire(connection: &mut Connection, through: Revision, hash: &Hash) -> sqlx::Result<bool> {
    let marked = sqlx::query(
        "UPDATE security_chain SET checkpoint = $1, checkpoint_hash = $2
         WHERE EXISTS (SELECT 1 FROM security_events WHERE revision = $1 AND hash = $2)",
    )
    .bind(signed(through))
    .bind(hash.to_vec())
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM security_events WHERE revision <= (SELECT checkpoint FROM security_chain)")
        .execute(connection)
        .await?;
    Ok(marked.rows_affected() == 1)
}

pub(super) async fn page(store: &SqlStore, filter: &SecurityFilter) -> sqlx::Result<Page<SecurityEntry>> {
    let is_of_all = filter.kind.is_none()
        && filter.actor.is_none()
        && filter.address.is_none()
        && filter.since.is_none()
        && filter.until.is_none();
    let mut query =
        QueryBuilder::<Db>::new(concat!("SELECT ", columns!(), " FROM security_events WHERE 1 = 1"));
    if let Some(kind) = &filter.kind {
        query.push(" AND kind = ").push_bind(kind.clone());
    }
    if let Some(actor) = filter.actor {
        query.push(" AND actor = ").push_bind(actor.to_string());
    }
    if let Some(address) = filter.address {
        query.push(" AND address = ").push_bind(address.to_string());
    }
    if let Some(since) = filter.since {
        query.push(" AND at >= ").push_bind(since.as_millis());
    }
    if let Some(until) = filter.until {
        query.push(" AND at < ").push_bind(until.as_millis());
    }
    if let Some(before) = filter.before {
        query.push(" AND revision < ").push_bind(signed(before));
    }
    if let Some(after) = filter.after {
        query.push(" AND revision > ").push_bind(signed(after));
    }
    let direction = if filter.oldest_first { "" } else { " DESC" };
    query.push(format_args!(" ORDER BY revision{direction} LIMIT ")).push_bind(i64::from(filter.limit) + 1);

    let mut transaction = store.reading().await?;
    let rows = query.build().fetch_all(&mut *transaction).await?;
    let mut items = rows.iter().map(read).collect::<sqlx::Result<Vec<_>>>()?;
    let total = if is_of_all {
        sqlx::query("SELECT revision - checkpoint AS total FROM security_chain")
            .try_map(|row: Row| revision(&row, "total"))
            .fetch_optional(&mut *transaction)
            .await?
    } else {
        None
    };
    transaction.commit().await?;
    let more = cut(&mut items, filter.limit);
    Ok(Page { items, total, more })
}
