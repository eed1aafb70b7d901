//! Projects and their environments.

use async_trait::async_trait;
use engine::model::Revision;

use super::{KeyedFilter, Page, StoreResult};
use crate::environment::Environment;
use crate::id::Id;
use crate::project::Project;

/// How much there is in a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProjectContent {
    /// Flags, archived ones included.
    pub flags: u64,
    /// Segments.
    pub segments: u64,
    /// SDK keys that are not revoked.
    pub sdk_keys: u64,
}

/// Projects and their environments.
#[async_trait]
pub trait Projects: Send + Sync {
    /// The project with this id.
    async fn project_by_id(&self, id: Id) -> StoreResult<Option<Project>>;
    /// The project with this key.
    async fn project(&self, key: &str) -> StoreResult<Option<Project>>;
    /// Projects, by key; of these ids only, if some are given.
    async fn projects(&self, filter: &KeyedFilter, of: Option<&[Id]>) -> StoreResult<Page<Project>>;
    /// The projects that a team owns, by key.
    async fn projects_of_team(&self, team_id: Id) -> StoreResult<Vec<Project>>;
    /// How much there is in a project.
    async fn project_content(&self, project_id: Id) -> StoreResult<ProjectContent>;
    /// The environments of all projects.
    async fn all_environments(&self) -> StoreResult<Vec<Environment>>;
    /// The environments of a project, by position.
    async fn environments(&self, project_id: Id) -> StoreResult<Vec<Environment>>;
    /// The revision of the project's last change that touched what refers to what
    /// ([`crate::log::Write::TouchDependencies`]); 0 before the first, or if there is no such project.
    async fn dependencies_version(&self, project_id: Id) -> StoreResult<Revision>;
}
