//! The keys that sign session tokens.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{ManageSigningKeys, OnInstance};
use domain::account::SigningKey;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::body::{Named, Said};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_signing_keys, rotate_signing_keys))
        .routes(routes!(revoke_signing_key))
        .routes(routes!(revoke_old_signing_keys))
}

/// List signing keys
///
/// Oldest first; the last one without `verifies_until` and `revoked_at` signs. Their secrets are shown to nobody. Only
/// admins may.
#[utoipa::path(get, path = "/api/v1/signing-keys", tag = "signing keys", responses(
    (status = 200, description = "The keys", body = [schema::SigningKey]),
))]
async fn list_signing_keys(
    State(state): State<AppState>,
    permit: OnInstance<ManageSigningKeys>,
) -> Result<Response, Problem> {
    let keys = state.control.list_signing_keys(&permit).await?;
    Ok(([("x-total-count", keys.len().to_string())], Json(keys)).into_response())
}

/// Make a new signing key
///
/// It signs from now on. What the ones before it signed holds until it expires. Only admins may.
#[utoipa::path(post, path = "/api/v1/signing-keys", tag = "signing keys", params(CommentHeader), responses(
    (status = 201, description = "The new key", body = schema::SigningKey),
))]
async fn rotate_signing_keys(
    State(state): State<AppState>,
    permit: OnInstance<ManageSigningKeys>,
    Said(request): Said,
) -> Result<(StatusCode, Json<SigningKey>), Problem> {
    let key = state.control.rotate_signing_keys(&permit, &request).await?;
    Ok((StatusCode::CREATED, Json(key)))
}

/// Revoke a signing key
///
/// What it signed is refused at once, and a new key takes its place if it was the one that signs. Sessions go on by
/// their refresh tokens. Only admins may.
#[utoipa::path(delete, path = "/api/v1/signing-keys/{id}", tag = "signing keys", params(("id" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is revoked"),
))]
async fn revoke_signing_key(
    State(state): State<AppState>,
    permit: OnInstance<ManageSigningKeys>,
    Named(id): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.revoke_signing_key(&permit, &id, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revoke all signing keys but the one that signs
///
/// Only admins may.
#[utoipa::path(post, path = "/api/v1/signing-keys/revoke-old", tag = "signing keys", params(CommentHeader), responses(
    (status = 204, description = "They are revoked"),
))]
async fn revoke_old_signing_keys(
    State(state): State<AppState>,
    permit: OnInstance<ManageSigningKeys>,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.revoke_old_signing_keys(&permit, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}
