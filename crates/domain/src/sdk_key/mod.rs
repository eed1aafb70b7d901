//! Keys by which applications read an environment.

mod manage;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::id::Id;
use crate::secret::SecretKind;
use crate::time::Timestamp;

pub use manage::{MadeSdkKey, NewSdkKey};
pub(crate) use manage::{creation, given, made};

/// What the holder of a key may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SdkKeyKind {
    /// Rules and targets: for programs that we run ourselves.
    Server,
    /// Results of client-visible flags alone: for browsers and phones, where anyone can read the key.
    Client,
}

impl SdkKeyKind {
    /// Its name in answers and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Server, Self::Client].into_iter().find(|kind| kind.name() == name)
    }

    /// What a key of this kind looks like.
    pub fn secret(self) -> SecretKind {
        match self {
            Self::Server => SecretKind::ServerKey,
            Self::Client => SecretKind::ClientKey,
        }
    }
}

impl Serialize for SdkKeyKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A key bound to one environment. The secret itself is shown once and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdkKey {
    /// Its id.
    pub id: Id,
    /// The project it belongs to.
    pub project_id: Id,
    /// The environment it reads.
    pub environment_id: Id,
    /// What people call it.
    pub name: String,
    /// What its holder may see.
    pub kind: SdkKeyKind,
    /// The first characters of a key that Burgee made; empty for one that was given to it.
    pub hint: String,
    /// SHA-256 of the key, in lower-case hex.
    pub hash: String,
    /// Who made it.
    pub created_by: Id,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
}

impl Serialize for SdkKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut key = serializer.serialize_struct("SdkKey", 9)?;
        key.serialize_field("id", &self.id)?;
        key.serialize_field("environment_id", &self.environment_id)?;
        key.serialize_field("name", &self.name)?;
        key.serialize_field("kind", &self.kind)?;
        key.serialize_field("hint", &self.hint)?;
        key.serialize_field("created_by", &self.created_by)?;
        key.serialize_field("created_at", &self.created_at)?;
        // All that can happen to a key is to be revoked.
        key.serialize_field("updated_at", &self.revoked_at.unwrap_or(self.created_at))?;
        key.serialize_field("revoked_at", &self.revoked_at)?;
        key.end()
    }
}
