//! The rows that a change writes, and which snapshots they touch.

use domain::flag::{Config, Flag};
use domain::id::Id;
use domain::key::Key;
use domain::log::{Change, Write};
use domain::time::Timestamp;
use engine::model::Revision;
use sqlx::Database;

use super::commit::Fault;
use super::flags::{ConfigDocument, FlagDocument};
use super::rows::{signed, to_document};
use super::{Connection, Db};

pub(super) type Query = sqlx::query::Query<'static, Db, <Db as Database>::Arguments>;

/// Writes into one transaction, for one project, at one revision.
pub(super) struct Writes<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) project_id: String,
    pub(super) revision: i64,
    /// When the change was asked for.
    pub(super) at: Timestamp,
}

impl<'a> Writes<'a> {
    pub(super) fn new(connection: &'a mut Connection, change: &Change, revision: Revision) -> Self {
        let project_id = change.chain.id().to_string();
        Self { connection, project_id, revision: signed(revision), at: change.at }
    }

    pub(super) async fn apply(&mut self, write: &Write) -> Result<(), Fault> {
        match write {
            Write::CreateProject(project) => self.create_project(project).await,
            Write::UpdateProject(project) => self.update_project(project).await,
            Write::DeleteProject { id } => self.delete_project(*id).await,
            Write::CreateTeam(team) => self.create_team(team).await,
            Write::UpdateTeam(team) => self.update_team(team).await,
            Write::DeleteTeam { id } => self.delete_team(*id).await,
            Write::AddMember { team_id, account_id, at } => self.add_member(*team_id, *account_id, *at).await,
            Write::RemoveMember { team_id, account_id, at } => {
                self.remove_member(*team_id, *account_id, *at).await
            }
            Write::CreateRole(role) => self.create_role(role).await,
            Write::UpdateRole(role) => self.update_role(role).await,
            Write::DeleteRole { id } => self.delete_role(*id).await,
            Write::CreateGrant(grant) => self.create_grant(grant).await,
            Write::DeleteGrant { id } => self.delete_grant(*id).await,
            Write::CreateEnvironment(environment) => self.create_environment(environment).await,
            Write::UpdateEnvironment(environment) => self.update_environment(environment).await,
            Write::DeleteEnvironment { id } => self.delete_environment(*id).await,
            Write::FillFlags { environment_id, from, resting, at } => {
                self.fill_flags(*environment_id, *from, *resting, *at).await
            }
            Write::CreateFlag(flag) => self.create_flag(flag).await,
            Write::UpdateFlag(flag) => self.update_flag(flag).await,
            Write::DeleteFlag { id, key } => self.delete_flag(*id, key).await,
            Write::CreateConfig(config) => self.create_config(config).await,
            Write::UpdateConfig(config) => self.update_config(config).await,
            Write::CreateSdkKey(key) => self.create_sdk_key(key).await,
            Write::UpdateSdkKey(key) => self.update_sdk_key(key).await,
            Write::RevokeSdkKey { id, at } => self.revoke_sdk_key(*id, *at).await,
            Write::Account(write) => self.apply_account(write).await,
            Write::CreateSegment(segment) => self.create_segment(segment).await,
            Write::UpdateSegment(segment) => self.update_segment(segment).await,
            Write::DeleteSegment { id, key } => self.delete_segment(*id, key).await,
            Write::CreateSegmentConfig(config) => self.create_segment_config(config).await,
            Write::UpdateSegmentConfig(config) => self.update_segment_config(config).await,
            Write::FillSegments { environment_id, from, at } => {
                self.fill_segments(*environment_id, *from, *at).await
            }
            Write::CreateContextField(field) => self.create_context_field(field).await,
            Write::UpdateContextField(field) => self.update_context_field(field).await,
            Write::DeleteContextField { id, key } => self.delete_context_field(*id, key).await,
            Write::RedactEntry { revision, texts } => self.redact_entry(*revision, *texts).await,
            Write::ExpireEntries { through, hash } => self.expire_entries(*through, hash).await,
            Write::TouchDependencies => self.touch_dependencies().await,
        }
    }

    async fn create_flag(&mut self, flag: &Flag) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO flags (project_id, id, key, name, description, client_visible, lifecycle, archived,
                                owner, temporary, expected_end, document, version, updated_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             ON CONFLICT DO NOTHING",
        );
        let query = self.definition(query, flag)?.bind(flag.created_at.as_millis());
        self.insert(query, "flag").await?;
        self.tag(flag).await?;
        self.affect_everywhere("flag", &flag.key).await
    }

    /// Key and kind never change; one that comes with another key is not the flag that is meant.
    async fn update_flag(&mut self, flag: &Flag) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE flags SET name = $4, description = $5, client_visible = $6, lifecycle = $7, archived = $8,
                              owner = $9, temporary = $10, expected_end = $11, document = $12,
                              version = $13, updated_at = $14
             WHERE project_id = $1 AND id = $2 AND key = $3",
        );
        self.change(self.definition(query, flag)?).await?;
        sqlx::query("DELETE FROM flag_tags WHERE project_id = $1 AND flag_id = $2")
            .bind(self.project_id.clone())
            .bind(flag.id.to_string())
            .execute(&mut *self.connection)
            .await?;
        self.tag(flag).await?;
        self.affect_everywhere("flag", &flag.key).await
    }

    fn definition(&self, query: Query, flag: &Flag) -> sqlx::Result<Query> {
        Ok(query
            .bind(self.project_id.clone())
            .bind(flag.id.to_string())
            .bind(flag.key.to_string())
            .bind(flag.name.clone())
            .bind(flag.description.clone())
            .bind(flag.client_visible)
            .bind(flag.lifecycle.name())
            .bind(flag.archived)
            .bind(flag.owner.clone())
            .bind(flag.lifetime.is_temporary())
            .bind(flag.lifetime.expected_end().map(|day| day.to_string()))
            .bind(to_document(&FlagDocument::of(flag))?)
            .bind(self.revision)
            .bind(flag.updated_at.as_millis()))
    }

    /// Its configs and tags go with it.
    async fn delete_flag(&mut self, id: Id, key: &Key) -> Result<(), Fault> {
        let query = sqlx::query("DELETE FROM flags WHERE project_id = $1 AND id = $2 AND key = $3");
        let query = query.bind(self.project_id.clone()).bind(id.to_string()).bind(key.to_string());
        self.change(query).await?;
        self.affect_everywhere("flag", key).await
    }

    async fn tag(&mut self, flag: &Flag) -> Result<(), Fault> {
        for tag in &flag.tags {
            sqlx::query(
                "INSERT INTO flag_tags (project_id, tag, flag_id) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
            )
            .bind(self.project_id.clone())
            .bind(tag.clone())
            .bind(flag.id.to_string())
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(())
    }

    async fn create_config(&mut self, config: &Config) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO flag_configs (project_id, flag_id, environment_id, enabled, document, version,
                                       updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        );
        self.insert(self.config(query, config)?, "config").await?;
        self.affect_here(config).await
    }

    async fn update_config(&mut self, config: &Config) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE flag_configs SET enabled = $4, document = $5, version = $6, updated_at = $7
             WHERE project_id = $1 AND flag_id = $2 AND environment_id = $3",
        );
        self.change(self.config(query, config)?).await?;
        self.affect_here(config).await
    }

    fn config(&self, query: Query, config: &Config) -> sqlx::Result<Query> {
        Ok(query
            .bind(self.project_id.clone())
            .bind(config.flag_id.to_string())
            .bind(config.environment_id.to_string())
            .bind(config.enabled)
            .bind(to_document(&ConfigDocument::of(config))?)
            .bind(self.revision)
            .bind(config.updated_at.as_millis()))
    }

    async fn touch_dependencies(&mut self) -> Result<(), Fault> {
        let query = sqlx::query("UPDATE projects SET dependencies = $2 WHERE id = $1");
        self.change(query.bind(self.project_id.clone()).bind(self.revision)).await
    }

    /// The flag, segment or list may look different in every environment of the project.
    pub(super) async fn affect_everywhere(&mut self, kind: &'static str, key: &Key) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO effects (project_id, environment_id, kind, key, revision)
             SELECT project_id, id, $2, $3, $4 FROM environments WHERE project_id = $1
             ON CONFLICT (project_id, environment_id, kind, key)
             DO UPDATE SET revision = excluded.revision",
        )
        .bind(self.project_id.clone())
        .bind(kind)
        .bind(key.to_string())
        .bind(self.revision)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// The flag may look different in the config's environment.
    async fn affect_here(&mut self, config: &Config) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO effects (project_id, environment_id, kind, key, revision)
             SELECT project_id, $3, 'flag', key, $4 FROM flags WHERE project_id = $1 AND id = $2
             ON CONFLICT (project_id, environment_id, kind, key)
             DO UPDATE SET revision = excluded.revision",
        )
        .bind(self.project_id.clone())
        .bind(config.flag_id.to_string())
        .bind(config.environment_id.to_string())
        .bind(self.revision)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Runs an insert that does nothing when a unique value of the row is there already.
    pub(super) async fn insert(&mut self, query: Query, what: &'static str) -> Result<(), Fault> {
        let done = query.execute(&mut *self.connection).await?;
        if done.rows_affected() == 0 { Err(Fault::Taken(what)) } else { Ok(()) }
    }

    /// Runs an update or delete of a row that the change was decided upon.
    pub(super) async fn change(&mut self, query: Query) -> Result<(), Fault> {
        let done = query.execute(&mut *self.connection).await?;
        if done.rows_affected() == 0 { Err(Fault::Stale) } else { Ok(()) }
    }
}

/// Gives the environments that the revision affected its number.
pub(super) async fn mark_environments(
    connection: &mut Connection,
    project_id: Id,
    revision: Revision,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE environments SET snapshot_revision = $2
         WHERE project_id = $1 AND EXISTS (
             SELECT 1 FROM effects e
             WHERE e.project_id = environments.project_id AND e.environment_id = environments.id
               AND e.revision = $2)",
    )
    .bind(project_id.to_string())
    .bind(signed(revision))
    .execute(connection)
    .await?;
    Ok(())
}
