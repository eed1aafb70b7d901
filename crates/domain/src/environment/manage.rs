//! Making and changing environments.

use engine::json::{At, Violations};
use engine::model::Revision;
use serde_json::{Value, json};

use super::input::{apply, read_place};
use super::position::{Way, make_way, next_position};
use super::{Color, Environment};
use crate::access::{CreateEnvironment, InProject, Permit, Reader, UpdateEnvironment, UpdateFlag};
use crate::control::{Attempts, Control, DEFAULT_ENVIRONMENT, Request, find_environment};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::input::{check_key, read_key};
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::time::Timestamp;

/// No project has more environments: each is a snapshot on every node.
const MOST_ENVIRONMENTS: usize = 100;

/// What a document says of a new environment.
struct NewEnvironment {
    environment: Environment,
    /// Whose configs it begins with.
    copy_from: Option<Environment>,
}

impl Control {
    /// The environment with this key.
    pub async fn get_environment(&self, reader: &Reader, key: &str) -> Result<Environment> {
        self.environment(reader.project_id(), Some(key)).await
    }

    /// Makes an environment with a config of every flag and segment: flags disabled and segments empty, or, with
    /// `copy_from`, as they are in another one.
    pub async fn create_environment(
        &self,
        permit: &InProject<CreateEnvironment>,
        document: &Value,
        request: &Request,
    ) -> Result<Environment> {
        let mut attempts = Attempts::default();
        loop {
            // A flag that is made meanwhile would be without a config in it.
            let version = self.store.dependencies_version(permit.project_id()).await?;
            let environments = self.all_environments(permit.project_id()).await?;
            let now = self.clock.now();
            let new = self.read_new_environment(permit.project_id(), document, &environments, now)?;
            let mut environment = new.environment.clone();
            let moved = make_way(&environment, Way::Up, &environments, now);
            let mut change = creation(new, &environments, &moved, permit, request, now);
            change.reads.extend(positions(&environments, version));
            if let Some(revision) =
                self.try_create(change, &mut attempts, "an environment", &environment.key).await?
            {
                environment.version = revision;
                return Ok(environment);
            }
        }
    }

    fn read_new_environment(
        &self,
        project_id: Id,
        document: &Value,
        environments: &[Environment],
        now: Timestamp,
    ) -> Result<NewEnvironment> {
        let mut violations = Violations::default();
        let new = At::root(document).object(&mut violations).and_then(|object| {
            let key = read_key(&object, &mut violations);
            // Under a faulty key the rest is read all the same, so that its faults are told at once.
            let named = key.clone().or_else(|| Key::parse("unnamed"))?;
            let mut environment = Environment {
                id: self.ids.id(now),
                project_id,
                key: named,
                name: String::new(),
                description: String::new(),
                color: Color::PLAIN,
                protected: false,
                position: next_position(environments),
                version: 0,
                created_at: now,
                updated_at: now,
            };
            let copy_from = object.get("copy_from").filter(|at| !at.is_null());
            let copy_from = copy_from.map(|at| read_place(at, environments, &mut violations));
            apply(&mut environment, &object, &mut violations);
            key.map(|_| NewEnvironment { environment, copy_from: copy_from.flatten() })
        });
        let new = violations.into_result(new).map_err(Error::Invalid)?;
        if environments.len() < MOST_ENVIRONMENTS {
            return Ok(new);
        }
        let message = format!("a project has at most {MOST_ENVIRONMENTS} environments; delete one first");
        Err(Error::Conflict { code: "too_many_environments", message })
    }

    /// Takes over the members that the document names, and keeps the others. A document that changes nothing makes
    /// no change. No two environments have one position: those that are in the way of another one move to where it came
    /// from.
    pub async fn update_environment(
        &self,
        permit: &InProject<UpdateEnvironment>,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<Environment> {
        let mut attempts = Attempts::default();
        loop {
            // An environment that is made meanwhile may stand where this one goes.
            let version = self.store.dependencies_version(permit.project_id()).await?;
            let environments = self.all_environments(permit.project_id()).await?;
            let before = find_environment(&environments, key)?;
            request.check(&before.etag())?;
            let mut after = before.clone();
            let mut violations = Violations::default();
            let read = At::root(document).object(&mut violations).map(|object| {
                check_key(&before.key, "an environment", &object, &mut violations);
                apply(&mut after, &object, &mut violations);
            });
            violations.into_result(read).map_err(Error::Invalid)?;
            if after == before {
                return Ok(before);
            }
            may_unprotect(permit, &before, &after)?;
            let now = self.clock.now();
            after.updated_at = now;
            let mut pairs = vec![(before.clone(), after.clone())];
            let moves = before.position != after.position;
            if moves {
                let way = if before.position < after.position { Way::Down } else { Way::Up };
                pairs.extend(make_way(&after, way, &environments, now));
            }
            let mut change =
                changed("update_environment", &pairs, permit, request, (permit.project_id(), now));
            if moves {
                change.reads.extend(positions(&environments, version));
            }
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                after.version = revision;
                return Ok(after);
            }
        }
    }

    /// Puts all environments into the order in which the document, `{"keys"}`, names them.
    pub async fn reorder_environments(
        &self,
        permit: &InProject<UpdateEnvironment>,
        document: &Value,
        request: &Request,
    ) -> Result<Vec<Environment>> {
        let mut attempts = Attempts::default();
        loop {
            let version = self.store.dependencies_version(permit.project_id()).await?;
            let environments = self.all_environments(permit.project_id()).await?;
            let mut ordered = read_order(document, &environments)?;
            let now = self.clock.now();
            let mut moved = Vec::new();
            for (position, environment) in (0_i32..).zip(&mut ordered) {
                if environment.position != position {
                    let before = environment.clone();
                    (environment.position, environment.updated_at) = (position, now);
                    moved.push((before, environment.clone()));
                }
            }
            if moved.is_empty() {
                return Ok(ordered);
            }
            let mut change =
                changed("reorder_environments", &moved, permit, request, (permit.project_id(), now));
            change.reads.extend(positions(&environments, version));
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return self.all_environments(permit.project_id()).await;
            }
        }
    }
}

fn version_of(environment: &Environment) -> ReadVersion {
    ReadVersion::Environment { id: environment.id, version: environment.version }
}

/// What a change relies on that gives an environment a position: that of none of them has changed meanwhile, and none
/// was made, which touches what refers to what.
pub(super) fn positions(
    environments: &[Environment],
    dependencies: Revision,
) -> impl Iterator<Item = ReadVersion> {
    let made = ReadVersion::Dependencies { version: dependencies };
    environments.iter().map(version_of).chain([made])
}

/// All environments in the order of a document.
fn read_order(document: &Value, environments: &[Environment]) -> Result<Vec<Environment>> {
    let mut violations = Violations::default();
    let ordered = At::root(document).object(&mut violations).and_then(|object| {
        let keys = object.require(&mut violations, "keys")?;
        let mut ordered: Vec<Environment> = Vec::new();
        keys.each(&mut violations, MOST_ENVIRONMENTS, |at, violations| {
            let place = read_place(at, environments, violations)?;
            if ordered.contains(&place) {
                at.fault(violations, "was named before; name each environment once");
            }
            ordered.push(place);
            Some(())
        })?;
        let missing = environments.iter().filter(|environment| !ordered.contains(environment));
        let missing: Vec<_> = missing.map(|environment| environment.key.as_str()).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            keys.fault(&mut violations, format_args!("must name all environments; {missing} is missing"));
        }
        object.deny_unknown(&mut violations);
        Some(ordered)
    });
    violations.into_result(ordered).map_err(Error::Invalid)
}

fn creation(
    new: NewEnvironment,
    environments: &[Environment],
    moved: &[(Environment, Environment)],
    permit: &Permit,
    request: &Request,
    now: Timestamp,
) -> Change {
    let NewEnvironment { environment, copy_from } = new;
    let mut after = json!({ "environment": environment.for_log() });
    let mut before = None;
    if !moved.is_empty() {
        before = Some(json!({ "environments": for_log(moved.iter().map(|(before, _)| before)) }).to_string());
        after["environments"] = for_log(moved.iter().map(|(_, after)| after));
    }
    if let Some(source) = &copy_from {
        after["copy_from"] = json!(source.key);
    }
    let environment_id = environment.id;
    let mut writes = vec![Write::CreateEnvironment(environment.clone())];
    // What rests in the new one begins as it does in the default one.
    let default = environments.iter().find(|one| one.key.as_str() == DEFAULT_ENVIRONMENT);
    if let Some(source) = copy_from.as_ref().or(default) {
        let resting = copy_from.is_none();
        writes.push(Write::FillFlags { environment_id, from: source.id, resting, at: now });
        let from = copy_from.as_ref().map(|source| source.id);
        writes.push(Write::FillSegments { environment_id, from, at: now });
    }
    writes.push(Write::TouchDependencies);
    let mut entities = vec![Entity::environment(&environment)];
    for (_, moved) in moved {
        writes.push(Write::UpdateEnvironment(moved.clone()));
        entities.push(Entity::environment(moved));
    }
    Change {
        chain: Chain::Project(environment.project_id),
        at: now,
        actor: permit.caller().account_id(),
        source: request.source.clone(),
        action: "create_environment",
        entities,
        before,
        after: Some(after.to_string()),
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads: Vec::new(),
        writes,
    }
}

/// Environments as the log keeps them, by key.
fn for_log<'a>(environments: impl Iterator<Item = &'a Environment>) -> Value {
    Value::Object(environments.map(|one| (one.key.to_string(), one.for_log())).collect())
}

/// The change that makes the second of each pair out of the first.
pub(super) fn changed(
    action: &'static str,
    pairs: &[(Environment, Environment)],
    permit: &Permit,
    request: &Request,
    (project_id, now): (Id, Timestamp),
) -> Change {
    Change {
        chain: Chain::Project(project_id),
        at: now,
        actor: permit.caller().account_id(),
        source: request.source.clone(),
        action,
        entities: pairs.iter().map(|(_, after)| Entity::environment(after)).collect(),
        before: Some(json!({ "environments": for_log(pairs.iter().map(|(before, _)| before)) }).to_string()),
        after: Some(json!({ "environments": for_log(pairs.iter().map(|(_, after)| after)) }).to_string()),
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads: pairs.iter().map(|(before, _)| version_of(before)).collect(),
        writes: pairs.iter().map(|(_, after)| Write::UpdateEnvironment(after.clone())).collect(),
    }
}

/// Protection keeps out who may not change flags there, so only who may takes it away.
pub(super) fn may_unprotect(permit: &Permit, before: &Environment, after: &Environment) -> Result<()> {
    if after.protected { Ok(()) } else { may_remove_protected(permit, before) }
}

/// Nor do others remove the environment: one that is not protected could be made in its place.
pub(super) fn may_remove_protected(permit: &Permit, environment: &Environment) -> Result<()> {
    if !environment.protected {
        return Ok(());
    }
    let permit = permit.caller().clone().in_project::<UpdateFlag>(permit.project().clone())?;
    permit.may_in(environment)
}
