//! The one log: every change is a value, takes one revision, and is chained to the one before it.

mod link;

use engine::model::Revision;
use serde::Serialize;

use crate::account::AccountWrite;
use crate::context_field::ContextField;
use crate::control::Request;
use crate::environment::Environment;
use crate::flag::{Config, Flag};
use crate::grant::Grant;
use crate::id::Id;
use crate::key::Key;
use crate::project::Project;
use crate::role::CustomRole;
use crate::sdk_key::SdkKey;
use crate::segment::{Segment, SegmentConfig};
use crate::team::Team;
use crate::time::Timestamp;

pub use link::{Hash, Link, Texts, link};

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

impl Change {
    /// A change to the instance that does nothing yet.
    pub(crate) fn of_instance(action: &'static str, actor: Id, request: &Request, at: Timestamp) -> Self {
        Self {
            chain: Chain::Instance,
            at,
            actor,
            source: request.source.clone(),
            action,
            entities: Vec::new(),
            before: None,
            after: None,
            comment: request.comment.clone(),
            reads: Vec::new(),
            writes: Vec::new(),
        }
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
    /// Of what refers to what in the project: [`crate::ports::Store::dependencies_version`].
    Dependencies {
        /// The version when it was read, before any of the things that refer to one another.
        version: Revision,
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

/// One row that a change writes.
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes a project, and the chain that its own changes go to; its key must be free.
    CreateProject(Project),
    /// Replaces what people see of a project.
    UpdateProject(Project),
    /// Removes a project with everything in it but its log.
    DeleteProject {
        /// The project.
        id: Id,
    },
    /// Makes a team; its key must be free.
    CreateTeam(Team),
    /// Replaces what people see of a team.
    UpdateTeam(Team),
    /// Removes a team, and what was granted to it.
    DeleteTeam {
        /// The team.
        id: Id,
    },
    /// Lets an account join a team. Both must be there, or the change is stale.
    AddMember {
        /// The team.
        team_id: Id,
        /// The account.
        account_id: Id,
        /// When.
        at: Timestamp,
    },
    /// Lets an account leave a team.
    RemoveMember {
        /// The team.
        team_id: Id,
        /// The account.
        account_id: Id,
        /// When.
        at: Timestamp,
    },
    /// Makes a role; its key must be free.
    CreateRole(CustomRole),
    /// Replaces a role.
    UpdateRole(CustomRole),
    /// Removes a role; one that is granted makes the change stale.
    DeleteRole {
        /// The role.
        id: Id,
    },
    /// Gives a role. Holder and place must be there, or the change is stale; it must not be given already.
    CreateGrant(Grant),
    /// Takes a role back; one that is gone already makes the change stale.
    DeleteGrant {
        /// The grant.
        id: Id,
    },
    /// Makes an environment; its key must be free in the project.
    CreateEnvironment(Environment),
    /// Replaces what people see of an environment.
    UpdateEnvironment(Environment),
    /// Removes an environment with its configs and the SDK keys that open nothing else.
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
    /// Replaces what can change of a key: what it is called, opens and may be used by, until when, and what came in
    /// its place. One that is revoked makes the change stale.
    UpdateSdkKey(SdkKey),
    /// Refuses a key from now on; one that is refused already makes the change stale.
    RevokeSdkKey {
        /// The key.
        id: Id,
        /// Since when.
        at: Timestamp,
    },
    /// Accounts and what they prove themselves with.
    Account(AccountWrite),
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
    /// Removes texts of an earlier entry of the chain; their hashes stay. One that is gone makes the change stale.
    RedactEntry {
        /// The entry.
        revision: Revision,
        /// Which of its texts.
        texts: WhichTexts,
    },
    /// Removes the entries of the chain up to one. Of that one revision and hash stay, as the chain's checkpoint. It
    /// must be there with this hash, or the change is stale.
    ExpireEntries {
        /// The last one that goes.
        through: Revision,
        /// Its hash.
        hash: Hash,
    },
    /// What refers to what in the project has changed: which prerequisites, segments or lists something names, or
    /// which flags, segments, lists and environments there are. Such a change must also read the version
    /// ([`ReadVersion::Dependencies`]), or two writers together make a cycle or name what is gone.
    TouchDependencies,
}

/// Some of an entry's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WhichTexts {
    /// What was there.
    pub before: bool,
    /// What is there now.
    pub after: bool,
    /// Why.
    pub comment: bool,
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
