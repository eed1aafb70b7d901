//! Who accounts' owners are at providers of identities.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{ManageAccounts, OnInstance};
use domain::account::Identity;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::Signed;
use crate::body::{Named, NamedIn, Said};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_identities))
        .routes(routes!(unlink_identity))
        .routes(routes!(list_own_identities))
        .routes(routes!(unlink_own_identity))
}

/// List someone's identities
///
/// Who the owner of the account is at providers, the oldest first. Only admins may.
#[utoipa::path(get, path = "/auth/users/{id}/identities", tag = "users", params(("id" = String, Path)), responses(
    (status = 200, description = "Identities", body = [schema::Identity]),
))]
async fn list_identities(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    Named(id): Named,
) -> Result<Response, Problem> {
    Ok(listed(&state.control.list_identities(&permit, &id).await?))
}

/// Unlink someone's identity
///
/// Who has it does not come in by it any more, and all sessions of the account end. At their next sign-in the provider's
/// person is somebody new. Only admins may.
#[utoipa::path(delete, path = "/auth/users/{id}/identities/{identity}", tag = "users",
    params(("id" = String, Path), ("identity" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is unlinked"),
))]
async fn unlink_identity(
    State(state): State<AppState>,
    permit: OnInstance<ManageAccounts>,
    NamedIn(id, identity): NamedIn,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.unlink_identity(&permit, (&id, &identity), &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List one's identities
///
/// Who the caller is at providers, the oldest first.
#[utoipa::path(get, path = "/auth/me/identities", tag = "accounts", responses(
    (status = 200, description = "Identities", body = [schema::Identity]),
))]
async fn list_own_identities(
    State(state): State<AppState>,
    Signed(caller): Signed,
) -> Result<Response, Problem> {
    Ok(listed(&state.control.list_own_identities(&caller).await?))
}

/// Unlink one's identity
///
/// Ends all other sessions. The last one stays as long as there is no password to sign in with.
#[utoipa::path(delete, path = "/auth/me/identities/{identity}", tag = "accounts",
    params(("identity" = String, Path), CommentHeader), responses(
    (status = 204, description = "It is unlinked"),
    (status = 403, description = "`sign_in_needed`"),
    (status = 409, description = "`last_identity`: the caller has no password, and could not sign in any more"),
))]
async fn unlink_own_identity(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Named(identity): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.unlink_own_identity(&caller, &identity, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn listed(identities: &[Identity]) -> Response {
    ([("x-total-count", identities.len().to_string())], Json(identities)).into_response()
}
