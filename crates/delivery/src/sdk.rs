//! `/sdk/v1`: rules for SDKs that evaluate themselves, and the stream that tells of changes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use wire::etag::{Star, matches};

use crate::Doors;
use crate::admission::Admitted;
use crate::encoding::Encoding;
use crate::ports::KeyKind;
use crate::problem::Problem;
use crate::stream::Stream;

/// `GET /sdk/v1/snapshot`: the whole environment of a server or edge key, as it travels.
pub(crate) async fn get_snapshot(
    State(doors): State<Arc<Doors>>,
    Admitted(reader, _): Admitted,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if reader.kind == KeyKind::Client {
        return Err(Problem::client_key());
    }
    let installed = doors.hub.read(&reader.environment).ok_or_else(Problem::not_ready)?;
    let encoding = Encoding::wanted(&headers);
    let etag = installed.position().to_etag();
    let is_known = is_known(&headers, &etag);
    // The address says nothing of whose rules these are: no cache on the way may keep them for others.
    let cached = [(header::CACHE_CONTROL, "private, no-cache")];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, encoding.validators(&etag), cached).into_response());
    }
    let document = match encoding {
        Encoding::Identity => installed.snapshot().await.document(),
        Encoding::Gzip => installed.compressed().await,
    };
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    Ok((encoding.headers(&etag), cached, content_type, document).into_response())
}

/// Whether who asks has what `etag` names.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let mut lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists.any(|list| matches(list, etag, Star::Anything))
}

/// `GET /sdk/v1/stream`: changes as they happen, as server-sent events.
pub(crate) async fn get_stream(
    State(doors): State<Arc<Doors>>,
    request: Request,
) -> Result<Response, Problem> {
    let stream = Stream::open(doors, request.headers(), request.uri()).await?;
    let frames = unfold(stream, |mut stream| async move {
        let frame = stream.next().await?;
        Some((Ok::<_, Infallible>(frame), stream))
    });
    let headers = [
        (header::CONTENT_TYPE.as_str(), wire::sse::CONTENT_TYPE),
        (header::CACHE_CONTROL.as_str(), "no-store"),
        // Proxies of nginx's kind would collect events until a buffer is full.
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}
