//! Cookies that scripts cannot read.

use http::{HeaderMap, HeaderValue, header};

/// How this server's cookies are called and set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookies {
    /// Whether people come by HTTPS: then browsers send them by HTTPS alone, and no other host, not even a subdomain,
    /// can set them (`__Host-`).
    pub(crate) secure: bool,
}

impl Cookies {
    fn name(self, name: &str) -> String {
        format!("{}{name}", if self.secure { "__Host-" } else { "" })
    }

    /// The header that sets one for so many seconds. `same_site` is `Lax` or `Strict`.
    pub(crate) fn set(self, name: &str, value: &str, seconds: i64, same_site: &str) -> Option<HeaderValue> {
        let name = self.name(name);
        let secure = if self.secure { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}");
        HeaderValue::try_from(text).ok()
    }

    /// The header that takes one away.
    pub(crate) fn clear(self, name: &str) -> Option<HeaderValue> {
        self.set(name, "", 0, "Lax")
    }
}

/// A cookie's value. One that comes twice was set by two, of which one is not us: then there is none.
pub(crate) fn take<'a>(headers: &'a HeaderMap, cookies: Cookies, name: &str) -> Option<&'a str> {
    let name = cookies.name(name);
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|all| all.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(own, _)| *own == name).map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_once_or_not_at_all() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, HeaderValue::from_static(value));
            }
            headers
        };
        let plain = Cookies { secure: false };
        assert_eq!(take(&headers(&["a=1; b=2; ab=3"]), plain, "b"), Some("2"));
        assert_eq!(take(&headers(&["a=1", "b=2"]), plain, "b"), Some("2"));
        assert_eq!(take(&headers(&["b=1; b=2"]), plain, "b"), None);
        assert_eq!(take(&headers(&["b=1", "b=2"]), plain, "b"), None);
        assert_eq!(take(&headers(&["b=1; __Host-b=2"]), Cookies { secure: true }, "b"), Some("2"));
        assert_eq!(take(&headers(&["b=1"]), Cookies { secure: true }, "b"), None);
    }
}
