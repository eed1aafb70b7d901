//! Reading the log.

use domain::id::Id;
use domain::log::{Chain, LogEntry, Texts};
use domain::ports::{Head, LogFilter, Page};
use engine::model::Revision;
use sqlx::{Pool, QueryBuilder, Row as _};

use super::rows::{cut, document, hash, id, read_all, revision, signed, text, time};
use super::{Db, Row, SqlStore};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "project_id, revision, at, actor, source, action, entities, before, after, comment, before_hash, \
         after_hash, comment_hash, hash"
    };
}

fn read(row: &Row) -> sqlx::Result<LogEntry> {
    Ok(LogEntry {
        chain: Chain::from_id(id(row, "project_id")?),
        revision: revision(row, "revision")?,
        at: time(row, "at")?,
        actor: id(row, "actor")?,
        source: text(row, "source")?,
        action: text(row, "action")?,
        entities: document(row, "entities")?,
        before: row.try_get("before")?,
        after: row.try_get("after")?,
        comment: row.try_get("comment")?,
        texts: Texts {
            before: hash(row, "before_hash")?,
            after: hash(row, "after_hash")?,
            comment: hash(row, "comment_hash")?,
        },
        hash: hash(row, "hash")?,
    })
}

pub(super) async fn heads(pool: &Pool<Db>) -> sqlx::Result<Vec<Head>> {
    // The instance's id is all zeros, so it comes first.
    sqlx::query("SELECT project_id, revision, hash FROM chains ORDER BY project_id")
        .try_map(|row: Row| {
            Ok(Head {
                chain: Chain::from_id(id(&row, "project_id")?),
                revision: revision(&row, "revision")?,
                hash: hash(&row, "hash")?,
            })
        })
        .fetch_all(pool)
        .await
}

pub(super) async fn chains(pool: &Pool<Db>) -> sqlx::Result<Vec<Chain>> {
    sqlx::query("SELECT project_id FROM changes UNION SELECT id FROM projects")
        .try_map(|row: Row| id(&row, "project_id").map(Chain::from_id))
        .fetch_all(pool)
        .await
}

pub(super) async fn page(store: &SqlStore, chain: Chain, filter: &LogFilter) -> sqlx::Result<Page<LogEntry>> {
    let mut listed = QueryBuilder::<Db>::new(concat!("SELECT ", columns!()));
    push_conditions(&mut listed, chain, filter);
    if let Some(before) = filter.before {
        listed.push(" AND revision < ").push_bind(signed(before));
    }
    listed.push(" ORDER BY revision DESC LIMIT ").push_bind(i64::from(filter.limit) + 1);
    let mut counted = QueryBuilder::<Db>::new("SELECT count(*) AS total");
    push_conditions(&mut counted, chain, filter);

    let mut transaction = store.reading().await?;
    let rows = listed.build().fetch_all(&mut *transaction).await?;
    let total =
        counted.build().try_map(|row: Row| revision(&row, "total")).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    let mut page = Page { items: read_all(rows, read).await?, total, more: false };
    page.more = cut(&mut page.items, filter.limit);
    Ok(page)
}

/// Which entries, however many of them are shown.
fn push_conditions(query: &mut QueryBuilder<Db>, chain: Chain, filter: &LogFilter) {
    query.push(" FROM changes WHERE project_id = ").push_bind(chain.id().to_string());
    for entity in &filter.entities {
        query
            .push(" AND revision IN (SELECT revision FROM change_entities WHERE project_id = ")
            .push_bind(chain.id().to_string())
            .push(" AND entity_id = ")
            .push_bind(entity.to_string())
            .push(")");
    }
}

pub(super) async fn after(
    pool: &Pool<Db>,
    chain: Chain,
    after: Revision,
    limit: u32,
) -> sqlx::Result<Vec<LogEntry>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM changes WHERE project_id = $1 AND revision > $2 ORDER BY revision LIMIT $3"
    ))
    .bind(chain.id().to_string())
    .bind(signed(after))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    read_all(rows, read).await
}

pub(super) async fn entity(
    pool: &Pool<Db>,
    project_id: Id,
    kind: &str,
    key: &str,
) -> sqlx::Result<Option<Id>> {
    if !crate::fit::storable(kind) || !crate::fit::storable(key) {
        return Ok(None);
    }
    sqlx::query(
        "SELECT entity_id FROM change_entities WHERE project_id = $1 AND kind = $2 AND key = $3
         ORDER BY revision DESC, entity_id DESC LIMIT 1",
    )
    .bind(project_id.to_string())
    .bind(kind)
    .bind(key)
    .try_map(|row: Row| id(&row, "entity_id"))
    .fetch_optional(pool)
    .await
}
