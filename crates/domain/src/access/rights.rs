//! What one caller may do: what they hold, each on the instance, in a project or in an environment.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::allows::{Allows, Reach};
use super::permission::{Level, Permission};
use crate::environment::Environment;
use crate::id::Id;

/// Where something that was granted holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Instance,
    /// In one project.
    Project(Id),
    /// In one environment of a project, and for reading in that project.
    Environment {
        /// The project.
        project_id: Id,
        /// The environment.
        id: Id,
    },
}

/// Something that was granted.
#[derive(Debug, Clone)]
pub struct Held {
    /// Where.
    pub scope: Scope,
    /// What.
    pub allows: Arc<Allows>,
}

/// All that a caller holds.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    held: Vec<Held>,
    /// What the token they came with is limited to.
    within: Option<Arc<Allows>>,
}

/// Which projects a caller may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visible {
    /// All of them.
    All,
    /// These.
    Only(BTreeSet<Id>),
}

impl Visible {
    /// Whether this one may be.
    pub fn has(&self, project: Id) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(&project),
        }
    }
}

impl Scope {
    /// The project that it is in; none for the instance.
    pub fn project_id(self) -> Option<Id> {
        match self {
            Self::Instance => None,
            Self::Project(id) | Self::Environment { project_id: id, .. } => Some(id),
        }
    }

    fn is_in(self, project: Id) -> bool {
        match self {
            Self::Instance => true,
            Self::Project(id) | Self::Environment { project_id: id, .. } => id == project,
        }
    }

    /// Whether it takes in all of another one.
    fn takes_in(self, other: Self) -> bool {
        match (self, other) {
            (Self::Instance, _) => true,
            (Self::Project(own), Self::Project(id) | Self::Environment { project_id: id, .. }) => own == id,
            (own, other) => own == other,
        }
    }
}

impl Rights {
    /// What was granted, less what a token is not for.
    pub fn new(held: Vec<Held>, within: Option<Arc<Allows>>) -> Self {
        Self { held, within }
    }

    /// Whether a permission is held on the instance as a whole; in all of it, if it is one of environments.
    pub fn on_instance(&self, permission: Permission) -> bool {
        self.reaches(permission, &Reach::Everywhere, Scope::Instance)
    }

    /// Whether a permission is held in a project; in at least one environment, if it is one of environments.
    pub fn in_project(&self, permission: Permission, project: Id) -> bool {
        let reads = permission == Permission::ReadProject || permission.level() == Level::Environment;
        let in_scope =
            |scope: Scope| scope.is_in(project) && (reads || !matches!(scope, Scope::Environment { .. }));
        self.is_within(|within| within.somewhere(permission))
            && self.held.iter().any(|held| in_scope(held.scope) && held.allows.somewhere(permission))
    }

    /// Whether a permission is held in an environment.
    pub fn in_environment(&self, permission: Permission, environment: &Environment) -> bool {
        let place = Scope::Environment { project_id: environment.project_id, id: environment.id };
        let here = |allows: &Allows| allows.in_environment(permission, environment);
        self.is_within(here) && self.held.iter().any(|held| held.scope.takes_in(place) && here(&held.allows))
    }

    /// Whether this may be done in some project, or on the instance.
    pub fn somewhere(&self, permission: Permission) -> bool {
        self.is_within(|within| within.somewhere(permission))
            && self.held.iter().any(|held| held.allows.somewhere(permission))
    }

    /// Which projects may be seen.
    pub fn visible(&self) -> Visible {
        let reading = self.held.iter().filter(|held| held.allows.somewhere(Permission::ReadProject));
        let mut ids = BTreeSet::new();
        if !self.is_within(|within| within.somewhere(Permission::ReadProject)) {
            return Visible::Only(ids);
        }
        for held in reading {
            match held.scope {
                Scope::Instance => return Visible::All,
                Scope::Project(id) | Scope::Environment { project_id: id, .. } => ids.insert(id),
            };
        }
        Visible::Only(ids)
    }

    /// The first permission, if any, that something would give and that is not held here: nobody gives more than they
    /// have.
    pub fn lacks(&self, gift: &Held, environment: Option<&Environment>) -> Option<Permission> {
        let counts = |permission: Permission| match gift.scope {
            Scope::Instance => true,
            Scope::Project(_) => permission.level() != Level::Instance,
            Scope::Environment { .. } => {
                permission.level() == Level::Environment || permission == Permission::ReadProject
            }
        };
        let holds = |(permission, reach): &(Permission, Reach)| match (gift.scope, environment) {
            (Scope::Environment { project_id, .. }, _) if *permission == Permission::ReadProject => {
                self.in_project(*permission, project_id)
            }
            (Scope::Environment { .. }, Some(environment)) => {
                !gift.allows.in_environment(*permission, environment)
                    || self.in_environment(*permission, environment)
            }
            _ => self.reaches(*permission, reach, gift.scope),
        };
        let mut given = gift.allows.each().filter(|(permission, _)| counts(*permission));
        given.find(|one| !holds(one)).map(|(permission, _)| permission)
    }

    /// What is held, each by itself.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    fn reaches(&self, permission: Permission, reach: &Reach, scope: Scope) -> bool {
        self.is_within(|within| within.reaches(permission, reach))
            && self
                .held
                .iter()
                .any(|held| held.scope.takes_in(scope) && held.allows.reaches(permission, reach))
    }

    fn is_within(&self, allows: impl FnOnce(&Allows) -> bool) -> bool {
        self.within.as_deref().is_none_or(allows)
    }
}
