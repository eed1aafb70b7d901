//! What a request brings to prove who asks: read here for everything that looks at it before, beside or after the
//! handlers. What applications bring is read by `delivery`.

use std::borrow::Cow;

use domain::error::Error;
use http::{HeaderMap, HeaderName, Uri, header};

/// A header of its own for access tokens, beside `Authorization`.
const ADMIN_KEY: HeaderName = HeaderName::from_static("x-admin-api-key");
/// Headers that carry credentials, on either plane.
const CREDENTIALS: [HeaderName; 4] = [
    ADMIN_KEY,
    HeaderName::from_static("x-sdk-key"),
    HeaderName::from_static("x-api-key"),
    header::AUTHORIZATION,
];

const SEVERAL: Error = Error::Unauthenticated {
    code: "several_credentials",
    message: "several credentials came, and only one of them can be meant; send one, as Authorization: Bearer <token> \
              or X-Admin-API-Key",
};

/// The token of a person or a script: `X-Admin-API-Key`, or `Authorization: Bearer`; `None` if there is none. It would be
/// chance which of several counts, so they are refused, but for the same one in both headers.
pub(crate) fn token(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let key = only(headers, &ADMIN_KEY)?;
    let authorization = only(headers, &header::AUTHORIZATION)?;
    let bearer = authorization.and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match (key, bearer.map(|(_, token)| token.trim())) {
        (Some(key), Some(token)) if key != token => Err(SEVERAL),
        (key, token) => Ok(key.or(token)),
    }
}

/// The text of the one header of this name. What is no text is no credential of anybody's.
fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r str>, Error> {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(SEVERAL);
    }
    Ok(value.and_then(|value| value.to_str().ok()))
}

/// Which routes a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Plane {
    /// People and scripts.
    Control,
    /// Applications.
    Delivery,
}

/// The credential itself, however it was sent, if there is exactly one.
pub(crate) fn secret<'r>(plane: Plane, headers: &'r HeaderMap, uri: &Uri) -> Option<Cow<'r, str>> {
    match plane {
        Plane::Control => token(headers).ok().flatten().map(Cow::Borrowed),
        Plane::Delivery => delivery::key_of(headers, uri),
    }
}

/// The headers of a request that carry credentials: cheap to keep, for the texts are shared.
pub(crate) fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in CREDENTIALS {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn all(sent: &[(&'static str, &[u8])]) -> Result<Option<String>, Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        token(&headers).map(|token| token.map(str::to_owned))
    }

    fn of(name: &'static str, value: &[u8]) -> Option<String> {
        all(&[(name, value)]).unwrap()
    }

    #[test]
    fn of_several_credentials_none_counts() {
        let several = [
            vec![("authorization", "Bearer a"), ("authorization", "Bearer b")],
            vec![("authorization", "Bearer a"), ("authorization", "Bearer a")],
            vec![("authorization", "Basic a"), ("authorization", "Bearer a")],
            vec![("x-admin-api-key", "a"), ("x-admin-api-key", "a")],
            vec![("x-admin-api-key", "a"), ("authorization", "Bearer b")],
        ];
        for sent in several {
            let sent: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let refused = all(&sent);
            assert!(
                matches!(refused, Err(Error::Unauthenticated { code: "several_credentials", .. })),
                "{sent:?}: {refused:?}"
            );
        }
        let same: [(_, &[u8]); 2] = [("x-admin-api-key", b"a"), ("authorization", b"bearer  a")];
        assert_eq!(all(&same).unwrap().as_deref(), Some("a"));
        let proxy: [(_, &[u8]); 2] = [("x-admin-api-key", b"a"), ("authorization", b"Basic dTpw")];
        assert_eq!(all(&proxy).unwrap().as_deref(), Some("a"), "of a proxy in between");
    }

    proptest! {
        #[test]
        fn a_token_is_what_was_sent_after_bearer(scheme in "[A-Za-z]{0,8}|[Bb][Ee][Aa][Rr][Ee][Rr]", token in "[!-~]{1,60}") {
            let read = of("authorization", format!("{scheme} {token}").as_bytes());
            prop_assert_eq!(read, scheme.eq_ignore_ascii_case("bearer").then_some(token));
        }

        #[test]
        fn whatever_comes_is_read_or_none(bytes in "\\PC{0,60}") {
            if let Some(token) = of("authorization", bytes.as_bytes()) {
                prop_assert!(bytes.is_ascii() && bytes.trim_end().ends_with(&token));
            }
            prop_assert_eq!(of("x-admin-api-key", bytes.as_bytes()).is_some(), bytes.is_ascii());
        }
    }
}
