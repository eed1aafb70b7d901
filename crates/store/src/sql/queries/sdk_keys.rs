//! Keys for applications.

use domain::id::Id;
use domain::ports::{Page, SdkKeyFilter, SdkKeyUse};
use domain::sdk_key::{KeyState, Origins, Reach, SdkKey, SdkKeyKind};
use domain::time::Timestamp;
use sqlx::{Pool, QueryBuilder, Row as _};

use super::paging::cut;
use super::rows::{document, id, revision, text, time, word};
use super::{Db, Row, SqlStore};

/// How many keys are noted as used by one statement: each binds three values, and SQLite takes 32,766.
const BATCH: usize = 1_000;

/// What [`read_all`] reads, from `k`: a row for each environment of a key, all of one key together, newest first.
macro_rules! with_environments {
    () => {
        " AS k LEFT JOIN sdk_key_environments e ON e.project_id = k.project_id AND e.sdk_key_id = k.id
          ORDER BY k.created_at DESC, k.id DESC, e.environment_id"
    };
}

/// The columns of such a row.
macro_rules! columns {
    () => {
        "k.project_id, k.id, k.name, k.description, k.kind, k.whole_project, k.origins, k.hint, k.hash, k.version,
         k.created_by, k.created_at, k.updated_at, k.expires_at, k.last_used_at, k.revoked_at, k.replaced_by,
         e.environment_id"
    };
}

fn read(row: &Row) -> sqlx::Result<SdkKey> {
    let maybe_time = |column| row.try_get::<Option<i64>, _>(column);
    let maybe_id = |column| match row.try_get::<Option<String>, _>(column)? {
        Some(_) => id(row, column).map(Some),
        None => Ok::<_, sqlx::Error>(None),
    };
    let reach = if row.try_get("whole_project")? {
        Reach::Project
    } else {
        Reach::Environments(maybe_id("environment_id")?.into_iter().collect())
    };
    Ok(SdkKey {
        id: id(row, "id")?,
        project_id: id(row, "project_id")?,
        reach,
        name: text(row, "name")?,
        description: text(row, "description")?,
        kind: word(row, "kind", SdkKeyKind::parse)?,
        origins: Origins::kept(document(row, "origins")?),
        hint: text(row, "hint")?,
        hash: text(row, "hash")?,
        version: revision(row, "version")?,
        created_by: id(row, "created_by")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        expires_at: maybe_time("expires_at")?.map(Timestamp::from_millis),
        last_used_at: maybe_time("last_used_at")?.map(Timestamp::from_millis),
        revoked_at: maybe_time("revoked_at")?.map(Timestamp::from_millis),
        replaced_by: maybe_id("replaced_by")?,
    })
}

/// Keys with all of their environments.
fn read_all(rows: &[Row]) -> sqlx::Result<Vec<SdkKey>> {
    let mut keys: Vec<SdkKey> = Vec::new();
    for row in rows {
        let key = read(row)?;
        match keys.last_mut().filter(|last| (last.project_id, last.id) == (key.project_id, key.id)) {
            Some(SdkKey { reach: Reach::Environments(all), .. }) => {
                if let Reach::Environments(next) = key.reach {
                    all.extend(next);
                }
            }
            _ => keys.push(key),
        }
    }
    Ok(keys)
}

pub(super) async fn one(pool: &Pool<Db>, project_id: Id, id: Id) -> sqlx::Result<Option<SdkKey>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM (SELECT * FROM sdk_keys WHERE project_id = $1 AND id = $2)",
        with_environments!()
    ))
    .bind(project_id.to_string())
    .bind(id.to_string())
    .fetch_all(pool)
    .await?;
    Ok(read_all(&rows)?.pop())
}

pub(super) async fn page(
    store: &SqlStore,
    project_id: Id,
    filter: &SdkKeyFilter,
) -> sqlx::Result<Page<SdkKey>> {
    let mut listed = QueryBuilder::<Db>::new(concat!("SELECT ", columns!(), " FROM (SELECT *"));
    push_conditions(&mut listed, project_id, filter);
    if let Some((created_at, id)) = filter.after {
        listed.push(" AND (created_at < ").push_bind(created_at.as_millis());
        listed.push(" OR created_at = ").push_bind(created_at.as_millis());
        listed.push(" AND id < ").push_bind(id.to_string()).push(")");
    }
    listed.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(i64::from(filter.limit) + 1);
    listed.push(concat!(")", with_environments!()));
    let mut counted = QueryBuilder::<Db>::new("SELECT count(*) AS total");
    push_conditions(&mut counted, project_id, filter);

    let mut transaction = store.reading().await?;
    let rows = listed.build().fetch_all(&mut *transaction).await?;
    let total =
        counted.build().try_map(|row: Row| revision(&row, "total")).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    let mut page = Page { items: read_all(&rows)?, total: Some(total), more: false };
    page.more = cut(&mut page.items, filter.limit);
    Ok(page)
}

fn push_conditions(query: &mut QueryBuilder<Db>, project_id: Id, filter: &SdkKeyFilter) {
    query.push(" FROM sdk_keys WHERE project_id = ").push_bind(project_id.to_string());
    if let Some(environment) = filter.environment {
        query.push(
            " AND (whole_project OR EXISTS (
                SELECT 1 FROM sdk_key_environments o
                WHERE o.project_id = sdk_keys.project_id AND o.sdk_key_id = sdk_keys.id AND o.environment_id = ",
        );
        query.push_bind(environment.to_string()).push("))");
    }
    if let Some(kind) = filter.kind {
        query.push(" AND kind = ").push_bind(kind.name());
    }
    let now = filter.now.as_millis();
    match filter.state {
        None => {}
        Some(KeyState::Revoked) => {
            query.push(" AND revoked_at IS NOT NULL");
        }
        Some(KeyState::Expired) => {
            query.push(" AND revoked_at IS NULL AND expires_at <= ").push_bind(now);
        }
        Some(KeyState::InForce) => {
            query.push(" AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ");
            query.push_bind(now).push(")");
        }
    }
}

pub(super) async fn in_force(
    pool: &Pool<Db>,
    now: Timestamp,
    of: Option<&[Id]>,
) -> sqlx::Result<Vec<SdkKey>> {
    let mut query = QueryBuilder::<Db>::new(concat!("SELECT ", columns!(), " FROM (SELECT * FROM sdk_keys"));
    query.push(" WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ");
    query.push_bind(now.as_millis()).push(")");
    if let Some(projects) = of {
        query.push(" AND project_id IN (");
        let mut values = query.separated(", ");
        for project in projects {
            values.push_bind(project.to_string());
        }
        query.push(")");
    }
    query.push(concat!(")", with_environments!()));
    read_all(&query.build().fetch_all(pool).await?)
}

pub(super) async fn ended(pool: &Pool<Db>, now: Timestamp, limit: u32) -> sqlx::Result<Vec<String>> {
    sqlx::query(
        "SELECT hash FROM sdk_keys WHERE revoked_at IS NOT NULL OR expires_at <= $1
         ORDER BY coalesce(revoked_at, expires_at) DESC, id DESC LIMIT $2",
    )
    .bind(now.as_millis())
    .bind(i64::from(limit))
    .try_map(|row: Row| text(&row, "hash"))
    .fetch_all(pool)
    .await
}

pub(super) async fn note_used(pool: &Pool<Db>, uses: &[SdkKeyUse]) -> sqlx::Result<()> {
    for batch in uses.chunks(BATCH) {
        let mut query = QueryBuilder::<Db>::new("UPDATE sdk_keys SET last_used_at = used.column3 FROM (");
        query.push_values(batch, |mut row, used| {
            row.push_bind(used.project_id.to_string())
                .push_bind(used.id.to_string())
                .push_bind(used.at.as_millis());
        });
        query.push(
            ") AS used
             WHERE sdk_keys.project_id = used.column1 AND sdk_keys.id = used.column2
               AND (sdk_keys.last_used_at IS NULL OR sdk_keys.last_used_at < used.column3)",
        );
        query.build().execute(pool).await?;
    }
    Ok(())
}
