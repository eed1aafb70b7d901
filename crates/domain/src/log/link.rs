//! What chains the entries of the log: a hash over each and the one before it.

use engine::model::Revision;
use sha2::{Digest, Sha256};

use super::{Chain, Change, Entity, LogEntry};
use crate::id::Id;
use crate::time::Timestamp;

/// SHA-256.
pub type Hash = [u8; 32];

/// SHA-256 of each text of a change; all zeros where there was none. Kept beside the texts, so that a text can
/// be redacted without breaking the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    /// Of the text before.
    pub before: Hash,
    /// Of the text after.
    pub after: Hash,
    /// Of the comment.
    pub comment: Hash,
}

impl Texts {
    /// Hashes the texts.
    pub fn of(before: Option<&str>, after: Option<&str>, comment: Option<&str>) -> Self {
        let hash = |text: Option<&str>| text.map_or([0; 32], |text| Sha256::digest(text).into());
        Self { before: hash(before), after: hash(after), comment: hash(comment) }
    }
}

/// What a link of the chain is made of, besides the hash before it.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The chain.
    pub chain: Chain,
    /// The place in it.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Id,
    /// From where.
    pub source: &'a str,
    /// What.
    pub action: &'a str,
    /// Upon what.
    pub entities: &'a [Entity],
    /// The texts' hashes.
    pub texts: Texts,
}

impl<'a> Link<'a> {
    /// The link that a change becomes at a revision.
    pub fn of(change: &'a Change, revision: Revision) -> Self {
        Self {
            chain: change.chain,
            revision,
            at: change.at,
            actor: change.actor,
            source: &change.source,
            action: change.action,
            entities: &change.entities,
            texts: Texts::of(change.before.as_deref(), change.after.as_deref(), change.comment.as_deref()),
        }
    }
}

impl<'a> From<&'a LogEntry> for Link<'a> {
    fn from(entry: &'a LogEntry) -> Self {
        Self {
            chain: entry.chain,
            revision: entry.revision,
            at: entry.at,
            actor: entry.actor,
            source: &entry.source,
            action: &entry.action,
            entities: &entry.entities,
            texts: entry.texts,
        }
    }
}

/// The hash of a link: SHA-256 over, in this order,
///
/// | bytes | what |
/// |---|---|
/// | 32 | the hash before; zeros for the first |
/// | 16 | id of the project; zeros for the instance |
/// | 8 | revision, big-endian |
/// | 8 | time in whole milliseconds UTC, big-endian, signed |
/// | 16 | id of the actor |
/// | 4 + n | source: length in bytes, big-endian, then UTF-8 |
/// | 4 + n | action: likewise |
/// | 4 + 16 n | entities: how many, big-endian, then the id of each |
/// | 3 × 32 | SHA-256 of before, after and comment; zeros for one that is absent |
///
/// This layout never changes: chains of years ago must still verify.
pub fn link(previous: &Hash, link: &Link<'_>) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(link.chain.id().as_bytes());
    hasher.update(link.revision.to_be_bytes());
    hasher.update(link.at.as_millis().to_be_bytes());
    hasher.update(link.actor.as_bytes());
    for text in [link.source, link.action] {
        hasher.update(length(text.len()));
        hasher.update(text);
    }
    hasher.update(length(link.entities.len()));
    for entity in link.entities {
        hasher.update(entity.id.as_bytes());
    }
    hasher.update(link.texts.before);
    hasher.update(link.texts.after);
    hasher.update(link.texts.comment);
    hasher.finalize().into()
}

/// Sources and actions are words and entities a handful; nothing comes near the bound.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Link, Texts, link};
    use crate::id::Id;
    use crate::log::{Chain, Entity};
    use crate::time::Timestamp;

    fn id(number: u128) -> Id {
        Id::new(Uuid::from_u128(number))
    }

    /// The vector of `docs/audit-log.md`, made there with other tools.
    #[test]
    fn a_link_hashes_to_its_vector() {
        let entities = [
            Entity { kind: "flag".to_owned(), id: id(3), key: "new-checkout".to_owned() },
            Entity { kind: "environment".to_owned(), id: id(4), key: "production".to_owned() },
        ];
        let entry = Link {
            chain: Chain::Project(id(1)),
            revision: 7,
            at: Timestamp::from_millis(1_767_225_600_123),
            actor: id(2),
            source: "api",
            action: "toggle_flag",
            entities: &entities,
            texts: Texts::of(Some(r#"{"enabled":false}"#), Some(r#"{"enabled":true}"#), None),
        };
        assert_eq!(hex::encode(link(&[0xAB; 32], &entry)), VECTOR);
    }

    const VECTOR: &str = "62d815769e6f894858a0aaf223f9eb8f9a5a91bd631092fe7f18f9c723d9447b";

    #[test]
    fn an_absent_text_is_not_an_empty_one() {
        assert_ne!(Texts::of(None, None, None), Texts::of(None, None, Some("")));
    }
}
