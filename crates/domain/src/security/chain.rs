//! What chains the entries of the security log.

use engine::model::Revision;
use sha2::{Digest, Sha256};

use super::SecurityNote;
use crate::id::Id;
use crate::log::Hash;

/// The hash of an entry: SHA-256 over, in this order,
///
/// | bytes | what |
/// |---|---|
/// | 32 | the hash before; zeros for the first |
/// | 8 | revision, big-endian |
/// | 8 + 8 | first and last time in whole milliseconds UTC, big-endian, signed |
/// | 8 | count, big-endian |
/// | 16 | id of the actor; zeros for none |
/// | 4 + n | kind: length in bytes, big-endian, then UTF-8 |
/// | 4 + n | address as text: likewise; empty for none |
/// | 4 + n | subject: likewise |
/// | 4 + n | detail: likewise |
///
/// This layout never changes.
pub fn link_security(previous: &Hash, revision: Revision, note: &SecurityNote) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(revision.to_be_bytes());
    hasher.update(note.at.as_millis().to_be_bytes());
    hasher.update(note.last_at.as_millis().to_be_bytes());
    hasher.update(note.count.to_be_bytes());
    hasher.update(note.actor.unwrap_or(Id::NIL).as_bytes());
    let address = note.address.map(|address| address.to_string()).unwrap_or_default();
    for text in [&note.kind, &address, &note.subject, &note.detail] {
        // Texts are bounded where they are noted; nothing comes near.
        hasher.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::link_security;
    use crate::id::Id;
    use crate::security::SecurityNote;
    use crate::time::Timestamp;

    /// The vector of `docs/audit-log.md`, made there with other tools.
    #[test]
    fn a_link_hashes_to_its_vector() {
        let note = SecurityNote {
            at: Timestamp::from_millis(1_767_225_600_123),
            last_at: Timestamp::from_millis(1_767_225_660_123),
            count: 3,
            kind: "sign_in_failed".to_owned(),
            actor: Some(Id::new(Uuid::from_u128(2))),
            address: Some([203, 0, 113, 7].into()),
            subject: "jo@example.com".to_owned(),
            detail: String::new(),
        };
        assert_eq!(hex::encode(link_security(&[0xAB; 32], 7, &note)), VECTOR);
    }

    const VECTOR: &str = "2eb467ae3654ec68c0773cc807078051a7a18b3fe3cb52c9a8f0595bd1dec2af";
}
