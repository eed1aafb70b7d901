//! The rows of environments that a change writes, and what goes and comes with them.

use domain::environment::Environment;
use domain::flag::{Config, resting};
use domain::id::Id;
use domain::time::Timestamp;
use sqlx::QueryBuilder;

use super::commit::Fault;
use super::flags::{ConfigDocument, config_columns, flag_columns, read_here};
use super::rows::{read_all, to_document};
use super::writes::Writes;
use super::{Db, Row};

/// How many rows are inserted by one statement: each binds seven values, and SQLite takes 32,766.
const BATCH: usize = 1_000;

impl Writes<'_> {
    pub(super) async fn create_environment(&mut self, environment: &Environment) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO environments (project_id, id, key, name, description, color, protected, position,
                                       version, snapshot_revision, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11) ON CONFLICT DO NOTHING",
        )
        .bind(self.project_id.clone())
        .bind(environment.id.to_string())
        .bind(environment.key.to_string())
        .bind(environment.name.clone())
        .bind(environment.description.clone())
        .bind(environment.color.to_string())
        .bind(environment.protected)
        .bind(environment.position)
        .bind(self.revision)
        .bind(environment.created_at.as_millis())
        .bind(environment.updated_at.as_millis());
        self.insert(query, "environment").await
    }

    /// Its key never changes, so its readers hear nothing of it.
    pub(super) async fn update_environment(&mut self, environment: &Environment) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE environments SET name = $4, description = $5, color = $6, protected = $7, position = $8,
                                     version = $9, updated_at = $10
             WHERE project_id = $1 AND id = $2 AND key = $3",
        )
        .bind(self.project_id.clone())
        .bind(environment.id.to_string())
        .bind(environment.key.to_string())
        .bind(environment.name.clone())
        .bind(environment.description.clone())
        .bind(environment.color.to_string())
        .bind(environment.protected)
        .bind(environment.position)
        .bind(self.revision)
        .bind(environment.updated_at.as_millis());
        self.change(query).await
    }

    /// Configs of segments go by themselves.
    pub(super) async fn delete_environment(&mut self, id: Id) -> Result<(), Fault> {
        let contents = [
            "DELETE FROM flag_configs WHERE project_id = $1 AND environment_id = $2",
            // Keys that open nothing else.
            "DELETE FROM sdk_keys WHERE project_id = $1 AND EXISTS (
                SELECT 1 FROM sdk_key_environments e
                WHERE e.project_id = sdk_keys.project_id AND e.sdk_key_id = sdk_keys.id AND e.environment_id = $2
             ) AND NOT EXISTS (
                SELECT 1 FROM sdk_key_environments e
                WHERE e.project_id = sdk_keys.project_id AND e.sdk_key_id = sdk_keys.id AND e.environment_id <> $2
             )",
            "DELETE FROM sdk_key_environments WHERE project_id = $1 AND environment_id = $2",
            "DELETE FROM effects WHERE project_id = $1 AND environment_id = $2",
        ];
        for statement in contents {
            let query = sqlx::query(statement).bind(self.project_id.clone()).bind(id.to_string());
            query.execute(&mut *self.connection).await?;
        }
        let query = sqlx::query("DELETE FROM environments WHERE project_id = $1 AND id = $2");
        self.change(query.bind(self.project_id.clone()).bind(id.to_string())).await
    }

    pub(super) async fn fill_flags(
        &mut self,
        environment_id: Id,
        from: Id,
        rest: bool,
        at: Timestamp,
    ) -> Result<(), Fault> {
        if rest {
            self.insert_resting(environment_id, from, at).await?;
        } else {
            sqlx::query(
                "INSERT INTO flag_configs (project_id, flag_id, environment_id, enabled, document, version,
                                           updated_at)
                 SELECT project_id, flag_id, $2, enabled, document, $3, $4
                 FROM flag_configs WHERE project_id = $1 AND environment_id = $5",
            )
            .bind(self.project_id.clone())
            .bind(environment_id.to_string())
            .bind(self.revision)
            .bind(at.as_millis())
            .bind(from.to_string())
            .execute(&mut *self.connection)
            .await?;
        }
        sqlx::query(
            "INSERT INTO effects (project_id, environment_id, kind, key, revision)
             SELECT project_id, $2, 'flag', key, $3 FROM flags WHERE project_id = $1
             ON CONFLICT (project_id, environment_id, kind, key) DO UPDATE SET revision = excluded.revision",
        )
        .bind(self.project_id.clone())
        .bind(environment_id.to_string())
        .bind(self.revision)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn insert_resting(&mut self, environment_id: Id, from: Id, at: Timestamp) -> Result<(), Fault> {
        let rows: Vec<Row> = sqlx::query(concat!(
            "SELECT ",
            flag_columns!(),
            ", ",
            config_columns!(),
            " FROM flags f JOIN flag_configs c ON c.project_id = f.project_id AND c.flag_id = f.id
             WHERE f.project_id = $1 AND c.environment_id = $2"
        ))
        .bind(self.project_id.clone())
        .bind(from.to_string())
        .fetch_all(&mut *self.connection)
        .await?;
        let sources = read_all(rows, read_here).await?;
        let configs: Vec<_> = sources
            .iter()
            .map(|here| Config { updated_at: at, ..resting(&here.flag, &here.config, environment_id) })
            .collect();
        for batch in configs.chunks(BATCH) {
            self.insert_configs(batch).await?;
        }
        Ok(())
    }

    async fn insert_configs(&mut self, configs: &[Config]) -> Result<(), Fault> {
        let documents = configs.iter().map(|config| to_document(&ConfigDocument::of(config)));
        let documents = documents.collect::<sqlx::Result<Vec<_>>>()?;
        let mut query = QueryBuilder::<Db>::new(
            "INSERT INTO flag_configs (project_id, flag_id, environment_id, enabled, document, version,
                                       updated_at) ",
        );
        query.push_values(configs.iter().zip(documents), |mut row, (config, document)| {
            row.push_bind(self.project_id.clone())
                .push_bind(config.flag_id.to_string())
                .push_bind(config.environment_id.to_string())
                .push_bind(config.enabled)
                .push_bind(document)
                .push_bind(self.revision)
                .push_bind(config.updated_at.as_millis());
        });
        query.build().execute(&mut *self.connection).await?;
        Ok(())
    }
}
