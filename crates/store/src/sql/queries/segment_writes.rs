//! The rows of segments and context fields that a change writes.

use domain::context_field::ContextField;
use domain::id::Id;
use domain::key::Key;
use domain::segment::{Segment, SegmentConfig};
use domain::time::Timestamp;
use engine::model::Keys;

use super::commit::Fault;
use super::rows::{signed, to_document};
use super::writes::{Query, Writes};

impl Writes<'_> {
    pub(super) async fn create_segment(&mut self, segment: &Segment) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO segments (project_id, id, key, name, description, version, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(self.project_id.clone())
        .bind(segment.id.to_string())
        .bind(segment.key.to_string())
        .bind(segment.name.clone())
        .bind(segment.description.clone())
        .bind(self.revision)
        .bind(segment.created_at.as_millis())
        .bind(segment.updated_at.as_millis());
        self.insert(query, "segment").await
    }

    /// Readers are given configs only, so none of them hears of it.
    pub(super) async fn update_segment(&mut self, segment: &Segment) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE segments SET name = $4, description = $5, version = $6, updated_at = $7
             WHERE project_id = $1 AND id = $2 AND key = $3",
        )
        .bind(self.project_id.clone())
        .bind(segment.id.to_string())
        .bind(segment.key.to_string())
        .bind(segment.name.clone())
        .bind(segment.description.clone())
        .bind(self.revision)
        .bind(segment.updated_at.as_millis());
        self.change(query).await
    }

    /// Its configs go with it.
    pub(super) async fn delete_segment(&mut self, id: Id, key: &Key) -> Result<(), Fault> {
        self.release_lists(id).await?;
        let query = sqlx::query("DELETE FROM segments WHERE project_id = $1 AND id = $2 AND key = $3");
        let query = query.bind(self.project_id.clone()).bind(id.to_string()).bind(key.to_string());
        self.change(query).await?;
        self.affect_everywhere("segment", key).await
    }

    pub(super) async fn create_segment_config(&mut self, config: &SegmentConfig) -> Result<(), Fault> {
        self.expect_lists(config).await?;
        let query = sqlx::query(
            "INSERT INTO segment_configs (project_id, segment_id, environment_id, condition, included, excluded,
                                          included_count, excluded_count, included_list, excluded_list,
                                          version, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        );
        self.insert(self.segment_config(query, config)?, "segment config").await?;
        self.affect_segment(config.segment_id, config.environment_id).await
    }

    pub(super) async fn update_segment_config(&mut self, config: &SegmentConfig) -> Result<(), Fault> {
        self.expect_lists(config).await?;
        self.release_lists(config.segment_id).await?;
        let query = sqlx::query(
            "UPDATE segment_configs SET condition = $4, included = $5, excluded = $6, included_count = $7,
                                        excluded_count = $8, included_list = $9, excluded_list = $10,
                                        version = $11, updated_at = $12
             WHERE project_id = $1 AND segment_id = $2 AND environment_id = $3",
        );
        self.change(self.segment_config(query, config)?).await?;
        self.affect_segment(config.segment_id, config.environment_id).await
    }

    fn segment_config(&self, query: Query, config: &SegmentConfig) -> sqlx::Result<Query> {
        let count = |keys: &Keys| signed(keys.len());
        let list = |keys: &Keys| keys.blob().map(str::to_owned);
        Ok(query
            .bind(self.project_id.clone())
            .bind(config.segment_id.to_string())
            .bind(config.environment_id.to_string())
            .bind(config.when.as_ref().map(to_document).transpose()?)
            .bind(to_document(&config.included)?)
            .bind(to_document(&config.excluded)?)
            .bind(count(&config.included))
            .bind(count(&config.excluded))
            .bind(list(&config.included))
            .bind(list(&config.excluded))
            .bind(self.revision)
            .bind(config.updated_at.as_millis()))
    }

    /// The lists that a config names must be there, whole; but one that it named before may have been lost.
    async fn expect_lists(&mut self, config: &SegmentConfig) -> Result<(), Fault> {
        for sha256 in [&config.included, &config.excluded].into_iter().filter_map(Keys::blob) {
            let query = sqlx::query(
                "UPDATE key_lists SET used_at = $3 WHERE project_id = $1 AND sha256 = $2 AND complete",
            );
            let query = query.bind(self.project_id.clone()).bind(sha256.to_owned());
            match self.change(query.bind(self.at.as_millis())).await {
                Err(Fault::Stale) => self.expect_lost(config, sha256).await?,
                done => done?,
            }
        }
        Ok(())
    }

    /// Keeps the place of a list that was lost with its name, if the config names it already.
    async fn expect_lost(&mut self, config: &SegmentConfig, sha256: &str) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO key_lists (project_id, sha256, complete, used_at)
             SELECT project_id, $4, FALSE, $5 FROM segment_configs
             WHERE project_id = $1 AND segment_id = $2 AND environment_id = $3
               AND (included_list = $4 OR excluded_list = $4)
             ON CONFLICT (project_id, sha256) DO UPDATE SET used_at = excluded.used_at",
        )
        .bind(self.project_id.clone())
        .bind(config.segment_id.to_string())
        .bind(config.environment_id.to_string())
        .bind(sha256.to_owned())
        .bind(self.at.as_millis());
        self.change(query).await
    }

    /// Keeps the places of lists that were lost with their names, of all that an environment's segments name.
    async fn expect_lists_of(&mut self, environment_id: Id) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO key_lists (project_id, sha256, complete, used_at)
             SELECT project_id, included_list, FALSE, $3 FROM segment_configs
             WHERE project_id = $1 AND environment_id = $2 AND included_list IS NOT NULL
             UNION SELECT project_id, excluded_list, FALSE, $3 FROM segment_configs
             WHERE project_id = $1 AND environment_id = $2 AND excluded_list IS NOT NULL
             ON CONFLICT DO NOTHING",
        )
        .bind(self.project_id.clone())
        .bind(environment_id.to_string())
        .bind(self.at.as_millis())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// What is named until now was used until now.
    async fn release_lists(&mut self, segment_id: Id) -> Result<(), Fault> {
        sqlx::query(
            "UPDATE key_lists SET used_at = $3 WHERE project_id = $1 AND sha256 IN (
                 SELECT included_list FROM segment_configs WHERE project_id = $1 AND segment_id = $2
                 UNION SELECT excluded_list FROM segment_configs WHERE project_id = $1 AND segment_id = $2)",
        )
        .bind(self.project_id.clone())
        .bind(segment_id.to_string())
        .bind(self.at.as_millis())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    pub(super) async fn fill_segments(
        &mut self,
        environment_id: Id,
        from: Option<Id>,
        at: Timestamp,
    ) -> Result<(), Fault> {
        if let Some(from) = from {
            self.expect_lists_of(from).await?;
        }
        let query = match from {
            Some(from) => sqlx::query(
                "INSERT INTO segment_configs (project_id, segment_id, environment_id, condition, included,
                                              excluded, included_count, excluded_count, included_list,
                                              excluded_list, version, updated_at)
                 SELECT project_id, segment_id, $2, condition, included, excluded, included_count,
                        excluded_count, included_list, excluded_list, $3, $4
                 FROM segment_configs WHERE project_id = $1 AND environment_id = $5",
            )
            .bind(self.project_id.clone())
            .bind(environment_id.to_string())
            .bind(self.revision)
            .bind(at.as_millis())
            .bind(from.to_string()),
            None => sqlx::query(
                "INSERT INTO segment_configs (project_id, segment_id, environment_id, condition, included,
                                              excluded, included_count, excluded_count, included_list,
                                              excluded_list, version, updated_at)
                 SELECT project_id, id, $2, NULL, '[]', '[]', 0, 0, NULL, NULL, $3, $4
                 FROM segments WHERE project_id = $1",
            )
            .bind(self.project_id.clone())
            .bind(environment_id.to_string())
            .bind(self.revision)
            .bind(at.as_millis()),
        };
        query.execute(&mut *self.connection).await?;
        self.affect_segments(environment_id).await
    }

    /// All segments that there are look different in the environment.
    async fn affect_segments(&mut self, environment_id: Id) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO effects (project_id, environment_id, kind, key, revision)
             SELECT project_id, $2, 'segment', key, $3 FROM segments WHERE project_id = $1
             ON CONFLICT (project_id, environment_id, kind, key) DO UPDATE SET revision = excluded.revision",
        );
        let query = query.bind(self.project_id.clone()).bind(environment_id.to_string()).bind(self.revision);
        query.execute(&mut *self.connection).await?;
        Ok(())
    }

    /// The segment looks different in the environment.
    async fn affect_segment(&mut self, segment_id: Id, environment_id: Id) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO effects (project_id, environment_id, kind, key, revision)
             SELECT project_id, $3, 'segment', key, $4 FROM segments WHERE project_id = $1 AND id = $2
             ON CONFLICT (project_id, environment_id, kind, key) DO UPDATE SET revision = excluded.revision",
        )
        .bind(self.project_id.clone())
        .bind(segment_id.to_string())
        .bind(environment_id.to_string())
        .bind(self.revision)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    pub(super) async fn create_context_field(&mut self, field: &ContextField) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO context_fields (project_id, id, key, name, type, description, known_values,
                                         version, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        )
        .bind(self.project_id.clone())
        .bind(field.id.to_string())
        .bind(field.key.to_string())
        .bind(field.name.clone())
        .bind(field.kind.name())
        .bind(field.description.clone())
        .bind(to_document(&field.values)?)
        .bind(self.revision)
        .bind(field.created_at.as_millis())
        .bind(field.updated_at.as_millis());
        self.insert(query, "context_field").await?;
        self.affect_everywhere("list", &field.key).await
    }

    pub(super) async fn update_context_field(&mut self, field: &ContextField) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE context_fields SET name = $4, type = $5, description = $6, known_values = $7,
                                       version = $8, updated_at = $9
             WHERE project_id = $1 AND id = $2 AND key = $3",
        )
        .bind(self.project_id.clone())
        .bind(field.id.to_string())
        .bind(field.key.to_string())
        .bind(field.name.clone())
        .bind(field.kind.name())
        .bind(field.description.clone())
        .bind(to_document(&field.values)?)
        .bind(self.revision)
        .bind(field.updated_at.as_millis());
        self.change(query).await?;
        self.affect_everywhere("list", &field.key).await
    }

    pub(super) async fn delete_context_field(&mut self, id: Id, key: &Key) -> Result<(), Fault> {
        let query = sqlx::query("DELETE FROM context_fields WHERE project_id = $1 AND id = $2 AND key = $3");
        let query = query.bind(self.project_id.clone()).bind(id.to_string()).bind(key.to_string());
        self.change(query).await?;
        self.affect_everywhere("list", key).await
    }
}
