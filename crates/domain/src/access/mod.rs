//! Who may do what, as types: a use case that updates flags in an environment takes an
//! [`InEnvironment<UpdateFlag>`], and only this module makes one.

mod allows;
mod permission;
mod rights;
mod role;
mod standing;

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use crate::account::{Account, Role};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::grant::Granted;
use crate::id::Id;
use crate::project::Project;
use crate::team::Team;

pub use allows::Allows;
pub use permission::*;
pub use rights::{Held, Rights, Scope, Visible};
pub use role::{BUILT_IN, BuiltIn, built_in};
pub use standing::{Proof, Standing};

/// Someone who proved who they are.
#[derive(Debug, Clone)]
pub struct Caller {
    account_id: Id,
    email: String,
    role: Role,
    session_id: Option<Id>,
    token_id: Option<Id>,
    granted: Arc<[Granted]>,
    rights: Arc<Rights>,
}

/// A permission that somebody holds in a project.
#[derive(Debug, Clone)]
pub struct Permit {
    caller: Caller,
    project: Project,
    permission: Permission,
}

/// A permission that somebody holds in an environment of a project.
#[derive(Debug, Clone)]
pub struct Writer {
    permit: Permit,
    environment: Environment,
}

/// Someone who may do `R` on the instance.
#[derive(Debug, Clone)]
pub struct OnInstance<R>(Caller, PhantomData<R>);

/// Someone who may do `R` in a project; if it is a permission of environments, in at least one of them, and as far as
/// [`Permit::may_in`] each that it reaches.
#[derive(Debug, Clone)]
pub struct InProject<R>(Permit, PhantomData<R>);

/// Someone who may do `R` in an environment, and as far as [`Permit::may_in`] in others.
#[derive(Debug, Clone)]
pub struct InEnvironment<R>(Writer, PhantomData<R>);

/// Someone who may say who is in a team: who manages teams, on the instance or in a project that the team owns.
#[derive(Debug, Clone)]
pub struct OverTeam {
    caller: Caller,
    team: Team,
}

/// Someone who may read a project.
pub type Reader = InProject<ReadProject>;

impl Caller {
    /// An account, with what was granted to it besides its own role, as far as the words of the token it came with
    /// reach.
    pub(crate) fn new(account: Account, granted: Vec<Granted>, within: Option<&[String]>) -> Self {
        let Account { id: account_id, email, role, .. } = account;
        let held = std::iter::once(own_role(role)).chain(granted.iter().map(Granted::held)).collect();
        let within = within.map(|words| Arc::new(Allows::known(words.iter().map(String::as_str))));
        Self {
            account_id,
            email,
            role,
            session_id: None,
            token_id: None,
            granted: granted.into(),
            rights: Arc::new(Rights::new(held, within)),
        }
    }

    /// Known by a session.
    pub(crate) fn of_session(self, session_id: Id) -> Self {
        Self { session_id: Some(session_id), ..self }
    }

    /// Known by an access token.
    pub(crate) fn of_token(self, token_id: Id) -> Self {
        Self { token_id: Some(token_id), ..self }
    }

    /// The access token by which they are known; `None` for a session.
    pub fn token_id(&self) -> Option<Id> {
        self.token_id
    }

    /// The session by which they are known; `None` for an access token.
    pub fn session_id(&self) -> Option<Id> {
        self.session_id
    }

    /// The account: the actor of what they change.
    pub fn account_id(&self) -> Id {
        self.account_id
    }

    /// The account's e-mail, or a service account's name.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// What they are on the instance.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What was granted to them or their teams.
    fn granted(&self) -> &[Granted] {
        &self.granted
    }

    /// What they may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// If they may do `R` on the instance.
    pub fn on_instance<R: Right>(self) -> Result<OnInstance<R>> {
        if self.rights.on_instance(R::PERMISSION) {
            return Ok(OnInstance(self, PhantomData));
        }
        Err(not_permitted(R::PERMISSION, ""))
    }

    /// If they may do `R` in a project. Who may not read it is not told that it is there.
    pub fn in_project<R: Right>(self, project: Project) -> Result<InProject<R>> {
        Ok(InProject(self.permit::<R>(project)?, PhantomData))
    }

    /// If they may say who is in a team, which owns these projects.
    pub(crate) fn over_team(self, team: Team, owned: &[Project]) -> Option<OverTeam> {
        let manages = Permission::ManageTeams;
        let rights = &self.rights;
        let may = rights.on_instance(manages) || owned.iter().any(|one| rights.in_project(manages, one.id));
        may.then_some(OverTeam { caller: self, team })
    }

    /// Whether they hold all that something would give: nobody gives more than they have.
    pub fn may_give(&self, gift: &Held, environment: Option<&Environment>) -> Result<()> {
        let Some(lacking) = self.rights.lacks(gift, environment) else { return Ok(()) };
        let message = format!(
            "nobody gives more than they have: this would give {} there, which you do not have",
            lacking.name()
        );
        Err(Error::Forbidden { code: "more_than_own", message })
    }

    fn permit<R: Right>(self, project: Project) -> Result<Permit> {
        let permission = R::PERMISSION;
        if !self.rights.in_project(Permission::ReadProject, project.id) {
            return Err(Error::no_project(project.key.as_str()));
        }
        if permission.level() == Level::Project && !self.rights.in_project(permission, project.id) {
            return Err(not_permitted(permission, &format!(" in the project {}", project.key)));
        }
        if permission.level() == Level::Environment && !self.rights.in_project(permission, project.id) {
            return Err(not_permitted(
                permission,
                &format!(" in an environment of the project {}", project.key),
            ));
        }
        Ok(Permit { caller: self, project, permission })
    }
}

impl OverTeam {
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The team.
    pub fn team(&self) -> &Team {
        &self.team
    }
}

impl<R> InProject<R> {
    /// The same in one of the project's environments.
    pub fn at(self, environment: Environment) -> Result<InEnvironment<R>> {
        Ok(InEnvironment(self.0.here(environment)?, PhantomData))
    }
}

impl Permit {
    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The project that they speak of.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Its id.
    pub fn project_id(&self) -> Id {
        self.project.id
    }

    /// The same, in one of the project's environments.
    pub(crate) fn here(&self, environment: Environment) -> Result<Writer> {
        self.may_in(&environment)?;
        Ok(Writer { permit: self.clone(), environment })
    }

    /// Whether they may do this in that environment as well, as a change that reaches several needs.
    pub fn may_in(&self, environment: &Environment) -> Result<()> {
        let rights = &self.caller.rights;
        if environment.project_id == self.project.id && rights.in_environment(self.permission, environment) {
            return Ok(());
        }
        let name = self.permission.name();
        if environment.protected && rights.in_project(self.permission, environment.project_id) {
            let message =
                format!("the environment {} is protected: this needs {name} there", environment.key);
            return Err(Error::Forbidden { code: "protected_environment", message });
        }
        Err(not_permitted(self.permission, &format!(" in the environment {}", environment.key)))
    }
}

impl Writer {
    /// Where they may.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

impl<R> Deref for OnInstance<R> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Deref for Writer {
    type Target = Permit;

    fn deref(&self) -> &Permit {
        &self.permit
    }
}

impl<R> Deref for InProject<R> {
    type Target = Permit;

    fn deref(&self) -> &Permit {
        &self.0
    }
}

impl<R> Deref for InEnvironment<R> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.0
    }
}

/// What an account's own role gives.
pub(crate) fn own_role(role: Role) -> Held {
    Held { scope: Scope::Instance, allows: role::allows(role) }
}

/// What would be needed, and which of the built-in roles have it.
fn not_permitted(permission: Permission, place: &str) -> Error {
    let roles = BUILT_IN.iter().filter(|role| role.allows.somewhere(permission)).map(|role| role.key);
    let roles = roles.collect::<Vec<_>>().join(", ");
    let message = format!("this needs the permission {}{place}; roles with it: {roles}", permission.name());
    Error::Forbidden { code: "not_permitted", message }
}
