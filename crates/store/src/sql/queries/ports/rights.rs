use async_trait::async_trait;
use domain::grant::{Grant, GrantFilter, Granted, Holder};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page, Rights, StoreResult};
use domain::role::CustomRole;
use domain::team::{Member, Team};

use super::super::{SqlStore, bounded, people};

#[async_trait]
impl Rights for SqlStore {
    async fn team(&self, key: &Key) -> StoreResult<Option<Team>> {
        bounded(people::team_named(&self.reader, key)).await
    }

    async fn team_by_id(&self, id: Id) -> StoreResult<Option<Team>> {
        bounded(people::team_by_id(&self.reader, id)).await
    }

    async fn teams(&self, filter: &KeyedFilter) -> StoreResult<Page<Team>> {
        bounded(people::teams(self, filter)).await
    }

    async fn team_members(&self, team_id: Id) -> StoreResult<Vec<Member>> {
        bounded(people::members(&self.reader, team_id)).await
    }

    async fn teams_of(&self, account_id: Id) -> StoreResult<Vec<Team>> {
        bounded(people::teams_of(&self.reader, account_id)).await
    }

    async fn roles(&self) -> StoreResult<Vec<CustomRole>> {
        bounded(people::roles(&self.reader)).await
    }

    async fn grant(&self, id: Id) -> StoreResult<Option<Grant>> {
        bounded(people::grant_by_id(&self.reader, id)).await
    }

    async fn grants(&self, filter: &GrantFilter) -> StoreResult<Page<Grant>> {
        bounded(people::grants(self, filter)).await
    }

    async fn grants_of(&self, holder: Holder) -> StoreResult<Vec<Grant>> {
        bounded(people::grants_of(&self.reader, holder)).await
    }

    async fn grants_with_role(&self, role: &str) -> StoreResult<u64> {
        bounded(people::grants_with_role(&self.reader, role)).await
    }

    async fn granted(&self, holder: Holder) -> StoreResult<Vec<Granted>> {
        bounded(people::granted(&self.reader, holder)).await
    }
}
