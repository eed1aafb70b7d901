//! Teams, roles, and who has which.

use domain::access::Scope;
use domain::grant::{Grant, GrantFilter, Granted, Holder};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page};
use domain::role::CustomRole;
use domain::team::{Member, Team};
use sqlx::{Pool, QueryBuilder, Row as _};

use super::paging::{Listing, empty, push_keyed, storable_filter};
use super::rows::{document, id, key, revision, text, time};
use super::{Db, Row, SqlStore};

fn team(row: &Row) -> sqlx::Result<Team> {
    Ok(Team {
        id: id(row, "id")?,
        key: key(row, "key")?,
        name: text(row, "name")?,
        description: text(row, "description")?,
        version: revision(row, "version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

pub(super) async fn team_named(pool: &Pool<Db>, key: &Key) -> sqlx::Result<Option<Team>> {
    sqlx::query("SELECT * FROM teams t WHERE t.key = $1")
        .bind(key.as_str())
        .try_map(|row: Row| team(&row))
        .fetch_optional(pool)
        .await
}

pub(super) async fn team_by_id(pool: &Pool<Db>, id: Id) -> sqlx::Result<Option<Team>> {
    sqlx::query("SELECT * FROM teams t WHERE t.id = $1")
        .bind(id.to_string())
        .try_map(|row: Row| team(&row))
        .fetch_optional(pool)
        .await
}

pub(super) async fn teams(store: &SqlStore, filter: &KeyedFilter) -> sqlx::Result<Page<Team>> {
    if !storable_filter(filter) {
        return Ok(empty());
    }
    let listing = Listing {
        columns: "t.*",
        from: &|query| {
            query.push(" FROM teams t WHERE TRUE");
            push_keyed(query, filter, "t.key", &["t.key", "t.name", "t.description"]);
        },
        by: "t.key",
        after: filter.after.as_ref().map(ToString::to_string),
        limit: filter.limit,
        read: team,
    };
    listing.page(store).await
}

pub(super) async fn members(pool: &Pool<Db>, team_id: Id) -> sqlx::Result<Vec<Member>> {
    sqlx::query(
        "SELECT a.id, a.email, a.name FROM team_members m JOIN accounts a ON a.id = m.account_id
         WHERE m.team_id = $1 ORDER BY a.email",
    )
    .bind(team_id.to_string())
    .try_map(|row: Row| {
        Ok(Member { id: id(&row, "id")?, email: text(&row, "email")?, name: text(&row, "name")? })
    })
    .fetch_all(pool)
    .await
}

pub(super) async fn teams_of(pool: &Pool<Db>, account_id: Id) -> sqlx::Result<Vec<Team>> {
    sqlx::query(
        "SELECT t.* FROM teams t JOIN team_members m ON m.team_id = t.id WHERE m.account_id = $1 ORDER BY t.key",
    )
    .bind(account_id.to_string())
    .try_map(|row: Row| team(&row))
    .fetch_all(pool)
    .await
}

pub(super) async fn roles(pool: &Pool<Db>) -> sqlx::Result<Vec<CustomRole>> {
    sqlx::query("SELECT * FROM roles ORDER BY key")
        .try_map(|row: Row| {
            Ok(CustomRole {
                id: id(&row, "id")?,
                key: key(&row, "key")?,
                name: text(&row, "name")?,
                description: text(&row, "description")?,
                permissions: document(&row, "permissions")?,
                version: revision(&row, "version")?,
                created_at: time(&row, "created_at")?,
                updated_at: time(&row, "updated_at")?,
            })
        })
        .fetch_all(pool)
        .await
}

/// Grants with the names of what they are about.
/// The columns that [`grant`] reads, of [`FROM_GRANTS`].
macro_rules! grant_columns {
    () => {
        "g.id, g.account_id, g.team_id, g.role, g.project_id, g.environment_id, g.created_by, g.created_at, \
         COALESCE(a.email, t.key) AS holder_name, p.key AS project, e.key AS environment"
    };
}

const FROM_GRANTS: &str = " FROM grants g
     LEFT JOIN accounts a ON a.id = g.account_id
     LEFT JOIN teams t ON t.id = g.team_id
     LEFT JOIN projects p ON p.id = g.project_id
     LEFT JOIN environments e ON e.project_id = g.project_id AND e.id = g.environment_id
     WHERE ";

fn grant(row: &Row) -> sqlx::Result<Grant> {
    let named = |column| optional(row, column, key);
    let holder = match optional(row, "account_id", id)? {
        Some(account) => Holder::Account(account),
        None => Holder::Team(id(row, "team_id")?),
    };
    Ok(Grant {
        id: id(row, "id")?,
        holder,
        holder_name: text(row, "holder_name")?,
        role: text(row, "role")?,
        scope: scope(row)?,
        project: named("project")?,
        environment: named("environment")?,
        created_by: id(row, "created_by")?,
        created_at: time(row, "created_at")?,
    })
}

fn scope(row: &Row) -> sqlx::Result<Scope> {
    Ok(match (optional(row, "project_id", id)?, optional(row, "environment_id", id)?) {
        (Some(project_id), Some(id)) => Scope::Environment { project_id, id },
        (Some(project_id), None) => Scope::Project(project_id),
        (None, _) => Scope::Instance,
    })
}

/// A column that may be empty.
fn optional<T>(
    row: &Row,
    column: &str,
    read: impl FnOnce(&Row, &str) -> sqlx::Result<T>,
) -> sqlx::Result<Option<T>> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|_| read(row, column)).transpose()
}

pub(super) async fn grant_by_id(pool: &Pool<Db>, id: Id) -> sqlx::Result<Option<Grant>> {
    let mut query = QueryBuilder::<Db>::new(concat!("SELECT ", grant_columns!()));
    query.push(FROM_GRANTS).push("g.id = ").push_bind(id.to_string());
    query.build().try_map(|row: Row| grant(&row)).fetch_optional(pool).await
}

pub(super) async fn grants_of(pool: &Pool<Db>, holder: Holder) -> sqlx::Result<Vec<Grant>> {
    let mut query = QueryBuilder::<Db>::new(concat!("SELECT ", grant_columns!()));
    query.push(FROM_GRANTS);
    match holder {
        Holder::Account(id) => query.push("g.account_id = ").push_bind(id.to_string()),
        Holder::Team(id) => query.push("g.team_id = ").push_bind(id.to_string()),
    };
    query.push(" ORDER BY g.id");
    query.build().try_map(|row: Row| grant(&row)).fetch_all(pool).await
}

pub(super) async fn grants(store: &SqlStore, filter: &GrantFilter) -> sqlx::Result<Page<Grant>> {
    if filter.role.as_ref().is_some_and(|role| !crate::fit::storable(role)) {
        return Ok(empty());
    }
    let listing = Listing {
        columns: grant_columns!(),
        from: &|query| push_conditions(query, filter),
        by: "g.id",
        after: filter.after.map(|after| after.to_string()),
        limit: filter.limit,
        read: grant,
    };
    listing.page(store).await
}

fn push_conditions(query: &mut QueryBuilder<Db>, filter: &GrantFilter) {
    query.push(FROM_GRANTS);
    match filter.project_id {
        Some(project_id) => query.push("g.project_id = ").push_bind(project_id.to_string()),
        None => query.push("g.project_id IS NULL"),
    };
    if let Some(role) = &filter.role {
        query.push(" AND g.role = ").push_bind(role.clone());
    }
}

pub(super) async fn grants_with_role(pool: &Pool<Db>, role: &str) -> sqlx::Result<u64> {
    if !crate::fit::storable(role) {
        return Ok(0);
    }
    sqlx::query("SELECT count(*) AS total FROM grants WHERE role = $1")
        .bind(role)
        .try_map(|row: Row| revision(&row, "total"))
        .fetch_one(pool)
        .await
}

pub(super) async fn granted(
    executor: impl sqlx::Executor<'_, Database = Db>,
    holder: Holder,
) -> sqlx::Result<Vec<Granted>> {
    let mut query = QueryBuilder::<Db>::new(
        "SELECT g.role, r.permissions, g.project_id, g.environment_id
         FROM grants g LEFT JOIN roles r ON r.key = g.role WHERE ",
    );
    match holder {
        Holder::Account(id) => query
            .push("g.account_id = ")
            .push_bind(id.to_string())
            .push(" OR g.team_id IN (SELECT team_id FROM team_members WHERE account_id = ")
            .push_bind(id.to_string())
            .push(")"),
        Holder::Team(id) => query.push("g.team_id = ").push_bind(id.to_string()),
    };
    query
        .build()
        .try_map(|row: Row| {
            let permissions = optional(&row, "permissions", document)?;
            Ok(Granted { role: text(&row, "role")?, permissions, scope: scope(&row)? })
        })
        .fetch_all(executor)
        .await
}
