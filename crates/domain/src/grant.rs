//! Who has which role where.

mod logged;
mod undo;

use std::sync::Arc;

use engine::json::{At, Violations};
use engine::model::Revision;
use serde_json::Value;

use crate::access::{
    Allows, BUILT_IN, Caller, Held, InProject, ManageGrants, OnInstance, Permission, ReadLog, ReadPeople,
    Scope, built_in,
};
use crate::account::Account;
use crate::control::{Attempts, Control, Request, unexpected};
use crate::environment::{Environment, read_place};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::key::Key;
use crate::log::{Entity, ReadVersion, Write};
use crate::ports::{CommitError, Page};
use crate::time::Timestamp;

pub(crate) use logged::logged_grants;

/// How many grants are looked at at a time.
const BATCH: u32 = 1_000;

/// Who has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// An account: a person or a service account.
    Account(Id),
    /// A team: everyone in it.
    Team(Id),
}

/// A role that somebody has somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: Id,
    /// Who has it.
    pub holder: Holder,
    /// Their e-mail, a service account's name or a team's key.
    pub holder_name: String,
    /// The role's key.
    pub role: String,
    /// Where.
    pub scope: Scope,
    /// The key of the project, if it holds in one.
    pub project: Option<Key>,
    /// The key of the environment, if it holds in one.
    pub environment: Option<Key>,
    /// Who gave it.
    pub created_by: Id,
    /// When.
    pub created_at: Timestamp,
}

/// A role as an account has it, by itself or through a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The role's key.
    pub role: String,
    /// What it allows, if it is not built in.
    pub permissions: Option<Vec<String>>,
    /// Where.
    pub scope: Scope,
}

/// Which grants to list.
#[derive(Debug, Clone, Default)]
pub struct GrantFilter {
    /// Those in this project, in any of its environments as well; without it those on the instance.
    pub project_id: Option<Id>,
    /// Only those of this role.
    pub role: Option<String>,
    /// Only those with ids greater than this.
    pub after: Option<Id>,
    /// How many at most.
    pub limit: u32,
}

impl Granted {
    /// What it gives.
    pub fn held(&self) -> Held {
        let allows = match &self.permissions {
            Some(words) => Arc::new(Allows::known(words.iter().map(String::as_str))),
            None => built_in(&self.role).map(|role| role.allows.clone()).unwrap_or_default(),
        };
        Held { scope: self.scope, allows }
    }
}

/// Whom a document names.
enum Said {
    /// An account, by its id, e-mail or name.
    Account(String),
    /// A team, by its key.
    Team(String),
}

/// What a document says of a new grant.
struct NewGrant {
    holder: Said,
    role: String,
    environment: Option<Environment>,
}

impl Control {
    /// Grants on the instance, the oldest first.
    pub async fn grants_on_instance(
        &self,
        _reader: &OnInstance<ReadPeople>,
        filter: GrantFilter,
    ) -> Result<Page<Grant>> {
        Ok(self.store.grants(&GrantFilter { project_id: None, ..filter }).await?)
    }

    /// Grants in a project, the oldest first: for whoever reads its log, which tells of each.
    pub async fn grants(&self, reader: &InProject<ReadLog>, filter: GrantFilter) -> Result<Page<Grant>> {
        let project_id = Some(reader.project_id());
        Ok(self.store.grants(&GrantFilter { project_id, ..filter }).await?)
    }

    /// Gives a role on the whole instance: `{"account" or "team", "role"}`. Nobody gives more than they have.
    pub async fn create_grant_on_instance(
        &self,
        permit: &OnInstance<ManageGrants>,
        document: &Value,
        request: &Request,
    ) -> Result<Grant> {
        let new = NewGrant::read(document, None)?;
        Ok(self.give(permit, &new, (Scope::Instance, None), request).await?.0)
    }

    /// Gives a role in a project, or in the `environment` that the document names. Nobody gives more than they have.
    pub async fn create_grant(
        &self,
        permit: &InProject<ManageGrants>,
        document: &Value,
        request: &Request,
    ) -> Result<Grant> {
        let environments = self.store.environments(permit.project_id()).await?;
        let new = NewGrant::read(document, Some(&environments))?;
        let project_id = permit.project_id();
        let scope = match &new.environment {
            Some(environment) => Scope::Environment { project_id, id: environment.id },
            None => Scope::Project(project_id),
        };
        let project = Some(permit.project().key.clone());
        Ok(self.give(permit.caller(), &new, (scope, project), request).await?.0)
    }

    /// Gives a role. Gives the revision that it took as well.
    async fn give(
        &self,
        caller: &Caller,
        new: &NewGrant,
        (scope, project): (Scope, Option<Key>),
        request: &Request,
    ) -> Result<(Grant, Revision)> {
        let mut attempts = Attempts::default();
        loop {
            // First, or who may not give it would learn by it whom there is.
            let role = self.role_to_give(caller, new, scope).await?;
            let (holder, entity) = self.find_holder(&new.holder).await?;
            let now = self.clock.now();
            let grant = Grant {
                id: self.ids.id(now),
                holder,
                holder_name: entity.key,
                role: new.role.clone(),
                scope,
                project: project.clone(),
                environment: new.environment.as_ref().map(|environment| environment.key.clone()),
                created_by: caller.account_id(),
                created_at: now,
            };
            let mut change = grant.change("create_grant", caller, request, now);
            change.after = Some(grant.for_log());
            change.reads = role.into_iter().collect();
            change.writes = vec![Write::CreateGrant(grant.clone())];
            let committed = self.commit(change).await;
            if matches!(committed, Err(CommitError::Taken { .. })) {
                let message = format!("{} has the role {} there already", grant.holder_name, grant.role);
                return Err(Error::Conflict { code: "already_granted", message });
            }
            if let Some(revision) = self.settle(committed, &mut attempts).await? {
                return Ok((grant, revision));
            }
            // What it was to hold in may have gone.
            if let Some(project) = &project {
                self.project_named(project.as_str()).await?;
            }
        }
    }

    /// The version of the role, if it is not built in and the caller may give it. Who may not see which roles there are
    /// is told the same of one that gives more than they have as of one that is not there.
    async fn role_to_give(
        &self,
        caller: &Caller,
        new: &NewGrant,
        scope: Scope,
    ) -> Result<Option<ReadVersion>> {
        let sees_roles = caller.rights().on_instance(Permission::ReadPeople);
        let hidden = || {
            let known: Vec<_> = BUILT_IN.iter().map(|role| role.key).collect();
            let message = format!("is no role that you may give; {} are built in", known.join(", "));
            Error::invalid("role", message)
        };
        let (allows, read) = match self.find_role(&new.role).await {
            Err(Error::Invalid(_)) if !sees_roles => return Err(hidden()),
            found => found?,
        };
        let given = caller.may_give(&Held { scope, allows: allows.into() }, new.environment.as_ref());
        match given {
            Err(_) if read.is_some() && !sees_roles => Err(hidden()),
            Err(error) => Err(error),
            Ok(()) => Ok(read),
        }
    }

    /// Takes back a role that holds on the instance.
    pub async fn delete_grant_on_instance(
        &self,
        permit: &OnInstance<ManageGrants>,
        id: &str,
        request: &Request,
    ) -> Result<()> {
        self.take_back(permit, id, None, request).await
    }

    /// Takes back a role that holds in a project. Nobody takes more than they have.
    pub async fn delete_grant(
        &self,
        permit: &InProject<ManageGrants>,
        id: &str,
        request: &Request,
    ) -> Result<()> {
        self.take_back(permit.caller(), id, Some(permit.project_id()), request).await
    }

    async fn take_back(
        &self,
        caller: &Caller,
        id: &str,
        project_id: Option<Id>,
        request: &Request,
    ) -> Result<()> {
        let none = || {
            Error::not_found(
                "grant",
                id,
                "GET grants lists them, and /api/v1/instance/grants those of the instance",
            )
        };
        let id: Id = id.parse().map_err(|_| none())?;
        let grant = self.store.grant(id).await?.filter(|grant| grant.scope.project_id() == project_id);
        let grant = grant.ok_or_else(none)?;
        self.may_take_back(caller, &grant).await?;
        self.take(caller, &grant, request).await?;
        Ok(())
    }

    /// Nobody takes more than they have.
    async fn may_take_back(&self, caller: &Caller, grant: &Grant) -> Result<()> {
        let (allows, _) = self.find_role(&grant.role).await?;
        let environment = self.environment_of(grant.scope).await?;
        caller.may_give(&Held { scope: grant.scope, allows: allows.into() }, environment.as_ref())
    }

    /// Takes a grant back. `None` if someone else was faster, to the same end.
    async fn take(&self, caller: &Caller, grant: &Grant, request: &Request) -> Result<Option<Revision>> {
        let mut change = grant.change("delete_grant", caller, request, self.clock.now());
        change.before = Some(grant.for_log());
        change.writes = vec![Write::DeleteGrant { id: grant.id }];
        match self.commit(change).await {
            Ok(revision) => Ok(Some(revision)),
            Err(CommitError::Stale) => Ok(None),
            Err(error) => Err(unexpected(error)),
        }
    }

    /// All that somebody has been given, each with the environment that it holds in.
    pub(crate) async fn gifts_of(&self, holder: Holder) -> Result<Vec<(Held, Option<Environment>)>> {
        let mut gifts = Vec::new();
        for granted in self.store.granted(holder).await? {
            gifts.push((granted.held(), self.environment_of(granted.scope).await?));
        }
        Ok(gifts)
    }

    /// All that is granted in a project and its environments, the oldest first.
    pub(crate) async fn grants_in(&self, project_id: Id) -> Result<Vec<Grant>> {
        let mut filter = GrantFilter { project_id: Some(project_id), limit: BATCH, ..GrantFilter::default() };
        let mut all = Vec::new();
        loop {
            let page = self.store.grants(&filter).await?;
            filter.after = page.items.last().map(|grant| grant.id);
            all.extend(page.items);
            if !page.more || filter.after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn environment_of(&self, scope: Scope) -> Result<Option<Environment>> {
        let Scope::Environment { project_id, id } = scope else { return Ok(None) };
        let environments = self.store.environments(project_id).await?;
        Ok(environments.into_iter().find(|environment| environment.id == id))
    }

    async fn find_holder(&self, said: &Said) -> Result<(Holder, Entity)> {
        let wrong = |error, path: &str, hint: &str| match error {
            Error::NotFound { .. } => Error::invalid(path, hint),
            error => error,
        };
        match said {
            Said::Account(name) => {
                let hint = "is no account; GET /auth/users and /api/v1/service-accounts list them";
                let account = self.find_account(name).await.map_err(|error| wrong(error, "account", hint))?;
                Ok((Holder::Account(account.id), account.entity()))
            }
            Said::Team(key) => {
                let hint = "is no team; GET /api/v1/teams lists them";
                let team = self.team_named(key).await.map_err(|error| wrong(error, "team", hint))?;
                Ok((Holder::Team(team.id), Entity::team(&team)))
            }
        }
    }

    /// The account with this id, e-mail or name.
    pub(crate) async fn find_account(&self, name: &str) -> Result<Account> {
        let found = match name.parse() {
            Ok(id) => self.store.account(id).await?,
            Err(_) => self.store.account_by_email(&name.to_lowercase()).await?,
        };
        found.ok_or_else(|| no_account(name))
    }
}

/// There is no account of this name, or who asks may not know of it.
pub(crate) fn no_account(name: &str) -> Error {
    Error::not_found("account", name, "give its id, e-mail or name")
}

impl NewGrant {
    fn read(document: &Value, environments: Option<&[Environment]>) -> Result<Self> {
        let mut violations = Violations::default();
        let new = At::root(document).object(&mut violations).and_then(|object| {
            let text = |at: At<'_>, violations: &mut Violations| at.text(violations).map(str::to_owned);
            let account = object.optional(&mut violations, "account", text)?;
            let team = object.optional(&mut violations, "team", text)?;
            let holder = match (account, team) {
                (Some(account), None) => Some(Said::Account(account)),
                (None, Some(team)) => Some(Said::Team(team)),
                _ => {
                    object.fault(&mut violations, "must name either an account or a team");
                    None
                }
            };
            let role = object.require(&mut violations, "role").and_then(|at| text(at, &mut violations));
            let environment = environments.and_then(|environments| {
                let at = object.get("environment").filter(|at| !at.is_null())?;
                read_place(at, environments, &mut violations)
            });
            object.deny_unknown(&mut violations);
            Some(Self { holder: holder?, role: role?, environment })
        });
        violations.into_result(new).map_err(Error::Invalid)
    }
}
