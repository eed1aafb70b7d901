//! Signing up and in.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::account::{Account, Session};
use http::StatusCode;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::Signed;
use crate::body::{self, Said};
use crate::openapi::schema;
use crate::problem::Problem;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(register_account)).routes(routes!(login)).routes(routes!(get_me))
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
    user: &'a Account,
}

impl<'a> From<&'a Session> for SessionView<'a> {
    fn from(session: &'a Session) -> Self {
        Self {
            account: &session.account,
            token: &session.token,
            access_token: &session.token,
            token_type: "bearer",
            expires_in: session.expires_in,
            user: &session.account,
        }
    }
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
    let session = state.control.register(&document, &request).await?;
    Ok((StatusCode::CREATED, Json(SessionView::from(&session))).into_response())
}

/// Sign in
///
/// Answers a token for `Authorization: Bearer`.
#[utoipa::path(post, path = "/auth/login", tag = "accounts", security(()), request_body = schema::Credentials, responses(
    (status = 200, description = "A session", body = schema::Session),
    (status = 429, description = "`too_many`: see `Retry-After`"),
))]
async fn login(State(state): State<AppState>, body::Json(document): body::Json) -> Result<Response, Problem> {
    let session = state.control.sign_in(&document).await?;
    Ok(Json(SessionView::from(&session)).into_response())
}

/// Who am I?
#[utoipa::path(get, path = "/auth/me", tag = "accounts", responses(
    (status = 200, description = "The caller's account", body = schema::Account),
))]
async fn get_me(State(state): State<AppState>, Signed(caller): Signed) -> Result<Json<Account>, Problem> {
    Ok(Json(state.control.own_account(&caller).await?))
}
