//! The one log: every change is a value, takes one revision, and is chained to the one before it.

use engine::model::Revision;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::account::{AccessToken, Account, SigningKey};
use crate::context_field::ContextField;
use crate::environment::Environment;
use crate::flag::{Config, Flag};
use crate::id::Id;
use crate::key::Key;
use crate::sdk_key::SdkKey;
use crate::segment::{Segment, SegmentConfig};
use crate::time::Timestamp;

/// SHA-256.
pub type Hash = [u8; 32];

/// A row of changes, each chained to the one before: one for each project, and the instance's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// Accounts, credentials and projects.
    Instance,
    /// What belongs to one project.
    Project(Id),
}

impl Chain {
    /// The project's id; all zeros for the instance.
    pub fn id(self) -> Id {
        match self {
            Self::Instance => Id::NIL,
            Self::Project(id) => id,
        }
    }

    /// The chain of an id.
    pub fn from_id(id: Id) -> Self {
        if id == Id::NIL { Self::Instance } else { Self::Project(id) }
    }
}

/// Something that a change was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Entity {
    /// What it is, as a noun: `flag`.
    pub kind: String,
    /// Its id.
    pub id: Id,
    /// Its key, or what stands for one; kept because the entity may be gone.
    pub key: String,
}

impl Entity {
    /// A flag.
    pub fn flag(flag: &Flag) -> Self {
        Self { kind: "flag".to_owned(), id: flag.id, key: flag.key.to_string() }
    }

    /// A segment.
    pub fn segment(segment: &Segment) -> Self {
        Self { kind: "segment".to_owned(), id: segment.id, key: segment.key.to_string() }
    }

    /// A context field.
    pub fn context_field(field: &ContextField) -> Self {
        Self { kind: "context_field".to_owned(), id: field.id, key: field.key.to_string() }
    }

    /// An environment.
    pub fn environment(environment: &Environment) -> Self {
        Self { kind: "environment".to_owned(), id: environment.id, key: environment.key.to_string() }
    }
}

/// A change, before it is committed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The chain it goes to.
    pub chain: Chain,
    /// When it was asked for.
    pub at: Timestamp,
    /// The account that asked; [`Id::NIL`] is the program itself.
    pub actor: Id,
    /// The door it came by, such as `api`.
    pub source: String,
    /// What was done, such as `toggle_flag`.
    pub action: &'static str,
    /// What it was about; the first is the subject.
    pub entities: Vec<Entity>,
    /// JSON text of what was there, without secrets; exactly what is hashed.
    pub before: Option<String>,
    /// JSON text of what is there now.
    pub after: Option<String>,
    /// Why, in the words of who asked.
    pub comment: Option<String>,
    /// The version of each entity that it was decided upon. One that has moved on refuses the change.
    pub reads: Vec<ReadVersion>,
    /// What is written, in order. Versions in it are replaced by the change's own revision.
    pub writes: Vec<Write>,
}

/// A version that a change relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadVersion {
    /// Of a flag's definition.
    Flag {
        /// The flag.
        id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of a flag's config.
    Config {
        /// The flag.
        flag_id: Id,
        /// The environment.
        environment_id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of a segment's definition.
    Segment {
        /// The segment.
        id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of a segment's config.
    SegmentConfig {
        /// The segment.
        segment_id: Id,
        /// The environment.
        environment_id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of a context field.
    ContextField {
        /// The field.
        id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of an environment.
    Environment {
        /// The environment.
        id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of what refers to what in the project: [`crate::ports::Store::dependencies_version`].
    Dependencies {
        /// The version when it was read, before any of the things that refer to one another.
        version: Revision,
    },
}

/// One row that a change writes.
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes a project, and the chain that its own changes go to.
    CreateProject {
        /// Its id.
        id: Id,
        /// Its key; must be free.
        key: Key,
        /// What people read.
        name: String,
    },
    /// Makes an environment; its key must be free in the project.
    CreateEnvironment(Environment),
    /// Replaces what people see of an environment.
    UpdateEnvironment(Environment),
    /// Removes an environment with its configs and SDK keys.
    DeleteEnvironment {
        /// The environment.
        id: Id,
    },
    /// Gives an environment that has none a config of every flag of the project.
    FillFlags {
        /// The environment.
        environment_id: Id,
        /// Whose configs they are made of.
        from: Id,
        /// Whether they begin disabled and empty, and not as they are there.
        resting: bool,
        /// When they were made.
        at: Timestamp,
    },
    /// Makes a flag; its key must be free in the project.
    CreateFlag(Flag),
    /// Replaces a flag's definition.
    UpdateFlag(Flag),
    /// Removes a flag and its configs.
    DeleteFlag {
        /// The flag.
        id: Id,
        /// Its key, which readers know it by.
        key: Key,
    },
    /// Makes a flag's config in an environment.
    CreateConfig(Config),
    /// Replaces a flag's config in an environment.
    UpdateConfig(Config),
    /// Makes a key for applications; its hash must be new.
    CreateSdkKey(SdkKey),
    /// Refuses a key from now on; one that is refused already makes the change stale.
    RevokeSdkKey {
        /// The key.
        id: Id,
        /// Since when.
        at: Timestamp,
    },
    /// Makes an account; its e-mail must be free.
    CreateAccount(Account),
    /// Gives an account a credential; its hash must be new.
    CreateAccessToken(AccessToken),
    /// Adds a key that signs session tokens.
    CreateSigningKey(SigningKey),
    /// Makes a segment; its key must be free in the project.
    CreateSegment(Segment),
    /// Replaces a segment's definition.
    UpdateSegment(Segment),
    /// Removes a segment and its configs.
    DeleteSegment {
        /// The segment.
        id: Id,
        /// Its key, which readers know it by.
        key: Key,
    },
    /// Makes a segment's config in an environment. A list that it names must be there, or the change is stale.
    CreateSegmentConfig(SegmentConfig),
    /// Replaces a segment's config in an environment, likewise.
    UpdateSegmentConfig(SegmentConfig),
    /// Gives an environment that has none a config of every segment of the project.
    FillSegments {
        /// The environment.
        environment_id: Id,
        /// Whose configs are copied; without one they hold nobody.
        from: Option<Id>,
        /// When they were made.
        at: Timestamp,
    },
    /// Makes a context field; its key must be free in the project.
    CreateContextField(ContextField),
    /// Replaces a context field, and so the context list of its key, everywhere.
    UpdateContextField(ContextField),
    /// Removes a context field and the context list of its key.
    DeleteContextField {
        /// The field.
        id: Id,
        /// Its key, which readers know the list by.
        key: Key,
    },
    /// What refers to what in the project has changed: which prerequisites, segments or lists something names, or
    /// which flags, segments, lists and environments there are. Such a change must also read the version
    /// ([`ReadVersion::Dependencies`]), or two writers together make a cycle or name what is gone.
    TouchDependencies,
}

/// A committed change, as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its chain.
    pub chain: Chain,
    /// Its place in the chain, from 1 without gaps.
    pub revision: Revision,
    /// See [`Change::at`].
    pub at: Timestamp,
    /// See [`Change::actor`].
    pub actor: Id,
    /// See [`Change::source`].
    pub source: String,
    /// See [`Change::action`].
    pub action: String,
    /// See [`Change::entities`].
    pub entities: Vec<Entity>,
    /// See [`Change::before`]; `None` as well when it was redacted.
    pub before: Option<String>,
    /// See [`Change::after`]; `None` as well when it was redacted.
    pub after: Option<String>,
    /// See [`Change::comment`]; `None` as well when it was redacted.
    pub comment: Option<String>,
    /// Hashes of the three texts.
    pub texts: Texts,
    /// [`link`] over all of it and the hash before.
    pub hash: Hash,
}

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

    use super::{Chain, Entity, Link, Texts, link};
    use crate::id::Id;
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
