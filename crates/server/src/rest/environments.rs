//! Environments.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::Signed;
use crate::openapi::schema;
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_environments))
}

/// List environments
#[utoipa::path(get, path = "/api/v1/environments", tag = "environments", responses(
    (status = 200, description = "All environments, by position", body = [schema::Environment]),
))]
async fn list_environments(
    State(state): State<AppState>,
    Signed(caller): Signed,
) -> Result<Response, Problem> {
    let environments = state.control.environments(&caller.reader()).await?;
    let total = [("x-total-count", environments.len().to_string())];
    Ok((total, Json(environments)).into_response())
}
