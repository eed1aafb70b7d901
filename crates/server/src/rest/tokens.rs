//! Tokens of one's own.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::secret;
use crate::AppState;
use crate::auth::Signed;
use crate::body::{self, Named, Said};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_tokens, create_token))
        .routes(routes!(delete_token))
        .routes(routes!(rotate_token))
}

/// List one's access tokens
///
/// Newest first, those that have expired included. What opens the door is not kept.
#[utoipa::path(get, path = "/auth/tokens", tag = "access tokens", responses(
    (status = 200, description = "The caller's tokens", body = [schema::AccessToken]),
))]
async fn list_tokens(State(state): State<AppState>, Signed(caller): Signed) -> Result<Response, Problem> {
    let tokens = state.control.list_own_tokens(&caller).await?;
    Ok(([("x-total-count", tokens.len().to_string())], Json(tokens)).into_response())
}

/// Make an access token
///
/// It does what its owner may do, or what its `scopes` say of that: `project.read`, `flag.update@production`. The answer is
/// the only time that it is shown.
#[utoipa::path(post, path = "/auth/tokens", tag = "access tokens", params(CommentHeader), request_body = schema::NewAccessToken, responses(
    (status = 201, description = "The token", body = schema::MadeAccessToken),
    (status = 403, description = "`sign_in_needed`: no token makes another"),
    (status = 409, description = "`too_many_tokens`"),
))]
async fn create_token(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let made = state.control.create_own_token(&caller, &document, &request).await?;
    Ok((StatusCode::CREATED, secret(&made)).into_response())
}

/// Rotate an access token
///
/// Makes one like it, which lasts as long again; the old one goes on for the `overlap`, a day unless given.
#[utoipa::path(post, path = "/auth/tokens/{id}/rotate", tag = "access tokens", params(("id" = String, Path), CommentHeader),
    request_body = Option<schema::Rotation>, responses(
    (status = 201, description = "The new token", body = schema::MadeAccessToken),
    (status = 403, description = "`sign_in_needed`"),
    (status = 409, description = "`too_many_tokens`; `token_replaced`: rotate the one in its place; or `token_expired`: make another"),
))]
async fn rotate_token(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Named(id): Named,
    Said(request): Said,
    body::OptionalJson(document): body::OptionalJson,
) -> Result<Response, Problem> {
    let made = state.control.rotate_own_token(&caller, &id, document.as_ref(), &request).await?;
    Ok((StatusCode::CREATED, secret(&made)).into_response())
}

/// Delete an access token
///
/// It is refused at once.
#[utoipa::path(delete, path = "/auth/tokens/{id}", tag = "access tokens", params(("id" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is gone"),
    (status = 403, description = "`sign_in_needed`"),
))]
async fn delete_token(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Named(id): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.delete_own_token(&caller, &id, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}
