//! Origins of pages, as browsers write them (RFC 6454): scheme, host, and the port unless it is the scheme's own.

use engine::json::{At, Violations};
use serde::Serialize;

/// What stands for any page.
pub const ANY_ORIGIN: &str = "*";
/// No key names more origins.
const MOST: usize = 50;
/// No origin is longer, in bytes: a host has 253 at most.
const LONGEST: usize = 300;

/// Which pages may use a key: those of these origins. None, or [`ANY_ORIGIN`], means any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Any page, said so.
    pub fn any() -> Self {
        Self(vec![ANY_ORIGIN.to_owned()])
    }

    /// As they were read from where they are kept.
    pub fn kept(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// The origins, in lower case; empty or [`ANY_ORIGIN`] for any.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether nothing was said of pages.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a page of any origin may.
    pub fn allow_any(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|origin| origin == ANY_ORIGIN)
    }

    /// Reads a list; `null` empties it.
    pub(super) fn read(at: At<'_>, violations: &mut Violations) -> Self {
        if at.is_null() {
            return Self::default();
        }
        let Some(list) = at.list(violations, MOST) else { return Self::default() };
        let mut origins = Vec::with_capacity(list.len());
        for (index, element) in list.iter().enumerate() {
            let at = at.index(index, element);
            match at.text(violations).map(parse) {
                Some(Ok(origin)) if !origins.contains(&origin) => origins.push(origin),
                Some(Err(fault)) => at.fault(violations, fault),
                _ => {}
            }
        }
        if origins.len() > 1 && origins.iter().any(|origin| origin == ANY_ORIGIN) {
            at.fault(violations, "\"*\" means any origin and stands alone");
        }
        Self(origins)
    }
}

/// An origin as browsers write it, or what is wrong with it.
fn parse(text: &str) -> Result<String, &'static str> {
    const SHAPE: &str =
        "must be an origin such as https://shop.example or http://localhost:3000, or \"*\" alone";
    if text == ANY_ORIGIN {
        return Ok(text.to_owned());
    }
    let origin = text.to_ascii_lowercase();
    let (scheme, rest) = origin.split_once("://").ok_or(SHAPE)?;
    if rest.contains('*') {
        return Err("has a \"*\" in it; name each origin, or \"*\" alone for any");
    }
    if rest.contains(['/', '?', '#', '@']) {
        return Err("has more than scheme, host and port; an origin has no path and no slash at its end");
    }
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char));
    let (host, port) = split_port(rest);
    let is_host = !host.is_empty() && host.chars().all(|char| char.is_ascii_graphic());
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !(is_scheme && is_host && is_port) || origin.len() > LONGEST {
        return Err(SHAPE);
    }
    // Browsers leave out what the scheme says.
    let usual = matches!((scheme, port), ("http", Some("80")) | ("https", Some("443")));
    Ok(if usual { format!("{scheme}://{host}") } else { origin })
}

/// Host and port; the colons within brackets are those of an address.
fn split_port(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (text, origin) in [
            ("https://shop.example", "https://shop.example"),
            ("HTTPS://Shop.Example:443", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://shop.example:80", "http://shop.example"),
            ("https://shop.example:80", "https://shop.example:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("*", "*"),
        ] {
            assert_eq!(parse(text), Ok(origin.to_owned()));
        }
        for none in [
            "",
            "null",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://shop.example/a",
            "https://*.example",
            "https://me@shop.example",
            "https://shop.example:",
            "https://shop.example:0",
            "https://shop.example:99999",
            "https://shöp.example",
            "1https://x",
            "https://a b",
            "https://a\r\nb",
        ] {
            assert!(parse(none).is_err(), "{none:?}");
        }
        assert!(parse(&format!("https://{}", "a".repeat(300))).is_err());
    }
}
