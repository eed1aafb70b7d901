//! A name for each request, so that an answer is found in the log.

use axum::extract::Request;
use domain::ports::{Clock, Ids};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Where it is brought, and told.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// None that is brought is longer, in characters.
const LONGEST: usize = 128;

/// The one that is brought, if it is harmless wherever it is written; else a new one.
pub(super) fn of(request: &Request, clock: &dyn Clock, ids: &dyn Ids) -> String {
    let brought = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    match brought.filter(|id| is_harmless(id)) {
        Some(id) => id.to_owned(),
        None => ids.id(clock.now()).to_string(),
    }
}

/// Says it to who asked.
pub(super) fn tell(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
}

fn is_harmless(id: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_of_a_log_is_not_taken() {
        for good in ["a", "0190a6e0-0000-7000-8000-000000000001", "A.b_c-9", &"x".repeat(128)] {
            assert!(is_harmless(good), "{good}");
        }
        for bad in ["", "a b", "a\tb", "a\nb", "a=b", "\u{1b}[31m", "é", &"x".repeat(129)] {
            assert!(!is_harmless(bad), "{bad}");
        }
    }
}
