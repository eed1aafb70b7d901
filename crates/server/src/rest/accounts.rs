//! Signing up, in and out, and one's own account.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::{Account, Session};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::Signed;
use crate::body::{self, Said};
use crate::openapi::{CommentHeader, schema};
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(register_account))
        .routes(routes!(login))
        .routes(routes!(refresh_session))
        .routes(routes!(logout))
        .routes(routes!(logout_everywhere))
        .routes(routes!(get_me, update_me))
        .routes(routes!(change_password))
        .routes(routes!(reset_password))
}

/// A session as it is answered: the account at the top for who reads that, and again under `user`; the token
/// under both of the names that clients look for.
#[derive(Serialize)]
struct SessionView<'a> {
    #[serde(flatten)]
    account: &'a Account,
    token: &'a str,
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    refresh_token: &'a str,
    user: &'a Account,
}

/// A session, with a word to whatever lies between: secrets are kept by nobody on the way.
pub(super) fn opened(status: StatusCode, session: &Session) -> Response {
    let view = SessionView {
        account: &session.account,
        token: &session.token,
        access_token: &session.token,
        token_type: "bearer",
        expires_in: session.expires_in,
        refresh_token: &session.refresh_token,
        user: &session.account,
    };
    (status, secret(&view)).into_response()
}

/// A body with a secret in it.
pub(super) fn secret(body: &impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Make an account
///
/// Open in the local profile, for the roles `developer` and `viewer` (`user` is another word for it). Nobody
/// makes themselves an admin: who asks for that is made a viewer.
#[utoipa::path(post, path = "/auth/register", tag = "accounts", security(()), request_body = schema::Registration, responses(
    (status = 201, description = "The account, signed in", body = schema::Session),
    (status = 409, description = "`email_taken`"),
    (status = 429, description = "`too_many`: see `Retry-After`"),
))]
async fn register_account(
    State(state): State<AppState>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    Ok(opened(StatusCode::CREATED, &state.control.register(&document, &request).await?))
}

/// Sign in
///
/// Answers a token for `Authorization: Bearer`, and a refresh token for the next one. Ten tries for an account from one
/// address, then one every 30 s.
#[utoipa::path(post, path = "/auth/login", tag = "accounts", security(()), request_body = schema::Credentials, responses(
    (status = 200, description = "A session", body = schema::Session),
    (status = 429, description = "`too_many`: see `Retry-After`"),
))]
async fn login(
    State(state): State<AppState>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    Ok(opened(StatusCode::OK, &state.control.sign_in(&document, &request).await?))
}

/// Refresh a session
///
/// The next token and the next refresh token. Each refresh token is good once: one that comes a second time was
/// stolen from one of the two who have it, and ends the session.
#[utoipa::path(post, path = "/auth/refresh", tag = "accounts", security(()), request_body = schema::Refresh, responses(
    (status = 200, description = "The session", body = schema::Session),
    (status = 401, description = "`invalid_refresh_token` or `refresh_token_reused`"),
))]
async fn refresh_session(
    State(state): State<AppState>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Response, Problem> {
    Ok(opened(StatusCode::OK, &state.control.refresh_session(&document, &request).await?))
}

/// Sign out
///
/// Ends this session: its token and refresh token are refused from now on.
#[utoipa::path(post, path = "/auth/logout", tag = "accounts", responses(
    (status = 204, description = "The session has ended"),
    (status = 403, description = "`sign_in_needed`: an access token has no session"),
))]
async fn logout(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.sign_out(&caller, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign out everywhere
///
/// Ends all sessions of the caller. Their access tokens go on; `DELETE /auth/tokens/{id}` ends those.
#[utoipa::path(post, path = "/auth/logout-everywhere", tag = "accounts", responses(
    (status = 204, description = "All sessions have ended"),
    (status = 403, description = "`sign_in_needed`"),
))]
async fn logout_everywhere(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Said(request): Said,
) -> Result<StatusCode, Problem> {
    state.control.sign_out_everywhere(&caller, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who am I?
#[utoipa::path(get, path = "/auth/me", tag = "accounts", responses(
    (status = 200, description = "The caller's account", body = schema::Account),
))]
async fn get_me(State(state): State<AppState>, Signed(caller): Signed) -> Result<Json<Account>, Problem> {
    Ok(Json(state.control.own_account(&caller).await?))
}

/// Change one's own account
///
/// Takes a name; the rest is an admin's to change.
#[utoipa::path(patch, path = "/auth/me", tag = "accounts", params(CommentHeader), request_body = schema::OwnAccountInput, responses(
    (status = 200, description = "The account as it is now", body = schema::Account),
    (status = 403, description = "`sign_in_needed`"),
))]
async fn update_me(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<Json<Account>, Problem> {
    Ok(Json(state.control.update_own_account(&caller, &document, &request).await?))
}

/// Change one's password
///
/// Ends all other sessions. Tries with a wrong old password count as tries to sign in.
#[utoipa::path(put, path = "/auth/password", tag = "accounts", params(CommentHeader), request_body = schema::PasswordChange, responses(
    (status = 204, description = "It is changed"),
    (status = 403, description = "`sign_in_needed`"),
    (status = 409, description = "`busy`: the account was changed at the same moment"),
    (status = 429, description = "`too_many`: see `Retry-After`"),
))]
async fn change_password(
    State(state): State<AppState>,
    Signed(caller): Signed,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<StatusCode, Problem> {
    state.control.change_password(&caller, &document, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set a password by a link
///
/// With the token of a link that an admin made. It is good once, for a day; all sessions of the account end.
#[utoipa::path(post, path = "/auth/reset-password", tag = "accounts", security(()), request_body = schema::PasswordReset, responses(
    (status = 204, description = "It is set; sign in with it"),
    (status = 401, description = "`invalid_reset_token`"),
    (status = 429, description = "`too_many`: see `Retry-After`"),
))]
async fn reset_password(
    State(state): State<AppState>,
    Said(request): Said,
    body::Json(document): body::Json,
) -> Result<StatusCode, Problem> {
    state.control.reset_password(&document, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}
