//! Who asks, as types: a handler says in its signature what its caller must be allowed.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use domain::access::{Caller, InEnvironment, InProject, OnInstance, Right};
use domain::environment::Environment;
use domain::error::Error;
use domain::project::Project;
use http::{HeaderMap, header};
use serde::Deserialize;

use crate::AppState;
use crate::body::{PROJECT, Params, bad_path};
use crate::problem::Problem;
use crate::watch::Known;

/// Anyone who signed in.
pub struct Signed(pub Caller);

/// May do `R` in the project; with the environment that the request speaks of.
pub struct With<R>(pub InProject<R>, pub Environment);

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

impl<R: Right> FromRequestParts<AppState> for OnInstance<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Signed(caller) = Signed::from_request_parts(parts, state).await?;
        Ok(caller.on_instance()?)
    }
}

impl<R: Right> FromRequestParts<AppState> for InProject<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Signed(caller) = Signed::from_request_parts(parts, state).await?;
        Ok(caller.in_project(project(parts, state).await?)?)
    }
}

impl<R: Right> FromRequestParts<AppState> for With<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let permit = InProject::<R>::from_request_parts(parts, state).await?;
        let environment = environment(parts, state, permit.project()).await?;
        Ok(Self(permit, environment))
    }
}

impl<R: Right> FromRequestParts<AppState> for InEnvironment<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let With(permit, environment) = With::<R>::from_request_parts(parts, state).await?;
        Ok(permit.at(environment)?)
    }
}

/// The project that the path names, or the default one.
async fn project(parts: &mut Parts, state: &AppState) -> Result<Project, Problem> {
    let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| bad_path())?;
    let key = path.iter().find(|(name, _)| *name == PROJECT).map(|(_, key)| key);
    Ok(state.control.project(key).await?)
}

async fn environment(parts: &mut Parts, state: &AppState, project: &Project) -> Result<Environment, Problem> {
    let Params(EnvironmentParam { environment }) = Params::from_request_parts(parts, state).await?;
    Ok(state.control.environment(project.id, environment.as_deref()).await?)
}

/// `X-Admin-API-Key`, or the token of `Authorization: Bearer`.
pub(crate) fn credential(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-admin-api-key") {
        return key.to_str().ok();
    }
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(name: &'static str, value: &[u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(value).unwrap();
        credential(&HeaderMap::from_iter([(name.parse().unwrap(), value)])).map(str::to_owned)
    }

    proptest! {
        #[test]
        fn a_token_is_what_was_sent_after_bearer(scheme in "[A-Za-z]{0,8}|[Bb][Ee][Aa][Rr][Ee][Rr]", token in "[!-~]{1,60}") {
            let read = of("authorization", format!("{scheme} {token}").as_bytes());
            prop_assert_eq!(read, scheme.eq_ignore_ascii_case("bearer").then_some(token));
        }

        #[test]
        fn whatever_comes_is_read_or_none(bytes in "\\PC{0,60}") {
            if let Some(token) = of("authorization", bytes.as_bytes()) {
                prop_assert!(bytes.is_ascii() && bytes.trim_end().ends_with(&token));
            }
            prop_assert_eq!(of("x-admin-api-key", bytes.as_bytes()).is_some(), bytes.is_ascii());
        }
    }
}
