//! Secrets that Burgee makes: long, random, told by their prefix, and checked by their last digits, so that people and
//! leak scanners can tell one from any other text without asking anyone.
//!
//! `PREFIX` + 48 hex digits (192 random bits) + 8 hex digits: the first four bytes of the SHA-256 of all before them.

use sha2::{Digest, Sha256};

use crate::ports::Ids;

/// What a secret opens, which is what it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// An application that reads rules.
    ServerKey,
    /// A browser or a phone.
    ClientKey,
    /// An edge.
    EdgeKey,
    /// A person's script.
    PersonalToken,
    /// A program with an account of its own.
    ServiceToken,
    /// Exchanged for a session token, once.
    RefreshToken,
    /// Makes the first admin, once.
    SetupToken,
    /// Sets a new password, once.
    ResetToken,
}

/// How many characters of a secret stay readable, prefix included.
const HINT: usize = 12;
/// How many characters those of a family share, prefix included.
const FAMILY: usize = 20;

impl SecretKind {
    const ALL: [Self; 8] = [
        Self::ServerKey,
        Self::ClientKey,
        Self::EdgeKey,
        Self::PersonalToken,
        Self::ServiceToken,
        Self::RefreshToken,
        Self::SetupToken,
        Self::ResetToken,
    ];

    /// What a secret of this kind begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ServerKey => "bgs_",
            Self::ClientKey => "bgc_",
            Self::EdgeKey => "bge_",
            Self::PersonalToken => "bgp_",
            Self::ServiceToken => "bga_",
            Self::RefreshToken => "bgr_",
            Self::SetupToken => "bgi_",
            Self::ResetToken => "bgw_",
        }
    }

    /// The kind of a text that has the shape and the checksum of a secret. It says nothing of whether it opens anything.
    pub fn of(text: &str) -> Option<Self> {
        let kind = Self::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
        let (body, check) = text.split_at_checked(kind.prefix().len() + 48)?;
        (check == checksum(body)).then_some(kind)
    }
}

/// Whether a text has the beginning and the length of a secret that Burgee makes, so that its checksum must be right.
/// A text of another length may be a secret that people chose.
pub fn looks_made(text: &str) -> bool {
    SecretKind::ALL
        .into_iter()
        .any(|kind| text.starts_with(kind.prefix()) && text.len() == kind.prefix().len() + 56)
}

/// A secret as it is made. It is shown once; what is kept is its hash.
pub struct Secret {
    /// All of it.
    pub text: String,
    /// Its first characters, for people to tell it by.
    pub hint: String,
    /// What it is kept as; see [`hash_secret`].
    pub hash: String,
}

impl Secret {
    /// Makes one.
    pub fn make(kind: SecretKind, ids: &dyn Ids) -> Self {
        let random = ids.secret();
        let body = format!("{}{}", kind.prefix(), hex::encode(&random[..24]));
        let text = format!("{body}{}", checksum(&body));
        Self { hint: body[..HINT].to_owned(), hash: hash_secret(&text), text }
    }
}

impl Secret {
    /// Makes one whose first 16 digits are those of a family (8 random bytes in lower-case hex), so that it is known as
    /// one of it though another has taken its place. 128 random bits are left.
    pub fn of_family(kind: SecretKind, family: &str, ids: &dyn Ids) -> Self {
        let body = format!("{}{family}{}", kind.prefix(), hex::encode(&ids.secret()[..16]));
        let text = format!("{body}{}", checksum(&body));
        Self { hint: kind.prefix().to_owned(), hash: hash_secret(&text), text }
    }
}

/// What the secrets of a family have in common: the prefix and the first 16 digits.
pub fn family_of(text: &str) -> Option<&str> {
    text.get(..FAMILY)
}

fn checksum(body: &str) -> String {
    let mut hash = hash_secret(body);
    hash.truncate(8);
    hash
}

/// How secrets are kept: SHA-256, in lower-case hex. They are long and random, unlike passwords, so nothing slower is
/// needed.
pub fn hash_secret(secret: &str) -> String {
    hex::encode(digest_secret(secret))
}

/// The same as bytes.
pub fn digest_secret(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::SecretKind;

    #[test]
    fn a_secret_is_told_by_its_prefix_and_checksum() {
        // Made with another tool: printf "bgs_%048d" 0 | sha256sum.
        let text = format!("bgs_{}{CHECK}", "0".repeat(48));
        assert_eq!(SecretKind::of(&text), Some(SecretKind::ServerKey));
        assert_eq!(SecretKind::of(&text.replace("bgs_", "bgc_")), None);
        assert_eq!(SecretKind::of(&text[..30]), None);
        assert_eq!(SecretKind::of("bgs_äöü"), None);
    }

    const CHECK: &str = "2c19d441";
}
