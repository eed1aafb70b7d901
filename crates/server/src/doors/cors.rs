//! Pages of other origins that may ask the control plane: those that the operator names.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::CorsLayer;

use super::idempotency::{IDEMPOTENCY_KEY, REPLAYED};
use super::request_id::REQUEST_ID;

/// How long a browser may remember what it may ask; none remembers longer than a day.
const PREFLIGHT: Duration = Duration::from_hours(24);

/// None without origins: then no page of another origin may read anything.
///
/// Credentials that browsers add by themselves are not let in: a page has to bring its token, so nobody is tricked into
/// asking.
pub(super) fn layer(origins: &[HeaderValue]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let cors = CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("x-admin-api-key"),
            HeaderName::from_static("burgee-comment"),
            IDEMPOTENCY_KEY,
            REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            HeaderName::from_static("x-total-count"),
            REPLAYED,
            REQUEST_ID,
        ])
        .max_age(PREFLIGHT);
    Some(cors)
}
