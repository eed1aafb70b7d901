//! Segments and their configs.

use domain::environment::Environment;
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page};
use domain::segment::{Segment, SegmentConfig, SegmentEverywhere, SegmentSummary};
use engine::model::{Condition, Read};
use sqlx::{QueryBuilder, Row as _};

use super::paging::{Listing, empty, push_keyed, storable_filter};
use super::rows::{document, id, key, read_large, revision, text, time};
use super::{Db, Row, SqlStore};

/// The columns that [`read_segment`] reads, of `segments s`.
macro_rules! segment_columns {
    () => {
        "s.project_id, s.id, s.key, s.name, s.description, s.version, s.created_at, s.updated_at"
    };
}
/// The columns that [`read_config`] reads, of `segment_configs c`.
macro_rules! config_columns {
    () => {
        "c.segment_id, c.environment_id, c.condition, c.included, c.excluded, c.version AS config_version, \
         c.updated_at AS config_updated_at"
    };
}
fn read_segment(row: &Row) -> sqlx::Result<Segment> {
    Ok(Segment {
        id: id(row, "id")?,
        project_id: id(row, "project_id")?,
        key: key(row, "key")?,
        name: text(row, "name")?,
        description: text(row, "description")?,
        version: revision(row, "version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn read_config(row: &Row) -> sqlx::Result<SegmentConfig> {
    Ok(SegmentConfig {
        segment_id: id(row, "segment_id")?,
        environment_id: id(row, "environment_id")?,
        when: read_condition(row)?,
        included: document(row, "included")?,
        excluded: document(row, "excluded")?,
        version: revision(row, "config_version")?,
        updated_at: time(row, "config_updated_at")?,
    })
}

pub(super) fn read_condition(row: &Row) -> sqlx::Result<Option<Read<Condition>>> {
    let condition: Option<String> = row.try_get("condition")?;
    condition.map(|_| document(row, "condition")).transpose()
}

fn read_summary(row: &Row) -> sqlx::Result<SegmentSummary> {
    Ok(SegmentSummary {
        segment: read_segment(row)?,
        when: read_condition(row)?,
        included_count: revision(row, "included_count")?,
        excluded_count: revision(row, "excluded_count")?,
        version: revision(row, "config_version")?,
        updated_at: time(row, "config_updated_at")?,
    })
}

pub(super) async fn segment(
    store: &SqlStore,
    project_id: Id,
    key: &Key,
) -> sqlx::Result<Option<SegmentEverywhere>> {
    let mut transaction = store.reading().await?;
    let segment = sqlx::query(concat!(
        "SELECT ",
        segment_columns!(),
        " FROM segments s WHERE s.project_id = $1 AND s.key = $2"
    ))
    .bind(project_id.to_string())
    .bind(key.as_str())
    .try_map(|row: Row| read_segment(&row))
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(segment) = segment else { return Ok(None) };
    let configs = sqlx::query(concat!(
        "SELECT ",
        config_columns!(),
        " FROM segment_configs c
         JOIN environments e ON e.project_id = c.project_id AND e.id = c.environment_id
         WHERE c.project_id = $1 AND c.segment_id = $2 ORDER BY e.position, e.key"
    ))
    .bind(project_id.to_string())
    .bind(segment.id.to_string())
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Some(SegmentEverywhere { segment, configs: read_large(configs, read_config).await? }))
}

pub(super) async fn page(
    store: &SqlStore,
    environment: &Environment,
    filter: &KeyedFilter,
) -> sqlx::Result<Page<SegmentSummary>> {
    if !storable_filter(filter) {
        return Ok(empty());
    }
    let listing = Listing {
        columns: concat!(
            segment_columns!(),
            ", c.condition, c.included_count, c.excluded_count, c.version AS config_version,
               c.updated_at AS config_updated_at"
        ),
        from: &|query| push_conditions(query, environment, filter),
        by: "s.key",
        after: filter.after.as_ref().map(ToString::to_string),
        limit: filter.limit,
        read: read_summary,
    };
    listing.page(store).await
}

/// Which segments, however many of them are shown.
fn push_conditions(query: &mut QueryBuilder<Db>, environment: &Environment, filter: &KeyedFilter) {
    query
        .push(
            " FROM segments s
             JOIN segment_configs c ON c.project_id = s.project_id AND c.segment_id = s.id
             WHERE s.project_id = ",
        )
        .push_bind(environment.project_id.to_string())
        .push(" AND c.environment_id = ")
        .push_bind(environment.id.to_string());
    push_keyed(query, filter, "s.key", &["s.key", "s.name", "s.description"]);
}
