//! A name for each request, so that an answer is found in the log.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::ports::Ids;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Where a request brings its name, and is told it.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// No name is longer, in characters.
const LONGEST: usize = 128;

/// Names for requests that bring none: the same beginning for all of this process, by chance, and a number. No secrets,
/// and no system is asked for chance each time.
pub(super) struct Names {
    beginning: String,
    next: AtomicU64,
}

impl Names {
    pub(super) fn new(ids: &dyn Ids) -> Self {
        Self { beginning: hex::encode(&ids.secret()[..8]), next: AtomicU64::new(1) }
    }

    /// The name that a request brings, or a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        match headers.get(REQUEST_ID).filter(|id| is_harmless(id.as_bytes())) {
            Some(id) => id.clone(),
            None => self.next(),
        }
    }

    fn next(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number:x}", self.beginning);
        HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("unnamed"))
    }
}

/// As it is logged.
pub(super) fn text(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
}

/// What could forge no line of a log, and fits one.
fn is_harmless(id: &[u8]) -> bool {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_a_line_of_a_log_is_not_taken() {
        for good in ["a", "0190a6e0-0000-7000-8000-000000000001", "A.b_c-9", &"x".repeat(128)] {
            assert!(is_harmless(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\tb", "a\nb", "a=b", "\u{1b}[31m", "é", &"x".repeat(129)] {
            assert!(!is_harmless(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn no_two_requests_have_one_name_unless_they_bring_it() {
        let names = Names { beginning: "0123456789abcdef".to_owned(), next: AtomicU64::new(255) };
        let brought = |id: &'static str| HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(id))]);
        assert_eq!(names.of(&HeaderMap::new()), "0123456789abcdef-ff");
        assert_eq!(names.of(&brought("mine")), "mine");
        assert_eq!(names.of(&brought("not mine")), "0123456789abcdef-100");
    }
}
