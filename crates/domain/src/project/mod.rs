//! Projects: flags, segments, context fields, environments and keys live in one.

mod manage;
mod remove;
mod undo;

use engine::model::Revision;
use serde::{Serialize, Serializer};

use crate::comment::CommentRule;
use crate::id::Id;
use crate::key::Key;
use crate::time::Timestamp;

pub(crate) use manage::first_environments;
pub use remove::DeletedProject;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Project {
    /// Its id, which is also that of its chain.
    pub id: Id,
    /// Its key, unique on the instance.
    pub key: Key,
    /// What people read.
    pub name: String,
    /// What people should know of it.
    pub description: String,
    /// The team that looks after it, told by its key.
    pub team: Option<OwningTeam>,
    /// Which of its changes must say why.
    pub comment_required: CommentRule,
    /// Revision, on its own chain, of the last change of what stands here; 0 before the first.
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A team that looks after something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwningTeam {
    /// Its id.
    pub id: Id,
    /// Its key, which never changes.
    pub key: Key,
}

impl Serialize for OwningTeam {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.key.serialize(serializer)
    }
}

impl Project {
    /// A project that nobody looks after yet.
    pub fn new(id: Id, key: Key, name: &str, now: Timestamp) -> Self {
        Self {
            id,
            key,
            name: name.to_owned(),
            description: String::new(),
            team: None,
            comment_required: CommentRule::None,
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }

    /// The id of the team that looks after it.
    pub fn team_id(&self) -> Option<Id> {
        self.team.as_ref().map(|team| team.id)
    }

    /// Its tag, as `ETag` and `If-Match` have it. Chains begin anew with each project, so it names the project, too.
    pub fn etag(&self) -> String {
        format!("\"{}.{}\"", self.id, self.version)
    }
}
