//! Who asks, as types: a handler says in its signature what its caller must be.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::access::{Admin, Caller, Editor, Reader, Writer};
use domain::environment::Environment;
use domain::error::Error;
use http::{HeaderMap, header};
use serde::Deserialize;

use crate::AppState;
use crate::body::Params;
use crate::problem::Problem;
use crate::watch::Known;

/// Anyone who signed in.
pub struct Signed(pub Caller);

/// May read; with the environment that the request speaks of.
pub struct ReaderOf(pub Reader, pub Environment);

/// May change the environment that the request speaks of.
pub struct WriterOf(pub Writer);

/// May change what belongs to the project as a whole.
pub struct EditorOf(pub Editor);

/// May do everything; with the environment that the request speaks of.
pub struct AdminOf(pub Admin, pub Environment);

#[derive(Deserialize)]
struct EnvironmentParam {
    environment: Option<String>,
}

impl FromRequestParts<AppState> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let token = credential(&parts.headers).ok_or(Error::Unauthenticated {
            code: "missing_token",
            message: "sign in at POST /auth/login and send the token as Authorization: Bearer <token>",
        })?;
        let caller = state.control.authenticate(token).await?;
        if let Some(known) = parts.extensions.get::<Known>() {
            known.note(&caller);
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<AppState> for ReaderOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let (caller, environment) = caller_and_environment(parts, state).await?;
        Ok(Self(caller.reader(), environment))
    }
}

impl FromRequestParts<AppState> for WriterOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let (caller, environment) = caller_and_environment(parts, state).await?;
        Ok(Self(caller.writer(environment)?))
    }
}

impl FromRequestParts<AppState> for EditorOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Signed(caller) = Signed::from_request_parts(parts, state).await?;
        Ok(Self(caller.editor()?))
    }
}

impl FromRequestParts<AppState> for AdminOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let (caller, environment) = caller_and_environment(parts, state).await?;
        Ok(Self(caller.admin()?, environment))
    }
}

async fn caller_and_environment(
    parts: &mut Parts,
    state: &AppState,
) -> Result<(Caller, Environment), Problem> {
    let Signed(caller) = Signed::from_request_parts(parts, state).await?;
    let Params(EnvironmentParam { environment }) = Params::from_request_parts(parts, state).await?;
    Ok((caller, state.control.environment(environment.as_deref()).await?))
}

/// `X-Admin-API-Key`, or the token of `Authorization: Bearer`.
fn credential(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-admin-api-key") {
        return key.to_str().ok();
    }
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
