//! What becomes of events with time. Each call is one short transaction.

use std::collections::BTreeMap;

use domain::environment::Environment;
use domain::time::Timestamp;
use domain::usage::{Bucket, MOST_COUNT, Stretch, UsageKind};
use sqlx::{AssertSqlSafe, Pool, Row as _};

use super::rows::{revision, signed, text, time};
use super::usage::Place;
use super::{BEGIN_WRITE, Connection, Db, Row};

/// What an hour has, in milliseconds.
const HOUR: i64 = 3_600_000;

/// Where rows of a kind are, and what names one of them.
fn table(kind: UsageKind) -> (&'static str, &'static str) {
    const COUNTS: &str = "project_id, environment_id, flag, at, variant, reason, version";
    match kind {
        UsageKind::Batches => ("usage_batches", "project_id, environment_id, batch_id"),
        UsageKind::Minutes => ("usage_minutes", COUNTS),
        UsageKind::Hours => ("usage_hours", COUNTS),
        UsageKind::Exposures => ("usage_exposures", "project_id, environment_id, flag, version, unit"),
        UsageKind::Metrics => ("usage_metrics", "project_id, environment_id, id"),
    }
}

pub(super) async fn fold(
    pool: &Pool<Db>,
    of: &Environment,
    before: Timestamp,
    most: u32,
) -> sqlx::Result<u64> {
    let place = Place { project: of.project_id.to_string(), environment: of.id.to_string() };
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    let minutes: Vec<(Bucket, u64)> = sqlx::query(
        "DELETE FROM usage_minutes
         WHERE (project_id, environment_id, flag, at, variant, reason, version) IN (
             SELECT project_id, environment_id, flag, at, variant, reason, version FROM usage_minutes
             WHERE project_id = $1 AND environment_id = $2 AND at < $3 ORDER BY at LIMIT $4)
         RETURNING flag, at, variant, reason, version, n",
    )
    .bind(&place.project)
    .bind(&place.environment)
    .bind(before.as_millis())
    .bind(i64::from(most))
    .try_map(|row: Row| {
        let at = time(&row, "at")?.as_millis();
        let bucket = Bucket {
            flag: text(&row, "flag")?,
            at: Timestamp::from_millis(at - at.rem_euclid(HOUR)),
            variant: text(&row, "variant")?,
            reason: text(&row, "reason")?,
            version: revision(&row, "version")?,
        };
        Ok((bucket, revision(&row, "n")?))
    })
    .fetch_all(&mut *transaction)
    .await?;
    let count = minutes.len() as u64;
    let mut hours: BTreeMap<Bucket, u64> = BTreeMap::new();
    for (bucket, n) in minutes {
        let hour = hours.entry(bucket).or_default();
        *hour = hour.saturating_add(n).min(MOST_COUNT);
    }
    let hours: Vec<_> = hours.into_iter().collect();
    place.add(&mut transaction, "usage_hours", &hours).await?;
    transaction.commit().await?;
    Ok(count)
}

pub(super) async fn forget(
    pool: &Pool<Db>,
    of: &Environment,
    kind: UsageKind,
    before: Timestamp,
    most: u32,
) -> sqlx::Result<u64> {
    let (table, key) = table(kind);
    let sql = format!(
        "DELETE FROM {table} WHERE ({key}) IN (
             SELECT {key} FROM {table} WHERE project_id = $1 AND environment_id = $2 AND at < $3
             ORDER BY at LIMIT $4)"
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(of.project_id.to_string()).bind(of.id.to_string());
    let query = query.bind(before.as_millis()).bind(i64::from(most));
    Ok(query.execute(pool).await?.rows_affected())
}

/// Reads the index by time alone.
pub(super) async fn stretch(
    pool: &Pool<Db>,
    of: &Environment,
    kind: UsageKind,
    before: Timestamp,
    most: u64,
) -> sqlx::Result<Option<Stretch>> {
    let (table, _) = table(kind);
    let rows = format!("FROM {table} WHERE project_id = $1 AND environment_id = $2 AND at < $3");
    let sql = format!(
        "SELECT count(*) AS n, min(at) AS since {rows} AND at >= COALESCE(
             (SELECT at {rows} ORDER BY at DESC LIMIT 1 OFFSET $4), {})",
        i64::MIN + 1
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(of.project_id.to_string())
        .bind(of.id.to_string())
        .bind(before.as_millis())
        .bind(signed(most.saturating_sub(1)))
        .try_map(|row: Row| {
            let Some(from) = row.try_get::<Option<i64>, _>("since")? else { return Ok(None) };
            Ok(Some(Stretch { rows: revision(&row, "n")?, from: Timestamp::from_millis(from) }))
        })
        .fetch_one(pool)
        .await
}

pub(super) async fn sweep(pool: &Pool<Db>, reader: &Pool<Db>, most: u32) -> sqlx::Result<u64> {
    for kind in UsageKind::ALL {
        let (table, key) = table(kind);
        let found = gone(&mut *reader.acquire().await?, table).await?;
        let Some(Place { project, environment }) = found else { continue };
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN (
                 SELECT {key} FROM {table} WHERE project_id = $1 AND environment_id = $2 LIMIT $3)"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(environment).bind(i64::from(most));
        return Ok(query.execute(pool).await?.rows_affected());
    }
    Ok(0)
}

/// An environment that has rows in a table and is not there. Goes from one environment to the next along the key, and
/// so reads one row of each.
async fn gone(connection: &mut Connection, table: &str) -> sqlx::Result<Option<Place>> {
    let next = format!(
        "SELECT u.project_id, u.environment_id, EXISTS (
             SELECT 1 FROM environments e WHERE e.project_id = u.project_id AND e.id = u.environment_id) AS is_there
         FROM (SELECT project_id, environment_id FROM {table} WHERE (project_id, environment_id) > ($1, $2)
               ORDER BY project_id, environment_id LIMIT 1) u"
    );
    let mut place = Place { project: String::new(), environment: String::new() };
    loop {
        let found = sqlx::query(AssertSqlSafe(next.clone()))
            .bind(place.project)
            .bind(place.environment)
            .try_map(|row: Row| {
                let place =
                    Place { project: text(&row, "project_id")?, environment: text(&row, "environment_id")? };
                Ok((place, row.try_get::<bool, _>("is_there")?))
            })
            .fetch_optional(&mut *connection)
            .await?;
        match found {
            None => return Ok(None),
            Some((gone, false)) => return Ok(Some(gone)),
            Some((next, true)) => place = next,
        }
    }
}
