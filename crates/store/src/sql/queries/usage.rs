//! Events: taken once, and read back.

use domain::id::Id;
use domain::ports::Taken;
use domain::time::Timestamp;
use domain::usage::{
    Bucket, Evaluated, Exposure, MOST_COUNT, Metric, Shown, StepCount, Total, UsageBatch, UsageOf,
};
use sqlx::{Pool, QueryBuilder, Row as _};

use super::rows::{id, revision, signed, text, time};
use super::{BEGIN_WRITE, Connection, Db, Row};

/// So many rows are written by one statement: each binds nine values at most, and SQLite takes 32,766.
const BATCH: usize = 250;

pub(super) async fn take(pool: &Pool<Db>, batch: &UsageBatch) -> sqlx::Result<Taken> {
    let mut transaction = pool.begin_with(BEGIN_WRITE).await?;
    let project = sqlx::query("SELECT project_id FROM environments WHERE id = $1")
        .bind(batch.environment_id.to_string())
        .try_map(|row: Row| id(&row, "project_id"))
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(project) = project else { return Ok(Taken::Gone) };
    let place = Place { project: project.to_string(), environment: batch.environment_id.to_string() };
    if !place.note(&mut transaction, batch).await? {
        return place.noted(&mut transaction, &batch.id).await;
    }
    place.add(&mut transaction, "usage_minutes", &batch.minutes).await?;
    place.add(&mut transaction, "usage_hours", &batch.hours).await?;
    place.expose(&mut transaction, &batch.exposures).await?;
    place.measure(&mut transaction, &batch.metrics).await?;
    transaction.commit().await?;
    Ok(Taken::New)
}

/// An environment, as its rows name it.
pub(super) struct Place {
    pub(super) project: String,
    pub(super) environment: String,
}

impl Place {
    /// Whether the batch is new. Who sends the same at the same moment waits here until that is decided.
    async fn note(&self, connection: &mut Connection, batch: &UsageBatch) -> sqlx::Result<bool> {
        let done = sqlx::query(
            "INSERT INTO usage_batches (project_id, environment_id, batch_id, at, accepted, skipped, rejected)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (project_id, environment_id, batch_id) DO NOTHING",
        )
        .bind(&self.project)
        .bind(&self.environment)
        .bind(&batch.id)
        .bind(batch.at.as_millis())
        .bind(signed(batch.accepted))
        .bind(signed(batch.skipped))
        .bind(signed(batch.rejected))
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn noted(&self, connection: &mut Connection, batch: &str) -> sqlx::Result<Taken> {
        sqlx::query(
            "SELECT accepted, skipped, rejected FROM usage_batches
             WHERE project_id = $1 AND environment_id = $2 AND batch_id = $3",
        )
        .bind(&self.project)
        .bind(&self.environment)
        .bind(batch)
        .try_map(|row: Row| {
            Ok(Taken::Before {
                accepted: revision(&row, "accepted")?,
                skipped: revision(&row, "skipped")?,
                rejected: revision(&row, "rejected")?,
            })
        })
        .fetch_one(connection)
        .await
    }

    /// Adds to what is counted already. In order, so that two who add to the same do not wait for each other.
    pub(super) async fn add(
        &self,
        connection: &mut Connection,
        table: &'static str,
        counts: &[(Bucket, u64)],
    ) -> sqlx::Result<()> {
        for counts in counts.chunks(BATCH) {
            let mut query = QueryBuilder::<Db>::new(format!(
                "INSERT INTO {table} (project_id, environment_id, flag, at, variant, reason, version, n) "
            ));
            query.push_values(counts, |mut row, (bucket, n)| {
                row.push_bind(self.project.clone())
                    .push_bind(self.environment.clone())
                    .push_bind(bucket.flag.clone())
                    .push_bind(bucket.at.as_millis())
                    .push_bind(bucket.variant.clone())
                    .push_bind(bucket.reason.clone())
                    .push_bind(signed(bucket.version))
                    .push_bind(signed(*n));
            });
            // Neither of the two is greater, so their sum is a number that both databases have.
            query.push(format_args!(
                " ON CONFLICT (project_id, environment_id, flag, at, variant, reason, version) DO UPDATE
                 SET n = CASE WHEN {table}.n + excluded.n > {MOST_COUNT} THEN {MOST_COUNT}
                              ELSE {table}.n + excluded.n END"
            ));
            query.build().execute(&mut *connection).await?;
        }
        Ok(())
    }

    async fn expose(&self, connection: &mut Connection, exposures: &[Exposure]) -> sqlx::Result<()> {
        for exposures in exposures.chunks(BATCH) {
            let mut query = QueryBuilder::<Db>::new(
                "INSERT INTO usage_exposures (project_id, environment_id, flag, version, unit, variant, rule, at) ",
            );
            query.push_values(exposures, |mut row, exposure| {
                row.push_bind(self.project.clone())
                    .push_bind(self.environment.clone())
                    .push_bind(exposure.flag.clone())
                    .push_bind(signed(exposure.version))
                    .push_bind(exposure.unit.clone())
                    .push_bind(exposure.variant.clone())
                    .push_bind(exposure.rule.clone())
                    .push_bind(exposure.at.as_millis());
            });
            query.push(" ON CONFLICT (project_id, environment_id, flag, version, unit) DO NOTHING");
            query.build().execute(&mut *connection).await?;
        }
        Ok(())
    }

    async fn measure(&self, connection: &mut Connection, metrics: &[(Id, Metric)]) -> sqlx::Result<()> {
        for metrics in metrics.chunks(BATCH) {
            let mut query = QueryBuilder::<Db>::new(
                "INSERT INTO usage_metrics (project_id, environment_id, id, name, value, unit, flag, variant, at) ",
            );
            query.push_values(metrics, |mut row, (id, metric)| {
                row.push_bind(self.project.clone())
                    .push_bind(self.environment.clone())
                    .push_bind(id.to_string())
                    .push_bind(metric.name.clone())
                    .push_bind(metric.value)
                    .push_bind(metric.unit.clone())
                    .push_bind(metric.flag.clone())
                    .push_bind(metric.variant.clone())
                    .push_bind(metric.at.as_millis());
            });
            query.build().execute(&mut *connection).await?;
        }
        Ok(())
    }
}

pub(super) async fn last_evaluated(pool: &Pool<Db>, of: &UsageOf<'_>) -> sqlx::Result<Option<Timestamp>> {
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT MAX(at) FROM (
             SELECT MAX(at) AS at FROM usage_minutes WHERE project_id = $1 AND environment_id = $2 AND flag = $3
             UNION ALL
             SELECT MAX(at) AS at FROM usage_hours WHERE project_id = $1 AND environment_id = $2 AND flag = $3) l",
    )
    .bind(of.project_id.to_string())
    .bind(of.environment_id.to_string())
    .bind(of.flag)
    .fetch_one(pool)
    .await?;
    Ok(last.map(Timestamp::from_millis))
}

/// All that was counted of a flag in a time. Sums are taken of doubles: those of whole numbers up to 2^53 are exact, and
/// no sum of them overflows.
macro_rules! counted {
    () => {
        "SUM(CAST(n AS DOUBLE PRECISION)) AS n FROM (
             SELECT at, variant, reason, version, n FROM usage_minutes
             WHERE project_id = $1 AND environment_id = $2 AND flag = $3 AND at >= $4 AND at < $5
             UNION ALL
             SELECT at, variant, reason, version, n FROM usage_hours
             WHERE project_id = $1 AND environment_id = $2 AND flag = $3 AND at >= $4 AND at < $5) c"
    };
}

fn evaluated(row: &Row) -> sqlx::Result<Evaluated> {
    let variant = Some(text(row, "variant")?).filter(|variant| !variant.is_empty());
    Ok(Evaluated { variant, reason: text(row, "reason")?, n: sum(row.try_get("n")?) })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a sum of positive whole numbers, bounded by what a double has of them"
)]
fn sum(n: f64) -> u64 {
    n.clamp(0.0, MOST_COUNT as f64) as u64
}

pub(super) async fn counts(
    pool: &Pool<Db>,
    of: &UsageOf<'_>,
    step: i64,
    most: u32,
) -> sqlx::Result<Vec<StepCount>> {
    sqlx::query(concat!(
        "SELECT at - at % $6 AS step, variant, reason, ",
        counted!(),
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT $7"
    ))
    .bind(of.project_id.to_string())
    .bind(of.environment_id.to_string())
    .bind(of.flag)
    .bind(of.from.as_millis())
    .bind(of.to.as_millis())
    .bind(step)
    .bind(i64::from(most))
    .try_map(|row: Row| Ok(StepCount { at: time(&row, "step")?, evaluated: evaluated(&row)? }))
    .fetch_all(pool)
    .await
}

pub(super) async fn totals(pool: &Pool<Db>, of: &UsageOf<'_>, most: u32) -> sqlx::Result<Vec<Total>> {
    sqlx::query(concat!(
        "SELECT variant, reason, version, ",
        counted!(),
        " GROUP BY variant, reason, version ORDER BY 4 DESC, 3 DESC, 1, 2 LIMIT $6"
    ))
    .bind(of.project_id.to_string())
    .bind(of.environment_id.to_string())
    .bind(of.flag)
    .bind(of.from.as_millis())
    .bind(of.to.as_millis())
    .bind(i64::from(most))
    .try_map(|row: Row| Ok(Total { version: revision(&row, "version")?, evaluated: evaluated(&row)? }))
    .fetch_all(pool)
    .await
}

pub(super) async fn shown(pool: &Pool<Db>, of: &UsageOf<'_>, most: u32) -> sqlx::Result<(Vec<Shown>, bool)> {
    let shown = sqlx::query(
        "SELECT variant, version, count(*) AS units FROM (
             SELECT variant, version FROM usage_exposures
             WHERE project_id = $1 AND environment_id = $2 AND flag = $3 AND at >= $4 AND at < $5
             ORDER BY at LIMIT $6) s
         GROUP BY variant, version ORDER BY variant, version",
    )
    .bind(of.project_id.to_string())
    .bind(of.environment_id.to_string())
    .bind(of.flag)
    .bind(of.from.as_millis())
    .bind(of.to.as_millis())
    // One more, to know whether there are more.
    .bind(i64::from(most) + 1)
    .try_map(|row: Row| {
        let (version, units) = (revision(&row, "version")?, revision(&row, "units")?);
        Ok(Shown { variant: text(&row, "variant")?, version, units })
    })
    .fetch_all(pool)
    .await?;
    let counted: u64 = shown.iter().map(|shown| shown.units).sum();
    Ok((shown, counted > u64::from(most)))
}
