//! Environments.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::access::{CreateEnvironment, DeleteEnvironment, InProject, ReadProject, UpdateEnvironment};
use domain::environment::Environment;
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::body::{self, Named, Params, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, schema};
use crate::problem::Problem;
use crate::settle;

pub(super) fn router() -> OpenApiRouter<AppState> {
    let one = get(get_environment).patch(update_environment).delete(delete_environment);
    OpenApiRouter::new()
        .routes(routes!(list_environments, create_environment))
        .routes(routes!(get_environment, update_environment, delete_environment))
        .routes(routes!(reorder_environments))
        // An environment may be called `order`.
        .route("/environments/order", one)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ForceQuery {
    /// `true` deletes what is in it as well.
    #[param(value_type = Option<bool>)]
    force: Option<String>,
}

/// List environments
#[utoipa::path(get, path = "/environments", tag = "environments", responses(
    (status = 200, description = "All environments, by position", body = [schema::Environment]),
))]
async fn list_environments(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
) -> Result<Response, Problem> {
    let environments = state.control.environments(&reader).await?;
    Ok(listed(&environments))
}

/// Make an environment
///
/// It begins with a config of every flag and segment: flags disabled and segments empty, or, with `copy_from`, as
/// they are in another environment. Only admins may.
#[utoipa::path(post, path = "/environments", tag = "environments", params(CommentHeader), request_body = schema::NewEnvironment, responses(
    (status = 201, description = "The environment, with its `ETag`", body = schema::Environment),
    (status = 409, description = "`key_taken` or `too_many_environments`"),
))]
async fn create_environment(
    State(state): State<AppState>,
    permit: InProject<CreateEnvironment>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let made = state.control.create_environment(&permit, &document, &request).await?;
    settle::environment(&state.hub, made.id).await;
    let location = [(header::LOCATION, format!("/api/v1/environments/{}", made.key))];
    Ok((StatusCode::CREATED, location, answer(&made)).into_response())
}

/// Get an environment
#[utoipa::path(get, path = "/environments/{key}", tag = "environments", params(("key" = String, Path)), responses(
    (status = 200, description = "The environment, with its `ETag`", body = schema::Environment),
))]
async fn get_environment(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
    Named(key): Named,
) -> Result<Response, Problem> {
    Ok(answer(&state.control.get_environment(&reader, &key).await?).into_response())
}

/// Change an environment
///
/// Replaces the members that are named and keeps the others. What GET answers can be sent back. Only admins may.
#[utoipa::path(method(put, patch), path = "/environments/{key}", tag = "environments",
    params(("key" = String, Path), ChangeHeaders), request_body = schema::EnvironmentInput, responses(
    (status = 200, description = "The environment as it is now", body = schema::Environment),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_environment(
    State(state): State<AppState>,
    permit: InProject<UpdateEnvironment>,
    Named(key): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    Ok(answer(&state.control.update_environment(&permit, &key, &document, &request).await?).into_response())
}

/// Delete an environment
///
/// Its SDK keys are refused from then on and its streams end. One that somebody put something into goes by
/// `force=true` only; `development` never does. Only admins may; by a role of your own a protected one also takes the
/// right to change flags in it.
#[utoipa::path(delete, path = "/environments/{key}", tag = "environments",
    params(("key" = String, Path), ForceQuery, ChangeHeaders), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`environment_in_use`: `in_use_by` says what is in it; or `default_environment`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn delete_environment(
    State(state): State<AppState>,
    permit: InProject<DeleteEnvironment>,
    Named(key): Named,
    Params(query): Params<ForceQuery>,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let force = body::truth("force", query.force.as_deref())?.unwrap_or_default();
    let gone = state.control.delete_environment(&permit, &key, force, &request).await?;
    settle::environment_gone(&state.hub, &state.keyring, gone.id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Put environments in order
///
/// `keys` names all of them, each once. Only admins may.
#[utoipa::path(put, path = "/environments/order", tag = "environments", params(CommentHeader), request_body = schema::EnvironmentOrder, responses(
    (status = 200, description = "All environments, in that order", body = [schema::Environment]),
))]
async fn reorder_environments(
    State(state): State<AppState>,
    permit: InProject<UpdateEnvironment>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let environments = state.control.reorder_environments(&permit, &document, &request).await?;
    Ok(listed(&environments))
}

fn listed(environments: &[Environment]) -> Response {
    let total = [("x-total-count", environments.len().to_string())];
    (total, Json(environments)).into_response()
}

/// An environment with its tag.
fn answer(environment: &Environment) -> impl IntoResponse + use<> {
    ([(header::ETAG, environment.etag())], Json(environment.clone()))
}
