//! The rows of teams, roles and grants that a change writes.

use domain::access::Scope;
use domain::grant::{Grant, Holder};
use domain::id::Id;
use domain::role::CustomRole;
use domain::team::Team;
use domain::time::Timestamp;
use sqlx::AssertSqlSafe;

use super::LOCK_SHARED;
use super::commit::Fault;
use super::rows::to_document;
use super::writes::{Query, Writes};

impl Writes<'_> {
    pub(super) async fn create_team(&mut self, team: &Team) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO teams (id, key, name, description, version, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(team.id.to_string())
        .bind(team.key.to_string())
        .bind(team.name.clone())
        .bind(team.description.clone())
        .bind(self.revision)
        .bind(team.created_at.as_millis())
        .bind(team.updated_at.as_millis());
        self.insert(query, "team").await
    }

    pub(super) async fn update_team(&mut self, team: &Team) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE teams SET name = $3, description = $4, version = $5, updated_at = $6
             WHERE id = $1 AND key = $2",
        )
        .bind(team.id.to_string())
        .bind(team.key.to_string())
        .bind(team.name.clone())
        .bind(team.description.clone())
        .bind(self.revision)
        .bind(team.updated_at.as_millis());
        self.change(query).await
    }

    /// One that owns a project or a flag stays. Its row is taken first: whoever is making it an owner ends before.
    pub(super) async fn delete_team(&mut self, id: Id) -> Result<(), Fault> {
        let taken = sqlx::query("UPDATE teams SET version = $2 WHERE id = $1");
        self.change(taken.bind(id.to_string()).bind(self.revision)).await?;
        let query = sqlx::query(
            "DELETE FROM teams WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM projects WHERE team_id = $1)
             AND NOT EXISTS (SELECT 1 FROM flags WHERE flags.owner = 'team:' || teams.key)",
        );
        self.change(query.bind(id.to_string())).await
    }

    pub(super) async fn add_member(
        &mut self,
        team_id: Id,
        account_id: Id,
        at: Timestamp,
    ) -> Result<(), Fault> {
        self.touch_team(team_id, at).await?;
        self.expect_account(account_id).await?;
        let query = sqlx::query(
            "INSERT INTO team_members (team_id, account_id, created_at) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        );
        let query = query.bind(team_id.to_string()).bind(account_id.to_string()).bind(at.as_millis());
        self.insert(query, "member").await
    }

    pub(super) async fn remove_member(
        &mut self,
        team_id: Id,
        account_id: Id,
        at: Timestamp,
    ) -> Result<(), Fault> {
        self.touch_team(team_id, at).await?;
        let query = sqlx::query("DELETE FROM team_members WHERE team_id = $1 AND account_id = $2");
        self.change(query.bind(team_id.to_string()).bind(account_id.to_string())).await
    }

    async fn touch_team(&mut self, id: Id, at: Timestamp) -> Result<(), Fault> {
        let query = sqlx::query("UPDATE teams SET version = $2, updated_at = $3 WHERE id = $1");
        self.change(query.bind(id.to_string()).bind(self.revision).bind(at.as_millis())).await
    }

    pub(super) async fn create_role(&mut self, role: &CustomRole) -> Result<(), Fault> {
        let query = sqlx::query(
            "INSERT INTO roles (id, key, name, description, permissions, version, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(role.id.to_string())
        .bind(role.key.to_string())
        .bind(role.name.clone())
        .bind(role.description.clone())
        .bind(to_document(&role.permissions)?)
        .bind(self.revision)
        .bind(role.created_at.as_millis())
        .bind(role.updated_at.as_millis());
        self.insert(query, "role").await
    }

    pub(super) async fn update_role(&mut self, role: &CustomRole) -> Result<(), Fault> {
        let query = sqlx::query(
            "UPDATE roles SET name = $3, description = $4, permissions = $5, version = $6, updated_at = $7
             WHERE id = $1 AND key = $2",
        )
        .bind(role.id.to_string())
        .bind(role.key.to_string())
        .bind(role.name.clone())
        .bind(role.description.clone())
        .bind(to_document(&role.permissions)?)
        .bind(self.revision)
        .bind(role.updated_at.as_millis());
        self.change(query).await
    }

    /// One that somebody has stays. Its row is taken first: whoever is granting it ends before.
    pub(super) async fn delete_role(&mut self, id: Id) -> Result<(), Fault> {
        let taken = sqlx::query("UPDATE roles SET version = $2 WHERE id = $1");
        self.change(taken.bind(id.to_string()).bind(self.revision)).await?;
        let query = sqlx::query(
            "DELETE FROM roles WHERE id = $1
             AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.role = roles.key)",
        );
        self.change(query.bind(id.to_string())).await
    }

    pub(super) async fn create_grant(&mut self, grant: &Grant) -> Result<(), Fault> {
        let (account, team) = match grant.holder {
            Holder::Account(id) => {
                self.expect_account(id).await?;
                (Some(id.to_string()), None)
            }
            Holder::Team(id) => {
                self.expect_team(id).await?;
                (None, Some(id.to_string()))
            }
        };
        let (project, environment) = self.expect_place(grant.scope).await?;
        let query = sqlx::query(
            "INSERT INTO grants (id, account_id, team_id, role, project_id, environment_id, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(grant.id.to_string())
        .bind(account)
        .bind(team)
        .bind(grant.role.clone())
        .bind(project)
        .bind(environment)
        .bind(grant.created_by.to_string())
        .bind(grant.created_at.as_millis());
        self.insert(query, "grant").await
    }

    /// The columns of a place, which must be there.
    async fn expect_place(&mut self, scope: Scope) -> Result<(Option<String>, Option<String>), Fault> {
        Ok(match scope {
            Scope::Instance => (None, None),
            Scope::Project(id) => {
                self.expect(sqlx::query("SELECT 1 FROM projects WHERE id = $1").bind(id.to_string())).await?;
                (Some(id.to_string()), None)
            }
            Scope::Environment { project_id, id } => {
                let query = sqlx::query("SELECT 1 FROM environments WHERE project_id = $1 AND id = $2");
                self.expect(query.bind(project_id.to_string()).bind(id.to_string())).await?;
                (Some(project_id.to_string()), Some(id.to_string()))
            }
        })
    }

    pub(super) async fn delete_grant(&mut self, id: Id) -> Result<(), Fault> {
        let query = sqlx::query("DELETE FROM grants WHERE id = $1 AND COALESCE(project_id, $2) = $3");
        let query = query.bind(id.to_string()).bind(Id::NIL.to_string()).bind(self.project_id.clone());
        self.change(query).await
    }

    async fn expect_account(&mut self, id: Id) -> Result<(), Fault> {
        self.expect_there("accounts", id).await
    }

    pub(super) async fn expect_team(&mut self, id: Id) -> Result<(), Fault> {
        self.expect_there("teams", id).await
    }

    /// A row of the instance's must be there, and stay until the transaction ends: its own chain does not guard it.
    async fn expect_there(&mut self, table: &'static str, id: Id) -> Result<(), Fault> {
        let query = sqlx::query(AssertSqlSafe(format!("SELECT 1 FROM {table} WHERE id = $1{LOCK_SHARED}")));
        self.expect(query.bind(id.to_string())).await
    }

    /// A row must be there.
    pub(super) async fn expect(&mut self, query: Query) -> Result<(), Fault> {
        query.fetch_optional(&mut *self.connection).await?.map(|_| ()).ok_or(Fault::Stale)
    }
}
