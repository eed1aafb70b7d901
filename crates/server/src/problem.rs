//! The one table from what went wrong to how HTTP says it.

use axum::response::{IntoResponse, Response};
use domain::error::Error;
use engine::json::Violation;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// Seconds after which it is worth asking a store again that did not answer.
const RETRY_AFTER: u32 = 1;

/// An error on its way out: a problem document (RFC 9457) and the headers that go with it.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    body: Box<wire::problem::Problem>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem that only this door knows.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let body = wire::problem::Problem::new(status.as_u16(), title, code, message.into());
        Self { status, body: Box::new(body), header: None }
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

    fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.body.violations = violations.into_iter().map(Into::into).collect();
        self
    }

    fn with_header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        self.header = value.try_into().ok().map(|value| (name, value));
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            Error::Conflict { code, .. } => Self::new(StatusCode::CONFLICT, code, message),
            Error::Stale { current } => {
                let problem = Self::new(
                    StatusCode::PRECONDITION_FAILED,
                    "stale",
                    format!("{message}; it is now {current}"),
                );
                problem.with_header(header::ETAG, current)
            }
            Error::Invalid(violations) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid", message).with_violations(violations)
            }
            Error::Forbidden { code, .. } => Self::new(StatusCode::FORBIDDEN, code, message),
            Error::Unauthenticated { code, .. } => Self::new(StatusCode::UNAUTHORIZED, code, message)
                .with_header(header::WWW_AUTHENTICATE, "Bearer"),
            Error::TooMany { retry_after } => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message)
                .with_header(header::RETRY_AFTER, retry_after.to_string()),
            Error::Unavailable(cause) => {
                tracing::error!(error = &*cause as &dyn std::error::Error, "the store does not answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                    .with_header(header::RETRY_AFTER, RETRY_AFTER.to_string())
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
        let body = (self.status, [(header::CONTENT_TYPE, wire::problem::CONTENT_TYPE)], self.body.to_json());
        match self.header {
            Some(header) => ([header], body).into_response(),
            None => body.into_response(),
        }
    }
}
