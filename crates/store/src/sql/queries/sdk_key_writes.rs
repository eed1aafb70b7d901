//! The rows of keys for applications that a change writes.

use domain::id::Id;
use domain::sdk_key::{Reach, SdkKey};
use domain::time::Timestamp;

use super::commit::Fault;
use super::rows::to_document;
use super::writes::Writes;

impl Writes<'_> {
    /// A key opens environments of one project, so its hash must be new beyond the project as well.
    pub(super) async fn create_sdk_key(&mut self, key: &SdkKey) -> Result<(), Fault> {
        let known = sqlx::query("SELECT 1 FROM sdk_keys WHERE hash = $1").bind(key.hash.clone());
        if known.fetch_optional(&mut *self.connection).await?.is_some() {
            return Err(Fault::Taken("sdk_key"));
        }
        let query = sqlx::query(
            "INSERT INTO sdk_keys (project_id, id, name, description, kind, whole_project, origins, hint, hash,
                                   version, created_by, created_at, updated_at, expires_at, last_used_at,
                                   revoked_at, replaced_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
             ON CONFLICT DO NOTHING",
        )
        .bind(self.project_id.clone())
        .bind(key.id.to_string())
        .bind(key.name.clone())
        .bind(key.description.clone())
        .bind(key.kind.name())
        .bind(key.reach == Reach::Project)
        .bind(to_document(&key.origins)?)
        .bind(key.hint.clone())
        .bind(key.hash.clone())
        .bind(self.revision)
        .bind(key.created_by.to_string())
        .bind(key.created_at.as_millis())
        .bind(key.updated_at.as_millis())
        .bind(key.expires_at.map(Timestamp::as_millis))
        .bind(key.last_used_at.map(Timestamp::as_millis))
        .bind(key.revoked_at.map(Timestamp::as_millis))
        .bind(key.replaced_by.map(|id| id.to_string()));
        self.insert(query, "sdk_key").await?;
        self.open_environments(key).await
    }

    /// Its kind and its secret never change, and when it was used is no change's to say.
    pub(super) async fn update_sdk_key(&mut self, key: &SdkKey) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE sdk_keys SET name = $3, description = $4, whole_project = $5, origins = $6, version = $7,
                                 updated_at = $8, expires_at = $9, replaced_by = $10
             WHERE project_id = $1 AND id = $2 AND revoked_at IS NULL",
        )
        .bind(self.project_id.clone())
        .bind(key.id.to_string())
        .bind(key.name.clone())
        .bind(key.description.clone())
        .bind(key.reach == Reach::Project)
        .bind(to_document(&key.origins)?)
        .bind(self.revision)
        .bind(key.updated_at.as_millis())
        .bind(key.expires_at.map(Timestamp::as_millis))
        .bind(key.replaced_by.map(|id| id.to_string()));
        self.change(query).await?;
        sqlx::query("DELETE FROM sdk_key_environments WHERE project_id = $1 AND sdk_key_id = $2")
            .bind(self.project_id.clone())
            .bind(key.id.to_string())
            .execute(&mut *self.connection)
            .await?;
        self.open_environments(key).await
    }

    async fn open_environments(&mut self, key: &SdkKey) -> Result<(), Fault> {
        let Reach::Environments(environments) = &key.reach else { return Ok(()) };
        for environment in environments {
            sqlx::query(
                "INSERT INTO sdk_key_environments (project_id, sdk_key_id, environment_id) VALUES ($1, $2, $3)",
            )
            .bind(self.project_id.clone())
            .bind(key.id.to_string())
            .bind(environment.to_string())
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(())
    }

    /// One that is revoked already keeps its time.
    pub(super) async fn revoke_sdk_key(&mut self, id: Id, at: Timestamp) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE sdk_keys SET revoked_at = $3, updated_at = $3, version = $4
             WHERE project_id = $1 AND id = $2 AND revoked_at IS NULL",
        );
        let query = query.bind(self.project_id.clone()).bind(id.to_string());
        self.change(query.bind(at.as_millis()).bind(self.revision)).await
    }
}
