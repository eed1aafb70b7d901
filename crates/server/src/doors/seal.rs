//! Answers that are kept for who asks again, sealed: they may show a secret that is kept nowhere else.
//!
//! The seal is made from the idempotency key, which is not kept, and where a secret may be asked or answered from the
//! credential that came with it, which is not kept either. So a copy of the database opens no such answer, and says
//! nothing of what was asked: a body may hold a password. A key that the store holds would not do: who has a copy has it
//! too, and many an idempotency key can be guessed. Elsewhere (flags, segments and alike, of which the store says all
//! in plain anyway) the account is enough, so that its answers come back whatever token it brings.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::{hkdf, hmac};
use serde::{Deserialize, Serialize};

/// Bytes of chance that each answer is sealed with, which stand before it.
const SALT: usize = 32;
/// What of an answer's head is given again.
const HEADERS: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::ETAG,
    header::LINK,
    header::LOCATION,
    header::CACHE_CONTROL,
    HeaderName::from_static("x-total-count"),
];

/// What holds no secret, neither in what is asked nor in what is answered, by the first part of its path. What is not
/// named here is sealed with the credential: to forget one spills nothing.
const WITHOUT_SECRETS: [&str; 9] =
    ["audit", "context-fields", "environments", "flags", "grants", "projects", "roles", "segments", "teams"];

/// Whether the route, as it is written, holds no secret.
pub(super) fn is_without_secrets(route: &str) -> bool {
    let Some(path) = route.strip_prefix("/api/v1/") else { return false };
    let path = path.strip_prefix("projects/{project}/").unwrap_or(path);
    WITHOUT_SECRETS.contains(&path.split('/').next().unwrap_or_default())
}

/// What seals, and opens, one caller's answers under one key.
#[derive(Clone)]
pub(super) struct Seal {
    /// A credential, or the id of an account.
    who: String,
    key: String,
}

/// An answer's head as it is kept; its body follows after a line feed.
#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    /// In the order of [`HEADERS`].
    headers: Vec<Option<String>>,
}

impl Seal {
    pub(super) fn new(who: &str, key: &str) -> Self {
        Self { who: who.to_owned(), key: key.to_owned() }
    }

    /// Tells what was asked from anything else, in hexadecimal digits.
    pub(super) fn fingerprint(&self, method: &Method, uri: &Uri, body: &[u8]) -> Result<String, Unspecified> {
        let key = self.root(&[]).expand(&[b"fingerprint"], hmac::HMAC_SHA256).map(hmac::Key::from)?;
        let mut asked = hmac::Context::with_key(&key);
        let uri = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        // Neither has a line feed in it.
        for part in [method.as_str(), "\n", uri, "\n"] {
            asked.update(part.as_bytes());
        }
        asked.update(body);
        Ok(hex::encode(asked.sign()))
    }

    /// An answer as it is kept.
    pub(super) fn seal(&self, salt: [u8; SALT], head: &Parts, body: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut text = serde_json::to_vec(&Head::of(head)).map_err(|_| Unspecified)?;
        text.push(b'\n');
        text.extend_from_slice(body);
        self.cipher(&salt)?.seal_in_place_append_tag(nonce(), Aad::empty(), &mut text)?;
        Ok([&salt, text.as_slice()].concat())
    }

    /// The answer again.
    pub(super) fn open(&self, sealed: &[u8]) -> Result<Response, Unspecified> {
        let (salt, text) = sealed.split_at_checked(SALT).ok_or(Unspecified)?;
        let mut text = text.to_vec();
        let text = self.cipher(salt)?.open_in_place(nonce(), Aad::empty(), &mut text)?;
        let end = text.iter().position(|byte| *byte == b'\n').ok_or(Unspecified)?;
        let head: Head = serde_json::from_slice(&text[..end]).map_err(|_| Unspecified)?;
        let mut response = Response::new(Body::from(Bytes::copy_from_slice(&text[end + 1..])));
        *response.status_mut() = StatusCode::from_u16(head.status).map_err(|_| Unspecified)?;
        for (name, value) in HEADERS.iter().zip(head.headers) {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    }

    fn root(&self, salt: &[u8]) -> hkdf::Prk {
        // Who it is says how long that is, so that no other pair reads alike.
        let secret = format!("{} {} {}", self.who.len(), self.who, self.key);
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret.as_bytes())
    }

    fn cipher(&self, salt: &[u8]) -> Result<LessSafeKey, Unspecified> {
        self.root(salt).expand(&[b"answer"], &AES_256_GCM).map(|key| LessSafeKey::new(UnboundKey::from(key)))
    }
}

/// Always the same: a salt, and so what is made from it, seals one answer only.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

impl Head {
    fn of(head: &Parts) -> Self {
        let value = |name: &HeaderName| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        Self { status: head.status.as_u16(), headers: HEADERS.iter().map(value).collect() }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    const SECRET: &str = "bgs_shown_once";

    fn sealed(seal: &Seal) -> Vec<u8> {
        let answer = Response::builder().status(201).header("etag", "\"7\"").header("x-other", "1").body(());
        seal.seal([9; SALT], &answer.unwrap().into_parts().0, SECRET.as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_comes_back_to_whom_it_was_given() {
        let answer = Seal::new("token", "k1").open(&sealed(&Seal::new("token", "k1"))).unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers().get("etag").unwrap(), "\"7\"");
        assert!(answer.headers().get("x-other").is_none());
        assert_eq!(to_bytes(answer.into_body(), 100).await.unwrap(), SECRET);
    }

    #[test]
    fn nobody_else_opens_it() {
        let kept = sealed(&Seal::new("token", "k1"));
        assert!(!String::from_utf8_lossy(&kept).contains("shown"));
        for other in [Seal::new("token", "k2"), Seal::new("other", "k1"), Seal::new("token k1", "")] {
            assert!(other.open(&kept).is_err());
        }
        for at in 0..kept.len() {
            let mut bent = kept.clone();
            bent[at] ^= 1;
            assert!(Seal::new("token", "k1").open(&bent).is_err(), "byte {at}");
        }
        assert!(Seal::new("token", "k1").open(&kept[..SALT - 1]).is_err());
    }

    #[test]
    fn what_may_hold_a_secret_is_not_named() {
        for route in [
            "/api/v1/flags/{key}/toggle",
            "/api/v1/projects/{project}/segments",
            "/api/v1/projects",
            "/api/v1/projects/{project}",
        ] {
            assert!(is_without_secrets(route), "{route}");
        }
        for route in [
            "/api/v1/sdk-keys",
            "/api/v1/projects/{project}/sdk-keys/{id}/rotate",
            "/api/v1/service-accounts/{id}/tokens",
            "/auth/tokens",
            "/auth/users",
            "/setup",
            "",
        ] {
            assert!(!is_without_secrets(route), "{route}");
        }
    }

    #[test]
    fn a_fingerprint_tells_what_was_asked() {
        let of = |seal: &Seal, method: Method, uri: &'static str, body: &[u8]| {
            seal.fingerprint(&method, &Uri::from_static(uri), body).unwrap()
        };
        let seal = Seal::new("token", "k1");
        let asked = of(&seal, Method::POST, "/a?b=c", b"{}");
        assert_eq!(asked, of(&seal, Method::POST, "/a?b=c", b"{}"));
        for other in [
            of(&seal, Method::PUT, "/a?b=c", b"{}"),
            of(&seal, Method::POST, "/a?b=d", b"{}"),
            of(&seal, Method::POST, "/a?b=c", b"{ }"),
            of(&Seal::new("token", "k2"), Method::POST, "/a?b=c", b"{}"),
            of(&Seal::new("other", "k1"), Method::POST, "/a?b=c", b"{}"),
        ] {
            assert_ne!(asked, other);
        }
    }
}
