//! The local profile's guard: only this machine's own names and pages may ask.
//!
//! A page from anywhere can make a browser send requests to `127.0.0.1`, and by DNS rebinding even read the
//! answers; but it cannot make the browser call us `localhost`, nor lie about its origin.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri, header};

use crate::problem::Problem;

/// Refuses requests whose `Host` or `Origin` is not loopback.
pub(crate) async fn require_loopback(request: Request, next: Next) -> Response {
    match check(request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Fails if the request's `Host` or `Origin` is not loopback.
pub(crate) fn check(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if host.is_none_or(is_here) && origin.is_none_or(is_loopback) {
        return Ok(());
    }
    let message = "this Burgee runs in the local profile and answers only to localhost; \
                   start it with BURGEE_PROFILE=production to serve others";
    Err(Problem::new(StatusCode::FORBIDDEN, "not_loopback", message))
}

/// Whether a `Host` is this machine. Its usual names are known without taking them apart.
fn is_here(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let is_usual =
        matches!(name, "localhost" | "127.0.0.1") && port.bytes().all(|byte| byte.is_ascii_digit());
    is_usual || is_loopback(&format!("http://{host}"))
}

fn is_loopback(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{is_here, is_loopback};

    #[test]
    fn a_host_is_this_machine_only_if_all_of_it_is() {
        for good in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "127.0.0.2", "LOCALHOST:80"]
        {
            assert!(is_here(good), "{good}");
        }
        for bad in ["localhost:80@evil.example", "evil.example:80", "", "localhost.evil:1"] {
            assert!(!is_here(bad), "{bad}");
        }
    }

    #[test]
    fn knows_this_machine_by_its_names() {
        for good in [
            "http://localhost:8080",
            "http://127.0.0.1",
            "http://127.9.9.9:1",
            "http://[::1]:8080",
            "https://LocalHost",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "http://evil.example",
            "http://localhost.evil.example",
            "http://10.0.0.1",
            "null",
            "",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
