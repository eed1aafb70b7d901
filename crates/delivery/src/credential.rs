//! The key that a request brings.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// Our own header for keys.
pub(crate) const SDK_KEY: &str = "x-sdk-key";
/// OFREP's header for keys.
pub(crate) const API_KEY: &str = "x-api-key";

/// No key is longer, in bytes: one that is lets nobody in, and is not looked up.
const MOST_KEY: usize = 512;
/// How long an id is, in characters: a UUID's text.
const ID: usize = 36;

/// A key as it was brought. Whether it lets anyone in can be asked again. Not to be shown, in a log or elsewhere.
pub(crate) struct Credential<'r> {
    pub(crate) key: Cow<'r, str>,
    /// The id that was sent along, which must be the key's.
    pub(crate) id: Option<String>,
    pub(crate) form: Form,
}

/// What a request brings, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A key where it should be.
    Key,
    /// A key in the URL, where logs and histories keep it.
    KeyInUrl,
    /// A ticket in the URL, in the place of a key.
    Ticket,
}

impl<'r> Credential<'r> {
    /// The key in a request's headers and, where a stream is asked for, `?key=` or `?ticket=` in its URL: `EventSource`
    /// can send no headers. All places that have one must have the same: it would be chance which of two counts.
    pub(crate) fn of(headers: &'r HeaderMap, url: Option<&Uri>) -> Result<Self, Problem> {
        if headers.get_all(header::AUTHORIZATION).into_iter().nth(1).is_some() {
            return Err(Problem::several_authorizations());
        }
        let plain = [SDK_KEY, API_KEY].into_iter().flat_map(|name| headers.get_all(name));
        let plain = plain.map(|value| Ok(text(value)?.map(Self::of_header)));
        let authorized = headers.get(header::AUTHORIZATION).into_iter();
        let authorized = authorized.map(|value| Ok(text(value)?.and_then(authorization)));
        let query = url.and_then(Uri::query).unwrap_or_default().split('&');
        let in_url = query.filter_map(|pair| match pair.split_once('=')? {
            ("key", text) => Some(in_url(text, Form::KeyInUrl)),
            ("ticket", text) => Some(in_url(text, Form::Ticket)),
            _ => None,
        });
        let mut found: Option<Self> = None;
        for credential in plain.chain(authorized).chain(in_url) {
            let Some(credential) = credential? else { continue };
            found = Some(match found {
                None => credential,
                Some(found) => found.agree(credential)?,
            });
        }
        let credential = found.ok_or_else(Problem::missing_key)?;
        if credential.key.len() > MOST_KEY { Err(Problem::unknown_key()) } else { Ok(credential) }
    }

    /// The same, for longer than the request lasts.
    pub(crate) fn into_owned(self) -> Credential<'static> {
        Credential { key: self.key.into_owned().into(), id: self.id, form: self.form }
    }

    fn of_header(key: &'r str) -> Self {
        Self { key: key.into(), id: None, form: Form::Key }
    }

    /// One of two that say the same.
    fn agree(self, other: Self) -> Result<Self, Problem> {
        let is_ticket = |credential: &Self| credential.form == Form::Ticket;
        if self.key != other.key || is_ticket(&self) != is_ticket(&other) {
            return Err(Problem::conflicting_keys());
        }
        let id = match (self.id, other.id) {
            (Some(one), Some(other)) if one != other => return Err(Problem::conflicting_keys()),
            (one, other) => one.or(other),
        };
        let form = if self.form == Form::Key { other.form } else { self.form };
        Ok(Self { key: self.key, id, form })
    }
}

/// The text of a header; none if it is empty. What is no text is no key of anybody's.
fn text(value: &HeaderValue) -> Result<Option<&str>, Problem> {
    let text = value.to_str().map_err(|_| Problem::unknown_key())?.trim();
    Ok((!text.is_empty()).then_some(text))
}

/// `Bearer KEY`, or `Basic` with the id of a key for a user and the key for a password. A user that is no id is
/// somebody else's, as of a proxy in between.
fn authorization(value: &str) -> Option<Credential<'_>> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if rest.is_empty() {
        None
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Some(Credential::of_header(rest))
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (id, key) = pair.split_once(':')?;
        is_id(id).then(|| Credential {
            key: key.to_owned().into(),
            id: Some(id.to_ascii_lowercase()),
            form: Form::Key,
        })
    } else {
        None
    }
}

/// Whether a text has the form of a UUID.
fn is_id(text: &str) -> bool {
    let is_right = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == ID && text.bytes().enumerate().all(is_right)
}

fn in_url<'r>(text: &str, form: Form) -> Result<Option<Credential<'r>>, Problem> {
    let key = percent_decode_str(text).decode_utf8().map_err(|_| Problem::unknown_key())?;
    Ok((!key.is_empty()).then(|| Credential { key: key.into_owned().into(), id: None, form }))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const ID: &str = "0190a6e0-0000-7000-8000-000000000001";

    fn of(headers: &[(&'static str, &str)], uri: &str) -> Result<(String, Option<String>, bool), String> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let headers = all;
        match Credential::of(&headers, Some(&uri.parse().unwrap())) {
            Ok(Credential { key, id, form }) => Ok((key.into_owned(), id, form != Form::Key)),
            Err(problem) => Err(problem.document().code.to_owned()),
        }
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn a_key_may_come_in_any_of_its_places() {
        let header = Ok(("k1".to_owned(), None, false));
        let url = Ok(("k 2/".to_owned(), None, true));
        let missing = Err("missing_key".to_owned());
        assert_eq!(of(&[("x-sdk-key", "k1")], "/"), header);
        assert_eq!(of(&[("x-api-key", " k1 ")], "/"), header);
        assert_eq!(of(&[("authorization", "Bearer k1")], "/"), header);
        assert_eq!(of(&[("authorization", "bearer   k1")], "/"), header);
        assert_eq!(of(&[("x-sdk-key", ""), ("authorization", "Bearer k1")], "/"), header);
        assert_eq!(of(&[("authorization", "Bearer ")], "/"), missing);
        assert_eq!(of(&[("authorization", "Digest k1")], "/"), missing);
        assert_eq!(of(&[], "/?a=b&key=k%202%2F"), url);
        assert_eq!(of(&[], "/?monkey=k"), missing);
        assert_eq!(of(&[], "/?key="), missing);
        assert_eq!(of(&[], "/"), missing);
    }

    #[test]
    fn an_id_may_be_sent_along() {
        let both = |id: &str| Ok(("k1".to_owned(), Some(id.to_owned()), false));
        assert_eq!(of(&[("authorization", &basic(&format!("{ID}:k1")))], "/"), both(ID));
        let upper = ID.to_ascii_uppercase();
        assert_eq!(of(&[("authorization", &basic(&format!("{upper}:k1")))], "/"), both(ID));
        // Another's user, or nothing that reads: no key of ours.
        for value in [basic("admin:k1"), basic(ID), basic(""), "Basic k1".to_owned(), "Basic %%%".to_owned()]
        {
            assert_eq!(of(&[("authorization", &value)], "/"), Err("missing_key".to_owned()), "{value}");
        }
    }

    #[test]
    fn keys_that_disagree_are_refused() {
        let conflict = Err("conflicting_keys".to_owned());
        let all = [("authorization", "Bearer a"), ("x-api-key", "a"), ("x-sdk-key", "a")];
        assert_eq!(of(&all, "/"), Ok(("a".to_owned(), None, false)));
        assert_eq!(of(&all, "/?key=a"), Ok(("a".to_owned(), None, true)), "a URL that has it has it");
        assert_eq!(of(&all, "/?key=b"), conflict);
        assert_eq!(of(&[], "/?key=a&key=b"), conflict);
        assert_eq!(of(&[("x-api-key", "a"), ("x-sdk-key", "b")], "/"), conflict);
        assert_eq!(of(&[("x-api-key", "a"), ("x-api-key", "b")], "/"), conflict);
        assert_eq!(of(&[("x-api-key", "a"), ("authorization", "Bearer b")], "/"), conflict);
        let one = basic(&format!("{ID}:a"));
        assert_eq!(of(&[("x-api-key", "a"), ("authorization", &one)], "/").unwrap().1.as_deref(), Some(ID));
    }

    #[test]
    fn a_ticket_comes_in_the_url_and_alone() {
        let of_uri =
            |uri: &str| Credential::of(&HeaderMap::new(), Some(&uri.parse().unwrap())).map(|it| it.form);
        assert_eq!(of_uri("/?ticket=t").ok(), Some(Form::Ticket));
        assert_eq!(of_uri("/?ticket=t&ticket=t").ok(), Some(Form::Ticket));
        assert_eq!(of_uri("/?ticket=&key=k").ok(), Some(Form::KeyInUrl));
        let conflict = Err("conflicting_keys".to_owned());
        for uri in ["/?ticket=a&ticket=b", "/?ticket=a&key=a", "/?key=a&ticket=b"] {
            assert_eq!(of(&[], uri), conflict, "{uri}");
        }
        assert_eq!(of(&[("x-sdk-key", "a")], "/?ticket=a"), conflict);
    }

    #[test]
    fn two_authorizations_are_refused_even_if_they_are_the_same() {
        let several = Err("several_credentials".to_owned());
        for (one, other) in [("Bearer a", "Bearer a"), ("Bearer a", "Bearer b"), ("Basic x", "Bearer a")] {
            assert_eq!(of(&[("authorization", one), ("authorization", other)], "/"), several);
        }
    }

    /// What a header may hold: any bytes, or nearly a key.
    fn values() -> impl Strategy<Value = Vec<u8>> {
        let bytes =
            vec(any::<u8>().prop_filter("no header has it", |byte| *byte >= 32 && *byte != 127), 0..80);
        let schemes = (select(vec!["Bearer ", "basic ", "Basic ", "BEARER", ""]), "[ -~]{0,40}");
        prop_oneof![
            bytes,
            schemes.prop_map(|(scheme, rest)| format!("{scheme}{rest}").into_bytes()),
            vec(any::<u8>(), 0..60).prop_map(|pair| format!("Basic {}", STANDARD.encode(pair)).into_bytes()),
        ]
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_key_of_its_own_or_none(
            sent in vec((select(vec!["x-sdk-key", "x-api-key", "authorization"]), values()), 0..4),
        ) {
            let headers = sent.iter().map(|(name, value)| {
                (name.parse().unwrap(), HeaderValue::from_bytes(value).unwrap())
            }).collect();
            if let Ok(found) = Credential::of(&headers, None) {
                prop_assert!(found.form == Form::Key && found.key.len() <= MOST_KEY);
                let decoded = |value: &[u8]| {
                    let rest = value.iter().position(|byte| *byte == b' ').map_or(value, |at| &value[at..]);
                    STANDARD.decode(rest.trim_ascii()).unwrap_or_default()
                };
                let holds = |whole: &[u8]| whole.ends_with(found.key.as_bytes());
                let has_it = sent.iter().any(|(_, value)| holds(value.trim_ascii()) || holds(&decoded(value)));
                prop_assert!(has_it, "{:?} was not sent", found.key);
            }
        }

        #[test]
        fn a_key_is_the_same_wherever_it_is_sent(one in "[!-~]{1,60}", other in "[!-~]{1,60}") {
            let bearer = |key: &str| format!("Bearer {key}");
            let read = Ok((one.clone(), None, false));
            prop_assert_eq!(&of(&[("x-sdk-key", &one)], "/"), &read);
            prop_assert_eq!(&of(&[("authorization", &bearer(&one)), ("x-api-key", &one)], "/"), &read);
            let basic = basic(&format!("{ID}:{one}"));
            prop_assert_eq!(of(&[("authorization", &basic)], "/"), Ok((one.clone(), Some(ID.to_owned()), false)));
            let both = of(&[("x-sdk-key", &one), ("authorization", &bearer(&other))], "/");
            prop_assert_eq!(both.is_ok(), one == other);
        }
    }

    #[test]
    fn what_can_be_no_key_is_not_looked_up() {
        let unknown = Err("unknown_key".to_owned());
        assert_eq!(of(&[("x-sdk-key", "kéy")], "/"), unknown);
        assert_eq!(of(&[("x-sdk-key", "a\tb")], "/").unwrap().0, "a\tb", "a tab is text");
        assert_eq!(of(&[], "/?key=%ff"), unknown);
        assert_eq!(of(&[("x-sdk-key", &"k".repeat(MOST_KEY + 1))], "/"), unknown);
        assert!(of(&[("x-sdk-key", &"k".repeat(MOST_KEY))], "/").is_ok());
    }
}
