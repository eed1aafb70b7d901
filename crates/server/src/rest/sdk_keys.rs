//! Keys for applications.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::access::{InProject, ManageSdkKeys, ReadProject};
use domain::error::Error;
use domain::id::Id;
use domain::sdk_key::{KeyState, MadeSdkKey, SdkKeyKind, ShownSdkKey, Wanted};
use domain::time::Timestamp;
use http::{HeaderName, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page;
use crate::AppState;
use crate::body::{self, Named, OptionalJson, Params, Said};
use crate::openapi::{ChangeHeaders, CommentHeader, EnvironmentQuery, schema};
use crate::problem::Problem;
use crate::settle;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_sdk_keys, create_sdk_key))
        .routes(routes!(get_sdk_key, update_sdk_key, revoke_sdk_key))
        .routes(routes!(rotate_sdk_key))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SdkKeyQuery {
    /// Only those that open the environment with this key.
    environment: Option<String>,
    /// Only those of this kind: `server`, `client` or `edge`.
    #[param(value_type = Option<schema::SdkKeyKind>)]
    kind: Option<String>,
    /// Only those that are `in_force`, `expired` or `revoked`.
    #[param(value_type = Option<schema::SdkKeyState>)]
    state: Option<String>,
    /// Where to go on, from the `Link` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 1000; 100 unless given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

#[derive(Deserialize)]
struct Addressed {
    environment: Option<String>,
}

/// List SDK keys
///
/// Of the project, newest first, those that are over included. Their secrets are not kept.
#[utoipa::path(get, path = "/sdk-keys", tag = "sdk keys", params(SdkKeyQuery), responses(
    (status = 200, description = "The keys", body = [schema::SdkKey]),
))]
async fn list_sdk_keys(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
    Params(query): Params<SdkKeyQuery>,
) -> Result<Response, Problem> {
    let wanted = Wanted {
        environment: query.environment.as_deref(),
        kind: word("query kind", query.kind.as_deref(), SdkKeyKind::parse, "server, client or edge")?,
        state: word("query state", query.state.as_deref(), KeyState::parse, "in_force, expired or revoked")?,
        after: query.cursor.as_deref().map(read_cursor).transpose()?,
        limit: page::limit(query.limit.as_deref())?,
    };
    let keys = state.control.list_sdk_keys(&reader, &wanted).await?;
    let said = [
        ("environment", query.environment.clone()),
        ("kind", query.kind.clone()),
        ("state", query.state.clone()),
        ("limit", query.limit.clone()),
    ];
    Ok(page::respond("/api/v1/sdk-keys", &said, &keys, |key| {
        let (created_at, id) = key.place();
        format!("{}.{id}", created_at.as_millis())
    }))
}

fn word<T>(
    path: &str,
    said: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    known: &str,
) -> Result<Option<T>, Error> {
    said.map(|said| parse(said).ok_or_else(|| Error::invalid(path, format!("must be {known}")))).transpose()
}

fn read_cursor(cursor: &str) -> Result<(Timestamp, Id), Error> {
    let read = || {
        let (millis, id) = cursor.split_once('.')?;
        Some((Timestamp::from_millis(millis.parse().ok()?), id.parse().ok()?))
    };
    read().ok_or_else(|| Error::invalid("query cursor", "is not one of ours; start without one"))
}

/// Make an SDK key
///
/// For the addressed environment, unless it is an edge key that names its `environments`. The answer is the only time
/// that its secret is shown. Who makes one must have the right to change each environment that it opens.
#[utoipa::path(post, path = "/sdk-keys", tag = "sdk keys", params(EnvironmentQuery, CommentHeader), request_body = schema::NewSdkKey, responses(
    (status = 201, description = "The key and its secret", body = schema::MadeSdkKey),
    (status = 409, description = "`too_many_keys`: the project has as many in force as may be"),
))]
async fn create_sdk_key(
    State(state): State<AppState>,
    permit: InProject<ManageSdkKeys>,
    Params(Addressed { environment }): Params<Addressed>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let made = state.control.create_sdk_key(&permit, environment.as_deref(), &document, &request).await?;
    settle::key(&state.keyring, &made.sdk_key).await;
    let head = secret_head(&made);
    Ok((StatusCode::CREATED, head, Json(made)).into_response())
}

/// Get an SDK key
#[utoipa::path(get, path = "/sdk-keys/{id}", tag = "sdk keys", params(("id" = String, Path)), responses(
    (status = 200, description = "The key, with its `ETag`", body = schema::SdkKey),
))]
async fn get_sdk_key(
    State(state): State<AppState>,
    reader: InProject<ReadProject>,
    Named(id): Named,
) -> Result<Response, Problem> {
    Ok(answer(state.control.get_sdk_key(&reader, &id).await?))
}

/// Change an SDK key
///
/// Replaces the members that are named and keeps the others. What GET answers can be sent back. Streams of who may no
/// longer read what they did end within a second.
#[utoipa::path(patch, path = "/sdk-keys/{id}", tag = "sdk keys", params(("id" = String, Path), ChangeHeaders), request_body = schema::SdkKeyInput, responses(
    (status = 200, description = "The key as it is now", body = schema::SdkKey),
    (status = 409, description = "`key_revoked`: a revoked key is over"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn update_sdk_key(
    State(state): State<AppState>,
    permit: InProject<ManageSdkKeys>,
    Named(id): Named,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    let (shown, sdk_key) = state.control.update_sdk_key(&permit, &id, &document, &request).await?;
    settle::key(&state.keyring, &sdk_key).await;
    Ok(answer(shown))
}

/// Revoke an SDK key
///
/// It is refused within a second, and streams that it opened end.
#[utoipa::path(delete, path = "/sdk-keys/{id}", tag = "sdk keys", params(("id" = String, Path), ChangeHeaders), responses(
    (status = 204, description = "It is revoked"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn revoke_sdk_key(
    State(state): State<AppState>,
    permit: InProject<ManageSdkKeys>,
    Named(id): Named,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    let revoked = state.control.revoke_sdk_key(&permit, &id, &request).await?;
    settle::key(&state.keyring, &revoked).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Rotate an SDK key
///
/// Makes a key like it with a new secret. The old one holds on for `overlap` (24h unless given, 30d at most, 0s for not
/// at all) and then expires; `replaced_by` says by which.
#[utoipa::path(post, path = "/sdk-keys/{id}/rotate", tag = "sdk keys", params(("id" = String, Path), ChangeHeaders), request_body = Option<schema::Rotation>, responses(
    (status = 201, description = "The new key and its secret", body = schema::RotatedSdkKey),
    (status = 409, description = "`key_revoked`, `key_expired`, `key_replaced` or `too_many_keys`"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
))]
async fn rotate_sdk_key(
    State(state): State<AppState>,
    permit: InProject<ManageSdkKeys>,
    Named(id): Named,
    Said(request): Said,
    OptionalJson(document): OptionalJson,
) -> Result<Response, Problem> {
    let rotated = state.control.rotate_sdk_key(&permit, &id, document.as_ref(), &request).await?;
    settle::key(&state.keyring, &rotated.made.sdk_key).await;
    settle::key(&state.keyring, &rotated.replaced).await;
    let head = secret_head(&rotated.made);
    Ok((StatusCode::CREATED, head, Json(rotated)).into_response())
}

/// Where a new key is, as which version; and that nobody keeps its secret on the way.
fn secret_head(made: &MadeSdkKey) -> [(HeaderName, String); 3] {
    [
        (header::LOCATION, format!("/api/v1/sdk-keys/{}", made.sdk_key.id)),
        (header::ETAG, made.shown.etag()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ]
}

/// A key with its tag.
fn answer(key: ShownSdkKey) -> Response {
    ([(header::ETAG, key.etag())], Json(key)).into_response()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(millis: i64, id: u128) {
            let id: Id = format!("{id:032x}").parse().unwrap();
            let read = read_cursor(&format!("{millis}.{id}")).unwrap();
            prop_assert_eq!(read, (Timestamp::from_millis(millis), id));
        }

        #[test]
        fn what_is_no_cursor_is_refused(text in "\\PC{0,50}|-?[0-9]{0,25}\\.[0-9a-f-]{0,40}") {
            if let Ok((at, id)) = read_cursor(&text) {
                let (millis, rest) = text.split_once('.').unwrap();
                prop_assert_eq!(millis.parse(), Ok(at.as_millis()));
                prop_assert_eq!(rest.parse(), Ok(id));
            }
        }
    }
}
