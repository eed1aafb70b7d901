//! Bodies, parameters and headers of requests, bounded and with errors that say where.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use domain::access::Caller;
use domain::audit::TOKEN;
use domain::control::Request as Asked;
use domain::error::Error;
use engine::json::{Malformed, read_document};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use wire::without_lone_surrogates;

use crate::problem::Problem;
use crate::watch::Known;

/// No body is larger, in bytes.
pub const MOST_BODY: usize = 1 << 20;
/// No body takes longer to arrive, from when it is first wanted.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// No comment is longer, in characters.
const MOST_COMMENT: usize = 1_000;

/// A JSON body. The content type is not looked at: whoever sends `-d '{…}'` means JSON.
pub struct Json(pub Value);

/// A JSON body with contexts in it: a lone surrogate counts as U+FFFD, as the contract has it.
pub struct JsonWithContexts(pub Value);

/// A JSON body that may be absent.
pub struct OptionalJson(pub Option<Value>);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let OptionalJson(value) = OptionalJson::from_request(request, state).await?;
        value.map(Self).ok_or_else(missing_body)
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonWithContexts {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let bytes = arrived(request).await?.ok_or_else(missing_body)?;
        let read = match read_document(&bytes) {
            // Looked for only where reading failed: nearly nobody sends any.
            Err(Malformed::Syntax(error)) => without_lone_surrogates(&bytes)
                .map_or(Err(Malformed::Syntax(error)), |bytes| read_document(&bytes)),
            read => read,
        };
        read.map(Self).map_err(malformed)
    }
}

impl<S: Send + Sync> FromRequest<S> for OptionalJson {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let Some(bytes) = arrived(request).await? else { return Ok(Self(None)) };
        read_document(&bytes).map(|value| Self(Some(value))).map_err(malformed)
    }
}

/// The body, within its bounds; none if there is nothing in it.
async fn arrived(request: Request) -> Result<Option<Bytes>, Problem> {
    let bytes = whole(request.into_body()).await?;
    Ok((!bytes.iter().all(u8::is_ascii_whitespace)).then_some(bytes))
}

/// All of a body, within its bounds.
pub(crate) async fn whole(body: Body) -> Result<Bytes, Problem> {
    let too_large = || {
        let message = format!("the body is larger than {MOST_BODY} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    let too_slow = |_| {
        let patience = BODY_PATIENCE.as_secs();
        let message = format!("the body did not arrive within {patience} s; send the request again");
        Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message)
    };
    let arrived = timeout(BODY_PATIENCE, to_bytes(body, MOST_BODY)).await;
    arrived.map_err(too_slow)?.map_err(|_| too_large())
}

fn missing_body() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "missing_body", "a JSON body is required")
}

fn malformed(why: Malformed) -> Problem {
    match why {
        Malformed::Syntax(error) => {
            Problem::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not JSON: {error}"))
        }
        Malformed::Repeated(violation) => {
            Problem::new(StatusCode::BAD_REQUEST, "repeated_member", violation.to_string())
                .with_violations(vec![violation])
        }
    }
}

/// Some of the query's parameters: one that no handler of the route knows was refused before. No database searches for U+0000.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let refused = |message: String| Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", message);
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(refused("the query has a character U+0000".to_owned()));
        }
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(params)| Self(params)).map_err(|error| refused(error.to_string()))
    }
}

/// `true` or `false` of a parameter, in words that say what is wrong otherwise.
pub fn truth(name: &str, said: Option<&str>) -> Result<Option<bool>, Error> {
    match said {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Error::invalid(format!("query {name}"), "must be true or false")),
    }
}

/// The one variable part of a path besides its project, percent-decoded; the last part of a path that has none, which is a name like
/// any other.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| bad_path())?;
        if let Some((_, name)) = path.iter().find(|(name, _)| *name != PROJECT) {
            return Ok(Self(name.to_owned()));
        }
        let name = parts.uri.path().rsplit('/').next().unwrap_or_default();
        Ok(Self(percent_decode_str(name).decode_utf8().map_err(|_| bad_path())?.into_owned()))
    }
}

/// The two variable parts of a path besides its project, percent-decoded.
pub struct NamedIn(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for NamedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, state).await.map_err(|_| bad_path())?;
        let mut names = path.iter().filter(|(name, _)| *name != PROJECT).map(|(_, name)| name.to_owned());
        names.next().zip(names.next()).map(|(outer, inner)| Self(outer, inner)).ok_or_else(bad_path)
    }
}

/// The variable part of a path that names a project.
pub const PROJECT: &str = "project";

pub(crate) fn bad_path() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_path", "the path is not percent-encoded UTF-8")
}

/// The address of who asks, as an extension of the request.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub IpAddr);

/// What a request says besides its body: the comment and the versions it insists on.
pub struct Said(pub Asked);

impl<S: Send + Sync> FromRequestParts<S> for Said {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let address = parts.extensions.get().map(|Client(address)| *address);
        let mut source = "api".to_owned();
        if let Some(address) = address {
            let _ = write!(source, " {address}");
        }
        let caller = parts.extensions.get::<Known>().and_then(Known::caller);
        if let Some(token) = caller.and_then(Caller::token_id) {
            let _ = write!(source, " {TOKEN}{token}");
        }
        let comment = comment(&parts.headers)?;
        let if_match = if_match(&parts.headers)?;
        let standing = caller.map(|caller| Arc::new(caller.standing()));
        Ok(Self(Asked { source, address, comment, if_match, standing }))
    }
}

/// All tags of all such headers. One that does not read must not count as none.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let read = |value: &HeaderValue| {
        value
            .to_str()
            .map(str::to_owned)
            .map_err(|_| Error::invalid("header If-Match", "must be an entity tag"))
    };
    let tags = headers.get_all(header::IF_MATCH).iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok((!tags.is_empty()).then(|| tags.join(",")))
}

fn comment(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get("burgee-comment") else { return Ok(None) };
    let text = value.to_str().ok().and_then(|value| percent_decode_str(value).decode_utf8().ok());
    // No database keeps U+0000.
    let fits = |text: &str| text.chars().count() <= MOST_COMMENT && !text.contains('\0');
    match text {
        Some(text) if fits(&text) => Ok(Some(text.into_owned())),
        _ => Err(Error::invalid(
            "header Burgee-Comment",
            format!("must be percent-encoded UTF-8 of at most {MOST_COMMENT} characters"),
        )),
    }
}
