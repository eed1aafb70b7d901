//! What every answer says to browsers.

use axum::extract::Request;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// A browser comes by HTTPS alone for so long, in seconds: a year.
const HTTPS_ONLY: &str = "max-age=31536000";
/// An answer is data: whatever is in it, nothing of it is run, shown or framed. Pages say what they need themselves.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// What the page of the API's documents needs, which is all from here: no script within the page is run, and of styles
/// the one of its logo, told by its hash.
pub(crate) const DOCUMENTS: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Where credentials are given out: signing in, and whatever a change answers.
pub(super) fn may_hold_credentials(request: &Request) -> bool {
    let path = request.uri().path();
    path.starts_with("/auth/") || (path.starts_with("/api/") && !is_reading(request.method()))
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// To an answer that no browser shows as a page, for it is asked by POST and is JSON: that it is nothing else. What keeps a
/// page from being framed or from running scripts would be as long as the answer itself.
pub(super) fn add_to_data(headers: &mut HeaderMap, https_only: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if https_only {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
    }
}

/// Adds what is not there yet.
pub(super) fn add(headers: &mut HeaderMap, may_hold_credentials: bool, https_only: bool) {
    let mut add = |name: HeaderName, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::REFERRER_POLICY, "no-referrer");
    add(header::X_FRAME_OPTIONS, "DENY");
    add(header::CONTENT_SECURITY_POLICY, DATA);
    if may_hold_credentials {
        add(header::CACHE_CONTROL, "no-store");
    }
    if https_only {
        add(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
}
