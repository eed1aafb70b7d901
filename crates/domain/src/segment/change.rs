//! Changing a segment: load, decide, compile the result, commit what changed; again if someone was faster.

use std::sync::Arc;

use engine::json::{At, Violation};
use engine::model::{Keys, Revision, Snapshot};
use serde_json::{Map, Value, json};

use super::history::{config_for_log, definition_for_log, off_reactor};
use super::input::{Reading, apply};
use super::undo::Undo;
use super::{KeyList, KeySet, KeysChange, References, SegmentConfig, SegmentEverywhere, SegmentHere};
use crate::access::{DeleteSegment, InEnvironment, InProject, Permit, UpdateSegment, Writer};
use crate::control::{Attempts, Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::input::check_key;
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::time::Timestamp;

/// How long a key list stays that no segment names any more, in milliseconds: readers of the snapshot before may
/// still be fetching it.
const SPARED: i64 = 3_600_000;

/// What is to become of a segment in one environment.
#[derive(Clone, Copy)]
pub(super) enum Edit<'a> {
    /// Members of a document replace its own.
    Document(&'a Value),
    /// An upload changes one of its lists.
    Keys(&'a KeysChange),
    /// It becomes what it is in another environment.
    CopyFrom(&'a Environment),
    /// It becomes what it was before a change.
    Undo(&'a Undo),
}

/// A segment before and after a change.
pub(super) struct Edited {
    pub(super) before: SegmentHere,
    pub(super) after: SegmentHere,
}

impl Edited {
    pub(super) fn after(self) -> SegmentHere {
        self.after
    }
}

/// What was decided, the key sets that were made on the way, and what of a document did not read.
pub(super) struct Decision {
    pub(super) after: SegmentHere,
    pub(super) known: Vec<Arc<KeySet>>,
    pub(super) reading: Reading,
}

impl Control {
    /// Takes over the members that the document names, in the writer's environment, and keeps the others.
    /// A document that changes nothing makes no change.
    pub async fn update_segment(
        &self,
        writer: &InEnvironment<UpdateSegment>,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<SegmentHere> {
        let edit = Edit::Document(document);
        self.change_segment(writer, key, "update_segment", request, edit).await.map(Edited::after)
    }

    /// Removes a segment everywhere, unless something names it. Its key is free again; its versions never come
    /// back. `If-Match` speaks of the view in `environment`. Gives the revision that it took.
    pub async fn delete_segment(
        &self,
        permit: &InProject<DeleteSegment>,
        environment: &Environment,
        key: &str,
        request: &Request,
    ) -> Result<Revision> {
        let mut attempts = Attempts::default();
        loop {
            let dependencies = self.store.dependencies_version(permit.project_id()).await?;
            let everywhere = self.load_segment(permit.project_id(), key).await?;
            let here = everywhere.clone().here(environment.id).ok_or_else(|| Error::no_segment(key))?;
            request.check(&here.etag())?;
            let environments = self.all_environments(permit.project_id()).await?;
            self.refuse_if_used(engine::Named::Segment(key), "segment_in_use", &environments).await?;
            let now = self.clock.now();
            let mut change = deletion(&everywhere, permit, &environments, request, now);
            change.reads.push(ReadVersion::Dependencies { version: dependencies });
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                if everywhere.configs.iter().any(names_lists) {
                    self.sweep_key_lists(permit.project_id(), now).await;
                }
                return Ok(revision);
            }
        }
    }

    pub(super) async fn change_segment(
        &self,
        writer: &Writer,
        key: &str,
        action: &'static str,
        request: &Request,
        edit: Edit<'_>,
    ) -> Result<Edited> {
        let environment = writer.environment();
        let mut attempts = Attempts::default();
        loop {
            // Before everything that it is the version of.
            let dependencies = self.store.dependencies_version(writer.project_id()).await?;
            let everywhere = self.load_segment(writer.project_id(), key).await?;
            let before = everywhere.clone().here(environment.id).ok_or_else(|| Error::no_segment(key))?;
            request.check(&before.etag())?;
            let Decision { after, known, reading } = self.decide(&everywhere, &before, edit).await?;
            // Keys break nothing, whoever names the segment.
            let reconditioned = before.config.when != after.config.when;
            let meaning = if reconditioned { self.faults_of(&after, environment).await? } else { Vec::new() };
            reading.finish(meaning)?;
            if after == before {
                return Ok(Edited { after: before.clone(), before });
            }
            self.put_lists(writer.project_id(), &before.config, &after.config, &known).await?;
            let now = self.clock.now();
            let mut change = self.edition(&before, &after, writer, request, &known, now).await?;
            change.action = action;
            if reconditioned {
                change.reads.push(ReadVersion::Dependencies { version: dependencies });
            }
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                if names_lists(&before.config) {
                    self.sweep_key_lists(writer.project_id(), now).await;
                }
                let after = after.stamped(&before, revision, now);
                return Ok(Edited { before, after });
            }
        }
    }

    /// What the edit makes of a segment, before anyone asks whether it may be so.
    pub(super) async fn decide(
        &self,
        everywhere: &SegmentEverywhere,
        before: &SegmentHere,
        edit: Edit<'_>,
    ) -> Result<Decision> {
        let mut after = before.clone();
        let (mut known, mut reading) = (Vec::new(), Reading::default());
        match edit {
            Edit::Document(document) => {
                if let Some(object) = At::root(document).object(&mut reading.violations) {
                    check_key(&before.segment.key, "a segment", &object, &mut reading.violations);
                    apply(&mut after, &object, &mut reading);
                }
            }
            Edit::Keys(change) => {
                let (keys, held) = self
                    .apply_upload(before.segment.project_id, change, before.config.keys(change.list))
                    .await?;
                *after.config.keys_mut(change.list) = keys.to_keys();
                known.extend(held);
                known.push(keys);
            }
            Edit::Undo(undo) => {
                if let Some(object) = At::root(&undo.document).object(&mut reading.violations) {
                    apply(&mut after, &object, &mut reading);
                }
                for (list, coming, going) in &undo.lists {
                    let (keys, held) = self
                        .with_keys_back(before.segment.project_id, before.config.keys(*list), (coming, going))
                        .await?;
                    *after.config.keys_mut(*list) = keys.to_keys();
                    known.extend([held, keys]);
                }
            }
            Edit::CopyFrom(environment) => {
                let source = everywhere.clone().here(environment.id);
                let source = source.ok_or_else(|| Error::no_segment(before.segment.key.as_str()))?.config;
                after.config.when = source.when;
                after.config.included = source.included;
                after.config.excluded = source.excluded;
            }
        }
        Ok(Decision { after, known, reading })
    }

    /// What is wrong with the segment in an environment, or would be with what reaches it.
    pub(super) async fn faults_of(
        &self,
        here: &SegmentHere,
        environment: &Environment,
    ) -> Result<Vec<Violation>> {
        faults_within(self.load_snapshot(environment).await?, here).await
    }

    /// Keeps the large lists that the change will name.
    async fn put_lists(
        &self,
        project_id: Id,
        before: &SegmentConfig,
        after: &SegmentConfig,
        known: &[Arc<KeySet>],
    ) -> Result<()> {
        for list in KeyList::BOTH {
            let keys = after.keys(list);
            let set = keys.blob().and_then(|sha256| known.iter().find(|set| set.sha256() == sha256));
            // One that is not at hand is another environment's, and kept already.
            if let (Some(set), true) = (set, keys != before.keys(list)) {
                self.store.put_key_list(project_id, set, self.clock.now()).await?;
            }
        }
        Ok(())
    }

    /// Removes lists that nothing names any more. That it fails harms nobody: the next change to a list tries again.
    async fn sweep_key_lists(&self, project_id: Id, now: Timestamp) {
        let before = Timestamp::from_millis(now.as_millis() - SPARED);
        if let Err(error) = self.store.sweep_key_lists(project_id, before).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "unnamed key lists were not removed");
        }
    }

    async fn edition(
        &self,
        before: &SegmentHere,
        after: &SegmentHere,
        writer: &Writer,
        request: &Request,
        known: &[Arc<KeySet>],
        now: Timestamp,
    ) -> Result<Change> {
        let environment = writer.environment();
        let (segment_id, environment_id) = (before.segment.id, environment.id);
        let texts = self.edit_for_log(before, after, environment, known).await?;
        let mut writes = Vec::new();
        if before.segment != after.segment {
            let mut segment = after.segment.clone();
            segment.updated_at = now;
            writes.push(Write::UpdateSegment(segment));
        }
        if before.config != after.config {
            let mut config = after.config.clone();
            config.updated_at = now;
            writes.push(Write::UpdateSegmentConfig(config));
        }
        if References::of(before.config.when.as_ref()) != References::of(after.config.when.as_ref()) {
            writes.push(Write::TouchDependencies);
        }
        Ok(Change {
            chain: Chain::Project(writer.project_id()),
            at: now,
            actor: writer.caller().account_id(),
            source: request.source.clone(),
            action: "update_segment",
            entities: vec![Entity::segment(&after.segment), Entity::environment(environment)],
            before: Some(texts.0),
            after: Some(texts.1),
            comment: request.comment.clone(),
            standing: request.standing.clone(),
            reads: vec![
                ReadVersion::Segment { id: segment_id, version: before.segment.version },
                ReadVersion::SegmentConfig { segment_id, environment_id, version: before.config.version },
            ],
            writes,
        })
    }

    pub(super) async fn load_segment(&self, project_id: Id, key: &str) -> Result<SegmentEverywhere> {
        let named = Key::parse(key).ok_or_else(|| Error::no_segment(key))?;
        self.store.segment(project_id, &named).await?.ok_or_else(|| Error::no_segment(key))
    }
}

/// What is wrong with the segment in a snapshot that has all that it names and is named by.
pub(super) async fn faults_within(mut snapshot: Snapshot, here: &SegmentHere) -> Result<Vec<Violation>> {
    let key = here.segment.key.to_string();
    snapshot.segments.insert(key.clone(), Arc::new(here.config.document()));
    off_reactor(move || engine::check_segment(&snapshot, &key).err().unwrap_or_default()).await
}

fn names_lists(config: &SegmentConfig) -> bool {
    KeyList::BOTH.iter().any(|list| matches!(config.keys(*list), Keys::Blob { .. }))
}

fn deletion(
    everywhere: &SegmentEverywhere,
    permit: &Permit,
    environments: &[Environment],
    request: &Request,
    now: Timestamp,
) -> Change {
    let SegmentEverywhere { segment, configs } = everywhere;
    let mut logged = Map::new();
    let mut reads = vec![ReadVersion::Segment { id: segment.id, version: segment.version }];
    for config in configs {
        let (segment_id, environment_id) = (config.segment_id, config.environment_id);
        reads.push(ReadVersion::SegmentConfig { segment_id, environment_id, version: config.version });
        if let Some(environment) = environments.iter().find(|environment| environment.id == environment_id) {
            logged.insert(environment.key.to_string(), config_for_log(config));
        }
    }
    let before = json!({ "segment": definition_for_log(segment), "configs": logged });
    Change {
        chain: Chain::Project(segment.project_id),
        at: now,
        actor: permit.caller().account_id(),
        source: request.source.clone(),
        action: "delete_segment",
        entities: vec![Entity::segment(segment)],
        before: Some(before.to_string()),
        after: None,
        comment: request.comment.clone(),
        standing: request.standing.clone(),
        reads,
        writes: vec![
            Write::DeleteSegment { id: segment.id, key: segment.key.clone() },
            Write::TouchDependencies,
        ],
    }
}
