use std::sync::Arc;

use async_trait::async_trait;
use domain::grant::{Grant, GrantFilter, Granted, Holder};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page, Rights, StoreResult};
use domain::role::CustomRole;
use domain::team::{Member, Team};

use super::super::segments::matches as matches_filter;
use super::super::{MemoryStore, page};

#[async_trait]
impl Rights for MemoryStore {
    async fn team(&self, key: &Key) -> StoreResult<Option<Team>> {
        Ok(self.state().tables.people.teams.get(key).map(|team| Team::clone(team)))
    }

    async fn team_by_id(&self, id: Id) -> StoreResult<Option<Team>> {
        Ok(self.state().tables.people.teams.values().find(|team| team.id == id).map(|team| Team::clone(team)))
    }

    async fn teams(&self, filter: &KeyedFilter) -> StoreResult<Page<Team>> {
        let state = self.state();
        let wanted = |team: &&Arc<Team>| matches_filter(filter, &team.key, &[&team.name, &team.description]);
        let all: Vec<_> = state.tables.people.teams.values().filter(wanted).collect();
        let after = |team: &&&Arc<Team>| filter.after.as_ref().is_none_or(|after| team.key > *after);
        let shown = all.iter().filter(after).map(|team| Team::clone(team));
        Ok(page(shown.collect(), all.len(), filter.limit))
    }

    async fn team_members(&self, team_id: Id) -> StoreResult<Vec<Member>> {
        Ok(self.state().tables.team_members(team_id))
    }

    async fn teams_of(&self, account_id: Id) -> StoreResult<Vec<Team>> {
        Ok(self.state().tables.teams_of(account_id))
    }

    async fn roles(&self) -> StoreResult<Vec<CustomRole>> {
        Ok(self.state().tables.people.roles.values().map(|role| CustomRole::clone(role)).collect())
    }

    async fn grant(&self, id: Id) -> StoreResult<Option<Grant>> {
        Ok(self.state().tables.grant(id))
    }

    async fn grants(&self, filter: &GrantFilter) -> StoreResult<Page<Grant>> {
        let all = self.state().tables.grants(filter);
        let total = all.len();
        let after = |grant: &Grant| filter.after.is_none_or(|after| grant.id > after);
        Ok(page(all.into_iter().filter(after).collect(), total, filter.limit))
    }

    async fn grants_of(&self, holder: Holder) -> StoreResult<Vec<Grant>> {
        Ok(self.state().tables.grants_of(holder))
    }

    async fn grants_with_role(&self, role: &str) -> StoreResult<u64> {
        let count = self.state().tables.people.grants_with_role(role);
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    async fn granted(&self, holder: Holder) -> StoreResult<Vec<Granted>> {
        Ok(self.state().tables.granted(holder))
    }
}
