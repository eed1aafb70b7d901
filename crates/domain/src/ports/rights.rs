//! Teams, roles, and what was granted to whom.

use async_trait::async_trait;

use super::{KeyedFilter, Page, StoreResult};
use crate::grant::{Grant, GrantFilter, Granted, Holder};
use crate::id::Id;
use crate::key::Key;
use crate::role::CustomRole;
use crate::team::{Member, Team};

/// Teams, roles, and what was granted to whom.
#[async_trait]
pub trait Rights: Send + Sync {
    /// A team.
    async fn team(&self, key: &Key) -> StoreResult<Option<Team>>;
    /// The team with this id.
    async fn team_by_id(&self, id: Id) -> StoreResult<Option<Team>>;
    /// Teams, by key.
    async fn teams(&self, filter: &KeyedFilter) -> StoreResult<Page<Team>>;
    /// Who is in a team, by e-mail.
    async fn team_members(&self, team_id: Id) -> StoreResult<Vec<Member>>;
    /// The teams that an account is in, by key.
    async fn teams_of(&self, account_id: Id) -> StoreResult<Vec<Team>>;
    /// All roles that somebody made, by key.
    async fn roles(&self) -> StoreResult<Vec<CustomRole>>;
    /// A grant.
    async fn grant(&self, id: Id) -> StoreResult<Option<Grant>>;
    /// Grants, by id: the oldest first.
    async fn grants(&self, filter: &GrantFilter) -> StoreResult<Page<Grant>>;
    /// What was granted to somebody itself, everywhere, the oldest first.
    async fn grants_of(&self, holder: Holder) -> StoreResult<Vec<Grant>>;
    /// How often a role is granted.
    async fn grants_with_role(&self, role: &str) -> StoreResult<u64>;
    /// What was granted to somebody; to an account by itself and through its teams.
    async fn granted(&self, holder: Holder) -> StoreResult<Vec<Granted>>;
}
