//! What readers of an environment are given. State is read from the live tables, in one transaction with the
//! revision that it is the state of.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::flag::document;
use domain::id::Id;
use engine::model::{Delta, Flag, Read, Revision, SCHEMA, Snapshot};
use serde_json::{Map, Value};
use sqlx::Row as _;

use super::flags::{config_columns, flag_columns, read_here};
use super::rows::{read_all, revision, signed, text};
use super::{Connection, Row, SqlStore};

/// What a snapshot says besides its flags.
struct Header {
    project_id: String,
    project: String,
    environment: String,
    epoch: Option<String>,
    revision: Revision,
}

/// A flag by its key; nothing if it is gone.
type Entry = (String, Option<Arc<Read<Flag>>>);

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
    .bind(header.project_id)
    .bind(environment_id.to_string())
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let epoch = header.epoch.ok_or_else(|| sqlx::Error::Decode("the database has no epoch yet".into()))?;
    let flags = read_all(rows, read_entry).await?;
    Ok(Some(Snapshot {
        schema: SCHEMA,
        epoch,
        revision: header.revision,
        project: header.project,
        environment: header.environment,
        lists: BTreeMap::new(),
        segments: BTreeMap::new(),
        flags: flags.into_iter().filter_map(|(key, flag)| Some((key, flag?))).collect(),
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
    .bind(header.project_id)
    .bind(environment_id.to_string())
    .bind(signed(since))
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let flags = read_all(rows, read_entry).await?.into_iter().collect();
    Ok(Some(Delta { revision: header.revision, flags, ..Delta::default() }))
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

/// A flag without a config in the environment is not there.
fn read_entry(row: &Row) -> sqlx::Result<Entry> {
    let key = text(row, "flag_key")?;
    if row.try_get::<Option<String>, _>("flag_id")?.is_none() {
        return Ok((key, None));
    }
    // A row that does not read costs its own flag, which answers PARSE_ERROR and says why; the others live.
    let flag = read_here(row).map_or_else(
        |error| Read::Unknown { raw: Value::Object(Map::new()), why: error.to_string() },
        |here| document(&here.flag, &here.config).into(),
    );
    Ok((key, Some(Arc::new(flag))))
}
