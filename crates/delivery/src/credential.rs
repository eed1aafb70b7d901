//! The key that a request brings.

use axum::http::{HeaderMap, Uri, header};
use percent_encoding::percent_decode_str;

use crate::ports::{Gate, KeyKind, Reader};
use crate::problem::Problem;

/// Our own header for keys.
pub(crate) const SDK_KEY: &str = "x-sdk-key";
/// OFREP's header for keys.
pub(crate) const API_KEY: &str = "x-api-key";

/// A key as it was brought. Whether it lets anyone in can be asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    key: String,
    is_in_url: bool,
}

impl Credential {
    /// The key in a request's headers, or else, for `EventSource`, which cannot send any, `?key=` in its URL.
    pub(crate) fn of_stream(headers: &HeaderMap, uri: &Uri) -> Result<Self, Problem> {
        let in_header = key(headers).map(|key| Self { key: key.to_owned(), is_in_url: false });
        let in_url = || key_in_url(uri).map(|key| Self { key, is_in_url: true });
        in_header.or_else(in_url).ok_or_else(Problem::missing_key)
    }

    /// Whom it lets in. In a URL, where logs and histories keep it, only a key that is public anyway does.
    pub(crate) async fn open(&self, gate: &dyn Gate) -> Result<Reader, Problem> {
        let reader = gate.open(&self.key).await.ok_or_else(Problem::unknown_key)?;
        if self.is_in_url && reader.kind == KeyKind::Server {
            return Err(Problem::server_key_in_url());
        }
        Ok(reader)
    }
}

/// Whom the key in a request's headers lets in.
pub(crate) async fn open(gate: &dyn Gate, headers: &HeaderMap) -> Result<Reader, Problem> {
    let key = key(headers).ok_or_else(Problem::missing_key)?;
    gate.open(key).await.ok_or_else(Problem::unknown_key)
}

fn key(headers: &HeaderMap) -> Option<&str> {
    let plain = |name: &str| headers.get(name)?.to_str().ok().map(str::trim).filter(|key| !key.is_empty());
    plain(SDK_KEY)
        .or_else(|| plain(API_KEY))
        .or_else(|| plain(header::AUTHORIZATION.as_str()).and_then(bearer))
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, key) = authorization.split_once(' ')?;
    Some(key.trim()).filter(|key| scheme.eq_ignore_ascii_case("bearer") && !key.is_empty())
}

fn key_in_url(uri: &Uri) -> Option<String> {
    let key = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    percent_decode_str(key).decode_utf8().ok().map(String::from).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(headers: &[(&'static str, &'static str)], uri: &str) -> Option<(String, bool)> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        let credential = Credential::of_stream(&headers, &uri.parse().unwrap()).ok()?;
        Some((credential.key, credential.is_in_url))
    }

    #[test]
    fn a_key_may_come_in_any_of_its_places() {
        let header = Some(("k1".to_owned(), false));
        let url = Some(("k 2/".to_owned(), true));
        assert_eq!(of(&[("x-sdk-key", "k1")], "/"), header);
        assert_eq!(of(&[("x-api-key", " k1 ")], "/"), header);
        assert_eq!(of(&[("authorization", "Bearer k1")], "/"), header);
        assert_eq!(of(&[("authorization", "bearer   k1")], "/"), header);
        assert_eq!(of(&[("authorization", "Basic k1")], "/"), None);
        assert_eq!(of(&[("authorization", "Bearer ")], "/"), None);
        assert_eq!(of(&[], "/?a=b&key=k%202%2F"), url);
        assert_eq!(of(&[], "/?monkey=k"), None);
        assert_eq!(of(&[], "/?key="), None);
        assert_eq!(of(&[], "/"), None);
    }

    #[test]
    fn the_first_place_that_has_one_counts() {
        let all = [("authorization", "Bearer c"), ("x-api-key", "b"), ("x-sdk-key", "a")];
        assert_eq!(of(&all, "/?key=d"), Some(("a".to_owned(), false)));
        assert_eq!(of(&all[..2], "/?key=d"), Some(("b".to_owned(), false)));
        assert_eq!(of(&all[..1], "/?key=d"), Some(("c".to_owned(), false)));
        assert_eq!(of(&[("x-sdk-key", "")], "/?key=d"), Some(("d".to_owned(), true)));
    }
}
