use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::environment::Environment;
use domain::flag::{FlagEverywhere, FlagHere};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{FlagFilter, Flags, Page, StoreError, StoreResult};
use domain::team::{OwnedFlag, OwnedFlags};
use engine::model::{Delta, Revision, SCHEMA, Snapshot};

use super::super::tables::{Of, matches};
use super::super::{MemoryStore, listed, page, travelling, travelling_segment};

#[async_trait]
impl Flags for MemoryStore {
    async fn owned_flags(&self, owner: &str) -> StoreResult<Vec<OwnedFlags>> {
        Ok(self.state().tables.owned_flags(owner))
    }

    async fn flags_of_owner(&self, owner: &str, limit: u32) -> StoreResult<Page<OwnedFlag>> {
        let all = self.state().tables.flags_of_owner(owner);
        let total = all.len();
        Ok(page(all, total, limit))
    }

    async fn snapshot(&self, environment_id: Id) -> StoreResult<Option<Snapshot>> {
        let state = self.state();
        let Some(place) = state.tables.environments.get(&environment_id) else { return Ok(None) };
        let no_epoch = || StoreError::Corrupt("the database has no epoch yet".into());
        let flags = state.tables.flags_in(&place.environment);
        Ok(Some(Snapshot {
            schema: SCHEMA,
            epoch: state.epoch.clone().ok_or_else(no_epoch)?,
            revision: state.snapshot_revision(place),
            project: place.project.to_string(),
            environment: place.environment.key.to_string(),
            lists: state.tables.of_segments.fields_of(place.environment.project_id).map(listed).collect(),
            segments: state
                .tables
                .of_segments
                .segments_in(&place.environment)
                .map(|here| travelling_segment(&here))
                .collect(),
            flags: flags.map(|here| (here.flag.key.to_string(), travelling(&here))).collect(),
        }))
    }

    async fn changes_since(&self, environment_id: Id, revision: Revision) -> StoreResult<Option<Delta>> {
        let state = self.state();
        let Some(place) = state.tables.environments.get(&environment_id) else { return Ok(None) };
        let (tables, environment) = (&state.tables, &place.environment);
        let mut delta = Delta { revision: state.snapshot_revision(place).max(revision), ..Delta::default() };
        let effects = state.effects.get(&environment_id).into_iter().flatten();
        for ((of, key), _) in effects.filter(|(_, last)| **last > revision) {
            match of {
                Of::Flag => {
                    let flag = tables.flag_in(environment, key).map(|here| travelling(&here));
                    delta.flags.insert(key.to_string(), flag);
                }
                Of::Segment => {
                    let here = tables.of_segments.segment_in(environment, key);
                    let segment = here.map(|here| travelling_segment(&here).1);
                    delta.segments.insert(key.to_string(), segment);
                }
                Of::List => {
                    let field = tables.of_segments.field(environment.project_id, key);
                    delta.lists.insert(key.to_string(), field.map(|field| listed(&field).1));
                }
            }
        }
        Ok(Some(delta))
    }

    async fn flag(&self, project_id: Id, key: &Key) -> StoreResult<Option<FlagEverywhere>> {
        Ok(self.state().tables.flag(project_id, key))
    }

    async fn flags_named(&self, project_id: Id, keys: &[Key]) -> StoreResult<Vec<FlagEverywhere>> {
        let state = self.state();
        let keys: BTreeSet<_> = keys.iter().collect();
        Ok(keys.into_iter().filter_map(|key| state.tables.flag(project_id, key)).collect())
    }

    async fn flags(&self, environment: &Environment, filter: &FlagFilter) -> StoreResult<Page<FlagHere>> {
        let state = self.state();
        let all: Vec<_> = state.tables.flags_in(environment).filter(|here| matches(here, filter)).collect();
        let total = all.len();
        let after = |here: &FlagHere| filter.after.as_ref().is_none_or(|after| here.flag.key > *after);
        Ok(page(all.into_iter().filter(after).collect(), total, filter.limit))
    }
}
