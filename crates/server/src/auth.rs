//! Who asks, as types: a handler says in its signature what its caller must be allowed.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use domain::access::{Caller, InEnvironment, InProject, OnInstance, OverTeam, Right};
use domain::environment::Environment;
use domain::error::Error;
use domain::project::Project;
use serde::Deserialize;

use crate::AppState;
use crate::body::{PROJECT, Params, bad_path};
use crate::credential::token;
use crate::problem::Problem;
use crate::watch::Known;

/// The parameter of a path that names a team.
const TEAM: &str = "team";

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
        let token = token(&parts.headers)?.ok_or(Error::Unauthenticated {
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

impl FromRequestParts<AppState> for OverTeam {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Signed(caller) = Signed::from_request_parts(parts, state).await?;
        let key = named(parts, state, TEAM).await?.ok_or_else(bad_path)?;
        Ok(state.control.over_team(caller, &key).await?)
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
    let key = named(parts, state, PROJECT).await?;
    Ok(state.control.project(key.as_deref()).await?)
}

/// What the path names by this parameter.
async fn named(parts: &mut Parts, state: &AppState, parameter: &str) -> Result<Option<String>, Problem> {
    let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| bad_path())?;
    Ok(path.iter().find(|(name, _)| *name == parameter).map(|(_, value)| value.to_owned()))
}

async fn environment(parts: &mut Parts, state: &AppState, project: &Project) -> Result<Environment, Problem> {
    let Params(EnvironmentParam { environment }) = Params::from_request_parts(parts, state).await?;
    Ok(state.control.environment(project.id, environment.as_deref()).await?)
}
