use std::cmp::Reverse;

use async_trait::async_trait;
use domain::id::Id;
use domain::ports::{Page, SdkKeyFilter, SdkKeyUse, SdkKeys, StoreResult};
use domain::sdk_key::{KeyState, SdkKey};
use domain::time::Timestamp;

use super::super::sdk_keys::is_wanted;
use super::super::{MemoryStore, page};

#[async_trait]
impl SdkKeys for MemoryStore {
    async fn sdk_key(&self, project_id: Id, id: Id) -> StoreResult<Option<SdkKey>> {
        Ok(self.state().tables.sdk_keys(|key| key.project_id == project_id && key.id == id).pop())
    }

    async fn sdk_keys(&self, project_id: Id, filter: &SdkKeyFilter) -> StoreResult<Page<SdkKey>> {
        let wanted = |key: &SdkKey| key.project_id == project_id && is_wanted(key, filter);
        let all = self.state().tables.sdk_keys(wanted);
        let total = all.len();
        let after = |key: &SdkKey| filter.after.is_none_or(|after| (key.created_at, key.id) < after);
        Ok(page(all.into_iter().filter(after).collect(), total, filter.limit))
    }

    async fn sdk_keys_in_force(&self, now: Timestamp, of: Option<&[Id]>) -> StoreResult<Vec<SdkKey>> {
        let wanted = |key: &SdkKey| {
            key.state(now) == KeyState::InForce && of.is_none_or(|ids| ids.contains(&key.project_id))
        };
        Ok(self.state().tables.sdk_keys(wanted))
    }

    async fn sdk_keys_ended(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<String>> {
        let mut ended = self.state().tables.sdk_keys(|key| key.state(now) != KeyState::InForce);
        ended.sort_by_key(|key| Reverse((key.revoked_at.or(key.expires_at), key.id)));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(ended.into_iter().take(limit).map(|key| key.hash).collect())
    }

    async fn note_sdk_keys_used(&self, uses: &[SdkKeyUse]) -> StoreResult<()> {
        let mut state = self.state();
        for used in uses {
            state.tables.note_used(used);
        }
        Ok(())
    }
}
