//! Who has which role: on the instance, in a project, in an environment.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{InProject, ManageGrants, OnInstance, ReadLog, ReadPeople};
use domain::error::Error;
use domain::grant::{Grant, GrantFilter, Holder};
use domain::id::Id;
use domain::key::Key;
use domain::ports::Page;
use domain::time::Timestamp;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page;
use crate::AppState;
use crate::body::{self, Named, Params, Said};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;

/// Grants on the instance.
pub(super) fn on_instance() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_instance_grants, create_instance_grant))
        .routes(routes!(delete_instance_grant))
}

/// Grants in a project.
pub(super) fn in_project() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_grants, create_grant)).routes(routes!(delete_grant))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct GrantQuery {
    /// Only those of the role with this key.
    role: Option<String>,
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 1000; 100 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

#[derive(Serialize)]
struct GrantView {
    id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<HolderView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<HolderView>,
    role: String,
    project: Option<Key>,
    environment: Option<Key>,
    created_by: Id,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
struct HolderView {
    id: Id,
    name: String,
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        let name = grant.holder_name;
        let (account, team) = match grant.holder {
            Holder::Account(id) => (Some(HolderView { id, name }), None),
            Holder::Team(id) => (None, Some(HolderView { id, name })),
        };
        Self {
            id: grant.id,
            account,
            team,
            role: grant.role,
            project: grant.project,
            environment: grant.environment,
            created_by: grant.created_by,
            created_at: grant.created_at,
            updated_at: grant.created_at,
        }
    }
}

impl GrantQuery {
    fn filter(&self) -> Result<GrantFilter, Error> {
        let wrong = || Error::invalid("query cursor", "is not one of ours; start without one");
        Ok(GrantFilter {
            project_id: None,
            role: self.role.clone(),
            after: self.cursor.as_deref().map(|id| id.parse().map_err(|_| wrong())).transpose()?,
            limit: page::limit(self.limit.as_deref())?,
        })
    }

    fn respond(self, path: &str, grants: Page<Grant>) -> Response {
        let items = grants.items.into_iter().map(GrantView::from).collect();
        let page = Page { items, total: grants.total, more: grants.more };
        let said = [("role", self.role), ("limit", self.limit)];
        page::respond(path, &said, &page, |grant| grant.id.to_string())
    }
}

/// List what is granted on the instance
#[utoipa::path(get, path = "/api/v1/instance/grants", tag = "people", params(GrantQuery), responses(
    (status = 200, description = "The grants, the oldest first", body = [schema::Grant]),
))]
async fn list_instance_grants(
    State(state): State<AppState>,
    reader: OnInstance<ReadPeople>,
    Params(query): Params<GrantQuery>,
) -> Result<Response, Problem> {
    let grants = state.control.grants_on_instance(&reader, query.filter()?).await?;
    Ok(query.respond("/api/v1/instance/grants", grants))
}

/// Grant a role on the instance
///
/// To an `account`, by its id, e-mail or name, or to a `team`, by its key. It holds in all projects. Nobody gives more
/// than they have.
#[utoipa::path(post, path = "/api/v1/instance/grants", tag = "people", params(CommentHeader), request_body = schema::NewInstanceGrant, responses(
    (status = 201, description = "The grant", body = schema::Grant),
    (status = 409, description = "`already_granted`"),
))]
async fn create_instance_grant(
    State(state): State<AppState>,
    permit: OnInstance<ManageGrants>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let grant = state.control.create_grant_on_instance(&permit, &document, &request).await?;
    Ok((StatusCode::CREATED, Json(GrantView::from(grant))).into_response())
}

/// Take back a role on the instance
#[utoipa::path(delete, path = "/api/v1/instance/grants/{id}", tag = "people", params(("id" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is taken back"),
))]
async fn delete_instance_grant(
    State(state): State<AppState>,
    permit: OnInstance<ManageGrants>,
    Named(id): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.delete_grant_on_instance(&permit, &id, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List what is granted in the project
///
/// In its environments as well. What is granted on the instance holds here, too.
#[utoipa::path(get, path = "/grants", tag = "people", params(GrantQuery), responses(
    (status = 200, description = "The grants, the oldest first", body = [schema::Grant]),
))]
async fn list_grants(
    State(state): State<AppState>,
    reader: InProject<ReadLog>,
    Params(query): Params<GrantQuery>,
) -> Result<Response, Problem> {
    let grants = state.control.grants(&reader, query.filter()?).await?;
    Ok(query.respond("/api/v1/grants", grants))
}

/// Grant a role in the project
///
/// To an `account`, by its id, e-mail or name, or to a `team`, by its key; in one environment alone, if `environment`
/// names it. Nobody gives more than they have.
#[utoipa::path(post, path = "/grants", tag = "people", params(CommentHeader), request_body = schema::NewGrant, responses(
    (status = 201, description = "The grant", body = schema::Grant),
    (status = 409, description = "`already_granted`"),
))]
async fn create_grant(
    State(state): State<AppState>,
    permit: InProject<ManageGrants>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let grant = state.control.create_grant(&permit, &document, &request).await?;
    Ok((StatusCode::CREATED, Json(GrantView::from(grant))).into_response())
}

/// Take back a role in the project
#[utoipa::path(delete, path = "/grants/{id}", tag = "people", params(("id" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is taken back"),
))]
async fn delete_grant(
    State(state): State<AppState>,
    permit: InProject<ManageGrants>,
    Named(id): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.delete_grant(&permit, &id, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}
