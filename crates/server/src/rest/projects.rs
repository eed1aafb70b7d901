//! Projects.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{CreateProject, DeleteProject, InProject, OnInstance, ReadProject, UpdateProject};
use domain::project::Project;
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{self, KeyedQuery};
use crate::AppState;
use crate::auth::Signed;
use crate::body::{self, Params, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, schema};
use crate::problem::Problem;
use crate::settle;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_projects, create_project)).routes(routes!(
        get_project,
        update_project,
        delete_project
    ))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ForceQuery {
    /// `true` deletes what is in it as well.
    #[param(value_type = Option<bool>)]
    force: Option<String>,
}

/// List projects
///
/// Those that the caller may see, by key. Everything of a project is under `/api/v1/projects/{project}/…`;
/// `/api/v1/…` is the same of the project `default`.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", params(KeyedQuery), responses(
    (status = 200, description = "The projects", body = [schema::Project]),
))]
async fn list_projects(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Params(query): Params<KeyedQuery>,
) -> Result<Response, Problem> {
    let projects = state.control.projects(&caller, &query.filter()?).await?;
    Ok(page::respond("/api/v1/projects", &query.said(), &projects, |project| project.key.to_string()))
}

/// Make a project
///
/// With the environments `development`, `staging` and `production`, of which the last is protected.
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", params(CommentHeader), request_body = schema::NewProject, responses(
    (status = 201, description = "The project, with its `ETag`", body = schema::Project),
    (status = 409, description = "`key_taken`"),
))]
async fn create_project(
    State(state): State<AppState>,
    permit: OnInstance<CreateProject>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let (made, environments) = state.control.create_project(&permit, &document, &request).await?;
    for environment in environments {
        settle::environment(&state.hub, environment.id).await;
    }
    let location = [(header::LOCATION, format!("/api/v1/projects/{}", made.key))];
    Ok((StatusCode::CREATED, location, answer(made)).into_response())
}

/// Get a project
#[utoipa::path(get, path = "/api/v1/projects/{project}", tag = "projects", params(("project" = String, Path)), responses(
    (status = 200, description = "The project, with its `ETag`", body = schema::Project),
))]
async fn get_project(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
) -> Result<Response, Problem> {
    Ok(answer(state.control.get_project(&reader).await?).into_response())
}

/// Change a project
///
/// Replaces the members that are named and keeps the others. What GET answers can be sent back.
#[utoipa::path(method(put, patch), path = "/api/v1/projects/{project}", tag = "projects",
    params(("project" = String, Path), ChangeHeaders), request_body = schema::ProjectInput, responses(
    (status = 200, description = "The project as it is now", body = schema::Project),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_project(
    State(state): State<AppState>,
    permit: InProject<UpdateProject>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    Ok(answer(state.control.update_project(&permit, &document, &request).await?).into_response())
}

/// Delete a project
///
/// With its flags, segments, environments and keys; its log stays. One that has any goes by `force=true` only; the
/// project `default` never does.
#[utoipa::path(delete, path = "/api/v1/projects/{project}", tag = "projects",
    params(("project" = String, Path), ForceQuery, ChangeHeaders), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`project_in_use`, or `default_project`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn delete_project(
    State(state): State<AppState>,
    permit: InProject<DeleteProject>,
    Params(query): Params<ForceQuery>,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let force = body::truth("force", query.force.as_deref())?.unwrap_or_default();
    let gone = state.control.delete_project(&permit, force, &request).await?;
    for environment in gone.environments {
        settle::environment_gone(&state.hub, &state.keyring, environment).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A project with its tag.
fn answer(project: Project) -> impl IntoResponse {
    ([(header::ETAG, project.etag())], Json(project))
}
