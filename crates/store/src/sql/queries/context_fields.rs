//! Context fields, whose values are the context lists.

use domain::context_field::{ContextField, FieldKind};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page};
use sqlx::{Pool, QueryBuilder};

use super::rows::{
    cut, document, id, key, push_keyed, read_all, revision, storable_filter, text, time, word,
};
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
        return Ok(Page { items: Vec::new(), total: Some(0), more: false });
    }
    let mut listed = QueryBuilder::<Db>::new(concat!("SELECT ", columns!()));
    push_conditions(&mut listed, project_id, filter);
    if let Some(after) = &filter.after {
        listed.push(" AND f.key > ").push_bind(after.to_string());
    }
    listed.push(" ORDER BY f.key LIMIT ").push_bind(i64::from(filter.limit) + 1);
    let mut counted = QueryBuilder::<Db>::new("SELECT count(*) AS total");
    push_conditions(&mut counted, project_id, filter);

    let mut transaction = store.reading().await?;
    let rows = listed.build().fetch_all(&mut *transaction).await?;
    let total =
        counted.build().try_map(|row: Row| revision(&row, "total")).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    let mut page = Page { items: read_all(rows, read).await?, total: Some(total), more: false };
    page.more = cut(&mut page.items, filter.limit);
    Ok(page)
}

fn push_conditions(query: &mut QueryBuilder<Db>, project_id: Id, filter: &KeyedFilter) {
    query.push(" FROM context_fields f WHERE f.project_id = ").push_bind(project_id.to_string());
    push_keyed(query, filter, "f.key", &["f.key", "f.name", "f.description"]);
}
