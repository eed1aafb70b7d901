//! A change as a value, and what it was decided upon.

use std::sync::Arc;

use engine::model::Revision;

use super::{Chain, Entity, Write};
use crate::access::Standing;
use crate::control::Request;
use crate::id::Id;
use crate::time::Timestamp;

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
    /// What who asked stood on. If it does not hold any more, the change is refused.
    pub standing: Option<Arc<Standing>>,
    /// The version of each entity that it was decided upon. One that has moved on refuses the change.
    pub reads: Vec<ReadVersion>,
    /// What is written, in order. Versions in it are replaced by the change's own revision.
    pub writes: Vec<Write>,
}

impl Change {
    /// A change to the instance that does nothing yet.
    pub(crate) fn of_instance(action: &'static str, actor: Id, request: &Request, at: Timestamp) -> Self {
        Self::of(Chain::Instance, action, actor, request, at)
    }

    /// A change that does nothing yet.
    pub(crate) fn of(
        chain: Chain,
        action: &'static str,
        actor: Id,
        request: &Request,
        at: Timestamp,
    ) -> Self {
        Self {
            chain,
            at,
            actor,
            source: request.source.clone(),
            action,
            entities: Vec::new(),
            before: None,
            after: None,
            comment: request.comment.clone(),
            standing: request.standing.clone(),
            reads: Vec::new(),
            writes: Vec::new(),
        }
    }

    /// Whether it writes to the log alone. Only such a change goes to the chain of a project that is gone.
    pub fn is_of_the_log_alone(&self) -> bool {
        let of_the_log = |write| matches!(write, &Write::RedactEntry { .. } | &Write::ExpireEntries { .. });
        !self.writes.is_empty() && self.writes.iter().all(of_the_log)
    }
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
    /// Of an account.
    Account {
        /// The account.
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
    /// Of a project.
    Project {
        /// The project.
        id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of a team.
    Team {
        /// The team.
        id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of an SDK key.
    SdkKey {
        /// The key.
        id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of a role that somebody made.
    Role {
        /// The role.
        id: Id,
        /// Its version when it was read.
        version: Revision,
    },
    /// Of what refers to what in the project: [`crate::ports::Projects::dependencies_version`].
    Dependencies {
        /// The version when it was read, before any of the things that refer to one another.
        version: Revision,
    },
    /// That nothing else was done: of all that a chain guards, for a change that must lose none of it.
    Head {
        /// The chain: the change's own or another.
        chain: Chain,
        /// Its last revision when that was read, before everything that the change was decided upon.
        revision: Revision,
    },
    /// That there is room for one more of something: of several who add the last one, one does.
    Room {
        /// What is counted.
        of: Counted,
        /// How many there may be.
        most: u64,
    },
}

/// What there is a bound of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Access tokens of an account, expired ones included.
    AccessTokens {
        /// The account.
        account_id: Id,
    },
    /// Roles that somebody made.
    Roles,
    /// SDK keys of the chain's project that are in force.
    SdkKeys {
        /// When that is.
        at: Timestamp,
    },
}
