//! Teams: people who look after something together, and hold the same.

mod manage;
mod owns;
mod undo;

use engine::model::Revision;
use serde::Serialize;

use crate::id::Id;
use crate::key::Key;
use crate::time::Timestamp;

pub use manage::Membership;
pub use owns::{FlagsOwned, Owns};

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Team {
    /// Its id.
    pub id: Id,
    /// Its key, unique on the instance.
    pub key: Key,
    /// What people read.
    pub name: String,
    /// What people should know of it.
    pub description: String,
    /// Revision, on the instance's chain, of its last change; who is in it counts as well.
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Someone in a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The account.
    pub id: Id,
    /// Its e-mail, or a service account's name.
    pub email: String,
    /// What people read.
    pub name: String,
}

/// How many flags of a project somebody looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFlags {
    /// The project.
    pub project_id: Id,
    /// Its key.
    pub project: Key,
    /// How many.
    pub flags: u64,
}

/// A flag that somebody looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFlag {
    /// The project's key.
    pub project: Key,
    /// Its own.
    pub flag: Key,
}

impl Team {
    /// What a flag that it looks after has for its owner begins so; the team's key follows.
    pub const OWNER: &str = "team:";

    /// What a flag that it looks after has for its owner.
    pub fn owner(&self) -> String {
        format!("{}{}", Self::OWNER, self.key)
    }

    /// Its tag, as `ETag` and `If-Match` have it.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}
