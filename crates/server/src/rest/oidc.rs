//! Signing in with a provider of identities.
//!
//! The way of a browser: `start` leads it to the provider with a sealed cookie that only it has; the provider leads it
//! to `callback`, which needs that cookie; that opens the session, leads it on to the page it came for, and leaves the
//! session in a second sealed cookie, which the page exchanges for tokens. So no token and no code of ours is ever in
//! an address, a history or a log; and nobody can sign somebody else's browser in.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use domain::control::Request;
use domain::error::Error;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::opened;
use crate::AppState;
use crate::body::{Named, Params, Said};
use crate::oidc::{Fault, Flow, Handoff, Remote, is_local_path, take};
use crate::openapi::schema;
use crate::problem::Problem;

/// No code and no state that a provider sends is longer, in bytes.
const MOST_TEXT: usize = 4 << 10;
/// So much of why a provider does not do is logged, in characters.
const MOST_TOLD: usize = 500;
/// Seconds after which it is worth asking a provider again that did not answer.
const RETRY_AFTER: &str = "5";
/// What a provider may answer instead of a code (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6). What else it says is
/// somebody's text, and is not repeated.
const KNOWN_ERRORS: [&str; 11] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_scope",
    "login_required",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_response_type",
];

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_sign_in_providers))
        .routes(routes!(start_oidc))
        .routes(routes!(fetch_oidc_session))
}

/// Apart from the others: what its query may say is the provider's to choose.
pub(super) fn callback() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(finish_oidc))
}

#[derive(Serialize)]
struct SignIn {
    password: bool,
    providers: Vec<SignInProvider>,
}

#[derive(Serialize)]
struct SignInProvider {
    key: String,
    name: String,
    start: String,
}

/// With what do people sign in?
///
/// For a page where they do.
#[utoipa::path(get, path = "/auth/oidc", tag = "accounts", security(()), responses(
    (status = 200, description = "Whether with a password, and with which providers of identities", body = schema::SignIn),
))]
async fn list_sign_in_providers(State(state): State<AppState>) -> Json<SignIn> {
    let provider = |remote: &std::sync::Arc<Remote>| {
        let provider = &remote.provider;
        let key = provider.rules.key.clone();
        SignInProvider { start: format!("/auth/oidc/{key}/start"), name: provider.name.clone(), key }
    };
    let providers = state.oidc.providers.iter().map(provider).collect();
    Json(SignIn { password: state.oidc.password_login, providers })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StartQuery {
    /// The path to go on to, on this server: `/flags`. `/` unless given.
    return_to: Option<String>,
}

/// Begin to sign in with a provider
///
/// Leads a browser to it, with a cookie that it must still have when it comes back, within ten minutes.
#[utoipa::path(get, path = "/auth/oidc/{provider}/start", tag = "accounts", security(()), params(("provider" = String, Path), StartQuery), responses(
    (status = 302, description = "To the provider"),
    (status = 503, description = "`provider_unavailable`: it does not answer; see `Retry-After`"),
))]
async fn start_oidc(
    State(state): State<AppState>,
    Named(key): Named,
    Params(query): Params<StartQuery>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Problem> {
    let remote = named(&state, &key)?;
    let return_to = query.return_to.unwrap_or_else(|| "/".to_owned());
    if !is_local_path(&return_to) {
        let rule = "must be a path on this server, such as /flags, in ASCII and of at most 1024 bytes";
        return Err(Error::invalid("query return_to", rule).into());
    }
    let oidc = &state.oidc;
    let flow = Flow::begin(&key, return_to, &*oidc.ids, oidc.clock.now());
    let redirect_uri = oidc.redirect_uri(&key, host(&headers, &uri));
    let url = remote.authorization(&flow, &redirect_uri).await.map_err(|fault| unavailable(&key, fault))?;
    let sealed = flow.seal(&state.control, &*oidc.ids).await?;
    let cookie = oidc.cookies().set(Flow::COOKIE, &sealed, Flow::SECONDS, "Lax");
    let mut response = (StatusCode::FOUND, [(header::LOCATION, url.as_str())]).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CallbackQuery {
    /// What the provider gives for tokens, once.
    code: Option<String>,
    /// As it was sent there.
    state: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// By what the provider names itself.
    iss: Option<String>,
}

/// Come back from a provider
///
/// Opens a session for who it says it is. A browser is led on to where it wanted to go, and fetches the session by
/// `POST /auth/oidc/session`; who accepts `application/json` alone is answered with it at once.
#[utoipa::path(get, path = "/auth/oidc/{provider}/callback", tag = "accounts", security(()), params(("provider" = String, Path), CallbackQuery), responses(
    (status = 200, description = "A session, for who accepts JSON", body = schema::Session),
    (status = 303, description = "To where the browser wanted to go"),
    (status = 400, description = "`sign_in_not_begun`: this browser did not begin it, or too long ago"),
    (status = 401, description = "`sign_in_refused`: what the provider gave proves nobody"),
    (status = 403, description = "`provider_refused`, `email_missing`, `email_not_verified`, `domain_not_allowed` or `account_inactive`"),
    (status = 409, description = "`email_taken`: an account that is not linked to the provider has the e-mail"),
    (status = 503, description = "`provider_unavailable`: it does not answer; see `Retry-After`"),
))]
async fn finish_oidc(
    State(state): State<AppState>,
    Named(key): Named,
    Said(request): Said,
    Params(query): Params<CallbackQuery>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Problem> {
    let remote = named(&state, &key)?;
    let source = request.source.replacen("api", "oidc", 1);
    let request = Request { source, ..request };
    let host = host(&headers, &uri);
    let mut response = match finish(&state, remote, &query, &headers, host, &request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    // Good or bad, it was the one answer to the one question.
    let gone = state.oidc.cookies().clear(Flow::COOKIE);
    response.headers_mut().extend(gone.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

async fn finish(
    state: &AppState,
    remote: &Remote,
    query: &CallbackQuery,
    headers: &HeaderMap,
    host: &str,
    request: &Request,
) -> Result<Response, Problem> {
    let (oidc, control, rules) = (&state.oidc, &state.control, &remote.provider.rules);
    let refused = |why: &str, problem: Problem| {
        control.note_provider_failure(rules, why, request);
        problem
    };
    let flow = under_way(state, &rules.key, query, headers).await?;
    let flow = flow.ok_or_else(|| refused("not begun by this browser", not_begun()))?;
    if let Some(error) = &query.error {
        let error = KNOWN_ERRORS.into_iter().find(|known| known == error).unwrap_or("another error");
        return Err(refused(error, provider_refused(error)));
    }
    let failed = |fault: Fault| match fault {
        Fault::Unavailable(_) => unavailable(&rules.key, fault),
        Fault::Refused(why) => refused(&why, sign_in_refused()),
    };
    if !remote.is_its_answer(query.iss.as_deref()).await.map_err(failed)? {
        return Err(failed(Fault::Refused("the answer is another issuer's".to_owned())));
    }
    let code = query.code.as_deref().filter(|code| !code.is_empty() && code.len() <= MOST_TEXT);
    let code = code.ok_or_else(|| failed(Fault::Refused("there is no code".to_owned())))?;
    let redirect_uri = oidc.redirect_uri(&rules.key, host);
    let proof = remote.exchange(code, &flow, &redirect_uri, oidc.clock.now()).await.map_err(failed)?;
    let session = control.sign_in_by_provider(rules, &proof, request).await?;
    if wants_json(headers) {
        return Ok(opened(StatusCode::OK, &session));
    }
    let handoff = Handoff::new(session.refresh_token, oidc.clock.now());
    let sealed = handoff.seal(control, &*oidc.ids).await?;
    let cookie = oidc.cookies().set(Handoff::COOKIE, &sealed, Handoff::SECONDS, "Strict");
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, flow.return_to)]).into_response();
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// The sign-in that this browser began and the provider answers.
async fn under_way(
    state: &AppState,
    key: &str,
    query: &CallbackQuery,
    headers: &HeaderMap,
) -> Result<Option<Flow>, Error> {
    let oidc = &state.oidc;
    let Some(sealed) = take(headers, oidc.cookies(), Flow::COOKIE) else { return Ok(None) };
    let answered = query.state.as_deref().filter(|state| state.len() <= MOST_TEXT);
    let flow = Flow::open(&state.control, sealed).await?;
    let now = oidc.clock.now();
    Ok(flow.filter(|flow| answered.is_some_and(|state| flow.is_answered_by(key, state, now))))
}

/// Fetch the session that a provider's word opened
///
/// For the page that a browser was led to, within a minute and once: whoever asks a second time ends the session, as
/// with any refresh token.
#[utoipa::path(post, path = "/auth/oidc/session", tag = "accounts", security(()), responses(
    (status = 200, description = "The session", body = schema::Session),
    (status = 401, description = "`no_session_to_fetch`, or `refresh_token_reused`: it was fetched before, and has ended"),
))]
async fn fetch_oidc_session(
    State(state): State<AppState>,
    Said(request): Said,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    const NONE: Error = Error::Unauthenticated {
        code: "no_session_to_fetch",
        message: "this browser has no session to fetch, or no longer; sign in again at GET /auth/oidc/{provider}/start",
    };
    let cookies = state.oidc.cookies();
    let sealed = take(&headers, cookies, Handoff::COOKIE).ok_or(NONE)?;
    let token = Handoff::open(&state.control, sealed, state.oidc.clock.now()).await?.ok_or(NONE)?;
    let session = state.control.refresh_session(&json!({ "refresh_token": token }), &request).await?;
    let mut response = opened(StatusCode::OK, &session);
    response.headers_mut().extend(cookies.clear(Handoff::COOKIE).map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

fn named<'a>(state: &'a AppState, key: &str) -> Result<&'a Remote, Error> {
    let known = state.oidc.provider(key).map(|remote| &**remote);
    known.ok_or_else(|| Error::NotFound {
        what: "provider of identities",
        why: "GET /auth/oidc lists them".to_owned(),
    })
}

/// What the request calls this server. It counts only where it was looked at before.
fn host<'a>(headers: &'a HeaderMap, uri: &'a http::Uri) -> &'a str {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default()
}

/// Whether somebody wants the session itself, and no page. Browsers ask for both.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    let accepted = String::from_utf8_lossy(accepted);
    accepted.contains("application/json") && !accepted.contains("text/html")
}

fn not_begun() -> Problem {
    let message = "this browser did not begin to sign in here, or more than ten minutes ago, or began anew in between; \
                   begin again at GET /auth/oidc/{provider}/start";
    Problem::new(StatusCode::BAD_REQUEST, "sign_in_not_begun", message)
}

fn provider_refused(error: &str) -> Problem {
    let message = format!("the provider of identities did not let you in: {error}");
    Problem::new(StatusCode::FORBIDDEN, "provider_refused", message)
}

fn sign_in_refused() -> Problem {
    let message = "what the provider of identities gave proves nobody; begin again at GET /auth/oidc/{provider}/start, \
                   and if it stays so an admin finds the reason in the log";
    Error::Unauthenticated { code: "sign_in_refused", message }.into()
}

fn unavailable(key: &str, fault: Fault) -> Problem {
    let (Fault::Unavailable(why) | Fault::Refused(why)) = fault;
    // A provider may have said any of it.
    let why: String = why.chars().take(MOST_TOLD).collect();
    tracing::warn!(provider = key, why, "a provider of identities does not answer as it should");
    let message = format!("the provider of identities {key} does not answer as it should; try again");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "provider_unavailable", message)
        .with(header::RETRY_AFTER, RETRY_AFTER)
}
