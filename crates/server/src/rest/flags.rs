//! Flags, each as one environment sees it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use domain::access::{CreateFlag, DeleteFlag, InEnvironment, ReadProject, UpdateFlag};
use domain::error::Error;
use domain::flag::{Answer, FlagHere, Lifecycle};
use domain::key::Key;
use domain::ports::{FlagFilter, Page};
use domain::time::Day;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::faults::Faults;
use super::here::{Here as _, answer, changed, made, readable};
use super::page;
use crate::AppState;
use crate::auth::With;
use crate::body::{self, Named, OptionalJson, Params, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, EnvironmentQuery, schema};
use crate::problem::Problem;
use crate::settle;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_flags, create_flag))
        .routes(routes!(get_flag, update_flag, delete_flag))
        // A flag may be called `bulk`.
        .route("/flags/bulk", get(get_flag).put(update_flag).patch(update_flag).delete(delete_flag))
        .routes(routes!(toggle_flag))
        .routes(routes!(evaluate_flag))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Key of the environment whose view is wanted; `development` unless given.
    environment: Option<String>,
    /// Only flags with this text in their key, name or description.
    search: Option<String>,
    /// Only flags with this tag.
    tag: Option<String>,
    /// Only flags that this person or team looks after.
    owner: Option<String>,
    /// Only flags at this place of their life: `draft`, `active`, `deprecated` or `archived`.
    #[param(value_type = Option<schema::Lifecycle>)]
    lifecycle: Option<String>,
    /// `true` lists archived flags in the place of all others.
    #[param(value_type = Option<bool>)]
    archived: Option<String>,
    /// Only flags that are meant to go some day, or only those that are not.
    #[param(value_type = Option<bool>)]
    temporary: Option<String>,
    /// `true` lists only flags that were expected to be gone before today (UTC).
    #[param(value_type = Option<bool>)]
    overdue: Option<String>,
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 1000; 100 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

impl ListQuery {
    /// Archived flags are on a list of their own.
    fn filter(&self, today: Day) -> Result<FlagFilter, Error> {
        let read_cursor = |cursor: &str| {
            Key::parse(cursor)
                .ok_or_else(|| Error::invalid("query cursor", "is not one of ours; start without one"))
        };
        let (mut lifecycle, mut archived) = (None, body::truth("archived", self.archived.as_deref())?);
        if let Some(word) = self.lifecycle.as_deref() {
            lifecycle = Lifecycle::parse(word);
            if lifecycle.is_none() && word != Lifecycle::ARCHIVED {
                let message = "must be draft, active, deprecated or archived";
                return Err(Error::invalid("query lifecycle", message));
            }
            archived = archived.or(Some(lifecycle.is_none()));
        }
        let overdue = body::truth("overdue", self.overdue.as_deref())?.unwrap_or_default();
        Ok(FlagFilter {
            search: self.search.clone().filter(|text| !text.is_empty()),
            tag: self.tag.clone(),
            owner: self.owner.clone(),
            lifecycle,
            archived: Some(archived.unwrap_or_default()),
            temporary: body::truth("temporary", self.temporary.as_deref())?,
            ended_before: overdue.then_some(today),
            after: self.cursor.as_deref().map(read_cursor).transpose()?,
            limit: page::limit(self.limit.as_deref())?,
        })
    }
}

/// List flags
///
/// By key, without those that are archived. `Link: <…>; rel="next"` says where the next page is, `X-Total-Count` how many flags there are.
#[utoipa::path(get, path = "/flags", tag = "flags", params(ListQuery), responses(
    (status = 200, description = "Flags, by key", body = [schema::Flag]),
))]
async fn list_flags(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    Params(query): Params<ListQuery>,
) -> Result<Response, Problem> {
    let filter = query.filter(state.control.today())?;
    let faults = Faults::of(&state, environment.id);
    let listed = state.control.flags(&reader, &environment, &filter).await;
    let Page { items, total, more } = listed.map_err(|error| faults.explain_list(FlagHere::KIND, error))?;
    let shown = items.iter().map(|here| faults.with(FlagHere::KIND, &here.flag.key, here)).collect();
    let page = Page { items: shown, total, more };
    let said = [
        ("environment", query.environment),
        ("search", query.search),
        ("tag", query.tag),
        ("owner", query.owner),
        ("lifecycle", query.lifecycle),
        ("archived", query.archived),
        ("temporary", query.temporary),
        ("overdue", query.overdue),
        ("limit", query.limit),
    ];
    Ok(page::respond("/api/v1/flags", &said, &page, |shown| shown.thing.flag.key.to_string()))
}

/// Make a flag
///
/// `enabled`, targets, rules and default hold in the addressed environment; in the others it starts disabled.
/// A boolean flag needs no variants.
#[utoipa::path(post, path = "/flags", tag = "flags", params(EnvironmentQuery, CommentHeader), request_body = schema::FlagInput, responses(
    (status = 201, description = "The flag", body = schema::Flag),
    (status = 409, description = "`key_taken`"),
))]
async fn create_flag(
    State(state): State<AppState>,
    writer: InEnvironment<CreateFlag>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let here = state.control.create_flag(&writer, &document, &request).await?;
    Ok(made(&state, &here).await)
}

/// Get a flag
#[utoipa::path(get, path = "/flags/{key}", tag = "flags", params(("key" = String, Path), EnvironmentQuery), responses(
    (status = 200, description = "The flag, with its `ETag`", body = schema::Flag),
))]
async fn get_flag(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    Named(key): Named,
) -> Result<Response, Problem> {
    let here = state.control.flag(&reader, &environment, &key).await;
    Ok(answer(&state, &readable(&state, &environment, &key, here)?))
}

/// Change a flag
///
/// Replaces the members that are named and keeps the others; `null` or `[]` empties one. What GET answers can
/// be sent back.
#[utoipa::path(method(put, patch), path = "/flags/{key}", tag = "flags",
    params(("key" = String, Path), EnvironmentQuery, ChangeHeaders), request_body = schema::FlagInput, responses(
    (status = 200, description = "The flag as it is now", body = schema::Flag),
    (status = 409, description = "`variant_in_use` or `flag_in_use`: `in_use_by` says where; `flag_archived`: it cannot be enabled; or `busy`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_flag(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateFlag>,
    Named(key): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let here = state.control.update_flag(&writer, &key, &document, &request).await?;
    Ok(changed(&state, &here).await)
}

/// Raise or lower a flag
///
/// Without a body it flips; with `{"enabled": true}` it sets.
#[utoipa::path(method(post, patch), path = "/flags/{key}/toggle", tag = "flags",
    params(("key" = String, Path), EnvironmentQuery, ChangeHeaders), request_body = Option<schema::Toggle>, responses(
    (status = 200, description = "The flag as it is now", body = schema::Flag),
    (status = 409, description = "`flag_archived`: it gives its off variant all the same; restore it first"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn toggle_flag(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateFlag>,
    Named(key): Named,
    Said(request): Said,
    OptionalJson(document): OptionalJson,
) -> Result<Response, Problem> {
    let here = state.control.toggle_flag(&writer, &key, document.as_ref(), &request).await?;
    Ok(changed(&state, &here).await)
}

/// Delete a flag
///
/// In all environments. Only admins may.
#[utoipa::path(delete, path = "/flags/{key}", tag = "flags",
    params(("key" = String, Path), EnvironmentQuery, ChangeHeaders), responses(
    (status = 204, description = "It is gone"),
    (status = 409, description = "`flag_in_use`: prerequisites name it; `in_use_by` says where"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn delete_flag(
    State(state): State<AppState>,
    With(permit, environment): With<DeleteFlag>,
    Named(key): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let revision = state.control.delete_flag(&permit, &environment, &key, &request).await?;
    settle::flags(&state.hub, environment.id, revision).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Evaluate a flag for myself
///
/// With the caller's id as targeting key and `userId`, and their `role` and `email`. The variants `on` and `off`
/// of a boolean flag are spelled `true` and `false` here.
#[utoipa::path(get, path = "/flags/{key}/evaluate", tag = "flags", params(("key" = String, Path), EnvironmentQuery), responses(
    (status = 200, description = "What the flag gives the caller", body = schema::Evaluation),
))]
async fn evaluate_flag(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    Named(key): Named,
) -> Result<Json<Evaluation>, Problem> {
    let answer = state.control.evaluate_flag(&reader, &environment, &key).await?;
    Ok(Json(answer.into()))
}

#[derive(Serialize)]
struct Evaluation {
    value: Option<Value>,
    variant: Option<String>,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
}

impl From<Answer> for Evaluation {
    fn from(answer: Answer) -> Self {
        let spelled = match (answer.variant.as_deref(), &answer.value) {
            (Some("on" | "off"), Some(Value::Bool(value))) => Some(value.to_string()),
            _ => answer.variant,
        };
        Self { value: answer.value, variant: spelled, reason: answer.reason, error_code: answer.error }
    }
}
