//! Looking at flags, and asking one for oneself.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::model::{Condition, Read, Snapshot};
use engine::{Context, KeyList, KeyLists, Ruleset};
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use super::FlagHere;
use super::references::references;
use crate::access::Reader;
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::ports::{FlagFilter, Page};
use crate::time::Day;

/// What a flag gave, without the ruleset that it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The value, unless the caller's own default holds.
    pub value: Option<Value>,
    /// The variant, likewise.
    pub variant: Option<String>,
    /// OpenFeature's word for how it came about.
    pub reason: &'static str,
    /// OpenFeature's word for why there is no value.
    pub error: Option<&'static str>,
}

impl Control {
    /// A flag as an environment sees it.
    pub async fn flag(&self, reader: &Reader, environment: &Environment, key: &str) -> Result<FlagHere> {
        self.load_flag(reader.project_id(), key)
            .await?
            .here(environment.id)
            .ok_or_else(|| Error::no_flag(key))
    }

    /// The day on which a flag is overdue that was expected to be gone the day before.
    pub fn today(&self) -> Day {
        Day::of(self.clock.now())
    }

    /// Flags of an environment, by key.
    pub async fn flags(
        &self,
        _reader: &Reader,
        environment: &Environment,
        filter: &FlagFilter,
    ) -> Result<Page<FlagHere>> {
        Ok(self.store.flags(environment, filter).await?)
    }

    /// What a flag gives the reader's own account: its id as targeting key and `userId`, its `role` and `email`.
    ///
    /// Reads the store, not the snapshot that applications are served from: who just wrote a flag asks what
    /// they wrote.
    pub async fn evaluate_flag(
        &self,
        reader: &Reader,
        environment: &Environment,
        key: &str,
    ) -> Result<Answer> {
        let here = self.flag(reader, environment, key).await?;
        let caller = reader.caller();
        let id = caller.account_id().to_string();
        let attributes = Map::from_iter([
            ("targetingKey".to_owned(), json!(id)),
            ("userId".to_owned(), json!(id)),
            ("role".to_owned(), json!(caller.role())),
            ("email".to_owned(), json!(caller.email())),
        ]);
        let ruleset = self.ruleset_for(&here, environment).await?;
        let resolution = ruleset.evaluate(key, &Context::new(attributes));
        Ok(Answer {
            value: resolution.value().cloned(),
            variant: resolution.variant().map(str::to_owned),
            reason: resolution.reason().as_str(),
            error: resolution.error().map(|error| error.code.as_str()),
        })
    }
    /// The flag, compiled with all that it reaches.
    async fn ruleset_for(&self, here: &FlagHere, environment: &Environment) -> Result<Ruleset> {
        let key = here.flag.key.to_string();
        let mut snapshot = if references(&here.config).is_empty() {
            Snapshot::empty("", 0, "", environment.key.as_str())
        } else {
            self.load_snapshot(environment).await?
        };
        snapshot.flags.insert(key.clone(), Arc::new(here.document().into()));
        keep_what_is_reached(&mut snapshot, &key);
        let mut blobs = Vec::new();
        for segment in snapshot.segments.values().filter_map(|segment| segment.known()) {
            for keys in
                [&segment.included, &segment.excluded].into_iter().filter(|keys| keys.blob().is_some())
            {
                blobs.push(self.key_set(environment.project_id, keys, &[]).await?);
            }
        }
        let compiling = spawn_blocking(move || {
            let mut lists = KeyLists::default();
            for blob in blobs {
                // Nobody sends keys to it but its own segment's writers, so the seed needs no secret.
                let list = KeyList::read(blob.bytes(), [0; 16])?;
                lists.insert(blob.sha256().to_owned(), Arc::new(list));
            }
            Ok(Ruleset::compile(&snapshot, &lists))
        });
        let compiled = compiling.await.map_err(|error| Error::Internal(error.into()))?;
        compiled.map_err(|error: String| Error::Internal(error.into()))
    }
}

/// Leaves out of a snapshot what an answer of the flag does not depend on.
fn keep_what_is_reached(snapshot: &mut Snapshot, key: &str) {
    let (mut flags, mut segments) = (BTreeSet::new(), BTreeSet::new());
    let (mut to_ask, mut to_test) = (vec![key.to_owned()], Vec::new());
    while let Some(key) = to_ask.pop() {
        let flag = snapshot.flags.get(&key).and_then(|flag| flag.known());
        if let (true, Some(flag)) = (flags.insert(key), flag) {
            let required = flag.prerequisites.known().into_iter().flatten();
            to_ask.extend(required.map(|required| required.flag.clone()));
            let rules = flag.rules.iter().filter_map(Read::known);
            to_test.extend(rules.flat_map(|rule| segments_in(&rule.when)));
        }
    }
    while let Some(key) = to_test.pop() {
        let segment = snapshot.segments.get(&key).and_then(|segment| segment.known());
        if let (true, Some(segment)) = (segments.insert(key), segment) {
            to_test.extend(segment.when.iter().flat_map(segments_in));
        }
    }
    snapshot.flags.retain(|key, _| flags.contains(key));
    snapshot.segments.retain(|key, _| segments.contains(key));
}

fn segments_in(condition: &Condition) -> Vec<String> {
    let parts = condition.parts().into_iter();
    parts
        .filter_map(|(_, part)| match part {
            Condition::Segment(key) => Some(key.clone()),
            _ => None,
        })
        .collect()
}
