//! Who looks after a flag: a person, in words of their own, or a team, which must be there.

use engine::json::nearest;

use super::Flag;
use crate::access::{Permission, Permit};
use crate::control::Control;
use crate::error::Result;
use crate::grant::{GrantFilter, Holder};
use crate::log::ReadVersion;
use crate::ports::KeyedFilter;
use crate::team::Team;

/// Among so many teams a slip of the hand is looked for.
const MOST_LOOKED_AT: u32 = 1_000;

/// A team that a flag is given to: its version, which must still be so when that is committed; or why it cannot be.
pub(super) type Given = std::result::Result<Option<ReadVersion>, String>;

impl Control {
    /// Whether a flag may have this owner, if it did not have it before. A team must be one that who asks may know
    /// of: otherwise they would learn by it which teams there are.
    pub(super) async fn check_owner(
        &self,
        permit: &Permit,
        flag: &Flag,
        before: Option<&str>,
    ) -> Result<Given> {
        let Some(key) = flag.owner.as_deref().and_then(|owner| owner.strip_prefix(Team::OWNER)) else {
            return Ok(Ok(None));
        };
        if before == flag.owner.as_deref() {
            return Ok(Ok(None));
        }
        let known = if permit.caller().rights().on_instance(Permission::ReadPeople) {
            if let Some(team) = self.known_team(key).await? {
                return Ok(Ok(Some(version(&team))));
            }
            let filter = KeyedFilter { limit: MOST_LOOKED_AT, ..KeyedFilter::default() };
            self.store.teams(&filter).await?.items
        } else {
            self.teams_around(permit).await?
        };
        if let Some(team) = known.iter().find(|team| team.key.as_str() == key) {
            return Ok(Ok(Some(version(team))));
        }
        let keys: Vec<_> = known.iter().map(|team| team.key.as_str()).collect();
        let meant = nearest(key, &keys);
        let meant = meant.map(|near| format!("did you mean {}{near}? ", Team::OWNER)).unwrap_or_default();
        Ok(Err(format!("names no team that you know; {meant}GET /api/v1/teams lists them")))
    }

    /// The teams that somebody knows of who may not see them all: their own, the one that owns the project, and those
    /// that have something in it, if they may see what is granted there.
    async fn teams_around(&self, permit: &Permit) -> Result<Vec<Team>> {
        let caller = permit.caller();
        let mut teams = self.store.teams_of(caller.account_id()).await?;
        let mut ids: Vec<_> = permit.project().team_id().into_iter().collect();
        if caller.rights().in_project(Permission::ManageGrants, permit.project_id()) {
            let project_id = Some(permit.project_id());
            let filter = GrantFilter { project_id, limit: MOST_LOOKED_AT, ..GrantFilter::default() };
            let grants = self.store.grants(&filter).await?.items;
            ids.extend(grants.into_iter().filter_map(|grant| match grant.holder {
                Holder::Team(id) => Some(id),
                Holder::Account(_) => None,
            }));
        }
        ids.retain(|id| teams.iter().all(|team| team.id != *id));
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            teams.extend(self.store.team_by_id(id).await?);
        }
        Ok(teams)
    }
}

fn version(team: &Team) -> ReadVersion {
    ReadVersion::Team { id: team.id, version: team.version }
}
