//! What there is to be permitted: one word for each thing that somebody may do, and a type for each word.

/// Where a permission holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// On the instance as a whole: accounts, teams, roles, projects.
    Instance,
    /// In a project as a whole.
    Project,
    /// In each environment of a project apart.
    Environment,
}

impl Level {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Project => "project",
            Self::Environment => "environment",
        }
    }
}

/// A permission as a type, to be named in the signature of what needs it.
pub trait Right: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permissions {
    ($($(#[doc = $doc:literal])+ $right:ident = $word:literal, $level:ident;)+) => {
        /// Something that somebody may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[doc = $doc])+ $right,)+
        }

        impl Permission {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$right,)+];

            /// Its name, `what.verb`: `flag.update`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$right => $word,)+ }
            }

            /// Where it holds.
            pub fn level(self) -> Level {
                match self { $(Self::$right => Level::$level,)+ }
            }
        }

        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy)]
            pub struct $right;

            impl Right for $right {
                const PERMISSION: Permission = Permission::$right;
            }
        )+
    };
}

permissions! {
    /// See accounts, teams, roles and grants.
    ReadPeople = "people.read", Instance;
    /// Make, change and remove accounts, service accounts and their tokens.
    ManageAccounts = "account.manage", Instance;
    /// See, rotate and revoke the keys that sign session tokens.
    ManageSigningKeys = "signing_key.manage", Instance;
    /// Make, change and remove roles.
    ManageRoles = "role.manage", Instance;
    /// Read the instance's own log, and the security log.
    ReadInstanceLog = "instance_log.read", Instance;
    /// Take texts out of the instance's own log.
    RedactInstanceLog = "instance_log.redact", Instance;
    /// Make projects.
    CreateProject = "project.create", Instance;
    /// Say who is in a team. In a project: of the team that owns it.
    ManageTeams = "team.manage", Project;
    /// Say who may do what. In a project: there, and nobody more than oneself.
    ManageGrants = "grant.manage", Project;
    /// See everything in a project but its log.
    ReadProject = "project.read", Project;
    /// Change a project's settings.
    UpdateProject = "project.update", Project;
    /// Delete a project.
    DeleteProject = "project.delete", Project;
    /// Read a project's log.
    ReadLog = "log.read", Project;
    /// Take texts out of a project's log.
    RedactLog = "log.redact", Project;
    /// Make environments.
    CreateEnvironment = "environment.create", Project;
    /// Change environments and their order.
    UpdateEnvironment = "environment.update", Project;
    /// Delete environments.
    DeleteEnvironment = "environment.delete", Project;
    /// Delete segments.
    DeleteSegment = "segment.delete", Project;
    /// Delete context fields.
    DeleteContextField = "context_field.delete", Project;
    /// Make flags.
    CreateFlag = "flag.create", Environment;
    /// Change, toggle, archive and restore flags.
    UpdateFlag = "flag.update", Environment;
    /// Delete flags.
    DeleteFlag = "flag.delete", Environment;
    /// Make segments.
    CreateSegment = "segment.create", Environment;
    /// Change segments and their keys.
    UpdateSegment = "segment.update", Environment;
    /// Make context fields, and change them as far as they reach.
    UpdateContextField = "context_field.update", Environment;
    /// Make, change and revoke keys for applications.
    ManageSdkKeys = "sdk_key.manage", Environment;
    /// Ask for a change that somebody else approves.
    RequestChange = "change.request", Environment;
    /// Approve what somebody else asked for.
    ApproveChange = "change.approve", Environment;
}

impl Permission {
    /// The permission of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.name() == name)
    }

    /// Its place in a set.
    fn bit(self) -> u64 {
        1 << self as u32
    }
}

/// Some permissions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions(u64);

impl Permissions {
    /// All that hold at a level.
    pub fn at(level: Level) -> Self {
        Permission::ALL.iter().copied().filter(|permission| permission.level() == level).collect()
    }

    /// Whether this one is among them.
    pub fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | permission.bit()))
    }
}

/// More than 64 would not fit into a set.
const _: () = assert!(Permission::ALL.len() <= 64);
