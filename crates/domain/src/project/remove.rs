//! Deleting a project, with all that is in it but its log.

use serde_json::{Value, json};

use super::Project;
use super::manage::for_log;
use crate::access::{DeleteProject, InProject};
use crate::control::{Attempts, Control, DEFAULT_PROJECT, Request, on_instance};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::grant::logged_grants;
use crate::id::Id;
use crate::log::{Chain, Entity, ReadVersion, Write};
use crate::ports::{FlagFilter, KeyedFilter, SdkKeyFilter};
use crate::sdk_key::{KeyState, SdkKey};

/// No more keys of flags, segments and context fields are logged of each. What was done to all of them is in the
/// project's own log, which stays.
const MOST_LOGGED: u32 = 1_000;

/// A project that is gone.
#[derive(Debug)]
pub struct DeletedProject {
    /// The environments that went with it.
    pub environments: Vec<Id>,
}

impl Control {
    /// Removes a project with everything in it; its log stays. One that has flags, segments or keys in force goes only
    /// by force, and the default one never does.
    pub async fn delete_project(
        &self,
        permit: &InProject<DeleteProject>,
        force: bool,
        request: &Request,
    ) -> Result<DeletedProject> {
        let project = permit.project();
        if project.key.as_str() == DEFAULT_PROJECT {
            let message = "the default project is what requests mean that name none; it cannot be deleted";
            return Err(Error::Conflict { code: "default_project", message: message.to_owned() });
        }
        let mut attempts = Attempts::default();
        loop {
            let before = self.project_named(project.key.as_str()).await?;
            request.check(&before.etag())?;
            let mut reads = vec![ReadVersion::Project { id: before.id, version: before.version }];
            if !force {
                // What is made in it meanwhile is looked at as well.
                reads.push(self.nothing_else_on(Chain::Project(before.id)).await?);
                self.refuse_if_filled(&before).await?;
            }
            let environments = self.store.environments(before.id).await?;
            let now = self.clock.now();
            let entities = vec![Entity::project(&before)];
            let mut change = on_instance(permit.caller(), request, now, "delete_project", entities);
            change.before = Some(self.all_of_project(&before, &environments).await?.to_string());
            change.reads = reads;
            change.writes = vec![Write::DeleteProject { id: before.id }];
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(DeletedProject { environments: environments.iter().map(|one| one.id).collect() });
            }
        }
    }

    async fn refuse_if_filled(&self, project: &Project) -> Result<()> {
        let inside = self.store.project_content(project.id).await?;
        let parts =
            [(inside.flags, "flags"), (inside.segments, "segments"), (inside.sdk_keys, "SDK keys in force")];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the project has {}; delete them first, or delete it with force=true",
            parts.join(" and ")
        );
        Err(Error::Conflict { code: "project_in_use", message })
    }

    /// All that goes with a project, for the log of the instance. What is made in it meanwhile is in its own.
    async fn all_of_project(&self, project: &Project, environments: &[Environment]) -> Result<Value> {
        let content = self.store.project_content(project.id).await?;
        let mut all = json!({
            "project": for_log(project),
            "contents": { "flags": content.flags, "segments": content.segments, "sdk_keys": content.sdk_keys },
        });
        let place = |one: &Environment| json!({ "id": one.id, "key": one.key, "name": one.name });
        all["environments"] = environments.iter().map(place).collect();
        if let Some(first) = environments.first() {
            let filter = FlagFilter { limit: MOST_LOGGED, ..FlagFilter::default() };
            let flags = self.store.flags(first, &filter).await?.items;
            all["flags"] = flags.iter().map(|here| json!(here.flag.key)).collect();
            let filter = KeyedFilter { limit: MOST_LOGGED, ..KeyedFilter::default() };
            let segments = self.store.segments(first, &filter).await?.items;
            all["segments"] = segments.iter().map(|segment| json!(segment.segment.key)).collect();
            let fields = self.store.context_fields(project.id, &filter).await?.items;
            all["context_fields"] = fields.iter().map(|field| json!(field.key)).collect();
        }
        let in_force = SdkKeyFilter { state: Some(KeyState::InForce), ..SdkKeyFilter::all(self.clock.now()) };
        let keys = self.store.sdk_keys(project.id, &in_force).await?.items;
        let key = |key: &SdkKey| json!({ "id": key.id, "name": key.name, "hint": key.hint });
        all["sdk_keys"] = keys.iter().map(key).collect();
        logged_grants(&mut all, &self.grants_in(project.id).await?);
        Ok(all)
    }
}
