//! Keys for applications.

use std::sync::Arc;

use domain::id::Id;
use domain::ports::{CommitError, SdkKeyFilter, SdkKeyUse};
use domain::sdk_key::{Reach, SdkKey};
use domain::time::Timestamp;
use engine::model::Revision;

use super::tables::{Applied, Tables, dangling, free};

impl Tables {
    pub(super) fn has_sdk_key(&self, project_id: Id, id: Id, version: Revision) -> bool {
        self.sdk_keys.get(&id).is_some_and(|key| key.project_id == project_id && key.version == version)
    }

    pub(super) fn create_sdk_key(&mut self, key: &SdkKey, revision: Revision) -> Applied {
        let taken = self.sdk_keys.values().any(|other| other.hash == key.hash || other.id == key.id);
        free(!taken, "sdk_key")?;
        self.check_reach(key)?;
        self.sdk_keys.insert(key.id, Arc::new(SdkKey { version: revision, ..key.clone() }));
        Ok(())
    }

    /// Its kind and its secret never change, and when it was used is no change's to say.
    pub(super) fn update_sdk_key(&mut self, key: &SdkKey, revision: Revision) -> Applied {
        self.check_reach(key)?;
        let known = Arc::make_mut(self.living_sdk_key(key.project_id, key.id)?);
        let SdkKey { reach, name, description, origins, updated_at, expires_at, replaced_by, .. } =
            key.clone();
        *known = SdkKey {
            reach,
            name,
            description,
            origins,
            updated_at,
            expires_at,
            replaced_by,
            version: revision,
            ..known.clone()
        };
        Ok(())
    }

    /// One that is revoked already keeps its time.
    pub(super) fn revoke_sdk_key(
        &mut self,
        project_id: Id,
        id: Id,
        at: Timestamp,
        revision: Revision,
    ) -> Applied {
        let key = Arc::make_mut(self.living_sdk_key(project_id, id)?);
        *key = SdkKey { revoked_at: Some(at), updated_at: at, version: revision, ..key.clone() };
        Ok(())
    }

    fn living_sdk_key(&mut self, project_id: Id, id: Id) -> Result<&mut Arc<SdkKey>, CommitError> {
        let key = self.sdk_keys.get_mut(&id);
        key.filter(|key| key.project_id == project_id && key.revoked_at.is_none()).ok_or(CommitError::Stale)
    }

    /// What it names is there, in its project.
    fn check_reach(&self, key: &SdkKey) -> Applied {
        let Reach::Environments(ids) = &key.reach else { return Ok(()) };
        let is_there = |id| {
            let place = self.environments.get(id);
            place.is_some_and(|place| place.environment.project_id == key.project_id)
        };
        if ids.iter().all(is_there) { Ok(()) } else { Err(dangling("environment")) }
    }

    /// Keys that open nothing else go with it.
    pub(super) fn forget_environment_of_keys(&mut self, environment: Id) {
        self.sdk_keys.retain(|_, key| {
            if !key.reach.names(environment) {
                return true;
            }
            let Reach::Environments(ids) = &mut Arc::make_mut(key).reach else { return true };
            ids.retain(|id| *id != environment);
            !ids.is_empty()
        });
    }

    pub(super) fn note_used(&mut self, used: &SdkKeyUse) {
        let key = self.sdk_keys.get_mut(&used.id);
        let key = key.filter(|key| key.project_id == used.project_id && key.last_used_at < Some(used.at));
        if let Some(key) = key {
            Arc::make_mut(key).last_used_at = Some(used.at);
        }
    }

    /// Newest first.
    pub(super) fn sdk_keys(&self, wanted: impl Fn(&SdkKey) -> bool) -> Vec<SdkKey> {
        let keys = self.sdk_keys.values().filter(|key| wanted(key));
        let mut keys: Vec<_> = keys.map(|key| SdkKey::clone(key)).collect();
        keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
        keys
    }
}

/// Whether a list that is filtered shows a key.
pub(super) fn is_wanted(key: &SdkKey, filter: &SdkKeyFilter) -> bool {
    let opens = |id| key.reach == Reach::Project || key.reach.names(id);
    filter.environment.is_none_or(opens)
        && filter.kind.is_none_or(|kind| key.kind == kind)
        && filter.state.is_none_or(|state| key.state(filter.now) == state)
}
