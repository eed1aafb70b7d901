//! Environments, and what goes and comes with them.

use std::sync::Arc;

use domain::environment::Environment;
use domain::flag::{Config, resting};
use domain::id::Id;
use domain::ports::CommitError;
use domain::time::Timestamp;
use engine::model::Revision;

use super::tables::{Applied, Effects, Of, Place, Tables, dangling, free};

impl Tables {
    pub(super) fn has_environment(&self, id: Id, version: Revision) -> bool {
        self.environments.get(&id).is_some_and(|place| place.environment.version == version)
    }

    pub(super) fn create_environment(&mut self, environment: &Environment, revision: Revision) -> Applied {
        let Environment { id, project_id, key, .. } = environment;
        let taken = |place: &Arc<Place>| {
            let other = &place.environment;
            other.id == *id || (other.project_id == *project_id && other.key == *key)
        };
        free(!self.environments.values().any(taken), "environment")?;
        let project = self.projects.values().find(|known| known.id == *project_id);
        let project = &project.ok_or_else(|| dangling("project"))?.key;
        let environment = Environment { version: revision, ..environment.clone() };
        let place = Place { environment, project: project.clone(), made_at: revision };
        self.environments.insert(*id, Arc::new(place));
        Ok(())
    }

    /// Its key never changes, so its readers hear nothing of it.
    pub(super) fn update_environment(&mut self, environment: &Environment, revision: Revision) -> Applied {
        let place = self.environments.get(&environment.id).ok_or(CommitError::Stale)?;
        let known = &place.environment;
        if known.key != environment.key || known.project_id != environment.project_id {
            return Err(CommitError::Stale);
        }
        let environment =
            Environment { version: revision, created_at: known.created_at, ..environment.clone() };
        let place = Place { environment, project: place.project.clone(), made_at: place.made_at };
        self.environments.insert(place.environment.id, Arc::new(place));
        Ok(())
    }

    pub(super) fn delete_environment(&mut self, project_id: Id, id: Id) -> Applied {
        let known = self.environments.get(&id);
        known.filter(|place| place.environment.project_id == project_id).ok_or(CommitError::Stale)?;
        self.environments.remove(&id);
        self.configs.retain(|(_, environment_id), _| *environment_id != id);
        self.forget_environment_of_keys(id);
        self.of_segments.forget_environment(id);
        self.people.forget_environment(id);
        Ok(())
    }

    pub(super) fn fill_flags(
        &mut self,
        project_id: Id,
        (environment_id, from): (Id, Id),
        rest: bool,
        at: Timestamp,
        revision: Revision,
        effects: &mut Effects,
    ) -> Applied {
        let flags: Vec<_> =
            self.flags.values().filter(|flag| flag.project_id == project_id).cloned().collect();
        for flag in flags {
            let Some(source) = self.configs.get(&(flag.id, from)) else { continue };
            let config = if rest {
                resting(&flag, source, environment_id)
            } else {
                Config { environment_id, ..Config::clone(source) }
            };
            self.create_config(&Config { updated_at: at, ..config }, revision, effects)?;
            effects.push((environment_id, Of::Flag, flag.key.clone()));
        }
        Ok(())
    }
}
