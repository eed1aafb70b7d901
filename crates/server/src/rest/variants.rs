//! Variants of a flag, one by one.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{InEnvironment, ReadProject, UpdateFlag};
use http::{StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::here::{changed, readable, settled};
use crate::AppState;
use crate::auth::With;
use crate::body::{self, Named, NamedIn, Said};
use crate::openapi::{ChangeHeaders, EnvironmentQuery, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_variants, create_variant)).routes(routes!(
        get_variant,
        update_variant,
        delete_variant
    ))
}

/// List a flag's variants
///
/// In their order, the same in every environment. The `ETag` is the flag's.
#[utoipa::path(get, path = "/flags/{key}/variants", tag = "flags", params(("key" = String, Path), EnvironmentQuery), responses(
    (status = 200, description = "The variants; `X-Total-Count` says how many", body = [schema::Variant]),
))]
async fn list_variants(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    Named(key): Named,
) -> Result<Response, Problem> {
    let here = state.control.flag(&reader, &environment, &key).await;
    let here = readable(&state, &environment, &key, here)?;
    let variants = here.flag.variants.as_slice();
    let total = [("x-total-count", variants.len().to_string())];
    Ok((total, [(header::ETAG, here.etag())], Json(variants)).into_response())
}

/// Show a variant
///
/// The `ETag` is the flag's.
#[utoipa::path(get, path = "/flags/{key}/variants/{variant}", tag = "flags",
    params(("key" = String, Path), ("variant" = String, Path), EnvironmentQuery), responses(
    (status = 200, description = "The variant", body = schema::Variant),
))]
async fn get_variant(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    NamedIn(key, variant): NamedIn,
) -> Result<Response, Problem> {
    let here = state.control.flag(&reader, &environment, &key).await;
    let here = readable(&state, &environment, &key, here)?;
    Ok(([(header::ETAG, here.etag())], Json(here.variant(&variant)?)).into_response())
}

/// Add a variant
#[utoipa::path(post, path = "/flags/{key}/variants", tag = "flags",
    params(("key" = String, Path), EnvironmentQuery, ChangeHeaders), request_body = schema::NewVariant, responses(
    (status = 201, description = "The flag as it is now", body = schema::Flag),
    (status = 409, description = "`variant_taken`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn create_variant(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateFlag>,
    Named(key): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let here = state.control.create_variant(&writer, &key, &document, &request).await?;
    Ok((StatusCode::CREATED, changed(&state, &here).await).into_response())
}

/// Change a variant's value
///
/// A document without one keeps it. Everywhere: it needs the right for every environment in which the flag is enabled.
#[utoipa::path(method(put, patch), path = "/flags/{key}/variants/{variant}", tag = "flags",
    params(("key" = String, Path), ("variant" = String, Path), EnvironmentQuery, ChangeHeaders),
    request_body = schema::VariantInput, responses(
    (status = 200, description = "The flag as it is now", body = schema::Flag),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_variant(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateFlag>,
    NamedIn(key, variant): NamedIn,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let here = state.control.update_variant(&writer, &key, &variant, &document, &request).await?;
    Ok(changed(&state, &here).await)
}

/// Remove a variant
///
/// One that nothing names, in any environment.
#[utoipa::path(delete, path = "/flags/{key}/variants/{variant}", tag = "flags",
    params(("key" = String, Path), ("variant" = String, Path), EnvironmentQuery, ChangeHeaders), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`variant_in_use`: `in_use_by` says where; or `last_variant`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn delete_variant(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateFlag>,
    NamedIn(key, variant): NamedIn,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let here = state.control.delete_variant(&writer, &key, &variant, &request).await?;
    settled(&state, &here).await;
    Ok(StatusCode::NO_CONTENT)
}
