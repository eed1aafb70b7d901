//! The rows, with the rules that a database keeps by its constraints.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::account::AccountWrite;
use domain::environment::Environment;
use domain::flag::{Config, Flag, FlagEverywhere, FlagHere};
use domain::id::Id;
use domain::key::Key;
use domain::log::{Counted, ReadVersion, Write};
use domain::ports::{CommitError, FlagFilter, StoreError};
use domain::project::Project;
use domain::sdk_key::{KeyState, SdkKey};
use domain::time::Timestamp;
use engine::model::Revision;

use super::accounts::AccountTables;
use super::people::PeopleTables;
use super::segments::SegmentTables;

/// Cheap to copy: what is large is shared.
#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) projects: BTreeMap<Key, Arc<Project>>,
    pub(super) environments: BTreeMap<Id, Arc<Place>>,
    /// By project and key, so in the order of lists.
    pub(super) flags: BTreeMap<(Id, Key), Arc<Flag>>,
    /// By flag and environment.
    pub(super) configs: BTreeMap<(Id, Id), Arc<Config>>,
    pub(super) sdk_keys: BTreeMap<Id, Arc<SdkKey>>,
    pub(super) of_accounts: AccountTables,
    pub(super) of_segments: SegmentTables,
    pub(super) people: PeopleTables,
    /// By project: the last revision that touched what refers to what.
    dependencies: BTreeMap<Id, Revision>,
}

/// An environment, and what of it is not shown.
pub(super) struct Place {
    pub(super) environment: Environment,
    /// Key of its project.
    pub(super) project: Key,
    /// The revision that made it.
    pub(super) made_at: Revision,
}

/// What an effect is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    Flag,
    Segment,
    List,
}

/// Environments, and what looks different there.
pub(super) type Effects = Vec<(Id, Of, Key)>;

pub(super) type Applied = Result<(), CommitError>;

impl Tables {
    /// Whether everything is as it was when it was read.
    pub(super) fn check(&self, project_id: Id, reads: &[ReadVersion]) -> Applied {
        let current = |read: &ReadVersion| match read {
            ReadVersion::Segment { id, version } => self.of_segments.has_segment(*id, *version),
            ReadVersion::SegmentConfig { segment_id, environment_id, version } => {
                self.of_segments.has_config(*segment_id, *environment_id, *version)
            }
            ReadVersion::ContextField { id, version } => self.of_segments.has_field(*id, *version),
            ReadVersion::SdkKey { id, version } => self.has_sdk_key(project_id, *id, *version),
            ReadVersion::Environment { id, version } => self.has_environment(*id, *version),
            ReadVersion::Project { id, version } => {
                self.projects.values().any(|project| project.id == *id && project.version == *version)
            }
            ReadVersion::Team { id, version } => self.people.has_team(*id, *version),
            ReadVersion::Role { id, version } => self.people.has_role(*id, *version),
            ReadVersion::Account { id, version } => self.of_accounts.has(*id, *version),
            ReadVersion::Dependencies { version } => self.dependencies_version(project_id) == *version,
            // The chains are kept beside the tables.
            ReadVersion::Head { .. } => true,
            ReadVersion::Room { of, most } => (self.count(project_id, *of) as u64) < *most,
            ReadVersion::Flag { id, version } => {
                self.flags.values().any(|flag| flag.id == *id && flag.version == *version)
            }
            ReadVersion::Config { flag_id, environment_id, version } => {
                let config = self.configs.get(&(*flag_id, *environment_id));
                config.is_some_and(|config| config.version == *version)
            }
        };
        if reads.iter().all(current) { Ok(()) } else { Err(CommitError::Stale) }
    }

    fn count(&self, project_id: Id, of: Counted) -> usize {
        match of {
            Counted::AccessTokens { account_id } => self.of_accounts.access_tokens(account_id).len(),
            Counted::Roles => self.people.roles.len(),
            Counted::SdkKeys { at } => {
                let counts =
                    |key: &SdkKey| key.project_id == project_id && key.state(at) == KeyState::InForce;
                self.sdk_keys(counts).len()
            }
        }
    }

    pub(super) fn apply(
        &mut self,
        project_id: Id,
        revision: Revision,
        at: Timestamp,
        write: &Write,
        effects: &mut Effects,
    ) -> Applied {
        match write {
            Write::CreateEnvironment(environment) => self.create_environment(environment, revision),
            Write::UpdateEnvironment(environment) => self.update_environment(environment, revision),
            Write::DeleteEnvironment { id } => self.delete_environment(project_id, *id),
            Write::FillFlags { environment_id, from, resting, at } => {
                let places = (*environment_id, *from);
                self.fill_flags(project_id, places, *resting, *at, revision, effects)
            }
            Write::CreateFlag(flag) => self.create_flag(flag, revision, effects),
            Write::UpdateFlag(flag) => self.update_flag(flag, revision, effects),
            Write::DeleteFlag { id, key } => self.delete_flag(project_id, *id, key, effects),
            Write::CreateConfig(config) => self.create_config(config, revision, effects),
            Write::UpdateConfig(config) => self.update_config(config, revision, effects),
            Write::CreateSdkKey(key) => self.create_sdk_key(key, revision),
            Write::UpdateSdkKey(key) => self.update_sdk_key(key, revision),
            Write::RevokeSdkKey { id, at } => self.revoke_sdk_key(project_id, *id, *at, revision),
            Write::Account(write) => {
                if let AccountWrite::Delete { id } = write {
                    self.people.forget_account(*id);
                }
                self.of_accounts.apply(write, revision)
            }
            Write::CreateSegment(segment) => self.create_segment(segment, revision),
            Write::UpdateSegment(segment) => self.update_segment(segment, revision),
            Write::DeleteSegment { id, key } => self.delete_segment(project_id, *id, key, at, effects),
            Write::CreateSegmentConfig(config) => {
                self.create_segment_config(project_id, config, at, revision, effects)
            }
            Write::UpdateSegmentConfig(config) => {
                self.update_segment_config(project_id, config, at, revision, effects)
            }
            Write::FillSegments { environment_id, from, at } => {
                self.fill_segments(project_id, *environment_id, *from, *at, revision, effects)
            }
            Write::CreateContextField(field) => self.create_context_field(field, revision, effects),
            Write::UpdateContextField(field) => self.update_context_field(field, revision, effects),
            Write::DeleteContextField { id, key } => self.delete_context_field(project_id, *id, key, effects),
            // The state's own.
            Write::RedactEntry { .. } | Write::ExpireEntries { .. } => Ok(()),
            Write::TouchDependencies => {
                self.dependencies.insert(project_id, revision);
                Ok(())
            }
            Write::CreateProject(project) => self.create_project(project),
            Write::UpdateProject(project) => self.update_project(project, revision),
            Write::DeleteProject { id } => self.delete_project(*id),
            Write::CreateTeam(team) => self.create_team(team, revision),
            Write::UpdateTeam(team) => self.update_team(team, revision),
            Write::DeleteTeam { id } => self.delete_team(*id),
            Write::AddMember { team_id, account_id, at } => {
                self.add_member(*team_id, *account_id, *at, revision)
            }
            Write::RemoveMember { team_id, account_id, at } => {
                self.remove_member(*team_id, *account_id, *at, revision)
            }
            Write::CreateRole(role) => self.create_role(role, revision),
            Write::UpdateRole(role) => self.update_role(role, revision),
            Write::DeleteRole { id } => self.delete_role(*id),
            Write::CreateGrant(grant) => self.create_grant(grant),
            Write::DeleteGrant { id } => self.delete_grant(project_id, *id),
        }
    }

    fn create_flag(&mut self, flag: &Flag, revision: Revision, effects: &mut Effects) -> Applied {
        let taken = |other: &Arc<Flag>| {
            other.project_id == flag.project_id && (other.key == flag.key || other.id == flag.id)
        };
        free(!self.flags.values().any(taken), "flag")?;
        self.put_flag(flag, revision);
        self.affect_everywhere(flag.project_id, Of::Flag, &flag.key, effects);
        Ok(())
    }

    fn update_flag(&mut self, flag: &Flag, revision: Revision, effects: &mut Effects) -> Applied {
        self.known(flag.project_id, flag.id, &flag.key)?;
        self.put_flag(flag, revision);
        self.affect_everywhere(flag.project_id, Of::Flag, &flag.key, effects);
        Ok(())
    }

    fn delete_flag(&mut self, project_id: Id, id: Id, key: &Key, effects: &mut Effects) -> Applied {
        self.known(project_id, id, key)?;
        self.flags.remove(&(project_id, key.clone()));
        self.configs.retain(|(flag_id, _), _| *flag_id != id);
        self.affect_everywhere(project_id, Of::Flag, key, effects);
        Ok(())
    }

    /// Whether this very flag is there, under this key.
    fn known(&self, project_id: Id, id: Id, key: &Key) -> Applied {
        let flag = self.flags.get(&(project_id, key.clone()));
        if flag.is_some_and(|flag| flag.id == id) { Ok(()) } else { Err(CommitError::Stale) }
    }

    fn put_flag(&mut self, flag: &Flag, revision: Revision) {
        let place = (flag.project_id, flag.key.clone());
        self.flags.insert(place, Arc::new(Flag { version: revision, ..flag.clone() }));
    }

    pub(super) fn create_config(
        &mut self,
        config: &Config,
        revision: Revision,
        effects: &mut Effects,
    ) -> Applied {
        free(!self.configs.contains_key(&(config.flag_id, config.environment_id)), "config")?;
        let environment = self.environments.get(&config.environment_id);
        environment.ok_or_else(|| dangling("environment"))?;
        self.put_config(config, revision, effects)
    }

    fn update_config(&mut self, config: &Config, revision: Revision, effects: &mut Effects) -> Applied {
        let known = self.configs.contains_key(&(config.flag_id, config.environment_id));
        if known { self.put_config(config, revision, effects) } else { Err(CommitError::Stale) }
    }

    fn put_config(&mut self, config: &Config, revision: Revision, effects: &mut Effects) -> Applied {
        let flag = self.flags.values().find(|flag| flag.id == config.flag_id);
        effects.push((config.environment_id, Of::Flag, flag.ok_or_else(|| dangling("flag"))?.key.clone()));
        let place = (config.flag_id, config.environment_id);
        self.configs.insert(place, Arc::new(Config { version: revision, ..config.clone() }));
        Ok(())
    }

    pub(super) fn affect_everywhere(&self, project_id: Id, of: Of, key: &Key, effects: &mut Effects) {
        let environments = self.environments.values().map(|place| &place.environment);
        let affected = environments.filter(|environment| environment.project_id == project_id);
        effects.extend(affected.map(|environment| (environment.id, of, key.clone())));
    }

    pub(super) fn dependencies_version(&self, project_id: Id) -> Revision {
        self.dependencies.get(&project_id).copied().unwrap_or_default()
    }

    /// By position.
    pub(super) fn environments_of(&self, project_id: Id) -> Vec<Environment> {
        let environments = self.environments.values().map(|place| &place.environment);
        let mut found: Vec<_> =
            environments.filter(|environment| environment.project_id == project_id).cloned().collect();
        found.sort_by(|left, right| (left.position, &left.key).cmp(&(right.position, &right.key)));
        found
    }

    pub(super) fn flag(&self, project_id: Id, key: &Key) -> Option<FlagEverywhere> {
        let flag = self.flags.get(&(project_id, key.clone()))?;
        let environments = self.environments_of(project_id);
        let configs = environments.iter().filter_map(|environment| {
            self.configs.get(&(flag.id, environment.id)).map(|config| Config::clone(config))
        });
        Some(FlagEverywhere { configs: configs.collect(), flag: Flag::clone(flag) })
    }

    pub(super) fn flag_in(&self, environment: &Environment, key: &Key) -> Option<FlagHere> {
        self.here(environment, self.flags.get(&(environment.project_id, key.clone()))?)
    }

    /// By key.
    pub(super) fn flags_in<'a>(
        &'a self,
        environment: &'a Environment,
    ) -> impl Iterator<Item = FlagHere> + 'a {
        let flags = self.flags.values().filter(|flag| flag.project_id == environment.project_id);
        flags.filter_map(|flag| self.here(environment, flag))
    }

    fn here(&self, environment: &Environment, flag: &Flag) -> Option<FlagHere> {
        let config = self.configs.get(&(flag.id, environment.id))?;
        Some(FlagHere { flag: flag.clone(), config: Config::clone(config) })
    }
}

pub(super) fn free(free: bool, what: &'static str) -> Applied {
    if free { Ok(()) } else { Err(CommitError::Taken { what }) }
}

/// What a database says by a foreign key.
pub(super) fn dangling(what: &str) -> CommitError {
    StoreError::Corrupt(format!("a row names a {what} that is not there").into()).into()
}

/// Whether a list that is filtered shows a flag.
pub(super) fn matches(here: &FlagHere, filter: &FlagFilter) -> bool {
    let flag = &here.flag;
    let tagged = filter.tag.as_ref().is_none_or(|tag| flag.tags.contains(tag));
    let found = filter.search.as_ref().is_none_or(|search| {
        let part = search.to_ascii_lowercase();
        let texts = [flag.key.as_str(), &flag.name, &flag.description];
        texts.iter().any(|text| text.to_ascii_lowercase().contains(&part))
    });
    let ended = |day| flag.lifetime.expected_end().is_some_and(|end| end < day);
    tagged
        && found
        && filter.owner.as_ref().is_none_or(|owner| flag.owner.as_ref() == Some(owner))
        && filter.lifecycle.is_none_or(|lifecycle| flag.lifecycle == lifecycle)
        && filter.archived.is_none_or(|archived| flag.archived == archived)
        && filter.temporary.is_none_or(|temporary| flag.lifetime.is_temporary() == temporary)
        && filter.ended_before.is_none_or(ended)
}
