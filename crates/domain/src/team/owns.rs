//! What a team looks after and has, and what of it stands in the way of deleting the team.

use serde::Serialize;
use serde_json::{Value, json};

use super::Team;
use super::manage::document;
use crate::access::{Caller, Visible};
use crate::control::Control;
use crate::error::Result;
use crate::grant::{Holder, logged_grants};
use crate::in_use::{Place, in_use};
use crate::key::Key;
use crate::project::Project;

/// No more projects are shown, and no more flags are named as being in the way.
const MOST_SHOWN: usize = 1_000;
/// More than this are counted in a message, not named.
const MOST_NAMED: usize = 20;

/// What a team looks after, as far as who asks may see the projects.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Owns {
    /// The keys of projects, the first 1,000.
    pub projects: Vec<Key>,
    /// How many flags in each project, the first 1,000 of these.
    pub flags: Vec<FlagsOwned>,
}

/// Flags of a project that a team looks after.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FlagsOwned {
    /// The project's key.
    pub project: Key,
    /// How many flags.
    pub count: u64,
}

impl Control {
    /// What a team looks after.
    pub(super) async fn owns(&self, caller: &Caller, team: &Team) -> Result<Owns> {
        let visible = caller.rights().visible();
        let projects = self.store.projects_of_team(team.id).await?;
        let projects = projects.into_iter().filter(|project| visible.has(project.id));
        let flags = self.store.owned_flags(&team.owner()).await?;
        let flags = flags.into_iter().filter(|owned| visible.has(owned.project_id));
        Ok(Owns {
            projects: projects.map(|project| project.key).take(MOST_SHOWN).collect(),
            flags: flags
                .map(|owned| FlagsOwned { project: owned.project, count: owned.flags })
                .take(MOST_SHOWN)
                .collect(),
        })
    }

    /// A conflict if the team looks after something; what the caller may not see is only counted.
    pub(super) async fn refuse_if_owner(&self, caller: &Caller, team: &Team) -> Result<()> {
        let visible = caller.rights().visible();
        let projects = self.store.projects_of_team(team.id).await?;
        let owner = team.owner();
        let counted = self.store.owned_flags(&owner).await?;
        let total = projects.len() as u64 + counted.iter().map(|owned| owned.flags).sum::<u64>();
        if total == 0 {
            return Ok(());
        }
        let mut places = places_of_projects(team, &projects, &visible);
        let most = u32::try_from(MOST_SHOWN).unwrap_or(u32::MAX);
        let seen = |key: &Key| counted.iter().any(|own| own.project == *key && visible.has(own.project_id));
        let flags = self.store.flags_of_owner(&owner, most).await?.items;
        places.extend(flags.into_iter().filter(|flag| seen(&flag.project)).map(|flag| Place {
            kind: "flag",
            key: flag.flag.to_string(),
            project: Some(flag.project),
            environment: None,
            path: "owner".to_owned(),
            names: team.key.to_string(),
        }));
        let named: Vec<_> = places.iter().take(MOST_NAMED).map(Place::to_string).collect();
        let beyond = total - named.len() as u64;
        let named = named.join("; ");
        let named = match (named.is_empty(), beyond) {
            (false, 0) => named,
            (false, more) => format!("{named}; and {more} more projects and flags"),
            (true, more) => format!("{more} projects and flags that you may not see"),
        };
        let message = format!("the team owns {named}; give them to another first");
        Err(in_use("team_in_use", message, Vec::new(), places))
    }

    /// All that goes with a team, for the log. What is given to it while it goes has an entry of its own.
    pub(super) async fn all_of(&self, team: &Team) -> Result<Value> {
        let members = self.store.team_members(team.id).await?;
        let members: Vec<_> =
            members.iter().map(|member| json!({ "id": member.id, "email": member.email })).collect();
        let grants = self.store.grants_of(Holder::Team(team.id)).await?;
        let mut all = json!({ "team": document(team), "members": members });
        logged_grants(&mut all, &grants);
        Ok(all)
    }
}

fn places_of_projects(team: &Team, projects: &[Project], visible: &Visible) -> Vec<Place> {
    let seen = projects.iter().filter(|project| visible.has(project.id));
    let place = |project: &Project| Place {
        kind: "project",
        key: project.key.to_string(),
        project: None,
        environment: None,
        path: "team".to_owned(),
        names: team.key.to_string(),
    };
    seen.map(place).collect()
}
