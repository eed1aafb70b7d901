use async_trait::async_trait;
use domain::environment::Environment;
use domain::id::Id;
use domain::ports::{KeyedFilter, Page, ProjectContent, Projects, StoreResult};
use domain::project::Project;
use engine::model::Revision;

use super::super::{SqlStore, bounded, environments, projects};

#[async_trait]
impl Projects for SqlStore {
    async fn project(&self, key: &str) -> StoreResult<Option<Project>> {
        bounded(projects::project(&self.reader, key)).await
    }

    async fn projects(&self, filter: &KeyedFilter, of: Option<&[Id]>) -> StoreResult<Page<Project>> {
        bounded(projects::page(self, filter, of)).await
    }

    async fn projects_of_team(&self, team_id: Id) -> StoreResult<Vec<Project>> {
        bounded(projects::of_team(&self.reader, team_id)).await
    }

    async fn project_content(&self, project_id: Id) -> StoreResult<ProjectContent> {
        bounded(projects::content(&self.reader, project_id)).await
    }

    async fn all_environments(&self) -> StoreResult<Vec<Environment>> {
        bounded(environments::all(&self.reader)).await
    }

    async fn project_by_id(&self, id: Id) -> StoreResult<Option<Project>> {
        bounded(projects::project_by_id(&self.reader, id)).await
    }

    async fn environments(&self, project_id: Id) -> StoreResult<Vec<Environment>> {
        bounded(environments::of_project(&self.reader, project_id)).await
    }

    async fn dependencies_version(&self, project_id: Id) -> StoreResult<Revision> {
        bounded(projects::dependencies_version(&self.reader, project_id)).await
    }
}
