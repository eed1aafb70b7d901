//! What a browser keeps for us, sealed: it cannot read it, change it, or use what is meant for something else.
//!
//! So a sign-in under way costs this server no memory, and may end on another node than it began on. Sealed with
//! AES-256-GCM under a key that is made, with a salt of its own, from the key that signs session tokens: revoking that
//! one refuses what was sealed as well.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::control::Control;
use domain::error::{Error, Result};
use domain::id::Id;
use domain::ports::Ids;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, Salt};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of chance that each text is sealed with, which stand before it.
const SALT: usize = 32;
/// No cookie of ours is longer, in bytes; what is longer is none of ours.
const MOST: usize = 4_000;

/// Seals a value for one purpose.
pub(super) async fn seal(
    control: &Control,
    ids: &dyn Ids,
    purpose: &str,
    value: &impl Serialize,
) -> Result<String> {
    let internal = |cause: &str| Error::Internal(cause.to_owned().into());
    let key = control.sealing_key(purpose, None).await?;
    let (id, key) = key.ok_or_else(|| internal("there is no signing key"))?;
    let mut text = serde_json::to_vec(value).map_err(|error| Error::Internal(error.into()))?;
    let salt = ids.secret();
    cipher(&key, &salt)
        .and_then(|cipher| cipher.seal_in_place_append_tag(nonce(), Aad::empty(), &mut text))
        .map_err(|_| internal("a cookie could not be sealed"))?;
    Ok(format!("{id}.{}", URL_SAFE_NO_PAD.encode([&salt, text.as_slice()].concat())))
}

/// The value that was sealed for this purpose; `None` if it was not, or by a key that counts no more.
pub(super) async fn open<T: DeserializeOwned>(
    control: &Control,
    purpose: &str,
    sealed: &str,
) -> Result<Option<T>> {
    let Some((id, bytes)) = parts(sealed) else { return Ok(None) };
    let key = control.sealing_key(purpose, Some(id)).await?;
    Ok(key.and_then(|(_, key)| unseal(&key, &bytes)))
}

fn parts(sealed: &str) -> Option<(Id, Vec<u8>)> {
    let (id, text) = sealed.split_once('.').filter(|_| sealed.len() <= MOST)?;
    Some((id.parse().ok()?, URL_SAFE_NO_PAD.decode(text).ok()?))
}

fn unseal<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Option<T> {
    let (salt, text) = bytes.split_at_checked(SALT)?;
    let mut text = text.to_vec();
    let text = cipher(key, salt).and_then(|cipher| cipher.open_in_place(nonce(), Aad::empty(), &mut text));
    serde_json::from_slice(text.ok()?).ok()
}

fn cipher(key: &[u8], salt: &[u8]) -> Result<LessSafeKey, Unspecified> {
    let root = Salt::new(HKDF_SHA256, salt).extract(key);
    root.expand(&[b"sealed"], &AES_256_GCM).map(|key| LessSafeKey::new(UnboundKey::from(key)))
}

/// Always the same: a salt, and so what is made from it, seals one text only.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}
