//! A segment as the log keeps it: keys themselves as long as they are few.

use std::sync::Arc;

use engine::model::{self, Keys, Read};
use serde_json::{Map, Value, json};

use super::{KeyList, KeySet, Segment, SegmentConfig, SegmentHere};
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;

/// More keys than this that came in or went are counted in the log, not named.
const MOST_NAMED: u64 = 1_000;

/// The definition: without what the log entry itself says (version and times).
pub(super) fn definition_for_log(segment: &Segment) -> Value {
    json!({ "key": segment.key, "name": segment.name, "description": segment.description })
}

/// A config as a whole, as it begins or ends.
pub(super) fn config_for_log(config: &SegmentConfig) -> Value {
    whole_for_log(&json!(config.when), &config.included, &config.excluded)
}

/// The same of what readers see of it; of what is not understood, all of it.
pub(crate) fn document_for_log(config: &Read<model::Segment>) -> Value {
    match config {
        Read::Known(config) => whole_for_log(&json!(config.when), &config.included, &config.excluded),
        Read::Unknown { raw, .. } => raw.clone(),
    }
}

fn whole_for_log(when: &Value, included: &Keys, excluded: &Keys) -> Value {
    let keys = |keys: &Keys| match keys {
        Keys::Inline(keys) if keys.len() as u64 <= MOST_NAMED => json!({ "count": keys.len(), "keys": keys }),
        Keys::Inline(keys) => named(&keys.iter().collect()),
        Keys::Blob { sha256, count } => json!({ "count": count, "sha256": sha256 }),
    };
    json!({ "when": when, "included": keys(included), "excluded": keys(excluded) })
}

fn named(keys: &KeySet) -> Value {
    json!({ "count": keys.count(), "sha256": keys.sha256() })
}

/// A list that is not there to be compared with.
fn lost(keys: &Keys) -> Value {
    json!({
        "count": keys.len(),
        "sha256": keys.blob(),
        "note": "this list could not be read any more, so which keys came in and which went is not known",
    })
}

/// What was there and what is there now, member by member.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) before: Map<String, Value>,
    pub(super) after: Map<String, Value>,
}

impl Differences {
    fn add(&mut self, member: &str, before: Value, after: Value) {
        self.before.insert(member.to_owned(), before);
        self.after.insert(member.to_owned(), after);
    }

    /// Puts the members under the environment that they are of, where the log looks for configs.
    fn in_environment(self, environment: &Environment) -> [Value; 2] {
        [self.before, self.after].map(|members| json!({ (environment.key.as_str()): members }))
    }
}

impl Control {
    /// The texts of the log for a change of a segment in an environment.
    pub(super) async fn edit_for_log(
        &self,
        before: &SegmentHere,
        after: &SegmentHere,
        environment: &Environment,
        known: &[Arc<KeySet>],
    ) -> Result<(String, String)> {
        let mut texts = Differences::default();
        if before.segment != after.segment {
            texts.add("segment", definition_for_log(&before.segment), definition_for_log(&after.segment));
        }
        if before.config != after.config {
            let edited =
                self.compare_configs(before.segment.project_id, &before.config, &after.config, known).await?;
            let [before, after] = edited.in_environment(environment);
            texts.add("configs", before, after);
        }
        Ok((Value::Object(texts.before).to_string(), Value::Object(texts.after).to_string()))
    }

    /// The members of a config that differ. Of lists only what came in and went is said.
    pub(super) async fn compare_configs(
        &self,
        project_id: Id,
        before: &SegmentConfig,
        after: &SegmentConfig,
        known: &[Arc<KeySet>],
    ) -> Result<Differences> {
        let mut edited = Differences::default();
        if before.when != after.when {
            edited.add("when", json!(before.when), json!(after.when));
        }
        for list in KeyList::BOTH {
            let (old, new) = (before.keys(list), after.keys(list));
            if old != new {
                // What is named anew must be there, but nothing that was lost stands in the way of leaving it.
                let present = self.key_set(project_id, new, known).await?;
                let (before, after) = match self.find_keys(project_id, old, known).await? {
                    Some(held) => off_reactor(move || compare_keys(&held, &present)).await?,
                    None => (lost(old), named(&present)),
                };
                edited.add(list.name(), before, after);
            }
        }
        Ok(edited)
    }

    /// The keys of a list, from those that are at hand or from the store. A conflict, that says what to do, if they
    /// are not there whole.
    pub(crate) async fn key_set(
        &self,
        project_id: Id,
        keys: &Keys,
        known: &[Arc<KeySet>],
    ) -> Result<Arc<KeySet>> {
        self.find_keys(project_id, keys, known).await?.ok_or_else(|| {
            let message = format!(
                "the key list {} is not in the store as a whole, and this cannot be done without it; upload all of its \
                 keys again, by PUT /api/v1/segments/{{key}}/included or …/excluded",
                keys.blob().unwrap_or_default()
            );
            Error::Conflict { code: "key_list_lost", message }
        })
    }

    /// The same; `None` if the store does not have them as they were, whole.
    pub(super) async fn find_keys(
        &self,
        project_id: Id,
        keys: &Keys,
        known: &[Arc<KeySet>],
    ) -> Result<Option<Arc<KeySet>>> {
        let (sha256, count) = match keys {
            Keys::Inline(keys) => return Ok(Some(Arc::new(keys.iter().collect()))),
            Keys::Blob { sha256, count } => (sha256.clone(), *count),
        };
        if let Some(set) = known.iter().find(|set| set.sha256() == sha256) {
            return Ok(Some(set.clone()));
        }
        let mut bytes = Vec::new();
        let mut position = 0;
        while let Some(chunk) = self.store.key_list_chunk(project_id, &sha256, position).await? {
            bytes.extend_from_slice(&chunk);
            position += 1;
        }
        let set = off_reactor(move || KeySet::of_list(bytes, &sha256)).await?;
        Ok(set.filter(|set| set.count() == count).map(Arc::new))
    }
}

fn compare_keys(before: &KeySet, after: &KeySet) -> (Value, Value) {
    let difference = before.difference(after, MOST_NAMED);
    let mut described = named(after);
    if let Some((added, removed)) = difference.keys {
        described["added"] = json!(added);
        described["removed"] = json!(removed);
    } else {
        described["added_count"] = json!(difference.added_count);
        described["removed_count"] = json!(difference.removed_count);
    }
    (named(before), described)
}

/// Runs what takes longer than the reactor may be held.
pub(super) async fn off_reactor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.into()))
}
