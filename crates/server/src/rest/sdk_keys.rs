//! Keys for applications.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{InEnvironment, InProject, ManageSdkKeys, ReadProject};
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::body::{self, Named, Said};
use crate::openapi::{CommentHeader, EnvironmentQuery, schema};
use crate::problem::Problem;
use crate::settle;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_sdk_keys, create_sdk_key)).routes(routes!(revoke_sdk_key))
}

/// List SDK keys
///
/// All of the project, newest first, revoked ones included. Their secrets are not kept.
#[utoipa::path(get, path = "/sdk-keys", tag = "sdk keys", responses(
    (status = 200, description = "The keys", body = [schema::SdkKey]),
))]
async fn list_sdk_keys(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
) -> Result<Response, Problem> {
    let keys = state.control.list_sdk_keys(&reader).await?;
    let total = [("x-total-count", keys.len().to_string())];
    Ok((total, Json(keys)).into_response())
}

/// Make an SDK key
///
/// For one environment. The answer is the only time that its secret is shown.
#[utoipa::path(post, path = "/sdk-keys", tag = "sdk keys", params(EnvironmentQuery, CommentHeader), request_body = schema::NewSdkKey, responses(
    (status = 201, description = "The key and its secret", body = schema::MadeSdkKey),
))]
async fn create_sdk_key(
    State(state): State<AppState>,
    writer: InEnvironment<ManageSdkKeys>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let made = state.control.create_sdk_key(&writer, &document, &request).await?;
    settle::key(&state.keyring, &made.sdk_key.hash).await;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Revoke an SDK key
///
/// It is refused within a second, and streams that it opened end.
#[utoipa::path(delete, path = "/sdk-keys/{id}", tag = "sdk keys", params(("id" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is revoked"),
))]
async fn revoke_sdk_key(
    State(state): State<AppState>,
    permit: InProject<ManageSdkKeys>,
    Named(id): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let hash = state.control.revoke_sdk_key(&permit, &id, &request).await?;
    settle::revocation(&state.keyring, &hash).await;
    Ok(StatusCode::NO_CONTENT)
}
