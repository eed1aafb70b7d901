//! Flags and segments as one environment sees them: how both are answered.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::environment::Environment;
use domain::error::Error;
use domain::flag::FlagHere;
use domain::id::Id;
use domain::key::Key;
use domain::segment::SegmentHere;
use engine::json::Violation;
use engine::model::Revision;
use http::{StatusCode, header};
use serde::Serialize;

use super::faults::Faults;
use crate::AppState;
use crate::problem::Problem;
use crate::settle;

/// What one environment sees of something.
pub(super) trait Here: Serialize {
    /// The noun, as problems of a ruleset have it.
    const KIND: &'static str;
    /// Where there are all of them.
    const PATH: &'static str;

    fn key(&self) -> &Key;
    fn etag(&self) -> String;
    fn environment(&self) -> Id;
    /// Of the last change that its environment was told of.
    fn revision(&self) -> Revision;
}

impl Here for FlagHere {
    const KIND: &'static str = "flag";
    const PATH: &'static str = "/api/v1/flags";

    fn key(&self) -> &Key {
        &self.flag.key
    }

    fn etag(&self) -> String {
        self.etag()
    }

    fn environment(&self) -> Id {
        self.config.environment_id
    }

    fn revision(&self) -> Revision {
        self.config.version.max(self.flag.version)
    }
}

impl Here for SegmentHere {
    const KIND: &'static str = "segment";
    const PATH: &'static str = "/api/v1/segments";

    fn key(&self) -> &Key {
        &self.segment.key
    }

    fn etag(&self) -> String {
        self.etag()
    }

    fn environment(&self) -> Id {
        self.config.environment_id
    }

    /// Name and description travel nowhere.
    fn revision(&self) -> Revision {
        self.config.version
    }
}

/// Until this node serves applications what it now is.
pub(super) async fn settled<T: Here>(state: &AppState, here: &T) {
    settle::flags(&state.hub, here.environment(), here.revision()).await;
}

/// With its tag, and with what is wrong with it as this node serves it.
pub(super) fn answer<T: Here>(state: &AppState, here: &T) -> Response {
    answer_with(state, here, Vec::new())
}

/// The same, with what else is wrong with it.
pub(super) fn answer_with<T: Here>(state: &AppState, here: &T, problems: Vec<Violation>) -> Response {
    let faults = Faults::of(state, here.environment());
    let shown = faults.with(T::KIND, here.key(), here).and(problems);
    // The tag is that of the thing, not of what is wrong with it, which may pass: then it is a weak one.
    let weak = if shown.has_problems() { "W/" } else { "" };
    ([(header::ETAG, format!("{weak}{}", here.etag()))], Json(shown)).into_response()
}

/// What was changed, as soon as this node serves it.
pub(super) async fn changed<T: Here>(state: &AppState, here: &T) -> Response {
    settled(state, here).await;
    answer(state, here)
}

/// What was made, likewise.
pub(super) async fn made<T: Here>(state: &AppState, here: &T) -> Response {
    let location = [(header::LOCATION, format!("{}/{}", T::PATH, here.key()))];
    (StatusCode::CREATED, location, changed(state, here).await).into_response()
}

/// What was found, or why it could not be shown.
pub(super) fn readable<T: Here>(
    state: &AppState,
    environment: &Environment,
    key: &str,
    found: Result<T, Error>,
) -> Result<T, Problem> {
    found.map_err(|error| Faults::of(state, environment.id).explain(T::KIND, key, error))
}
