//! Reading the log.

use domain::id::Id;
use domain::log::{Chain, LogEntry, Texts};
use domain::ports::{Head, LogFilter, Page};
use engine::model::Revision;
use sqlx::{Pool, QueryBuilder, Row as _};

use super::paging::cut;
use super::rows::{document, hash, id, read_all, revision, signed, text, time};
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

pub(super) async fn checkpoints(pool: &Pool<Db>) -> sqlx::Result<Vec<Head>> {
    sqlx::query("SELECT project_id, revision, hash FROM checkpoints ORDER BY project_id")
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

pub(super) async fn page(store: &SqlStore, chain: Chain, filter: &LogFilter) -> sqlx::Result<Page<LogEntry>> {
    if filter.action.as_ref().is_some_and(|action| !crate::fit::storable(action)) {
        return Ok(Page { items: Vec::new(), total: Some(0), more: false });
    }
    let id = chain.id().to_string();
    let one_more = i64::from(filter.limit) + 1;
    let direction = if filter.oldest_first { "" } else { " DESC" };
    let mut listed =
        QueryBuilder::<Db>::new(concat!("SELECT ", columns!(), " FROM changes WHERE project_id = "));
    listed.push_bind(id.clone());
    if filter.is_of_all() {
        push_bounds(&mut listed, "revision", filter);
    } else {
        listed.push(" AND revision IN (");
        push_found(&mut listed, &id, filter);
        push_bounds(&mut listed, "f.revision", filter);
        listed.push(format_args!(" ORDER BY f.revision{direction} LIMIT ")).push_bind(one_more).push(")");
    }
    listed.push(format_args!(" ORDER BY revision{direction} LIMIT ")).push_bind(one_more);

    let mut transaction = store.reading().await?;
    let rows = listed.build().fetch_all(&mut *transaction).await?;
    let total = count(&mut transaction, &id, filter).await?;
    transaction.commit().await?;
    let mut page = Page { items: read_all(rows, read).await?, total, more: false };
    page.more = cut(&mut page.items, filter.limit);
    Ok(page)
}

fn push_bounds(query: &mut QueryBuilder<Db>, column: &str, filter: &LogFilter) {
    if let Some(before) = filter.before {
        query.push(format_args!(" AND {column} < ")).push_bind(signed(before));
    }
    if let Some(after) = filter.after {
        query.push(format_args!(" AND {column} > ")).push_bind(signed(after));
    }
}

/// The revisions that are looked for, along an index: that of the entities if there are any, else that of the actor
/// or action; times alone by that of time, whose entries are as many as lie within them.
fn push_found(query: &mut QueryBuilder<Db>, project_id: &str, filter: &LogFilter) {
    let of_entities = !filter.entities.is_empty();
    let table = if of_entities { "change_entities" } else { "changes" };
    query.push(format_args!("SELECT f.revision FROM {table} f WHERE f.project_id = "));
    query.push_bind(project_id.to_owned());
    if let Some((first, others)) = filter.entities.split_first() {
        push_entities(query, *first, others);
        if !is_of_entities_alone(filter) {
            query.push(
                " AND EXISTS (SELECT 1 FROM changes c WHERE c.project_id = f.project_id
                  AND c.revision = f.revision",
            );
            push_columns(query, "c", filter);
            query.push(")");
        }
    } else {
        push_columns(query, "f", filter);
    }
}

fn is_of_entities_alone(filter: &LogFilter) -> bool {
    filter.actor.is_none() && filter.action.is_none() && filter.since.is_none() && filter.until.is_none()
}

/// The entries about the first of the entities by the index, and of these the ones about the others.
fn push_entities(query: &mut QueryBuilder<Db>, first: Id, others: &[Id]) {
    query.push(" AND f.entity_id = ").push_bind(first.to_string());
    for other in others {
        query
            .push(" AND EXISTS (SELECT 1 FROM change_entities o WHERE o.project_id = f.project_id AND o.entity_id = ")
            .push_bind(other.to_string())
            .push(" AND o.revision = f.revision)");
    }
}

fn push_columns(query: &mut QueryBuilder<Db>, table: &str, filter: &LogFilter) {
    if let Some(actor) = filter.actor {
        query.push(format_args!(" AND {table}.actor = ")).push_bind(actor.to_string());
    }
    if let Some(action) = &filter.action {
        query.push(format_args!(" AND {table}.action = ")).push_bind(action.clone());
    }
    if let Some(since) = filter.since {
        query.push(format_args!(" AND {table}.at >= ")).push_bind(since.as_millis());
    }
    if let Some(until) = filter.until {
        query.push(format_args!(" AND {table}.at < ")).push_bind(until.as_millis());
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
    if filter.is_of_all() {
        // Its revisions have no gaps, from the checkpoint on.
        counted
            .push(
                "SELECT c.revision - coalesce(p.revision, 0) AS total FROM chains c
                 LEFT JOIN checkpoints p ON p.project_id = c.project_id WHERE c.project_id = ",
            )
            .push_bind(project_id.to_owned());
    } else if most == 0 {
        return Ok(None);
    } else {
        counted.push("SELECT count(*) AS total FROM (");
        push_found(&mut counted, project_id, filter);
        counted.push(" LIMIT ").push_bind(signed(most.saturating_add(1))).push(") counted");
    }
    let total =
        counted.build().try_map(|row: Row| revision(&row, "total")).fetch_optional(connection).await?;
    let total = total.unwrap_or_default();
    Ok(Some(total).filter(|total| filter.is_of_all() || *total <= most))
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
