//! Deleting an environment, with all that is in it.

use std::collections::BTreeMap;

use engine::model::{self, Revision};
use serde_json::{Map, Value, json};

use super::Environment;
use super::manage::may_remove_protected;
use crate::access::{DeleteEnvironment, InProject, Permit, Scope};
use crate::control::{Attempts, Control, DEFAULT_ENVIRONMENT, Request};
use crate::error::{Error, Result};
use crate::flag::{self, differs_from_new};
use crate::grant::{Grant, logged_grants};
use crate::in_use::{Place, in_use};
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::ports::{FlagFilter, SdkKeyFilter};
use crate::sdk_key::{KeyState, SdkKey};
use crate::segment::document_for_log;
use crate::time::Timestamp;

/// No more of the configs that go with an environment is logged, in bytes of JSON; those beyond are counted.
const MOST_LOGGED: usize = 1 << 20;
/// How many flags are looked at at a time.
const BATCH: u32 = 1_000;

/// What somebody put into an environment.
#[derive(Default)]
pub(super) struct Contents {
    enabled: u64,
    changed: u64,
    /// Keys of flags and segments that differ from new ones, by kind.
    keys: Vec<(&'static str, String)>,
    segments: u64,
    /// In force.
    sdk_keys: Vec<SdkKey>,
    /// What holds in it alone.
    grants: Vec<Grant>,
    logged: Logged,
}

/// The configs that go with an environment, as the log keeps them: by kind and key, as long as they are not too much.
#[derive(Default)]
struct Logged {
    configs: BTreeMap<&'static str, Map<String, Value>>,
    bytes: usize,
    left_out: u64,
}

impl Logged {
    fn add(&mut self, kind: &'static str, key: &str, config: Value) {
        let bytes = key.len() + config.to_string().len();
        if self.bytes + bytes > MOST_LOGGED {
            self.left_out += 1;
            return;
        }
        self.bytes += bytes;
        self.configs.entry(kind).or_default().insert(key.to_owned(), config);
    }
}

impl Control {
    /// Removes an environment with its configs and SDK keys, which are refused from then on. One that somebody put
    /// something into goes only by force; the default one never does; a protected one takes the right to change flags in it.
    pub async fn delete_environment(
        &self,
        permit: &InProject<DeleteEnvironment>,
        key: &str,
        force: bool,
        request: &Request,
    ) -> Result<Environment> {
        self.remove_environment(permit, key, force, request).await.map(|(environment, _)| environment)
    }

    /// The same; gives the revision that it took as well.
    pub(super) async fn remove_environment(
        &self,
        permit: &InProject<DeleteEnvironment>,
        key: &str,
        force: bool,
        request: &Request,
    ) -> Result<(Environment, Revision)> {
        let mut attempts = Attempts::default();
        loop {
            // What is made meanwhile would name what is gone; and unless it goes whatever is in it, what is put into it
            // meanwhile is looked at as well.
            let version = self.store.dependencies_version(permit.project_id()).await?;
            let mut reads = vec![ReadVersion::Dependencies { version }];
            if !force {
                reads.push(self.nothing_else_on(Chain::Project(permit.project_id())).await?);
            }
            let environment = self.environment(permit.project_id(), Some(key)).await?;
            request.check(&environment.etag())?;
            may_remove_protected(permit, &environment)?;
            let contents = self.expect_removable(&environment, force).await?;
            let mut change = deletion(&environment, &contents, permit, request, self.clock.now());
            change.reads.extend(reads);
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok((environment, revision));
            }
        }
    }

    /// What is in an environment; a conflict if it may not be removed with that.
    pub(super) async fn expect_removable(&self, environment: &Environment, force: bool) -> Result<Contents> {
        if environment.key.as_str() == DEFAULT_ENVIRONMENT {
            let message = format!(
                "{DEFAULT_ENVIRONMENT} is the environment that is meant where none is named, and cannot be deleted"
            );
            return Err(Error::Conflict { code: "default_environment", message });
        }
        let contents = self.contents(environment).await?;
        if !force && !contents.is_empty() {
            let message = format!("it has {}; ask again with ?force=true", contents.listed());
            let places = contents.places(environment);
            return Err(in_use("environment_in_use", message, Vec::new(), places));
        }
        Ok(contents)
    }

    async fn contents(&self, environment: &Environment) -> Result<Contents> {
        let mut contents = Contents::default();
        let mut filter = FlagFilter { limit: BATCH, ..FlagFilter::default() };
        loop {
            let page = self.store.flags(environment, &filter).await?;
            for here in &page.items {
                contents.enabled += u64::from(here.config.enabled);
                if differs_from_new(here) {
                    contents.changed += 1;
                    contents.keys.push(("flag", here.flag.key.to_string()));
                    contents.logged.add("flags", here.flag.key.as_str(), flag::config_for_log(&here.config));
                }
            }
            filter.after = page.items.last().map(|here| here.flag.key.clone());
            if !page.more || filter.after.is_none() {
                break;
            }
        }
        let snapshot = self.load_snapshot(environment).await?;
        for (key, segment) in &snapshot.segments {
            let is_new = segment.known().is_some_and(|segment| *segment == model::Segment::default());
            if !is_new {
                contents.segments += 1;
                contents.keys.push(("segment", key.clone()));
                contents.logged.add("segments", key, document_for_log(segment));
            }
        }
        let filter = SdkKeyFilter {
            environment: Some(environment.id),
            state: Some(KeyState::InForce),
            ..SdkKeyFilter::all(self.clock.now())
        };
        let keys = self.store.sdk_keys(environment.project_id, &filter).await?.items;
        // A key for all environments is not this one's.
        contents.sdk_keys = keys.into_iter().filter(|key| key.reach.names(environment.id)).collect();
        let here =
            |grant: &Grant| matches!(grant.scope, Scope::Environment { id, .. } if id == environment.id);
        contents.grants = self.grants_in(environment.project_id).await?;
        contents.grants.retain(here);
        Ok(contents)
    }
}

impl Contents {
    fn counted(&self) -> [(u64, &'static str); 4] {
        [
            (self.enabled, "enabled flags"),
            (self.changed, "flags whose config differs from a new one's"),
            (self.segments, "segments with a condition or keys"),
            (self.sdk_keys.len() as u64, "SDK keys in force"),
        ]
    }

    fn is_empty(&self) -> bool {
        self.counted().iter().all(|(count, _)| *count == 0)
    }

    fn places(&self, environment: &Environment) -> Vec<Place> {
        let sdk_keys = self.sdk_keys.iter().map(|key| ("sdk_key", key.id.to_string()));
        let place = |(kind, key)| Place {
            kind,
            key,
            project: None,
            environment: Some(environment.key.clone()),
            path: String::new(),
            names: environment.key.to_string(),
        };
        self.keys.iter().cloned().chain(sdk_keys).map(place).collect()
    }

    fn listed(&self) -> String {
        let counted = self.counted().into_iter().filter(|(count, _)| *count > 0);
        counted.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    }

    fn for_log(&self) -> Value {
        let keys: Vec<_> =
            self.sdk_keys.iter().map(|key| json!({ "id": key.id, "name": key.name })).collect();
        let mut all = json!({
            "enabled_flags": self.enabled, "changed_flags": self.changed, "filled_segments": self.segments,
            "sdk_keys": keys, "configs": self.logged.configs, "configs_left_out": self.logged.left_out,
        });
        logged_grants(&mut all, &self.grants);
        all
    }
}

fn deletion(
    environment: &Environment,
    contents: &Contents,
    permit: &Permit,
    request: &Request,
    now: Timestamp,
) -> Change {
    let before = json!({ "environment": environment.for_log(), "contents": contents.for_log() });
    Change {
        chain: Chain::Project(environment.project_id),
        at: now,
        actor: permit.caller().account_id(),
        source: request.source.clone(),
        action: "delete_environment",
        entities: vec![Entity::environment(environment)],
        before: Some(before.to_string()),
        after: None,
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads: vec![ReadVersion::Environment { id: environment.id, version: environment.version }],
        writes: vec![Write::DeleteEnvironment { id: environment.id }, Write::TouchDependencies],
    }
}
