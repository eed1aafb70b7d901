//! The first admin.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::opened;
use crate::AppState;
use crate::body::{self, Said};
use crate::openapi::schema;
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_setup_status)).routes(routes!(set_up))
}

#[derive(Serialize)]
struct SetupStatus {
    needs_setup: bool,
}

/// Is there an admin?
#[utoipa::path(get, path = "/setup/status", tag = "accounts", security(()), responses(
    (status = 200, description = "Whether there is no admin who could sign in", body = schema::SetupStatus),
))]
async fn get_setup_status(State(state): State<AppState>) -> Result<Json<SetupStatus>, Problem> {
    Ok(Json(SetupStatus { needs_setup: state.control.needs_setup().await? }))
}

/// Make the first admin
///
/// With the token that a start prints when there is no admin who could sign in. It is good once, for 15 minutes;
/// another start prints another.
#[utoipa::path(post, path = "/setup", tag = "accounts", security(()), request_body = schema::Setup, responses(
    (status = 201, description = "The admin, signed in", body = schema::Session),
    (status = 401, description = "`invalid_setup_token`"),
    (status = 409, description = "`email_taken`"),
    (status = 429, description = "`too_many`: see `Retry-After`"),
))]
async fn set_up(
    State(state): State<AppState>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    Ok(opened(StatusCode::CREATED, &state.control.set_up(&document, &request).await?))
}
