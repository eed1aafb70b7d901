//! What is done to whole flags: put out of use and back, copied between environments, many at once.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::{InEnvironment, InProject, UpdateFlag};
use domain::flag::{BulkDone, CopiedFlag};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::here::{changed, settled};
use super::query::TryQuery;
use crate::AppState;
use crate::body::{self, Named, Params, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, EnvironmentQuery, schema};
use crate::problem::Problem;
use crate::settle;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(archive_flag))
        .routes(routes!(restore_flag))
        .routes(routes!(copy_flag))
        .routes(routes!(bulk_change_flags))
}

/// Archive a flag
///
/// It gives its off variant everywhere from then on. Needs the right for every environment in which it is enabled.
#[utoipa::path(post, path = "/flags/{key}/archive", tag = "flags",
    params(("key" = String, Path), EnvironmentQuery, ChangeHeaders), responses(
    (status = 200, description = "The flag as it is now", body = schema::Flag),
    (status = 409, description = "`flag_in_use`: prerequisites of flags that are not archived name it; `in_use_by` says where"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn archive_flag(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateFlag>,
    Named(key): Named,
    Said(request): Said,
) -> Result<Response, Problem> {
    let here = state.control.archive_flag(&writer, &key, &request).await?;
    Ok(changed(&state, &here).await)
}

/// Restore an archived flag
///
/// As it was, unless it requires a flag that is archived. Needs the right for every environment in which it is enabled.
#[utoipa::path(post, path = "/flags/{key}/restore", tag = "flags",
    params(("key" = String, Path), EnvironmentQuery, ChangeHeaders), responses(
    (status = 200, description = "The flag as it is now", body = schema::Flag),
    (status = 409, description = "`flag_archived`: it requires flags that are archived"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn restore_flag(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateFlag>,
    Named(key): Named,
    Said(request): Said,
) -> Result<Response, Problem> {
    let here = state.control.restore_flag(&writer, &key, &request).await?;
    Ok(changed(&state, &here).await)
}

/// Copy a flag's config between environments
///
/// It becomes what it is in the environment `from`; whether it is enabled only with `include_enabled`. `If-Match`
/// speaks of the environment `to`.
#[utoipa::path(post, path = "/flags/{key}/copy", tag = "flags",
    params(("key" = String, Path), TryQuery, ChangeHeaders), request_body = schema::CopyFlagInput, responses(
    (status = 200, description = "What changed, or would change", body = schema::CopiedFlag),
    (status = 409, description = "`busy`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn copy_flag(
    State(state): State<AppState>,
    permit: InProject<UpdateFlag>,
    Named(key): Named,
    Params(query): Params<TryQuery>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<CopiedFlag>, Problem> {
    let copied = state.control.copy_flag(&permit, &key, &document, query.dry_run()?, &request).await?;
    settled(&state, &copied.flag).await;
    Ok(Json(copied))
}

/// Change many flags
///
/// Enables, disables, archives or restores up to 1,000 flags in one change: all of them, or none. `violations` name
/// each flag that stands in the way.
#[utoipa::path(post, path = "/flags/bulk", tag = "flags",
    params(EnvironmentQuery, TryQuery, CommentHeader), request_body = schema::BulkInput, responses(
    (status = 200, description = "What changed, or would change", body = schema::BulkDone),
    (status = 409, description = "`flag_in_use`: `in_use_by` says where; `flag_archived`: those cannot be enabled; or `busy`"),
))]
async fn bulk_change_flags(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateFlag>,
    Params(query): Params<TryQuery>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<BulkDone>, Problem> {
    let done = state.control.bulk_change_flags(&writer, &document, query.dry_run()?, &request).await?;
    if let Some(revision) = done.revision {
        settle::flags(&state.hub, writer.environment().id, revision).await;
    }
    Ok(Json(done))
}
