//! The one log: every change is a value, takes one revision, and is chained to the one before it.

mod change;
mod link;
mod write;

use engine::model::Revision;
use serde::Serialize;

use crate::context_field::ContextField;
use crate::environment::Environment;
use crate::flag::Flag;
use crate::id::Id;
use crate::project::Project;
use crate::role::CustomRole;
use crate::segment::Segment;
use crate::team::Team;
use crate::time::Timestamp;

pub use change::{Change, Counted, ReadVersion};
pub use link::{Hash, Link, Texts, link};
pub use write::{WhichTexts, Write};

/// A row of changes, each chained to the one before: one for each project, and the instance's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// Accounts, teams, roles, what is granted on the instance, and that there are projects.
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

    /// A project.
    pub fn project(project: &Project) -> Self {
        Self { kind: "project".to_owned(), id: project.id, key: project.key.to_string() }
    }

    /// A team.
    pub fn team(team: &Team) -> Self {
        Self { kind: "team".to_owned(), id: team.id, key: team.key.to_string() }
    }

    /// A role that somebody made.
    pub fn role(role: &CustomRole) -> Self {
        Self { kind: "role".to_owned(), id: role.id, key: role.key.to_string() }
    }
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
