//! `/sdk/v1/snapshot`: rules for SDKs that evaluate themselves.

use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wire::etag::{Star, matches};

use crate::Doors;
use crate::encoding::Encoding;
use crate::ports::{KeyKind, Reader};
use crate::problem::Problem;

/// `GET /sdk/v1/snapshot`: the whole environment of a server or edge key, as it travels.
pub(crate) async fn get_snapshot(doors: &Doors, reader: Reader, head: &Parts) -> Result<Response, Problem> {
    if reader.kind == KeyKind::Client {
        return Err(Problem::client_key());
    }
    let installed = doors.hub.read(&reader.environment).ok_or_else(Problem::not_ready)?;
    let encoding = Encoding::wanted(&head.headers);
    let etag = installed.position().to_etag();
    let is_known = is_known(&head.headers, &etag);
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
