//! The API's own document, and the page to browse it.

pub(crate) mod evaluation;
mod inputs;
pub(crate) mod schema;

use axum::Router;
use axum::routing::get;
use http::{HeaderValue, header};
use serde::Deserialize;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, Modify, OpenApi as _};
use utoipa_swagger_ui::SwaggerUi;

use crate::doors::{DOCUMENTS, READING, UPLOAD};

/// The environment that a request speaks of.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EnvironmentQuery {
    /// Key of the environment that is meant; `development` unless given.
    #[expect(dead_code, reason = "read by the extractors; described here")]
    environment: Option<String>,
}

/// What a request that makes or revokes something may say besides its body.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct CommentHeader {
    /// Why, for the log: percent-encoded UTF-8, at most 1,000 characters.
    #[serde(rename = "Burgee-Comment")]
    #[param(nullable = false)]
    #[expect(dead_code, reason = "read by the extractors; described here")]
    comment: Option<String>,
}

/// What a request that changes something may say besides its body.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ChangeHeaders {
    /// Entity tags of which one must be current, or the answer is 412.
    #[serde(rename = "If-Match")]
    #[param(nullable = false)]
    #[expect(dead_code, reason = "read by the extractors; described here")]
    if_match: Option<String>,
    /// Why, for the log: percent-encoded UTF-8, at most 1,000 characters.
    #[serde(rename = "Burgee-Comment")]
    #[param(nullable = false)]
    #[expect(dead_code, reason = "read by the extractors; described here")]
    comment: Option<String>,
}

/// What any request that changes something may bring.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
struct IdempotencyHeader {
    /// A text of your own, such as a UUID: the same request again under the same key is done once, and answered alike
    /// for a day, with `Idempotency-Replayed: true`.
    #[serde(rename = "Idempotency-Key")]
    #[param(min_length = 1, max_length = 64, pattern = "^[!-~]+$", nullable = false)]
    #[expect(dead_code, reason = "read before the handlers; described here")]
    key: Option<String>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Burgee", description = "Feature flags: raise and lower features without redeploying."),
    components(schemas(schema::Problem, schema::Condition, schema::Serve, schema::KeyList, schema::UploadMode, schema::ExportFormat)),
    security(("bearer" = []), ("admin_key" = [])),
    modifiers(&Credentials),
)]
struct Document;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let key = ApiKey::Header(ApiKeyValue::new("X-Admin-API-Key"));
        components.add_security_scheme("admin_key", SecurityScheme::ApiKey(key));
    }
}

/// The document before the routes add theirs.
pub fn document() -> OpenApi {
    Document::openapi()
}

/// Serves the document at `/openapi.json` and a page to browse it at `/docs`.
pub fn router(openapi: OpenApi) -> serde_json::Result<Router> {
    let json = complete(openapi)?.to_pretty_json()?;
    let page: Router =
        SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json")).into();
    let policy = HeaderValue::from_static(DOCUMENTS);
    let page = page.layer(SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, policy));
    Ok(page.route(
        "/openapi.json",
        get(move || async move { ([(header::CONTENT_TYPE, "application/json")], json) }),
    ))
}

/// The whole document, as it is served.
pub fn complete_document() -> serde_json::Result<OpenApi> {
    let (_, openapi) = crate::rest::router().split_for_parts();
    complete(openapi)
}

/// With what can go wrong everywhere, and the doors of `delivery`, which knows nothing of documents.
fn complete(mut openapi: OpenApi) -> serde_json::Result<OpenApi> {
    tell_methods_apart(&mut openapi);
    inputs::complete(&mut openapi)?;
    add_idempotency(&mut openapi);
    add_common_responses(&mut openapi);
    openapi.merge(serde_json::from_str(include_str!("doors.json"))?);
    add_refusals_of_heads(&mut openapi);
    Ok(openapi)
}

/// An operation that two methods name has two ids: programs are made from them.
fn tell_methods_apart(openapi: &mut OpenApi) {
    for path in openapi.paths.paths.values_mut() {
        if let Some(id) = path.patch.as_mut().and_then(|operation| operation.operation_id.as_mut()) {
            id.push_str("_by_patch");
        }
    }
}

fn problem() -> Content {
    Content::new(Some(utoipa::openapi::Ref::from_schema_name("Problem")))
}

fn refusal(description: &str) -> RefOr<Response> {
    let response = ResponseBuilder::new().description(description);
    response.content(wire::problem::CONTENT_TYPE, problem()).build().into()
}

/// Whatever changes something may be asked for twice, uploads aside. What only reads takes no key.
fn add_idempotency(openapi: &mut OpenApi) {
    const REFUSALS: [(&str, &str); 2] = [
        ("409", "`idempotency_in_progress`, `idempotency_outcome_unknown` or `idempotency_not_replayable`"),
        ("422", "`idempotency_key_reused`: the key was used for another request"),
    ];
    let takes_one =
        |path: &str| !path.ends_with(UPLOAD) && !READING.iter().any(|reading| path.ends_with(reading));
    for (_, path) in openapi.paths.paths.iter_mut().filter(|(path, _)| takes_one(path)) {
        let changes = [&mut path.put, &mut path.post, &mut path.delete, &mut path.patch];
        for operation in changes.into_iter().flatten() {
            let header = IdempotencyHeader::into_params(|| None).into_iter().map(RefOr::T);
            operation.parameters.get_or_insert_default().extend(header);
            for (status, description) in REFUSALS {
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert_with(|| refusal(description));
            }
        }
    }
}

/// What is refused by the head of a request alone, of people and of applications.
fn add_refusals_of_heads(openapi: &mut OpenApi) {
    const REFUSALS: [(&str, &str); 3] =
        [("414", "`uri_too_long`"), ("429", "`too_many`: see `Retry-After`"), ("431", "`too_many_headers`")];
    for path in openapi.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch];
        for operation in operations.into_iter().flatten() {
            for (status, description) in REFUSALS {
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert_with(|| refusal(description));
            }
        }
    }
}

/// What can go wrong everywhere in the control plane is said once, here.
fn add_common_responses(openapi: &mut OpenApi) {
    const EVERYWHERE: [(&str, &str); 7] = [
        ("400", "What was sent is wrong; `violations` say where. Nothing was written."),
        (
            "401",
            "`missing_token`, `invalid_token`, `token_expired`, `several_credentials` or `invalid_credentials`",
        ),
        ("403", "`not_permitted`, `protected_environment` or `more_than_own`: the caller may not do this"),
        ("404", "`not_found`"),
        ("408", "`body_too_slow`: the body did not arrive in time"),
        ("413", "`body_too_large`"),
        ("503", "`unavailable`: the store does not answer, `too_busy` or `timeout`; see `Retry-After`"),
    ];
    for path in openapi.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch]
            .into_iter()
            .flatten();
        for operation in operations {
            let responses = &mut operation.responses.responses;
            for (status, described) in responses.iter_mut() {
                if let (true, RefOr::T(described)) = (status.starts_with('4'), described) {
                    described
                        .content
                        .entry(wire::problem::CONTENT_TYPE.to_owned())
                        .or_insert_with(|| problem().into());
                }
            }
            for (status, description) in EVERYWHERE {
                responses.entry(status.to_owned()).or_insert_with(|| refusal(description));
            }
        }
    }
}
