//! Context fields, whose values are the context lists.

use domain::context_field::{ContextField, FieldKind};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page};
use sqlx::{Pool, QueryBuilder};

use super::paging::{Listing, empty, push_keyed, storable_filter};
use super::rows::{document, id, key, revision, text, time, word};
use super::{Db, Row, SqlStore};

/// The columns that [`read`] reads, of `context_fields f`.
macro_rules! columns {
    () => {
        "f.project_id, f.id, f.key, f.name, f.type, f.description, f.known_values, f.version, \
         f.created_at, f.updated_at"
    };
}

fn read(row: &Row) -> sqlx::Result<ContextField> {
    Ok(ContextField {
        id: id(row, "id")?,
        project_id: id(row, "project_id")?,
        key: key(row, "key")?,
        name: text(row, "name")?,
        kind: word(row, "type", FieldKind::parse)?,
        description: text(row, "description")?,
        values: document(row, "known_values")?,
        version: revision(row, "version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) async fn field(pool: &Pool<Db>, project_id: Id, key: &Key) -> sqlx::Result<Option<ContextField>> {
    sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM context_fields f WHERE f.project_id = $1 AND f.key = $2"
    ))
    .bind(project_id.to_string())
    .bind(key.as_str())
    .try_map(|row: Row| read(&row))
    .fetch_optional(pool)
    .await
}

pub(super) async fn page(
    store: &SqlStore,
    project_id: Id,
    filter: &KeyedFilter,
) -> sqlx::Result<Page<ContextField>> {
    if !storable_filter(filter) {
        return Ok(empty());
    }
    let listing = Listing {
        columns: columns!(),
        from: &|query| push_conditions(query, project_id, filter),
        by: "f.key",
        after: filter.after.as_ref().map(ToString::to_string),
        limit: filter.limit,
        read,
    };
    listing.page(store).await
}

fn push_conditions(query: &mut QueryBuilder<Db>, project_id: Id, filter: &KeyedFilter) {
    query.push(" FROM context_fields f WHERE f.project_id = ").push_bind(project_id.to_string());
    push_keyed(query, filter, "f.key", &["f.key", "f.name", "f.description"]);
}
