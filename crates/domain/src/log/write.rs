//! The rows that changes write.

use engine::model::Revision;

use super::Hash;
use crate::account::AccountWrite;
use crate::context_field::ContextField;
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

/// One row that a change writes.
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes a project, and the chain that its own changes go to; its key must be free. Its version is 0: the first
    /// revision of that chain is yet to come.
    CreateProject(Project),
    /// Replaces what people see of a project, on the project's own chain.
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
    /// Takes back a role that holds where the chain is: on the instance, or in its project. One that is gone already
    /// makes the change stale.
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
    /// ([`super::ReadVersion::Dependencies`]), or two writers together make a cycle or name what is gone.
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
