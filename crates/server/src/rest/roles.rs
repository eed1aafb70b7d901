//! Roles: those that are built in, and those that people make.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{BUILT_IN, BuiltIn, ManageRoles, OnInstance, Permission, ReadPeople};
use domain::role::CustomRole;
use http::{StatusCode, header};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::body::{self, Named, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_roles, create_role))
        .routes(routes!(get_role, update_role, delete_role))
        .routes(routes!(list_permissions))
}

#[derive(Serialize)]
#[serde(untagged)]
enum RoleView<'a> {
    BuiltIn {
        key: &'a str,
        name: &'a str,
        description: &'a str,
        permissions: &'a [&'a str],
        built_in: bool,
    },
    Made {
        #[serde(flatten)]
        role: &'a CustomRole,
        built_in: bool,
    },
}

impl<'a> From<&'a BuiltIn> for RoleView<'a> {
    fn from(role: &'a BuiltIn) -> Self {
        let BuiltIn { key, name, description, permissions, .. } = role;
        Self::BuiltIn { key, name, description, permissions, built_in: true }
    }
}

impl<'a> From<&'a CustomRole> for RoleView<'a> {
    fn from(role: &'a CustomRole) -> Self {
        Self::Made { role, built_in: false }
    }
}

#[derive(Serialize)]
struct PermissionView {
    name: &'static str,
    level: &'static str,
}

/// List roles
///
/// Those that are built in, the least first, then those that people made, by key.
#[utoipa::path(get, path = "/api/v1/roles", tag = "people", responses(
    (status = 200, description = "The roles", body = [schema::Role]),
))]
async fn list_roles(
    State(state): State<AppState>,
    reader: OnInstance<ReadPeople>,
) -> Result<Response, Problem> {
    let made = state.control.roles(&reader).await?;
    let roles: Vec<_> = BUILT_IN.iter().map(RoleView::from).chain(made.iter().map(RoleView::from)).collect();
    let total = [("x-total-count", roles.len().to_string())];
    Ok((total, Json(roles)).into_response())
}

/// List permissions
///
/// The words that roles and tokens are made of. One of level `environment` may be followed by `@` and an environment's
/// key, or by `@!protected`; `flag.*` is all that begin so, and `*` is all of them.
#[utoipa::path(get, path = "/api/v1/permissions", tag = "people", responses(
    (status = 200, description = "The permissions", body = [schema::Permission]),
))]
async fn list_permissions(_reader: OnInstance<ReadPeople>) -> Json<Vec<PermissionView>> {
    let views = Permission::ALL
        .iter()
        .map(|permission| PermissionView { name: permission.name(), level: permission.level().name() });
    Json(views.collect())
}

/// Make a role
///
/// `permissions` are words that `GET /api/v1/permissions` lists. Nobody makes a role that allows more than they may do.
#[utoipa::path(post, path = "/api/v1/roles", tag = "people", params(CommentHeader), request_body = schema::NewRole, responses(
    (status = 201, description = "The role, with its `ETag`", body = schema::Role),
    (status = 409, description = "`key_taken` or `too_many_roles`"),
))]
async fn create_role(
    State(state): State<AppState>,
    permit: OnInstance<ManageRoles>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let role = state.control.create_role(&permit, &document, &request).await?;
    let location = [(header::LOCATION, format!("/api/v1/roles/{}", role.key))];
    Ok((StatusCode::CREATED, location, answer(&role)).into_response())
}

/// Get a role
#[utoipa::path(get, path = "/api/v1/roles/{role}", tag = "people", params(("role" = String, Path)), responses(
    (status = 200, description = "The role; with its `ETag`, if somebody made it", body = schema::Role),
))]
async fn get_role(
    State(state): State<AppState>,
    reader: OnInstance<ReadPeople>,
    Named(key): Named,
) -> Result<Response, Problem> {
    if let Some(role) = domain::access::built_in(&key) {
        return Ok(Json(RoleView::from(role)).into_response());
    }
    Ok(answer(&state.control.role(&reader, &key).await?))
}

/// Change a role
///
/// Whoever has it may do what it allows from the next request on.
#[utoipa::path(method(put, patch), path = "/api/v1/roles/{role}", tag = "people",
    params(("role" = String, Path), ChangeHeaders), request_body = schema::RoleInput, responses(
    (status = 200, description = "The role as it is now", body = schema::Role),
    (status = 409, description = "`role_built_in`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_role(
    State(state): State<AppState>,
    permit: OnInstance<ManageRoles>,
    Named(key): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    Ok(answer(&state.control.update_role(&permit, &key, &document, &request).await?))
}

/// Delete a role
#[utoipa::path(delete, path = "/api/v1/roles/{role}", tag = "people",
    params(("role" = String, Path), ChangeHeaders), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`role_in_use`: it is granted, or `role_built_in`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn delete_role(
    State(state): State<AppState>,
    permit: OnInstance<ManageRoles>,
    Named(key): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.delete_role(&permit, &key, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A role with its tag.
fn answer(role: &CustomRole) -> Response {
    ([(header::ETAG, role.etag())], Json(RoleView::from(role))).into_response()
}
