//! Reverting changes of segments.

use std::sync::Arc;

use engine::Named;
use engine::json::{At, Violation};
use engine::model::Keys;
use serde_json::{Map, Value, json};

use super::change::Edit;
use super::history::{config_for_log, definition_for_log, off_reactor};
use super::input::{Reading, apply};
use super::{KeyList, KeySet, Segment, SegmentConfig, SegmentEverywhere, SegmentHere};
use crate::access::{CreateSegment, DeleteSegment, UpdateSegment};
use crate::control::{Attempts, Control, DEFAULT_ENVIRONMENT, find_environment};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::revert::{Outcome, Revert, SetBack, refused, whole};
use crate::time::Timestamp;

/// What makes a segment in an environment what it was.
pub(super) struct Undo {
    /// Members that replace its own.
    pub(super) document: Value,
    /// Keys that come back to a list, and keys that go from it.
    pub(super) lists: Vec<(KeyList, Arc<KeySet>, Arc<KeySet>)>,
}

impl Control {
    pub(crate) async fn revert_segment(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let (old, new) = revert.parts("segment");
        match (old.is_null(), new.is_null()) {
            (true, false) if revert.before.is_none() => self.unmake_segment(revert).await,
            (false, true) if revert.after.is_none() => self.remake_segment(revert).await,
            _ => self.set_segment_back(revert).await,
        }
    }

    async fn set_segment_back(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let environment = revert.environment()?;
        let writer = revert.permit::<UpdateSegment>()?.at(environment.clone())?;
        let key = revert.key()?;
        let everywhere = self.load_segment(revert.reader.project_id(), key).await?;
        revert.expect_same(everywhere.segment.id)?;
        let here = everywhere.here(environment.id).ok_or_else(|| Error::no_segment(key))?;
        let mut back = SetBack::default();
        let (old, new) = revert.parts("segment");
        revert.set_back("segment", &old, &new, &definition_for_log(&here.segment), &mut back);
        let (old, new) = revert.parts("configs");
        let place = environment.key.as_str();
        let when = |config: &Value| json!({ "when": config[place]["when"] });
        let now = json!({ "when": here.config.when });
        revert.set_back(&format!("configs.{place}"), &when(&old), &when(&new), &now, &mut back);
        let mut lists = Vec::new();
        for list in KeyList::BOTH {
            let changed = &new[place][list.name()];
            if !changed.is_null() {
                let path = format!("configs.{place}.{}", list.name());
                lists.extend(self.set_keys_back(revert, list, changed, &here, &path, &mut back).await?);
            }
        }
        back.expect_free()?;
        if back.members.is_empty() && lists.is_empty() {
            return Ok(Outcome::unchanged());
        }
        let undo = Undo { document: back.document(), lists };
        let (edit, request) = (Edit::Undo(&undo), revert.request(here.etag()));
        let mut outcome = Outcome { changes: back.changes, ..Outcome::unchanged() };
        if revert.mode.dry_run {
            self.try_segment(&environment, key, &request, edit).await?;
            return Ok(outcome);
        }
        let after = self.change_segment(&writer, key, "update_segment", &request, edit).await?.after();
        outcome.revision = Some(after.segment.version.max(after.config.version));
        outcome.reached = vec![environment.id];
        Ok(outcome)
    }

    /// What must come back to a list and go from it, as far as the entry names it. Other keys may have come and gone.
    async fn set_keys_back(
        &self,
        revert: &Revert<'_>,
        list: KeyList,
        changed: &Value,
        here: &SegmentHere,
        path: &str,
        back: &mut SetBack,
    ) -> Result<Option<(KeyList, Arc<KeySet>, Arc<KeySet>)>> {
        let named = |member: &str| {
            let keys = changed[member].as_array()?;
            Some(Arc::new(keys.iter().filter_map(Value::as_str).collect::<KeySet>()))
        };
        let (Some(added), Some(removed)) = (named("added"), named("removed")) else {
            return Err(refused(format!(
                "{} changed by more keys than the log names (1,000); upload the keys as they should be",
                list.name()
            )));
        };
        let held = self.key_set(here.segment.project_id, here.config.keys(list), &[]).await?;
        let (coming, going) = (removed.clone(), added.clone());
        let before = held.clone();
        let after = off_reactor(move || before.without(&going).with(&coming)).await?;
        if *after.sha256() == *held.sha256() {
            return Ok(None);
        }
        let there = held.count() + removed.count() == held.with(&removed).count()
            && held.count() == held.without(&added).count() + added.count();
        if !there && !revert.mode.force {
            let message =
                "some of the keys that the change added or removed were added or removed again since";
            back.in_the_way.push(Violation { path: path.to_owned(), message: message.to_owned() });
        }
        let told = |set: &KeySet| json!({ "count": set.count(), "sha256": set.sha256() });
        back.changes.extend(whole(path, told(&held), told(&after)));
        Ok(Some((list, removed, added)))
    }

    /// What a list becomes when keys come back and others go.
    pub(super) async fn with_keys_back(
        &self,
        project_id: Id,
        held: &Keys,
        (coming, going): (&Arc<KeySet>, &Arc<KeySet>),
    ) -> Result<(Arc<KeySet>, Arc<KeySet>)> {
        let held = self.key_set(project_id, held, &[]).await?;
        let (before, coming, going) = (held.clone(), coming.clone(), going.clone());
        let after = off_reactor(move || before.without(&going).with(&coming)).await?;
        Ok((Arc::new(after), held))
    }

    async fn unmake_segment(&self, revert: &Revert<'_>) -> Result<Outcome> {
        let permit = revert.permit::<DeleteSegment>()?;
        let environment = find_environment(revert.environments, DEFAULT_ENVIRONMENT)?;
        let key = revert.key()?;
        let everywhere = self.load_segment(revert.reader.project_id(), key).await?;
        revert.expect_same(everywhere.segment.id)?;
        let now = everywhere_for_log(&everywhere, revert.environments);
        revert.expect_untouched("segment", &revert.parts("segment").1, &now["segment"])?;
        if let Some(configs) = revert.parts("configs").1.as_object() {
            for (place, config) in configs {
                revert.expect_untouched(&format!("configs.{place}"), config, &now["configs"][place])?;
            }
        }
        self.refuse_if_used(Named::Segment(key), "segment_in_use", revert.environments).await?;
        let here = everywhere.here(environment.id).ok_or_else(|| Error::no_segment(key))?;
        let changes = whole("segment", now["segment"].clone(), Value::Null);
        let mut outcome = Outcome { changes, ..Outcome::unchanged() };
        if !revert.mode.dry_run {
            let request = revert.request(here.etag());
            outcome.revision = Some(self.delete_segment(&permit, &environment, key, &request).await?);
            outcome.reached = revert.environments.iter().map(|one| one.id).collect();
        }
        Ok(outcome)
    }

    /// What was deleted comes back, with a new id. Nothing names it yet, so nobody's answers change.
    async fn remake_segment(&self, revert: &Revert<'_>) -> Result<Outcome> {
        revert.permit::<CreateSegment>()?;
        let mut attempts = Attempts::default();
        loop {
            // Before everything that it is the version of.
            let version = self.store.dependencies_version(revert.reader.project_id()).await?;
            let now = self.clock.now();
            let everywhere = self.read_deleted_segment(revert, now).await?;
            let after = everywhere_for_log(&everywhere, revert.environments);
            let SegmentEverywhere { segment, configs } = everywhere;
            let changes = whole("segment", Value::Null, after["segment"].clone());
            let mut outcome = Outcome { changes, ..Outcome::unchanged() };
            if revert.mode.dry_run {
                if self.store.segment(segment.project_id, &segment.key).await?.is_some() {
                    return Err(refused(format!("another segment has the key {} now", segment.key)));
                }
                return Ok(outcome);
            }
            let mut writes = vec![Write::CreateSegment(segment.clone())];
            writes.extend(configs.into_iter().map(Write::CreateSegmentConfig));
            writes.push(Write::TouchDependencies);
            let change = Change {
                chain: Chain::Project(segment.project_id),
                at: now,
                actor: revert.reader.caller().account_id(),
                source: revert.request.source.clone(),
                action: "create_segment",
                entities: vec![Entity::segment(&segment)],
                before: None,
                after: Some(after.to_string()),
                comment: revert.request.comment.clone(),
                standing: revert.request.standing.clone(),
                reads: vec![ReadVersion::Dependencies { version }],
                writes,
            };
            if let Some(revision) = self.try_create(change, &mut attempts, "a segment", &segment.key).await? {
                outcome.revision = Some(revision);
                outcome.reached = revert.environments.iter().map(|one| one.id).collect();
                return Ok(outcome);
            }
        }
    }

    async fn read_deleted_segment(&self, revert: &Revert<'_>, now: Timestamp) -> Result<SegmentEverywhere> {
        let (definition, configs) = (revert.parts("segment").0, revert.parts("configs").0);
        let segment = Segment {
            id: self.ids.id(now),
            project_id: revert.reader.project_id(),
            key: Key::parse(revert.key()?).ok_or_else(|| refused("its key is none"))?,
            name: String::new(),
            description: String::new(),
            version: 0,
            created_at: now,
            updated_at: now,
        };
        let mut everywhere = SegmentEverywhere { segment, configs: Vec::new() };
        for environment in revert.environments {
            let config = SegmentConfig {
                segment_id: everywhere.segment.id,
                environment_id: environment.id,
                when: None,
                included: Keys::default(),
                excluded: Keys::default(),
                version: 0,
                updated_at: now,
            };
            let mut here = SegmentHere { segment: everywhere.segment.clone(), config };
            let document = document_of(&definition, &configs[environment.key.as_str()])?;
            let mut reading = Reading::default();
            if let Some(object) = At::root(&document).object(&mut reading.violations) {
                apply(&mut here, &object, &mut reading);
            }
            let faults = self.faults_of(&here, environment).await?;
            reading.finish(faults)?;
            everywhere.segment = here.segment;
            everywhere.configs.push(here.config);
        }
        Ok(everywhere)
    }
}

/// What the log keeps of a segment in an environment, as people write it.
fn document_of(definition: &Value, config: &Value) -> Result<Value> {
    let mut document: Map<String, Value> = definition.as_object().cloned().unwrap_or_default();
    if config.is_null() {
        return Ok(Value::Object(document));
    }
    document.insert("when".to_owned(), config["when"].clone());
    for list in KeyList::BOTH {
        let logged = &config[list.name()];
        if logged["keys"].is_null() && logged["count"] != json!(0) {
            return Err(refused(format!(
                "{} had more keys than the log names (1,000); make the segment anew and upload them",
                list.name()
            )));
        }
        document.insert(list.name().to_owned(), logged["keys"].clone());
    }
    Ok(Value::Object(document))
}

fn everywhere_for_log(everywhere: &SegmentEverywhere, environments: &[Environment]) -> Value {
    let configs = everywhere.configs.iter().filter_map(|config| {
        let place = environments.iter().find(|environment| environment.id == config.environment_id)?;
        Some((place.key.to_string(), config_for_log(config)))
    });
    json!({
        "segment": definition_for_log(&everywhere.segment),
        "configs": Value::Object(configs.collect()),
    })
}
