//! Who may do what, as types: a use case that changes an environment takes a [`Writer`] of it, and only this
//! module makes one.

use crate::account::{Role, Scope};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;

/// Someone who proved who they are.
#[derive(Debug, Clone)]
pub struct Caller {
    account_id: Id,
    email: String,
    role: Role,
    project_id: Id,
    session_id: Option<Id>,
    scopes: Option<Vec<Scope>>,
}

/// May read the project.
#[derive(Debug, Clone)]
pub struct Reader(Caller);

/// May change one environment.
#[derive(Debug, Clone)]
pub struct Writer {
    caller: Caller,
    environment: Environment,
}

/// May change what belongs to the project as a whole, as far as [`Editor::may_write`] each environment that it
/// reaches.
#[derive(Debug, Clone)]
pub struct Editor(Caller);

/// May do everything.
#[derive(Debug, Clone)]
pub struct Admin(Caller);

impl Caller {
    pub(crate) fn new(account_id: Id, email: String, role: Role, project_id: Id) -> Self {
        Self { account_id, email, role, project_id, session_id: None, scopes: None }
    }

    /// Known by a session.
    pub(crate) fn of_session(self, session_id: Id) -> Self {
        Self { session_id: Some(session_id), ..self }
    }

    /// Known by an access token with these scopes.
    pub(crate) fn of_token(self, scopes: Option<Vec<Scope>>) -> Self {
        Self { scopes, ..self }
    }

    /// The session by which they are known; `None` for an access token.
    pub fn session_id(&self) -> Option<Id> {
        self.session_id
    }

    /// What their access token is for; `None` for all that their account may do.
    pub fn scopes(&self) -> Option<&[Scope]> {
        self.scopes.as_deref()
    }

    /// The account: the actor of what they change.
    pub fn account_id(&self) -> Id {
        self.account_id
    }

    /// The account's e-mail, or a service account's name.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The project that they speak of.
    pub fn project_id(&self) -> Id {
        self.project_id
    }

    /// What they may do.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Every role reads.
    pub fn reader(self) -> Reader {
        Reader(self)
    }

    /// A developer changes what is not protected, an admin everything.
    pub fn writer(self, environment: Environment) -> Result<Writer> {
        self.may_write(&environment)?;
        Ok(Writer { caller: self, environment })
    }

    /// Every role but a viewer edits.
    pub fn editor(self) -> Result<Editor> {
        if self.role < Role::Developer { Err(too_low()) } else { Ok(Editor(self)) }
    }

    /// Only an admin is one.
    pub fn admin(self) -> Result<Admin> {
        if self.role == Role::Admin {
            return Ok(Admin(self));
        }
        Err(Error::Forbidden {
            code: "role_too_low",
            message: format!("this needs the role admin; yours is {}", self.role.name()),
        })
    }

    fn may_write(&self, environment: &Environment) -> Result<()> {
        match self.role {
            Role::Admin => Ok(()),
            Role::Developer if !environment.protected => Ok(()),
            Role::Developer => Err(Error::Forbidden {
                code: "protected_environment",
                message: format!(
                    "the environment {} is protected: only admins may change it",
                    environment.key
                ),
            }),
            Role::Member | Role::Viewer => Err(too_low()),
        }
    }
}

impl Reader {
    /// The project that they speak of.
    pub fn project_id(&self) -> Id {
        self.0.project_id
    }

    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.0
    }
}

impl Writer {
    /// The project that they speak of.
    pub fn project_id(&self) -> Id {
        self.caller.project_id
    }

    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What they may change.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Whether they may change another environment as well, as a change of a flag's definition needs.
    pub fn may_write(&self, environment: &Environment) -> Result<()> {
        self.caller.may_write(environment)
    }
}

impl Editor {
    /// The project that they speak of.
    pub fn project_id(&self) -> Id {
        self.0.project_id
    }

    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.0
    }

    /// Whether they may change this environment.
    pub fn may_write(&self, environment: &Environment) -> Result<()> {
        self.0.may_write(environment)
    }
}

impl Admin {
    /// The project that they speak of.
    pub fn project_id(&self) -> Id {
        self.0.project_id
    }

    /// Who it is.
    pub fn caller(&self) -> &Caller {
        &self.0
    }
}

fn too_low() -> Error {
    Error::Forbidden {
        code: "role_too_low",
        message: "this needs the role developer; yours is viewer".to_owned(),
    }
}
