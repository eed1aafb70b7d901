//! Making, changing and deleting projects.

use engine::json::{At, Object, Violations};
use serde_json::{Value, json};

use super::{OwningTeam, Project};
use crate::access::{
    Caller, CreateProject, InProject, ManageTeams, OnInstance, Reader, UpdateProject, Visible,
};
use crate::comment::read_rule;
use crate::control::{
    Attempts, Control, DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, Request, key_taken, on_instance,
};
use crate::environment::{Color, Environment};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::input::{check_key, read_description, read_key, read_name};
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::ports::{CommitError, Ids, KeyedFilter, Page};
use crate::time::Timestamp;

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// What a document says of the team that owns a project.
enum Owner {
    /// Nothing.
    AsBefore,
    /// No team does.
    Nobody,
    /// The one with this key.
    Team(String),
}

impl Control {
    /// The project with this key; it says the same of one that is not there and of one that the caller may not see.
    pub(crate) async fn project_named(&self, key: &str) -> Result<Project> {
        let named = Key::parse(key).ok_or_else(|| Error::no_project(key))?;
        self.store.project(named.as_str()).await?.ok_or_else(|| Error::no_project(key))
    }

    /// The project with this key, or the default one; not yet asked whether somebody may see it.
    pub async fn project(&self, key: Option<&str>) -> Result<Project> {
        self.project_named(key.unwrap_or(DEFAULT_PROJECT)).await
    }

    /// The projects that the caller may see, by key.
    pub async fn projects(&self, caller: &Caller, filter: &KeyedFilter) -> Result<Page<Project>> {
        match caller.rights().visible() {
            Visible::All => Ok(self.store.projects(filter, None).await?),
            Visible::Only(ids) => {
                let ids: Vec<_> = ids.into_iter().collect();
                Ok(self.store.projects(filter, Some(&ids)).await?)
            }
        }
    }

    /// Makes a project with the environments that every one begins with.
    pub async fn create_project(
        &self,
        permit: &OnInstance<CreateProject>,
        document: &Value,
        request: &Request,
    ) -> Result<(Project, Vec<Environment>)> {
        let now = self.clock.now();
        let mut violations = Violations::default();
        let read = At::root(document).object(&mut violations).and_then(|object| {
            let key = read_key(&object, &mut violations)?;
            let mut project = Project::new(self.ids.id(now), key, "", now);
            let team = apply(&mut project, &object, &mut violations);
            Some((project, team))
        });
        let (mut project, team) = violations.into_result(read).map_err(Error::Invalid)?;
        let mut attempts = Attempts::default();
        loop {
            project.team = self.owner(permit, &team, None).await?;
            let entities = vec![Entity::project(&project)];
            let mut change = on_instance(permit, request, now, "create_project", entities);
            change.after = Some(json!({ "project": for_log(&project) }).to_string());
            change.writes = vec![Write::CreateProject(project.clone())];
            let environments = first_environments(project.id, &*self.ids, now)?;
            let founding = founding(&project, &environments, permit, request, now);
            let committed = match self.commit_both(change, founding).await {
                Err(CommitError::Taken { .. }) => return Err(key_taken("a project", &project.key)),
                committed => committed.map(|(revision, _)| revision),
            };
            // The team may have gone meanwhile, which is told when it is looked for again.
            if self.settle(committed, &mut attempts).await?.is_some() {
                let environments = self.store.environments(project.id).await?;
                return Ok((project, environments));
            }
        }
    }

    /// Takes over the members that the document names, and keeps the others. A document that changes nothing makes no
    /// change. On the project's own chain: who reads its log sees it.
    pub async fn update_project(
        &self,
        permit: &InProject<UpdateProject>,
        document: &Value,
        request: &Request,
    ) -> Result<Project> {
        let mut attempts = Attempts::default();
        loop {
            let before = self.project_named(permit.project().key.as_str()).await?;
            request.check(&before.etag())?;
            let mut after = self.edited(permit, &before, document).await?;
            if after == before {
                return Ok(before);
            }
            let now = self.clock.now();
            after.updated_at = now;
            let (chain, actor) = (Chain::Project(before.id), permit.caller().account_id());
            let mut change = Change::of(chain, "update_project", actor, request, now);
            change.entities = vec![Entity::project(&after)];
            change.before = Some(json!({ "project": for_log(&before) }).to_string());
            change.after = Some(json!({ "project": for_log(&after) }).to_string());
            change.reads = vec![ReadVersion::Project { id: before.id, version: before.version }];
            change.writes = vec![Write::UpdateProject(after.clone())];
            if let Some(version) = self.try_commit(change, &mut attempts).await? {
                return Ok(Project { version, ..after });
            }
        }
    }

    /// What a document makes of a project.
    pub(super) async fn edited(
        &self,
        permit: &InProject<UpdateProject>,
        before: &Project,
        document: &Value,
    ) -> Result<Project> {
        let mut after = before.clone();
        let mut violations = Violations::default();
        let read = At::root(document).object(&mut violations).map(|object| {
            check_key(&before.key, "a project", &object, &mut violations);
            apply(&mut after, &object, &mut violations)
        });
        let said = violations.into_result(read).map_err(Error::Invalid)?;
        after.team = self.owner(permit.caller(), &said, before.team.as_ref()).await?;
        Ok(after)
    }

    /// The team that is to own a project: what a document said, or who does now. Who manages the teams of a project
    /// says who is in the one that owns it, so only who manages all teams says which that is; nobody else learns by
    /// it which teams there are.
    async fn owner(
        &self,
        caller: &Caller,
        said: &Owner,
        now: Option<&OwningTeam>,
    ) -> Result<Option<OwningTeam>> {
        let owner = match said {
            Owner::AsBefore => return Ok(now.cloned()),
            Owner::Nobody => Ok(None),
            Owner::Team(key) => {
                let none = || Error::invalid("team", "is no team; GET /api/v1/teams lists them");
                let team = self.known_team(key).await?;
                team.map(|team| Some(OwningTeam { id: team.id, key: team.key })).ok_or_else(none)
            }
        };
        if owner.as_ref().is_ok_and(|owner| owner.as_ref() == now) {
            return owner;
        }
        caller.clone().on_instance::<ManageTeams>()?;
        owner
    }

    /// Whether a project may be read, and what is said of it.
    pub async fn get_project(&self, reader: &Reader) -> Result<Project> {
        self.project_named(reader.project().key.as_str()).await
    }
}

/// Takes over the members that a document names. Gives what it says of the team, if it does.
fn apply(project: &mut Project, object: &Object<'_>, violations: &mut Violations) -> Owner {
    object.ignore(&READ_ONLY);
    object.ignore(&["key"]);
    if let Some(name) = object.get("name") {
        project.name = read_name(name, violations);
    }
    if project.name.is_empty() {
        project.name = project.key.to_string();
    }
    if let Some(description) = object.get("description") {
        project.description = read_description(description, violations);
    }
    if let Some(rule) = object.get("comment_required") {
        project.comment_required = read_rule(&rule, violations).unwrap_or(project.comment_required);
    }
    let team = match object.get("team") {
        None => Owner::AsBefore,
        Some(at) if at.is_null() => Owner::Nobody,
        Some(at) => at.text(violations).map_or(Owner::AsBefore, |key| Owner::Team(key.to_owned())),
    };
    object.deny_unknown(violations);
    team
}

/// What the log says of a project.
pub(super) fn for_log(project: &Project) -> Value {
    let Project { key, name, description, team, comment_required, .. } = project;
    json!({
        "key": key, "name": name, "description": description, "team": team, "team_id": project.team_id(),
        "comment_required": comment_required,
    })
}

/// The change that makes a new project's environments: the first of its own chain.
fn founding(
    project: &Project,
    environments: &[Environment],
    caller: &Caller,
    request: &Request,
    now: Timestamp,
) -> Change {
    let entities: Vec<_> = environments.iter().map(Entity::environment).collect();
    let after = json!({ "environments": entities.iter().map(|one| &one.key).collect::<Vec<_>>() });
    let mut change = on_instance(caller, request, now, "found_project", entities);
    change.chain = Chain::Project(project.id);
    change.after = Some(after.to_string());
    change.writes = environments.iter().cloned().map(Write::CreateEnvironment).collect();
    change.writes.push(Write::TouchDependencies);
    change
}

/// The environments that every project begins with.
pub(crate) fn first_environments(project_id: Id, ids: &dyn Ids, now: Timestamp) -> Result<[Environment; 3]> {
    let environment = |position, key: &str, name: &str, color, protected| {
        let key = Key::parse(key).ok_or_else(|| Error::Internal("a default key is none".into()))?;
        Ok::<_, Error>(Environment {
            id: ids.id(now),
            project_id,
            key,
            name: name.to_owned(),
            description: String::new(),
            color,
            protected,
            position,
            version: 0,
            created_at: now,
            updated_at: now,
        })
    };
    Ok([
        environment(0, DEFAULT_ENVIRONMENT, "Development", Color::GREEN, false)?,
        environment(1, "staging", "Staging", Color::AMBER, false)?,
        environment(2, "production", "Production", Color::RED, true)?,
    ])
}
