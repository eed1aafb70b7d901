//! Projects.

use domain::comment::CommentRule;
use domain::id::Id;
use domain::ports::{KeyedFilter, Page, ProjectContent};
use domain::project::{OwningTeam, Project};
use engine::model::Revision;
use sqlx::{Pool, QueryBuilder, Row as _};

use super::commit::Fault;
use super::paging::{Listing, empty, push_keyed, storable_filter};
use super::rows::{id, key, revision, text, time, word};
use super::writes::Writes;
use super::{Db, Row, SqlStore};

/// The columns that [`read`] reads, of `projects p`.
macro_rules! columns {
    () => {
        "p.id, p.key, p.name, p.description, p.team_id, t.key AS team_key, p.comment_required,
          p.version, p.created_at, p.updated_at"
    };
}

fn read(row: &Row) -> sqlx::Result<Project> {
    let team: Option<String> = row.try_get("team_key")?;
    let team = team
        .map(|_| Ok::<_, sqlx::Error>(OwningTeam { id: id(row, "team_id")?, key: key(row, "team_key")? }));
    Ok(Project {
        id: id(row, "id")?,
        key: key(row, "key")?,
        name: text(row, "name")?,
        description: text(row, "description")?,
        team: team.transpose()?,
        comment_required: word(row, "comment_required", CommentRule::parse)?,
        version: revision(row, "version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

/// Where they are read from.
macro_rules! from {
    () => {
        " FROM projects p LEFT JOIN teams t ON t.id = p.team_id WHERE "
    };
}

pub(super) async fn project(pool: &Pool<Db>, key: &str) -> sqlx::Result<Option<Project>> {
    if !crate::fit::storable(key) {
        return Ok(None);
    }
    sqlx::query(concat!("SELECT ", columns!(), from!(), "p.key = $1"))
        .bind(key)
        .try_map(|row: Row| read(&row))
        .fetch_optional(pool)
        .await
}

pub(super) async fn project_by_id(pool: &Pool<Db>, id: Id) -> sqlx::Result<Option<Project>> {
    sqlx::query(concat!("SELECT ", columns!(), from!(), "p.id = $1"))
        .bind(id.to_string())
        .try_map(|row: Row| read(&row))
        .fetch_optional(pool)
        .await
}

pub(super) async fn page(
    store: &SqlStore,
    filter: &KeyedFilter,
    of: Option<&[Id]>,
) -> sqlx::Result<Page<Project>> {
    if !storable_filter(filter) || of.is_some_and(<[Id]>::is_empty) {
        return Ok(empty());
    }
    let listing = Listing {
        columns: columns!(),
        from: &|query| push_conditions(query, filter, of),
        by: "p.key",
        after: filter.after.as_ref().map(ToString::to_string),
        limit: filter.limit,
        read,
    };
    listing.page(store).await
}

/// A caller is granted something in at most a few thousand projects; SQLite takes 32,766 values.
fn push_conditions(query: &mut QueryBuilder<Db>, filter: &KeyedFilter, of: Option<&[Id]>) {
    query.push(concat!(from!(), "TRUE"));
    if let Some(ids) = of {
        query.push(" AND p.id IN (");
        let mut values = query.separated(", ");
        for id in ids {
            values.push_bind(id.to_string());
        }
        query.push(")");
    }
    push_keyed(query, filter, "p.key", &["p.key", "p.name", "p.description"]);
}

pub(super) async fn of_team(pool: &Pool<Db>, team_id: Id) -> sqlx::Result<Vec<Project>> {
    sqlx::query(concat!("SELECT ", columns!(), from!(), "p.team_id = $1 ORDER BY p.key"))
        .bind(team_id.to_string())
        .try_map(|row: Row| read(&row))
        .fetch_all(pool)
        .await
}

pub(super) async fn content(pool: &Pool<Db>, project_id: Id) -> sqlx::Result<ProjectContent> {
    sqlx::query(
        "SELECT (SELECT count(*) FROM flags WHERE project_id = $1) AS flags,
                (SELECT count(*) FROM segments WHERE project_id = $1) AS segments,
                (SELECT count(*) FROM sdk_keys WHERE project_id = $1 AND revoked_at IS NULL) AS sdk_keys",
    )
    .bind(project_id.to_string())
    .try_map(|row: Row| {
        Ok(ProjectContent {
            flags: revision(&row, "flags")?,
            segments: revision(&row, "segments")?,
            sdk_keys: revision(&row, "sdk_keys")?,
        })
    })
    .fetch_one(pool)
    .await
}

pub(super) async fn dependencies_version(pool: &Pool<Db>, project_id: Id) -> sqlx::Result<Revision> {
    let version = sqlx::query("SELECT dependencies FROM projects WHERE id = $1")
        .bind(project_id.to_string())
        .try_map(|row: Row| revision(&row, "dependencies"))
        .fetch_optional(pool)
        .await?;
    Ok(version.unwrap_or_default())
}

impl Writes<'_> {
    pub(super) async fn create_project(&mut self, project: &Project) -> Result<(), Fault> {
        self.expect_owner(project).await?;
        let query = sqlx::query(
            "INSERT INTO projects (id, key, name, description, team_id, comment_required, version, created_at,
                                   updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind(project.id.to_string())
        .bind(project.key.to_string())
        .bind(project.name.clone())
        .bind(project.description.clone())
        .bind(project.team_id().map(|id| id.to_string()))
        .bind(project.comment_required.name())
        .bind(0_i64)
        .bind(project.created_at.as_millis())
        .bind(project.updated_at.as_millis());
        self.insert(query, "project").await?;
        let query = sqlx::query("INSERT INTO chains (project_id, revision, hash) VALUES ($1, 0, $2)");
        query.bind(project.id.to_string()).bind(vec![0_u8; 32]).execute(&mut *self.connection).await?;
        Ok(())
    }

    pub(super) async fn update_project(&mut self, project: &Project) -> Result<(), Fault> {
        self.expect_owner(project).await?;
        let query = sqlx::query(
            "UPDATE projects SET name = $3, description = $4, team_id = $5, comment_required = $6, version = $7,
                                 updated_at = $8
             WHERE id = $1 AND key = $2",
        )
        .bind(project.id.to_string())
        .bind(project.key.to_string())
        .bind(project.name.clone())
        .bind(project.description.clone())
        .bind(project.team_id().map(|id| id.to_string()))
        .bind(project.comment_required.name())
        .bind(self.revision)
        .bind(project.updated_at.as_millis());
        self.change(query).await
    }

    async fn expect_owner(&mut self, project: &Project) -> Result<(), Fault> {
        let Some(team_id) = project.team_id() else { return Ok(()) };
        self.expect_team(team_id).await
    }

    /// Its chain, which the commit holds, stays, for its log does.
    pub(super) async fn delete_project(&mut self, id: Id) -> Result<(), Fault> {
        let contents = [
            "DELETE FROM flags WHERE project_id = $1",
            "DELETE FROM sdk_keys WHERE project_id = $1",
            "DELETE FROM effects WHERE project_id = $1",
            "DELETE FROM segments WHERE project_id = $1",
            "DELETE FROM context_fields WHERE project_id = $1",
            "DELETE FROM key_lists WHERE project_id = $1",
            "DELETE FROM environments WHERE project_id = $1",
        ];
        for statement in contents {
            sqlx::query(statement).bind(id.to_string()).execute(&mut *self.connection).await?;
        }
        self.change(sqlx::query("DELETE FROM projects WHERE id = $1").bind(id.to_string())).await
    }
}
