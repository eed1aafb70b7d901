//! A sign-in under way, and what comes of it, as the browser keeps them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::control::Control;
use domain::error::Result;
use domain::ports::Ids;
use domain::time::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::sealed::{open, seal};

/// No path to go on to is longer, in bytes: it stands in a cookie.
const MOST_PATH: usize = 1_024;

/// What must be the same when somebody comes back from a provider.
#[derive(Serialize, Deserialize)]
pub(crate) struct Flow {
    /// The provider's key.
    pub(crate) provider: String,
    /// What comes back in the address.
    pub(crate) state: String,
    /// What comes back in the ID token.
    pub(crate) nonce: String,
    /// What only we know, and whose digest the provider was shown (RFC 7636).
    pub(crate) verifier: String,
    /// Where to go on.
    pub(crate) return_to: String,
    /// In seconds.
    expires_at: i64,
}

impl Flow {
    /// The cookie that keeps it. Sent when the provider's page leads back, so it cannot be stricter than `Lax`.
    pub(crate) const COOKIE: &str = "burgee_oidc";
    /// How long somebody may take at the provider, in seconds.
    pub(crate) const SECONDS: i64 = 600;
    const PURPOSE: &str = "burgee oidc sign-in under way";

    pub(crate) fn begin(provider: &str, return_to: String, ids: &dyn Ids, now: Timestamp) -> Self {
        let chance = || URL_SAFE_NO_PAD.encode(ids.secret());
        Self {
            provider: provider.to_owned(),
            state: chance(),
            nonce: chance(),
            verifier: chance(),
            return_to,
            expires_at: now.as_seconds() + Self::SECONDS,
        }
    }

    /// The verifier's digest (S256).
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }

    /// Whether it is this one that a provider answers.
    pub(crate) fn is_answered_by(&self, provider: &str, state: &str, now: Timestamp) -> bool {
        let same = bool::from(self.state.as_bytes().ct_eq(state.as_bytes()));
        same && self.provider == provider && now.as_seconds() < self.expires_at
    }

    pub(crate) async fn seal(&self, control: &Control, ids: &dyn Ids) -> Result<String> {
        seal(control, ids, Self::PURPOSE, self).await
    }

    pub(crate) async fn open(control: &Control, sealed: &str) -> Result<Option<Self>> {
        open(control, Self::PURPOSE, sealed).await
    }
}

/// A session that was opened while a browser was led on, for the page that it is led to. A refresh token is good once,
/// so what is in here is as well.
#[derive(Serialize, Deserialize)]
pub(crate) struct Handoff {
    refresh_token: String,
    /// In seconds.
    expires_at: i64,
}

impl Handoff {
    /// The cookie that keeps it. Only pages of this server make a browser send it.
    pub(crate) const COOKIE: &str = "burgee_signed_in";
    /// How long the page may take to ask for it, in seconds.
    pub(crate) const SECONDS: i64 = 60;
    const PURPOSE: &str = "burgee oidc session to be fetched";

    pub(crate) fn new(refresh_token: String, now: Timestamp) -> Self {
        Self { refresh_token, expires_at: now.as_seconds() + Self::SECONDS }
    }

    pub(crate) async fn seal(&self, control: &Control, ids: &dyn Ids) -> Result<String> {
        seal(control, ids, Self::PURPOSE, self).await
    }

    /// The refresh token, in its time.
    pub(crate) async fn open(control: &Control, sealed: &str, now: Timestamp) -> Result<Option<String>> {
        let handoff: Option<Self> = open(control, Self::PURPOSE, sealed).await?;
        Ok(handoff
            .filter(|handoff| now.as_seconds() < handoff.expires_at)
            .map(|handoff| handoff.refresh_token))
    }
}

/// Whether a path leads nowhere but into this server: `/flags?x=1`, and neither `//elsewhere` nor `/\elsewhere`, which
/// browsers take for another host.
pub(crate) fn is_local_path(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && bytes.next() != Some(b'/')
        && path.len() <= MOST_PATH
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::is_local_path;

    #[test]
    fn nobody_is_led_elsewhere() {
        for good in ["/", "/flags", "/flags?a=b&c=%2F", "/a//b", "/flags#top"] {
            assert!(is_local_path(good), "{good}");
        }
        for bad in [
            "",
            "flags",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/a b",
            "/a\r\nset-cookie: a=b",
            "/caf\u{e9}",
        ] {
            assert!(!is_local_path(bad), "{bad}");
        }
    }
}
