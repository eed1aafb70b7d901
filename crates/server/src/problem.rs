//! The one table from what went wrong to how HTTP says it.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use domain::error::Error;
use engine::json::Violation;
use http::{HeaderName, HeaderValue, StatusCode, header};
use wire::problem::Place;

/// Seconds after which it is worth asking a store again that did not answer.
const RETRY_AFTER: u32 = 1;

/// An error on its way out. The same document as `delivery`'s, which knows none of the errors.
#[derive(Debug)]
pub struct Problem {
    refusal: delivery::Problem,
    in_use_by: Vec<Place>,
}

impl Problem {
    /// A problem that only this door knows.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        delivery::Problem::new(status, code, message).into()
    }

    /// There is nothing under this path.
    pub fn no_such_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_such_route",
            "there is nothing here; GET /docs shows what there is",
        )
    }

    /// There is something under this path, but not for this method.
    pub fn method_not_allowed() -> Self {
        let message = "this path does not take this method; GET /docs shows what it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// A handler panicked: a fault of ours. The panic itself is in the log.
    pub fn panicked() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong inside; it was logged")
    }

    /// The environment is there, but this node has not loaded it yet.
    pub fn not_loaded() -> Self {
        let message = "this environment is not loaded here yet; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message).with(header::RETRY_AFTER, "1")
    }

    /// The document, where it is not the whole of an answer.
    pub fn document(&self) -> wire::problem::Problem {
        wire::problem::Problem { in_use_by: self.in_use_by.clone(), ..self.refusal.document() }
    }

    /// With everything that is wrong.
    #[must_use]
    pub fn with_violations(self, violations: Vec<Violation>) -> Self {
        Self { refusal: self.refusal.with_violations(violations), ..self }
    }

    /// As it is told at a path.
    #[must_use]
    pub(crate) fn at(self, path: &str) -> Self {
        Self { refusal: self.refusal.at(path), ..self }
    }

    /// With a header. A value that no header can have is left out.
    #[must_use]
    pub(crate) fn with(self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        Self { refusal: self.refusal.with(name, value), ..self }
    }
}

impl From<delivery::Problem> for Problem {
    fn from(refusal: delivery::Problem) -> Self {
        Self { refusal, in_use_by: Vec::new() }
    }
}

fn place(place: domain::in_use::Place) -> Place {
    let domain::in_use::Place { kind, key, project, environment, path, names } = place;
    let text = |key: domain::key::Key| key.to_string();
    Place { kind, key, project: project.map(text), environment: environment.map(text), path, names }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            Error::NoEnvironment { .. } => Self::new(StatusCode::NOT_FOUND, "no_such_environment", message),
            // It means nothing but that others were faster.
            Error::Conflict { code: code @ "busy", .. } => {
                Self::new(StatusCode::CONFLICT, code, message).with(header::RETRY_AFTER, "1")
            }
            Error::Conflict { code, .. } => Self::new(StatusCode::CONFLICT, code, message),
            Error::Stale { current } => {
                let problem = Self::new(
                    StatusCode::PRECONDITION_FAILED,
                    "stale",
                    format!("{message}; it is now {current}"),
                );
                problem.with(header::ETAG, current)
            }
            Error::Invalid(violations) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid", message).with_violations(violations)
            }
            Error::NoneSuch(violations) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", message).with_violations(violations)
            }
            Error::Blocked { code, violations, places, .. } => {
                let problem = Self::new(StatusCode::CONFLICT, code, message).with_violations(violations);
                Self { in_use_by: places.into_iter().map(place).collect(), ..problem }
            }
            Error::Unexplained { .. } => {
                let path = "header Burgee-Comment".to_owned();
                let violation = Violation { path, message: "is required here: say why".to_owned() };
                Self::new(StatusCode::BAD_REQUEST, "comment_required", message)
                    .with_violations(vec![violation])
            }
            Error::TooLarge { code, .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, message),
            Error::Forbidden { code, .. } => Self::new(StatusCode::FORBIDDEN, code, message),
            Error::Unauthenticated { code, .. } => {
                Self::new(StatusCode::UNAUTHORIZED, code, message).with(header::WWW_AUTHENTICATE, "Bearer")
            }
            Error::TooMany { retry_after } => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message)
                .with(header::RETRY_AFTER, retry_after.to_string()),
            Error::Unavailable(cause) => {
                tracing::error!(error = &*cause as &dyn std::error::Error, "the store does not answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                    .with(header::RETRY_AFTER, RETRY_AFTER.to_string())
            }
            Error::Internal(cause) => {
                tracing::error!(error = &*cause as &dyn std::error::Error, "internal error");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let more = (!self.in_use_by.is_empty()).then(|| Bytes::from(self.document().to_json()));
        let mut response = self.refusal.into_response();
        if let Some(document) = more {
            // The head says what it said, but for how long the body is.
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = document.into();
        }
        response
    }
}
