//! Keys by which applications read environments.

mod change;
mod input;
mod manage;
mod origin;

use engine::model::Revision;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::id::Id;
use crate::log::Entity;
use crate::secret::SecretKind;
use crate::time::Timestamp;

pub use change::RotatedSdkKey;
pub use manage::{MadeSdkKey, NewSdkKey, Wanted};
pub(crate) use manage::{creation, given, made};
pub use origin::{ANY_ORIGIN, Origins};

/// What names all environments of a project, those to come included.
const ALL: &str = "*";

/// No key is longer, in bytes; a text that is opens nothing.
pub const MOST_SECRET: usize = 512;

/// What the holder of a key may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SdkKeyKind {
    /// Rules and targets: for programs that we run ourselves.
    Server,
    /// Results of client-visible flags alone: for browsers and phones, where anyone can read the key.
    Client,
    /// What a server key sees, in several environments: for an edge, which answers applications in our place.
    Edge,
}

impl SdkKeyKind {
    const ALL: [Self; 3] = [Self::Server, Self::Client, Self::Edge];

    /// Its name in answers and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Edge => "edge",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What a key of this kind looks like.
    pub fn secret(self) -> SecretKind {
        match self {
            Self::Server => SecretKind::ServerKey,
            Self::Client => SecretKind::ClientKey,
            Self::Edge => SecretKind::EdgeKey,
        }
    }
}

impl Serialize for SdkKeyKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Which environments of its project a key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// These, by id, sorted and each once; a key that is not an edge's has one.
    Environments(Vec<Id>),
    /// All of them, those that are made later included.
    Project,
}

impl Reach {
    /// Of one environment.
    pub fn of(environment: &Environment) -> Self {
        Self::Environments(vec![environment.id])
    }

    /// Whether it names this environment, and not merely all of them.
    pub fn names(&self, environment: Id) -> bool {
        matches!(self, Self::Environments(ids) if ids.contains(&environment))
    }

    /// Those of a project's environments that it opens.
    pub fn among<'e>(&self, environments: &'e [Environment]) -> impl Iterator<Item = &'e Environment> {
        environments.iter().filter(move |environment| match self {
            Self::Project => true,
            Self::Environments(ids) => ids.contains(&environment.id),
        })
    }

    /// As documents have it: keys of environments, or `["*"]`.
    fn told(&self, environments: &[Environment]) -> Vec<String> {
        match self {
            Self::Project => vec![ALL.to_owned()],
            Self::Environments(_) => {
                self.among(environments).map(|environment| environment.key.to_string()).collect()
            }
        }
    }
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It opens what it opens.
    InForce,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl KeyState {
    const ALL: [Self; 3] = [Self::InForce, Self::Expired, Self::Revoked];

    /// Its name in answers and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A key. The secret itself is shown once and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdkKey {
    /// Its id, which is no secret.
    pub id: Id,
    /// The project it belongs to.
    pub project_id: Id,
    /// What it opens.
    pub reach: Reach,
    /// What people call it.
    pub name: String,
    /// What people should know of it.
    pub description: String,
    /// What its holder may see.
    pub kind: SdkKeyKind,
    /// Which pages may use it; only a client key has any.
    pub origins: Origins,
    /// The first characters of a key that Burgee made; empty for one that was given to it.
    pub hint: String,
    /// SHA-256 of the key, in lower-case hex.
    pub hash: String,
    /// Revision of the last change to it.
    pub version: Revision,
    /// Who made it.
    pub created_by: Id,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// From when on it is refused by itself.
    pub expires_at: Option<Timestamp>,
    /// The minute in which it last opened something, as far as that was written down. No part of what a change says.
    pub last_used_at: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
    /// The key that came in its place.
    pub replaced_by: Option<Id>,
}

impl SdkKey {
    /// Where it is in its life.
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            KeyState::Expired
        } else {
            KeyState::InForce
        }
    }

    fn entity(&self) -> Entity {
        Entity { kind: "sdk_key".to_owned(), id: self.id, key: self.name.clone() }
    }

    /// As the log keeps it: without what the log entry itself says.
    fn for_log(&self, environments: &[Environment]) -> Value {
        json!({
            "name": self.name, "description": self.description, "kind": self.kind,
            "environments": self.reach.told(environments), "origins": self.origins, "hint": self.hint,
            "expires_at": self.expires_at, "replaced_by": self.replaced_by,
        })
    }
}

/// A key as people see it.
#[derive(Debug, Serialize)]
pub struct ShownSdkKey {
    id: Id,
    name: String,
    description: String,
    kind: SdkKeyKind,
    environments: Vec<String>,
    origins: Origins,
    hint: String,
    #[serde(serialize_with = "state_name")]
    state: KeyState,
    version: Revision,
    created_by: Id,
    created_at: Timestamp,
    updated_at: Timestamp,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    replaced_by: Option<Id>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn state_name<S: Serializer>(state: &KeyState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.name())
}

impl ShownSdkKey {
    fn of(key: &SdkKey, environments: &[Environment], now: Timestamp) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            description: key.description.clone(),
            kind: key.kind,
            environments: key.reach.told(environments),
            origins: key.origins.clone(),
            hint: key.hint.clone(),
            state: key.state(now),
            version: key.version,
            created_by: key.created_by,
            created_at: key.created_at,
            updated_at: key.updated_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            replaced_by: key.replaced_by,
        }
    }

    /// Changes whenever the key does, and never comes back; that it was used is no change.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// Where it stands in lists: when it was made, and its id.
    pub fn place(&self) -> (Timestamp, Id) {
        (self.created_at, self.id)
    }
}
