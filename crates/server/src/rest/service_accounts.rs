//! Service accounts and their tokens.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{ManageAccounts, OnInstance};
use domain::account::ServiceAccount;
use http::{StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::secret;
use super::page;
use super::users::AccountQuery;
use crate::AppState;
use crate::body::{self, Named, NamedIn, Params, Said};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;

const PATH: &str = "/api/v1/service-accounts";

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_service_accounts, create_service_account))
        .routes(routes!(get_service_account, update_service_account, delete_service_account))
        .routes(routes!(list_service_tokens, create_service_token))
        .routes(routes!(delete_service_token))
        .routes(routes!(rotate_service_token))
}

/// List service accounts
///
/// By name. Only admins may.
#[utoipa::path(get, path = "/api/v1/service-accounts", tag = "service accounts", params(AccountQuery), responses(
    (status = 200, description = "Service accounts", body = [schema::ServiceAccount]),
))]
async fn list_service_accounts(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Params(query): Params<AccountQuery>,
) -> Result<Response, Problem> {
    let found = state.control.list_service_accounts(&permit, &query.filter()?).await?;
    Ok(page::respond(PATH, &query.said(), &found, |last| last.name.clone()))
}

/// Make a service account
///
/// For a program: it has a role and tokens of its own. A member unless the role is named. Only admins may.
#[utoipa::path(post, path = "/api/v1/service-accounts", tag = "service accounts", params(CommentHeader), request_body = schema::NewServiceAccount, responses(
    (status = 201, description = "The service account", body = schema::ServiceAccount),
    (status = 409, description = "`name_taken`"),
))]
async fn create_service_account(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let made = state.control.create_service_account(&permit, &document, &request).await?;
    let location = [(header::LOCATION, format!("{PATH}/{}", made.id))];
    Ok((StatusCode::CREATED, location, Json(made)).into_response())
}

/// Get a service account
///
/// Only admins may.
#[utoipa::path(get, path = "/api/v1/service-accounts/{id}", tag = "service accounts", params(("id" = String, Path)), responses(
    (status = 200, description = "The service account", body = schema::ServiceAccount),
))]
async fn get_service_account(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
) -> Result<Json<ServiceAccount>, Problem> {
    Ok(Json(state.control.get_service_account(&permit, &id).await?))
}

/// Change a service account
///
/// Replaces the members that are named. The tokens of one with `active` false are refused. Only admins may.
#[utoipa::path(patch, path = "/api/v1/service-accounts/{id}", tag = "service accounts",
    params(("id" = String, Path), CommentHeader), request_body = schema::ServiceAccountInput, responses(
    (status = 200, description = "The service account as it is now", body = schema::ServiceAccount),
    (status = 409, description = "`name_taken`"),
))]
async fn update_service_account(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<ServiceAccount>, Problem> {
    Ok(Json(state.control.update_service_account(&permit, &id, &document, &request).await?))
}

/// Delete a service account
///
/// With its tokens. Only admins may.
#[utoipa::path(delete, path = "/api/v1/service-accounts/{id}", tag = "service accounts",
    params(("id" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is gone"),
))]
async fn delete_service_account(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.delete_service_account(&permit, &id, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a service account's tokens
///
/// Newest first, those that have expired included. Only admins may.
#[utoipa::path(get, path = "/api/v1/service-accounts/{id}/tokens", tag = "service accounts",
    params(("id" = String, Path)), responses(
    (status = 200, description = "Its tokens", body = [schema::AccessToken]),
))]
async fn list_service_tokens(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let tokens = state.control.list_service_tokens(&permit, &id).await?;
    Ok(([("x-total-count", tokens.len().to_string())], Json(tokens)).into_response())
}

/// Make a token of a service account
///
/// The answer is the only time that it is shown. Only admins may.
#[utoipa::path(post, path = "/api/v1/service-accounts/{id}/tokens", tag = "service accounts",
    params(("id" = String, Path), CommentHeader), request_body = schema::NewAccessToken, responses(
    (status = 201, description = "The token", body = schema::MadeAccessToken),
    (status = 409, description = "`too_many_tokens`"),
))]
async fn create_service_token(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let made = state.control.create_service_token(&permit, &id, &document, &request).await?;
    Ok((StatusCode::CREATED, secret(&made)).into_response())
}

/// Rotate a token of a service account
///
/// Makes one like it, which lasts as long again; the old one goes on for the `overlap`, a day unless given. Only admins
/// may.
#[utoipa::path(post, path = "/api/v1/service-accounts/{id}/tokens/{token}/rotate", tag = "service accounts",
    params(("id" = String, Path), ("token" = String, Path), CommentHeader), request_body = Option<schema::Rotation>, responses(
    (status = 201, description = "The new token", body = schema::MadeAccessToken),
    (status = 409, description = "`too_many_tokens`; `token_replaced`: rotate the one in its place; or `token_expired`: make another"),
))]
async fn rotate_service_token(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    NamedIn(id, token): NamedIn,
    Said(request): Said,
    body::OptionalJson(document): body::OptionalJson,
) -> Result<Response, Problem> {
    let which = (id.as_str(), token.as_str());
    let made = state.control.rotate_service_token(&permit, which, document.as_ref(), &request).await?;
    Ok((StatusCode::CREATED, secret(&made)).into_response())
}

/// Delete a token of a service account
///
/// It is refused at once. Only admins may.
#[utoipa::path(delete, path = "/api/v1/service-accounts/{id}/tokens/{token}", tag = "service accounts",
    params(("id" = String, Path), ("token" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is gone"),
))]
async fn delete_service_token(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    NamedIn(id, token): NamedIn,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.delete_service_token(&permit, (&id, &token), &request).await?;
    Ok(StatusCode::NO_CONTENT)
}
