//! Segments, each as one environment sees it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::access::{CreateSegment, DeleteSegment, InEnvironment, InProject, ReadProject, UpdateSegment};
use domain::ports::Page;
use domain::segment::{CopiedSegment, SegmentHere};
use http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::faults::Faults;
use super::here::{Here as _, answer_with, changed, made, readable, settled};
use super::page::{self, KeyedQuery};
use super::query::TryQuery;
use crate::AppState;
use crate::auth::With;
use crate::body::{self, Named, Params, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, EnvironmentQuery, schema};
use crate::problem::Problem;
use crate::settle;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_segments, create_segment))
        .routes(routes!(get_segment, update_segment, delete_segment))
        .routes(routes!(copy_segment))
}

#[derive(Deserialize)]
struct EnvironmentName {
    environment: Option<String>,
}

/// List segments
///
/// By key, with how many keys they have instead of which. `Link: <…>; rel="next"` says where the next page is,
/// `X-Total-Count` how many segments there are.
#[utoipa::path(get, path = "/segments", tag = "segments", params(EnvironmentQuery, KeyedQuery), responses(
    (status = 200, description = "Segments, by key", body = [schema::SegmentSummary]),
))]
async fn list_segments(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    Params(EnvironmentName { environment: named }): Params<EnvironmentName>,
    Params(query): Params<KeyedQuery>,
) -> Result<Response, Problem> {
    let faults = Faults::of(&state, environment.id);
    let listed = state.control.segments(&reader, &environment, &query.filter()?).await;
    let Page { items, total, more } =
        listed.map_err(|error| faults.explain_list(SegmentHere::KIND, error))?;
    let shown = items.iter().map(|one| faults.with(SegmentHere::KIND, &one.segment.key, one)).collect();
    let page = Page { items: shown, total, more };
    let mut said = query.said().to_vec();
    said.push(("environment", named));
    Ok(page::respond("/api/v1/segments", &said, &page, |shown| shown.thing.segment.key.to_string()))
}

/// Make a segment
///
/// The same in every environment; later writes go to the addressed one. Up to 10,000 keys of each kind may be given
/// here; more are uploaded.
#[utoipa::path(post, path = "/segments", tag = "segments", params(EnvironmentQuery, CommentHeader), request_body = schema::SegmentInput, responses(
    (status = 201, description = "The segment", body = schema::Segment),
    (status = 409, description = "`key_taken`"),
))]
async fn create_segment(
    State(state): State<AppState>,
    writer: InEnvironment<CreateSegment>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let here = state.control.create_segment(&writer, &document, &request).await?;
    Ok(made(&state, &here).await)
}

/// Show a segment
#[utoipa::path(get, path = "/segments/{key}", tag = "segments", params(("key" = String, Path), EnvironmentQuery), responses(
    (status = 200, description = "The segment", body = schema::Segment),
))]
async fn get_segment(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    Named(key): Named,
) -> Result<Response, Problem> {
    let here = state.control.segment(&reader, &environment, &key).await;
    let here = readable(&state, &environment, &key, here)?;
    let lost = state.control.lost_lists(&reader, &here).await?;
    Ok(answer_with(&state, &here, lost))
}

/// Change a segment
///
/// Replaces the members that are named and keeps the others; `null` or `[]` empties one. What GET answers can
/// be sent back.
#[utoipa::path(method(put, patch), path = "/segments/{key}", tag = "segments",
    params(("key" = String, Path), EnvironmentQuery, ChangeHeaders), request_body = schema::SegmentInput, responses(
    (status = 200, description = "The segment as it is now", body = schema::Segment),
    (status = 409, description = "`busy`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_segment(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateSegment>,
    Named(key): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let here = state.control.update_segment(&writer, &key, &document, &request).await?;
    Ok(changed(&state, &here).await)
}

/// Delete a segment
///
/// In all environments, unless something names it. Only admins may.
#[utoipa::path(delete, path = "/segments/{key}", tag = "segments",
    params(("key" = String, Path), EnvironmentQuery, ChangeHeaders), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`segment_in_use`: `in_use_by` says where"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn delete_segment(
    State(state): State<AppState>,
    With(permit, environment): With<DeleteSegment>,
    Named(key): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let revision = state.control.delete_segment(&permit, &environment, &key, &request).await?;
    settle::flags(&state.hub, environment.id, revision).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Copy a segment between environments
///
/// Condition and keys become those of the environment `from`. `If-Match` speaks of the environment `to`.
#[utoipa::path(post, path = "/segments/{key}/copy", tag = "segments",
    params(("key" = String, Path), TryQuery, ChangeHeaders), request_body = schema::CopyInput, responses(
    (status = 200, description = "What changed, or would change", body = schema::CopiedSegment),
    (status = 409, description = "`busy`; `key_list_lost`: the keys to copy are not there whole"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn copy_segment(
    State(state): State<AppState>,
    permit: InProject<UpdateSegment>,
    Named(key): Named,
    Params(query): Params<TryQuery>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<CopiedSegment>, Problem> {
    let copied = state.control.copy_segment(&permit, &key, &document, query.dry_run()?, &request).await?;
    settled(&state, &copied.segment).await;
    Ok(Json(copied))
}
