//! What is refused, and how HTTP says it.

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::json::Violation;

use crate::ofrep;

/// A refusal on its way out: a problem document (RFC 9457), and the header that goes with it.
/// In a box, because every handler's result has room for one.
#[derive(Debug, Clone)]
pub struct Problem(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    violations: Vec<Violation>,
    header: Option<(HeaderName, HeaderValue)>,
    speaks_ofrep: bool,
}

impl Problem {
    /// A problem with its stable word for programs and what is wrong for people.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        let (violations, header, speaks_ofrep) = (Vec::new(), None, false);
        Self(Box::new(Refusal { status, code, message, violations, header, speaks_ofrep }))
    }

    /// With a header. A value that no header can have is left out.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        self.0.header = value.try_into().ok().map(|value| (name, value));
        self
    }

    /// As it is told at a path: at OFREP's in the words that its providers look for, besides.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.0.speaks_ofrep = path.starts_with(ofrep::ALL);
        self
    }

    /// With everything that is wrong with what was sent.
    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// The document, where it is not the whole of an answer.
    pub fn document(&self) -> wire::problem::Problem {
        let Refusal { status, code, message, violations, .. } = &*self.0;
        let title = status.canonical_reason().unwrap_or("Error");
        let mut document = wire::problem::Problem::new(status.as_u16(), title, code, message.to_string());
        document.violations = violations.iter().cloned().map(Into::into).collect();
        document.speaks_ofrep = self.0.speaks_ofrep;
        document
    }

    fn unauthenticated(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message).with(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// The request has no key.
    pub(crate) fn missing_key() -> Self {
        let message = "an SDK key is required; send it as X-SDK-Key, X-API-Key or Authorization: Bearer";
        Self::unauthenticated("missing_key", message)
    }

    /// The request's key lets nobody in.
    pub(crate) fn unknown_key() -> Self {
        let message =
            "the SDK key is unknown, expired or revoked; ask who runs this server for one that is in force";
        Self::unauthenticated("unknown_key", message)
    }

    /// A key that must stay secret was sent where it is written down on the way.
    pub(crate) fn secret_key_in_url() -> Self {
        let message = "a server or edge key must not be sent in a URL, where logs keep it; send it as the header \
                       X-SDK-Key, or use a client key here. Consider it known, and rotate it";
        Self::unauthenticated("server_key_in_url", message)
    }

    /// A ticket that was sent in the place of a key lets nobody in.
    pub(crate) fn ticket_not_taken() -> Self {
        let message = "the ticket in this URL is over, for another environment, or of a key that is no longer in force; \
                       a fresh one is in the eventStreams of POST /ofrep/v1/evaluate/flags";
        Self::unauthenticated("ticket_not_taken", message)
    }

    /// Two keys came, and only one of them can be meant.
    pub(crate) fn conflicting_keys() -> Self {
        let message = "several keys came that differ; send one, as X-SDK-Key, X-API-Key or Authorization";
        Self::new(StatusCode::BAD_REQUEST, "conflicting_keys", message)
    }

    /// Which of two headers counts would be chance.
    pub(crate) fn several_authorizations() -> Self {
        let message = "several Authorization headers came, and only one of them can be meant; send one";
        Self::new(StatusCode::UNAUTHORIZED, "several_credentials", message)
    }

    /// The page that asks is not one that the key is for.
    pub(crate) fn origin_not_allowed() -> Self {
        let message =
            "pages of this origin may not use this key; who runs this server can add it to the key's origins";
        Self::new(StatusCode::FORBIDDEN, "origin_not_allowed", message)
    }

    /// The key opens several environments.
    pub(crate) fn environment_required() -> Self {
        let message = "this key opens several environments; say which is meant, as ?environment=KEY";
        Self::new(StatusCode::BAD_REQUEST, "environment_required", message)
    }

    /// The environment is given more than once.
    pub(crate) fn two_environments() -> Self {
        let message = "query environment is given more than once; which of them is meant?";
        Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", message)
    }

    /// The key opens no such environment, whether or not there is one.
    pub(crate) fn no_such_environment() -> Self {
        let message = "the SDK key opens no environment with the key that ?environment= names; one that opens a single environment needs none named";
        Self::new(StatusCode::NOT_FOUND, "no_such_environment", message)
    }

    /// Rules are not for client keys.
    pub(crate) fn client_key() -> Self {
        let message = "a client key does not show rules; ask for evaluated flags at POST /ofrep/v1/evaluate/flags, \
                       or use a server key on a server";
        Self::new(StatusCode::FORBIDDEN, "client_key", message)
    }

    /// The key's environment has not been loaded.
    pub(crate) fn not_ready() -> Self {
        let message = "the environment of this key is not loaded here yet; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message).with(header::RETRY_AFTER, "1")
    }

    /// No segment of the key's environment names such a list.
    pub(crate) fn no_key_list() -> Self {
        let message = "no segment in the environment of this key names a key list of this digest; take the digest from \
                       a snapshot of this environment";
        Self::new(StatusCode::NOT_FOUND, "key_list_not_found", message)
    }

    /// The bytes of a list cannot be had now.
    pub(crate) fn key_list_unavailable() -> Self {
        let message = "the bytes of this key list cannot be read at the moment; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "key_list_unavailable", message)
            .with(header::RETRY_AFTER, "2")
    }

    /// The part of a list that is asked for begins after its end.
    pub(crate) fn beyond_key_list(length: u64) -> Self {
        let message = "this key list ends before the range that is asked for; Content-Range says where";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", message)
            .with(header::CONTENT_RANGE, format!("bytes */{length}"))
    }

    /// As many lists are being sent as may be.
    pub(crate) fn too_many_key_lists() -> Self {
        let message = "as many key lists are being sent here as are allowed; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_key_lists", message)
            .with(header::RETRY_AFTER, "1")
    }

    /// As many streams are open as may be.
    pub(crate) fn too_many_streams() -> Self {
        let message = "as many streams are open here as are allowed; try again later, or raise the bound";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message)
            .with(header::RETRY_AFTER, "10")
    }

    /// As many streams are open with this key as may be.
    pub(crate) fn too_many_streams_of_key() -> Self {
        let message = "as many streams are open here with this key as are allowed for one; close some, or raise \
                       delivery.max_streams_per_key";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams_of_key", message)
            .with(header::RETRY_AFTER, "10")
    }

    /// A batch of events is not one.
    pub(crate) fn invalid_batch() -> Self {
        let message = "the batch of events cannot be read; nothing of it was taken";
        Self::new(StatusCode::BAD_REQUEST, "invalid_batch", message)
    }

    /// A body is larger than any may be.
    pub(crate) fn body_too_large() -> Self {
        let message = "the body is larger than 1 MiB; send fewer events at once";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    /// A body did not come.
    pub(crate) fn body_too_slow() -> Self {
        let message = "the request body did not arrive within 30 s";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message)
    }

    /// As many batches are being taken as may be.
    pub(crate) fn too_many_events() -> Self {
        let message = "as many batches of events come here at once as can be taken; send the same batch again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_events", message).with(header::RETRY_AFTER, "5")
    }

    /// Nobody can say whether a batch was taken.
    pub(crate) fn events_unavailable() -> Self {
        let message =
            "events cannot be taken at the moment; send the same batch again, under the same batch_id";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "events_unavailable", message)
            .with(header::RETRY_AFTER, "5")
    }

    /// The process is about to end.
    pub(crate) fn shutting_down() -> Self {
        let message = "this server is shutting down; try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message).with(header::RETRY_AFTER, "1")
    }

    /// There is something at this path, but not for this method; these are the ones that it takes.
    pub(crate) fn method_not_allowed(methods: &'static str) -> Self {
        let message = "this path does not take this method: flags are evaluated and events sent by POST, snapshot, key \
                       lists and stream are read by GET";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message).with(header::ALLOW, methods)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content_type = [(header::CONTENT_TYPE, wire::problem::CONTENT_TYPE)];
        let response = (self.0.status, content_type, self.document().to_json());
        match self.0.header {
            Some(header) => ([header], response).into_response(),
            None => response.into_response(),
        }
    }
}
