//! Context fields, whose known values are the context lists.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{DeleteContextField, InProject, ReadProject, UpdateContextField};
use domain::context_field::ContextField;
use domain::id::Id;
use domain::ports::Page;
use engine::model::Revision;
use http::{StatusCode, header};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{self, KeyedQuery};
use crate::AppState;
use crate::body::{self, Named, Params, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, schema};
use crate::problem::Problem;
use crate::settle;

/// A list shows so many values of each field, enough to choose from.
const MOST_LISTED: usize = 100;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_context_fields, create_context_field))
        .routes(routes!(get_context_field, update_context_field, delete_context_field))
        .routes(routes!(update_context_field_values))
}

/// A field as it is answered: `values_count` says how many values it has where not all are shown.
#[derive(Serialize)]
struct FieldView {
    #[serde(flatten)]
    field: ContextField,
    values_count: usize,
}

impl FieldView {
    fn whole(field: ContextField) -> Self {
        Self { values_count: field.values.len(), field }
    }

    fn listed(field: ContextField) -> Self {
        let mut view = Self::whole(field);
        view.field.values.truncate(MOST_LISTED);
        view
    }
}

/// List context fields
///
/// By key, each with its first 100 values: to complete what someone is writing. `Link: <…>; rel="next"` says where
/// the next page is, `X-Total-Count` how many fields there are.
#[utoipa::path(get, path = "/context-fields", tag = "context fields", params(KeyedQuery), responses(
    (status = 200, description = "Context fields, by key", body = [schema::ContextField]),
))]
async fn list_context_fields(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
    Params(query): Params<KeyedQuery>,
) -> Result<Response, Problem> {
    let Page { items, total, more } = state.control.context_fields(&reader, &query.filter()?).await?;
    let fields = Page { items: items.into_iter().map(FieldView::listed).collect(), total, more };
    let next = |view: &FieldView| view.field.key.to_string();
    Ok(page::respond("/api/v1/context-fields", &query.said(), &fields, next))
}

/// Make a context field
///
/// Its values are the context list of the same key, in every environment.
#[utoipa::path(post, path = "/context-fields", tag = "context fields", params(CommentHeader), request_body = schema::ContextFieldInput, responses(
    (status = 201, description = "The field", body = schema::ContextField),
    (status = 409, description = "`key_taken`, `too_many_fields` or `busy`"),
))]
async fn create_context_field(
    State(state): State<AppState>,
    permit: InProject<UpdateContextField>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let field = state.control.create_context_field(&permit, &document, &request).await?;
    settled(&state, permit.project_id(), field.version).await?;
    let location = [(header::LOCATION, format!("/api/v1/context-fields/{}", field.key))];
    Ok((StatusCode::CREATED, location, answer(field)).into_response())
}

/// Show a context field
#[utoipa::path(get, path = "/context-fields/{key}", tag = "context fields", params(("key" = String, Path)), responses(
    (status = 200, description = "The field", body = schema::ContextField),
))]
async fn get_context_field(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
    Named(key): Named,
) -> Result<Response, Problem> {
    Ok(answer(state.control.context_field(&reader, &key).await?).into_response())
}

/// Change a context field
///
/// Replaces the members that are named and keeps the others; `null` or `[]` empties one. New values are those of every
/// rule that names the list, at once: this needs the right for each environment where an enabled flag reaches it.
#[utoipa::path(method(put, patch), path = "/context-fields/{key}", tag = "context fields",
    params(("key" = String, Path), ChangeHeaders), request_body = schema::ContextFieldInput, responses(
    (status = 200, description = "The field as it is now", body = schema::ContextField),
    (status = 409, description = "`busy`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_context_field(
    State(state): State<AppState>,
    permit: InProject<UpdateContextField>,
    Named(key): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let field = state.control.update_context_field(&permit, &key, &document, &request).await?;
    settled(&state, permit.project_id(), field.version).await?;
    Ok(answer(field).into_response())
}

/// Add and remove values of a context field
///
/// What is there already, or is not there, is passed over.
#[utoipa::path(post, path = "/context-fields/{key}/values", tag = "context fields",
    params(("key" = String, Path), ChangeHeaders), request_body = schema::ContextFieldValues, responses(
    (status = 200, description = "The field as it is now", body = schema::ContextField),
    (status = 409, description = "`busy`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_context_field_values(
    State(state): State<AppState>,
    permit: InProject<UpdateContextField>,
    Named(key): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let field = state.control.update_context_field_values(&permit, &key, &document, &request).await?;
    settled(&state, permit.project_id(), field.version).await?;
    Ok(answer(field).into_response())
}

/// Delete a context field
///
/// Unless something names its list. Only admins may.
#[utoipa::path(delete, path = "/context-fields/{key}", tag = "context fields",
    params(("key" = String, Path), ChangeHeaders), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`context_field_in_use`: `in_use_by` says where"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn delete_context_field(
    State(state): State<AppState>,
    permit: InProject<DeleteContextField>,
    Named(key): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let revision = state.control.delete_context_field(&permit, &key, &request).await?;
    settled(&state, permit.project_id(), revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Until this node serves applications the list as it now is: it is the same in all environments, so the usual one
/// speaks for the others.
async fn settled(state: &AppState, project_id: Id, revision: Revision) -> Result<(), Problem> {
    let environment = state.control.environment(project_id, None).await?;
    settle::flags(&state.hub, environment.id, revision).await;
    Ok(())
}

/// A field with its tag.
fn answer(field: ContextField) -> ([(header::HeaderName, String); 1], Json<FieldView>) {
    ([(header::ETAG, field.etag())], Json(FieldView::whole(field)))
}
