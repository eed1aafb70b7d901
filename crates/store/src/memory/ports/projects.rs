use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use domain::environment::Environment;
use domain::id::Id;
use domain::key::Key;
use domain::ports::{KeyedFilter, Page, ProjectContent, Projects, StoreResult};
use domain::project::Project;
use engine::model::Revision;

use super::super::segments::matches as matches_filter;
use super::super::{MemoryStore, page};

#[async_trait]
impl Projects for MemoryStore {
    async fn project(&self, key: &str) -> StoreResult<Option<Project>> {
        let found = |key| self.state().tables.projects.get(&key).map(|project| Project::clone(project));
        Ok(Key::parse(key).and_then(found))
    }

    async fn projects(&self, filter: &KeyedFilter, of: Option<&[Id]>) -> StoreResult<Page<Project>> {
        let state = self.state();
        let wanted = |project: &&Arc<Project>| {
            of.is_none_or(|ids| ids.contains(&project.id))
                && matches_filter(filter, &project.key, &[&project.name, &project.description])
        };
        let all: Vec<_> = state.tables.projects.values().filter(wanted).collect();
        let after = |project: &&&Arc<Project>| filter.after.as_ref().is_none_or(|after| project.key > *after);
        let shown = all.iter().filter(after).map(|project| Project::clone(project));
        Ok(page(shown.collect(), all.len(), filter.limit))
    }

    async fn projects_of_team(&self, team_id: Id) -> StoreResult<Vec<Project>> {
        let state = self.state();
        let projects = state.tables.projects.values().filter(|project| project.team_id() == Some(team_id));
        Ok(projects.map(|project| Project::clone(project)).collect())
    }

    async fn project_content(&self, project_id: Id) -> StoreResult<ProjectContent> {
        Ok(self.state().tables.project_content(project_id))
    }

    async fn all_environments(&self) -> StoreResult<Vec<Environment>> {
        let state = self.state();
        let projects: BTreeSet<_> = state.tables.projects.values().map(|project| project.id).collect();
        Ok(projects.into_iter().flat_map(|id| state.tables.environments_of(id)).collect())
    }

    async fn project_by_id(&self, id: Id) -> StoreResult<Option<Project>> {
        let state = self.state();
        Ok(state
            .tables
            .projects
            .values()
            .find(|project| project.id == id)
            .map(|project| Project::clone(project)))
    }

    async fn environments(&self, project_id: Id) -> StoreResult<Vec<Environment>> {
        Ok(self.state().tables.environments_of(project_id))
    }

    async fn dependencies_version(&self, project_id: Id) -> StoreResult<Revision> {
        Ok(self.state().tables.dependencies_version(project_id))
    }
}
