//! Asking a provider: bounded in time and size, and nowhere but where it should go.

use std::net::IpAddr;

use http::StatusCode;
use reqwest::{RequestBuilder, Url};
use serde_json::Value;
use tokio::time::{Duration, timeout};

/// No answer of a provider takes longer, from the first byte that is sent to the last that is read.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer is larger, in bytes: a set of a hundred keys with their certificates fits.
const MOST_BYTES: usize = 512 << 10;

/// Why a provider gave no proof.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It does not answer, or not as providers do; later it may.
    Unavailable(String),
    /// It answered, and what was brought proves nobody.
    Refused(String),
}

/// A place where a provider may be asked. `plain` lets it be on this machine without TLS.
pub(super) fn endpoint(text: &str, plain: bool) -> Result<Url, Fault> {
    let wrong = |why: &str| Fault::Unavailable(format!("the endpoint {text:?} {why}"));
    let url: Url = text.parse().map_err(|_| wrong("is no URL"))?;
    let is_safe = url.scheme() == "https" || (plain && url.scheme() == "http" && is_loopback(&url));
    if !is_safe {
        return Err(wrong("is not https"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(wrong("has what no endpoint has"));
    }
    Ok(url)
}

/// Whether an address is this machine's.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The status and the JSON of an answer.
pub(super) async fn ask(request: RequestBuilder) -> Result<(StatusCode, Value), Fault> {
    let asked = timeout(PATIENCE, read(request)).await;
    let late = |_| Fault::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()));
    asked.map_err(late)?
}

async fn read(request: RequestBuilder) -> Result<(StatusCode, Value), Fault> {
    let failed = |error: reqwest::Error| Fault::Unavailable(causes(&error.without_url()));
    let mut answer = request.header("accept", "application/json").send().await.map_err(failed)?;
    let status = answer.status();
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        if bytes.len() + piece.len() > MOST_BYTES {
            return Err(Fault::Unavailable(format!("an answer of more than {MOST_BYTES} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    let read = serde_json::from_slice(&bytes);
    read.map(|value| (status, value))
        .map_err(|_| Fault::Unavailable(format!("the answer {status} is not JSON")))
}

/// An error with what led to it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn a_provider_is_asked_by_https_or_on_this_machine() {
        for good in
            ["https://id.example.com/token", "https://id.example.com:8443/a?b=c", "https://127.0.0.1/t"]
        {
            assert!(endpoint(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.com/token",
            "http://127.0.0.1/token",
            "file:///etc/passwd",
            "https://u:p@id.example.com/",
        ] {
            assert!(endpoint(bad, false).is_err(), "{bad}");
        }
        for good in ["http://127.0.0.1:3000/token", "http://localhost/token", "http://[::1]:1/token"] {
            assert!(endpoint(good, true).is_ok(), "{good}");
        }
        for bad in ["http://169.254.169.254/latest", "http://localhost.example.com/", "http://10.0.0.1/"] {
            assert!(endpoint(bad, true).is_err(), "{bad}");
        }
    }
}
