//! What is set for a project as a whole.

use axum::Json;
use axum::extract::State;
use domain::comment::ProjectSettings;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::Signed;
use crate::body::{self, Said};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_project, update_project))
}

/// Get the project's settings
///
/// Only admins may.
#[utoipa::path(get, path = "/api/v1/project", tag = "project", responses(
    (status = 200, description = "The settings", body = schema::ProjectSettings),
))]
async fn get_project(
    State(state): State<AppState>,
    Signed(caller): Signed,
) -> Result<Json<ProjectSettings>, Problem> {
    Ok(Json(state.control.project_settings(&caller.admin()?).await?))
}

/// Change the project's settings
///
/// `comment_required` says which changes must say why, by the header `Burgee-Comment`: `none`, those that reach a
/// `protected` environment (definitions reach all of them), or `all`. Without one they are refused with 400
/// `comment_required`. Only admins may.
#[utoipa::path(patch, path = "/api/v1/project", tag = "project", params(CommentHeader), request_body = schema::ProjectInput, responses(
    (status = 200, description = "The settings as they are now", body = schema::ProjectSettings),
    (status = 409, description = "`busy`"),
))]
async fn update_project(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<ProjectSettings>, Problem> {
    Ok(Json(state.control.set_comment_rule(&caller.admin()?, &document, &request).await?))
}
