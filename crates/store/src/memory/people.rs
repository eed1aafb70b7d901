//! Projects, teams, roles, and who has which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::access::{Scope, Standing};
use domain::account::Account;
use domain::flag::Flag;
use domain::grant::{Grant, GrantFilter, Granted, Holder};
use domain::id::Id;
use domain::key::Key;
use domain::ports::{CommitError, ProjectContent};
use domain::project::Project;
use domain::role::CustomRole;
use domain::team::{Member, OwnedFlag, OwnedFlags, Team};
use domain::time::Timestamp;
use engine::model::Revision;

use super::tables::{Applied, Tables, free};

/// Who is there, and who may do what.
#[derive(Clone, Default)]
pub(super) struct PeopleTables {
    pub(super) teams: BTreeMap<Key, Arc<Team>>,
    /// Team and account.
    members: BTreeSet<(Id, Id)>,
    pub(super) roles: BTreeMap<Key, Arc<CustomRole>>,
    grants: BTreeMap<Id, Arc<Grant>>,
}

impl PeopleTables {
    pub(super) fn has_team(&self, id: Id, version: Revision) -> bool {
        self.teams.values().any(|team| team.id == id && team.version == version)
    }

    pub(super) fn has_role(&self, id: Id, version: Revision) -> bool {
        self.roles.values().any(|role| role.id == id && role.version == version)
    }

    /// What goes with an environment.
    pub(super) fn forget_environment(&mut self, gone: Id) {
        self.grants.retain(|_, grant| !matches!(grant.scope, Scope::Environment { id, .. } if id == gone));
    }

    /// What goes with an account.
    pub(super) fn forget_account(&mut self, gone: Id) {
        self.members.retain(|(_, account)| *account != gone);
        self.grants.retain(|_, grant| grant.holder != Holder::Account(gone));
    }

    pub(super) fn grants_with_role(&self, role: &str) -> usize {
        self.grants.values().filter(|grant| grant.role == role).count()
    }
}

impl Tables {
    pub(super) fn create_project(&mut self, project: &Project) -> Applied {
        self.expect_owner(project)?;
        let taken = self.projects.values().any(|known| known.key == project.key || known.id == project.id);
        free(!taken, "project")?;
        let project = Project { version: 0, ..project.clone() };
        self.projects.insert(project.key.clone(), Arc::new(project));
        Ok(())
    }

    pub(super) fn update_project(&mut self, project: &Project, revision: Revision) -> Applied {
        self.expect_owner(project)?;
        let known = self.projects.get(&project.key).filter(|known| known.id == project.id);
        let created_at = known.ok_or(CommitError::Stale)?.created_at;
        let project = Project { version: revision, created_at, ..project.clone() };
        self.projects.insert(project.key.clone(), Arc::new(project));
        Ok(())
    }

    fn expect_owner(&self, project: &Project) -> Applied {
        let there = |id| self.people.teams.values().any(|team| team.id == id);
        if project.team_id().is_none_or(there) { Ok(()) } else { Err(CommitError::Stale) }
    }

    pub(super) fn delete_project(&mut self, id: Id) -> Applied {
        let key = self.projects.values().find(|project| project.id == id).map(|project| project.key.clone());
        self.projects.remove(&key.ok_or(CommitError::Stale)?);
        let flags: BTreeSet<_> =
            self.flags.values().filter(|flag| flag.project_id == id).map(|flag| flag.id).collect();
        self.flags.retain(|(project_id, _), _| *project_id != id);
        self.configs.retain(|(flag_id, _), _| !flags.contains(flag_id));
        self.sdk_keys.retain(|_, key| key.project_id != id);
        self.environments.retain(|_, place| place.environment.project_id != id);
        self.of_segments.forget_project(id);
        self.people.grants.retain(|_, grant| grant.scope.project_id() != Some(id));
        Ok(())
    }

    pub(super) fn create_team(&mut self, team: &Team, revision: Revision) -> Applied {
        free(!self.people.teams.contains_key(&team.key), "team")?;
        self.people.teams.insert(team.key.clone(), Arc::new(Team { version: revision, ..team.clone() }));
        Ok(())
    }

    pub(super) fn update_team(&mut self, team: &Team, revision: Revision) -> Applied {
        let known = self.people.teams.get(&team.key).filter(|known| known.id == team.id);
        let created_at = known.ok_or(CommitError::Stale)?.created_at;
        let team = Team { version: revision, created_at, ..team.clone() };
        self.people.teams.insert(team.key.clone(), Arc::new(team));
        Ok(())
    }

    pub(super) fn delete_team(&mut self, id: Id) -> Applied {
        if self.projects.values().any(|project| project.team_id() == Some(id)) {
            return Err(CommitError::Stale);
        }
        let key = self.people.teams.values().find(|team| team.id == id).map(|team| team.key.clone());
        let key = key.ok_or(CommitError::Stale)?;
        let owner = format!("team:{key}");
        if self.flags.values().any(|flag| flag.owner.as_deref() == Some(owner.as_str())) {
            return Err(CommitError::Stale);
        }
        self.people.teams.remove(&key);
        self.people.members.retain(|(team_id, _)| *team_id != id);
        self.people.grants.retain(|_, grant| grant.holder != Holder::Team(id));
        Ok(())
    }

    pub(super) fn add_member(
        &mut self,
        team_id: Id,
        account_id: Id,
        at: Timestamp,
        revision: Revision,
    ) -> Applied {
        self.touch_team(team_id, at, revision)?;
        self.expect_account(account_id)?;
        free(self.people.members.insert((team_id, account_id)), "member")
    }

    pub(super) fn remove_member(
        &mut self,
        team_id: Id,
        account_id: Id,
        at: Timestamp,
        revision: Revision,
    ) -> Applied {
        self.touch_team(team_id, at, revision)?;
        if self.people.members.remove(&(team_id, account_id)) { Ok(()) } else { Err(CommitError::Stale) }
    }

    fn touch_team(&mut self, id: Id, at: Timestamp, revision: Revision) -> Applied {
        let team = self.people.teams.values_mut().find(|team| team.id == id).ok_or(CommitError::Stale)?;
        let team = Arc::make_mut(team);
        (team.version, team.updated_at) = (revision, at);
        Ok(())
    }

    fn expect_account(&self, id: Id) -> Applied {
        if self.of_accounts.account(id).is_some() { Ok(()) } else { Err(CommitError::Stale) }
    }

    pub(super) fn create_role(&mut self, role: &CustomRole, revision: Revision) -> Applied {
        free(!self.people.roles.contains_key(&role.key), "role")?;
        let role = CustomRole { version: revision, ..role.clone() };
        self.people.roles.insert(role.key.clone(), Arc::new(role));
        Ok(())
    }

    pub(super) fn update_role(&mut self, role: &CustomRole, revision: Revision) -> Applied {
        let known = self.people.roles.get(&role.key).filter(|known| known.id == role.id);
        let created_at = known.ok_or(CommitError::Stale)?.created_at;
        let role = CustomRole { version: revision, created_at, ..role.clone() };
        self.people.roles.insert(role.key.clone(), Arc::new(role));
        Ok(())
    }

    pub(super) fn delete_role(&mut self, id: Id) -> Applied {
        let key = self.people.roles.values().find(|role| role.id == id).map(|role| role.key.clone());
        let key = key.ok_or(CommitError::Stale)?;
        if self.people.grants_with_role(key.as_str()) > 0 {
            return Err(CommitError::Stale);
        }
        found(self.people.roles.remove(&key))
    }

    pub(super) fn create_grant(&mut self, grant: &Grant) -> Applied {
        match grant.holder {
            Holder::Account(id) => self.expect_account(id)?,
            Holder::Team(id) => found(self.people.teams.values().find(|team| team.id == id))?,
        }
        match grant.scope {
            Scope::Instance => {}
            Scope::Project(id) => found(self.projects.values().find(|project| project.id == id))?,
            Scope::Environment { project_id, id } => {
                let place = self.environments.get(&id);
                found(place.filter(|place| place.environment.project_id == project_id))?;
            }
        }
        let same = |known: &Arc<Grant>| {
            (known.holder, &known.role, known.scope) == (grant.holder, &grant.role, grant.scope)
        };
        free(!self.people.grants.values().any(same), "grant")?;
        self.people.grants.insert(grant.id, Arc::new(grant.clone()));
        Ok(())
    }

    pub(super) fn delete_grant(&mut self, chain_id: Id, id: Id) -> Applied {
        let of_chain = |grant: &&Arc<Grant>| grant.scope.project_id().unwrap_or(Id::NIL) == chain_id;
        found(self.people.grants.get(&id).filter(of_chain))?;
        found(self.people.grants.remove(&id))
    }

    /// By e-mail.
    pub(super) fn team_members(&self, team_id: Id) -> Vec<Member> {
        let ids = self.people.members.iter().filter(|(team, _)| *team == team_id);
        let accounts = ids.filter_map(|(_, account)| self.of_accounts.account(*account));
        let member = |account: Account| Member { id: account.id, email: account.email, name: account.name };
        let mut members: Vec<_> = accounts.map(member).collect();
        members.sort_by(|left, right| left.email.cmp(&right.email));
        members
    }

    pub(super) fn grant(&self, id: Id) -> Option<Grant> {
        self.people.grants.get(&id).map(|grant| self.named(grant))
    }

    /// Those that a filter means, whatever its page.
    pub(super) fn grants(&self, filter: &GrantFilter) -> Vec<Grant> {
        let wanted = |grant: &&Arc<Grant>| {
            grant.scope.project_id() == filter.project_id
                && filter.role.as_ref().is_none_or(|role| grant.role == *role)
        };
        self.people.grants.values().filter(wanted).map(|grant| self.named(grant)).collect()
    }

    /// With the names that its holder and its place have now.
    fn named(&self, grant: &Grant) -> Grant {
        let holder_name = match grant.holder {
            Holder::Account(id) => self.of_accounts.account(id).map(|account| account.email),
            Holder::Team(id) => {
                self.people.teams.values().find(|team| team.id == id).map(|team| team.key.to_string())
            }
        };
        let project = grant.scope.project_id();
        let project = self.projects.values().find(|known| Some(known.id) == project);
        let environment = match grant.scope {
            Scope::Environment { id, .. } => self.environments.get(&id),
            Scope::Instance | Scope::Project(_) => None,
        };
        Grant {
            holder_name: holder_name.unwrap_or_default(),
            project: project.map(|project| project.key.clone()),
            environment: environment.map(|place| place.environment.key.clone()),
            ..grant.clone()
        }
    }

    pub(super) fn grants_of(&self, holder: Holder) -> Vec<Grant> {
        let own = self.people.grants.values().filter(|grant| grant.holder == holder);
        own.map(|grant| self.named(grant)).collect()
    }

    /// By key.
    pub(super) fn teams_of(&self, account_id: Id) -> Vec<Team> {
        let teams = self.people.teams.values();
        let own = teams.filter(|team| self.people.members.contains(&(team.id, account_id)));
        own.map(|team| Team::clone(team)).collect()
    }

    /// By key.
    pub(super) fn owned_flags(&self, owner: &str) -> Vec<OwnedFlags> {
        let count = |project: &Arc<Project>| {
            let owned =
                |flag: &&Arc<Flag>| flag.project_id == project.id && flag.owner.as_deref() == Some(owner);
            let flags = self.flags.values().filter(owned).count() as u64;
            OwnedFlags { project_id: project.id, project: project.key.clone(), flags }
        };
        self.projects.values().map(count).filter(|owned| owned.flags > 0).collect()
    }

    /// By the keys of their project and their own.
    pub(super) fn flags_of_owner(&self, owner: &str) -> Vec<OwnedFlag> {
        let of_project = |project: &Arc<Project>| {
            let flags = self.flags.values().filter(|flag| flag.project_id == project.id);
            let owned = flags.filter(|flag| flag.owner.as_deref() == Some(owner));
            let named = owned.map(|flag| OwnedFlag { project: project.key.clone(), flag: flag.key.clone() });
            named.collect::<Vec<_>>()
        };
        self.projects.values().flat_map(of_project).collect()
    }

    /// Whether what a caller stood on holds still.
    pub(super) fn upholds(&self, standing: &Standing) -> bool {
        let account = self.of_accounts.account(standing.account_id).filter(|account| account.active);
        let granted = self.granted(Holder::Account(standing.account_id));
        account.is_some_and(|account| standing.holds(account.role, &granted))
            && standing.proof.is_none_or(|proof| self.of_accounts.proves(proof))
    }

    pub(super) fn granted(&self, holder: Holder) -> Vec<Granted> {
        let holds = |grant: &&Arc<Grant>| match (grant.holder, holder) {
            (Holder::Team(team), Holder::Account(account)) => self.people.members.contains(&(team, account)),
            (own, holder) => own == holder,
        };
        let granted = |grant: &Arc<Grant>| {
            let role = self.people.roles.values().find(|role| role.key.as_str() == grant.role);
            Granted {
                role: grant.role.clone(),
                permissions: role.map(|role| role.permissions.clone()),
                scope: grant.scope,
            }
        };
        self.people.grants.values().filter(holds).map(granted).collect()
    }

    pub(super) fn project_content(&self, project_id: Id) -> ProjectContent {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let in_force =
            |key: &domain::sdk_key::SdkKey| key.project_id == project_id && key.revoked_at.is_none();
        ProjectContent {
            flags: count(self.flags.keys().filter(|(id, _)| *id == project_id).count()),
            segments: count(self.of_segments.segments_of(project_id)),
            sdk_keys: count(self.sdk_keys(in_force).len()),
        }
    }
}

fn found<T>(row: Option<T>) -> Applied {
    row.map(|_| ()).ok_or(CommitError::Stale)
}
