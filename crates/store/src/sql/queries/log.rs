//! Reading the log.

use domain::id::Id;
use domain::log::{Chain, LogEntry, Texts};
use domain::ports::{Head, LogFilter, Page};
use engine::model::Revision;
use sqlx::{Pool, QueryBuilder, Row as _};

use super::rows::{cut, document, hash, id, read_all, revision, signed, text, time};
use super::{Connection, Db, Row, SqlStore};

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
    let id = chain.id().to_string();
    let (before, one_more) = (filter.before.map_or(i64::MAX, signed), i64::from(filter.limit) + 1);
    let mut listed =
        QueryBuilder::<Db>::new(concat!("SELECT ", columns!(), " FROM changes WHERE project_id = "));
    listed.push_bind(id.clone());
    if let Some((first, others)) = filter.entities.split_first() {
        listed.push(" AND revision IN (SELECT e.revision");
        push_entries(&mut listed, &id, *first, others);
        listed.push(" AND e.revision < ").push_bind(before);
        listed.push(" ORDER BY e.revision DESC LIMIT ").push_bind(one_more).push(")");
    } else {
        listed.push(" AND revision < ").push_bind(before);
    }
    listed.push(" ORDER BY revision DESC LIMIT ").push_bind(one_more);

    let mut transaction = store.reading().await?;
    let rows = listed.build().fetch_all(&mut *transaction).await?;
    let total = count(&mut transaction, &id, filter).await?;
    transaction.commit().await?;
    let mut page = Page { items: read_all(rows, read).await?, total, more: false };
    page.more = cut(&mut page.items, filter.limit);
    Ok(page)
}

/// The entries about the first of the entities, newest first by the index, and of these the ones about the others.
fn push_entries(query: &mut QueryBuilder<Db>, project_id: &str, first: Id, others: &[Id]) {
    query.push(" FROM change_entities e WHERE e.project_id = ").push_bind(project_id.to_owned());
    query.push(" AND e.entity_id = ").push_bind(first.to_string());
    for other in others {
        query
            .push(" AND EXISTS (SELECT 1 FROM change_entities o WHERE o.project_id = e.project_id AND o.entity_id = ")
            .push_bind(other.to_string())
            .push(" AND o.revision = e.revision)");
    }
}

/// How many entries there are, however many of them are shown; `None` if they are more than the filter counts.
async fn count(
    connection: &mut Connection,
    project_id: &str,
    filter: &LogFilter,
) -> sqlx::Result<Option<u64>> {
    let most = filter.most_counted;
    let mut counted = QueryBuilder::<Db>::new("");
    if let Some((first, others)) = filter.entities.split_first() {
        counted.push("SELECT count(*) AS total FROM (SELECT e.revision");
        push_entries(&mut counted, project_id, *first, others);
        counted.push(" LIMIT ").push_bind(signed(most.saturating_add(1))).push(") counted");
    } else {
        // Its revisions have no gaps.
        counted
            .push("SELECT revision AS total FROM chains WHERE project_id = ")
            .push_bind(project_id.to_owned());
    }
    let total =
        counted.build().try_map(|row: Row| revision(&row, "total")).fetch_optional(connection).await?;
    let total = total.unwrap_or_default();
    Ok(Some(total).filter(|total| filter.entities.is_empty() || *total <= most))
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
