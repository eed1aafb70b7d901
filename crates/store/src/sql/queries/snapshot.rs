//! What readers of an environment are given. State is read from the live tables, in one transaction with the
//! revision that it is the state of.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::flag::document;
use domain::id::Id;
use engine::model::{Delta, Flag, List, Read, Revision, SCHEMA, Segment, Snapshot};
use serde_json::{Map, Value};
use sqlx::Row as _;

use super::flags::{config_columns, flag_columns, read_here};
use super::rows::{Rows, document as from_document, read_large_stream, read_stream, revision, signed, text};
use super::segments::read_condition;
use super::{Connection, Row, SqlStore};

/// What a snapshot says besides its flags.
struct Header {
    project_id: String,
    project: String,
    environment: String,
    epoch: Option<String>,
    revision: Revision,
}

/// A flag, segment or list by its key; nothing if it is gone.
type Entry<T> = (String, Option<Arc<Read<T>>>);

pub(super) async fn snapshot(store: &SqlStore, environment_id: Id) -> sqlx::Result<Option<Snapshot>> {
    let mut transaction = store.reading().await?;
    let Some(header) = header(&mut transaction, environment_id).await? else { return Ok(None) };
    let rows = sqlx::query(concat!(
        "SELECT f.key AS flag_key, ",
        flag_columns!(),
        ", ",
        config_columns!(),
        " FROM flags f JOIN flag_configs c ON c.project_id = f.project_id AND c.flag_id = f.id
         WHERE f.project_id = $1 AND c.environment_id = $2"
    ))
    .bind(header.project_id.clone())
    .bind(environment_id.to_string())
    .fetch(&mut *transaction);
    let flags = present(read_stream(rows, read_entry).await?);
    let rows = segments(&mut transaction, &header.project_id, environment_id);
    let segments = present(read_large_stream(rows, read_segment).await?);
    let lists = present(read_stream(lists(&mut transaction, &header.project_id), read_list).await?);
    transaction.commit().await?;
    let epoch = header.epoch.ok_or_else(|| sqlx::Error::Decode("the database has no epoch yet".into()))?;
    Ok(Some(Snapshot {
        schema: SCHEMA,
        epoch,
        revision: header.revision,
        project: header.project,
        environment: header.environment,
        lists,
        segments,
        flags,
    }))
}

pub(super) async fn changes_since(
    store: &SqlStore,
    environment_id: Id,
    since: Revision,
) -> sqlx::Result<Option<Delta>> {
    let mut transaction = store.reading().await?;
    let Some(header) = header(&mut transaction, environment_id).await? else { return Ok(None) };
    if header.revision <= since {
        return Ok(Some(Delta { revision: since, ..Delta::default() }));
    }
    let rows = sqlx::query(concat!(
        "SELECT e.key AS flag_key, ",
        flag_columns!(),
        ", ",
        config_columns!(),
        " FROM effects e
         LEFT JOIN flags f ON f.project_id = e.project_id AND f.key = e.key
         LEFT JOIN flag_configs c ON c.project_id = f.project_id AND c.flag_id = f.id
                                 AND c.environment_id = e.environment_id
         WHERE e.project_id = $1 AND e.environment_id = $2 AND e.kind = 'flag' AND e.revision > $3"
    ))
    .bind(header.project_id.clone())
    .bind(environment_id.to_string())
    .bind(signed(since))
    .fetch(&mut *transaction);
    let flags = read_stream(rows, read_entry).await?.into_iter().collect();
    let project_id = &header.project_id;
    let rows = segments_since(&mut transaction, project_id, environment_id, since);
    let segments = read_large_stream(rows, read_segment).await?.into_iter().collect();
    let rows = lists_since(&mut transaction, project_id, environment_id, since);
    let lists = read_stream(rows, read_list).await?.into_iter().collect();
    transaction.commit().await?;
    Ok(Some(Delta { revision: header.revision, flags, segments, lists }))
}

async fn header(connection: &mut Connection, environment_id: Id) -> sqlx::Result<Option<Header>> {
    let read = |row: Row| {
        Ok(Header {
            project_id: text(&row, "project_id")?,
            project: text(&row, "project")?,
            environment: text(&row, "environment")?,
            epoch: row.try_get("epoch")?,
            revision: revision(&row, "snapshot_revision")?,
        })
    };
    sqlx::query(
        "SELECT e.project_id, p.key AS project, e.key AS environment, e.snapshot_revision,
                (SELECT i.epoch FROM instance i) AS epoch
         FROM environments e JOIN projects p ON p.id = e.project_id WHERE e.id = $1",
    )
    .bind(environment_id.to_string())
    .try_map(read)
    .fetch_optional(connection)
    .await
}

fn segments<'c>(connection: &'c mut Connection, project_id: &str, environment_id: Id) -> Rows<'c> {
    sqlx::query(
        "SELECT s.key, c.segment_id, c.condition, c.included, c.excluded
         FROM segments s JOIN segment_configs c ON c.project_id = s.project_id AND c.segment_id = s.id
         WHERE s.project_id = $1 AND c.environment_id = $2",
    )
    .bind(project_id.to_owned())
    .bind(environment_id.to_string())
    .fetch(connection)
}

fn segments_since<'c>(
    connection: &'c mut Connection,
    project_id: &str,
    environment_id: Id,
    since: Revision,
) -> Rows<'c> {
    sqlx::query(
        "SELECT e.key, c.segment_id, c.condition, c.included, c.excluded FROM effects e
         LEFT JOIN segments s ON s.project_id = e.project_id AND s.key = e.key
         LEFT JOIN segment_configs c ON c.project_id = s.project_id AND c.segment_id = s.id
                                    AND c.environment_id = e.environment_id
         WHERE e.project_id = $1 AND e.environment_id = $2 AND e.kind = 'segment' AND e.revision > $3",
    )
    .bind(project_id.to_owned())
    .bind(environment_id.to_string())
    .bind(signed(since))
    .fetch(connection)
}

fn lists<'c>(connection: &'c mut Connection, project_id: &str) -> Rows<'c> {
    sqlx::query("SELECT key, known_values FROM context_fields WHERE project_id = $1")
        .bind(project_id.to_owned())
        .fetch(connection)
}

fn lists_since<'c>(
    connection: &'c mut Connection,
    project_id: &str,
    environment_id: Id,
    since: Revision,
) -> Rows<'c> {
    sqlx::query(
        "SELECT e.key, f.known_values FROM effects e
         LEFT JOIN context_fields f ON f.project_id = e.project_id AND f.key = e.key
         WHERE e.project_id = $1 AND e.environment_id = $2 AND e.kind = 'list' AND e.revision > $3",
    )
    .bind(project_id.to_owned())
    .bind(environment_id.to_string())
    .bind(signed(since))
    .fetch(connection)
}

/// What is there of what was asked for.
fn present<T>(entries: Vec<Entry<T>>) -> BTreeMap<String, Arc<Read<T>>> {
    entries.into_iter().filter_map(|(key, entity)| Some((key, entity?))).collect()
}

/// A flag without a config in the environment is not there.
fn read_entry(row: &Row) -> sqlx::Result<Entry<Flag>> {
    let key = text(row, "flag_key")?;
    if row.try_get::<Option<String>, _>("flag_id")?.is_none() {
        return Ok((key, None));
    }
    let flag = read_here(row).map(|here| document(&here.flag, &here.config));
    Ok((key, Some(Arc::new(or_unknown(flag)))))
}

/// A segment without a config in the environment is not there.
fn read_segment(row: &Row) -> sqlx::Result<Entry<Segment>> {
    let key = text(row, "key")?;
    if row.try_get::<Option<String>, _>("segment_id")?.is_none() {
        return Ok((key, None));
    }
    let segment = || {
        let (included, excluded) = (from_document(row, "included")?, from_document(row, "excluded")?);
        Ok(domain::segment::document(read_condition(row)?, included, excluded))
    };
    let segment = segment().unwrap_or_else(|error| or_unknown(Err(error)));
    Ok((key, Some(Arc::new(segment))))
}

fn read_list(row: &Row) -> sqlx::Result<Entry<List>> {
    let key = text(row, "key")?;
    if row.try_get::<Option<String>, _>("known_values")?.is_none() {
        return Ok((key, None));
    }
    Ok((key, Some(Arc::new(or_unknown(from_document(row, "known_values"))))))
}

/// A row that does not read costs its own flag or segment, which says why; the others live.
fn or_unknown<T>(read: sqlx::Result<T>) -> Read<T> {
    let unknown = |error: sqlx::Error| {
        let raw = Value::Object(Map::new());
        Read::Unknown { raw, why: error.to_string() }
    };
    read.map_or_else(unknown, Read::Known)
}
