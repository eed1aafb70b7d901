//! What delivery is given on a server: changes from the store.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::body::Bytes;
use delivery::{EnvironmentId, Source, SourceError};
use domain::environment::Environment;
use domain::id::Id;
use domain::ports::{Bus, Store, StoreError};
use engine::model::{Delta, Revision, Snapshot};
use tokio::sync::watch;

/// Changes, as the store has them.
pub struct StoreSource {
    store: Arc<dyn Store>,
    bell: watch::Receiver<u64>,
    /// Which project each environment is of, as of when they were last asked for.
    projects: ArcSwap<HashMap<Id, Id>>,
}

impl StoreSource {
    /// The environments of all projects.
    pub fn new(store: Arc<dyn Store>, bus: &dyn Bus) -> Self {
        Self { store, bell: bus.listen(), projects: ArcSwap::default() }
    }
}

fn source_error(error: StoreError) -> SourceError {
    SourceError(error.into())
}

/// Ids of environments are ours; one that does not read names none.
fn read_id(environment: &EnvironmentId) -> Option<Id> {
    environment.0.parse().ok()
}

#[async_trait]
impl Source for StoreSource {
    async fn environments(&self) -> Result<Vec<EnvironmentId>, SourceError> {
        let environments = self.store.all_environments().await.map_err(source_error)?;
        let project = |environment: &Environment| (environment.id, environment.project_id);
        self.projects.store(Arc::new(environments.iter().map(project).collect()));
        Ok(environments.iter().map(|environment| EnvironmentId(environment.id.to_string().into())).collect())
    }

    async fn snapshot(&self, environment: &EnvironmentId) -> Result<Option<Snapshot>, SourceError> {
        let Some(id) = read_id(environment) else { return Ok(None) };
        self.store.snapshot(id).await.map_err(source_error)
    }

    async fn changes_since(
        &self,
        environment: &EnvironmentId,
        since: Revision,
    ) -> Result<Option<Delta>, SourceError> {
        let Some(id) = read_id(environment) else { return Ok(None) };
        self.store.changes_since(id, since).await.map_err(source_error)
    }

    /// All lists of a project are in one place; which of its environments names them does not matter.
    async fn key_list_chunk(
        &self,
        environment: &EnvironmentId,
        sha256: &str,
        position: u32,
    ) -> Result<Option<Bytes>, SourceError> {
        let project = read_id(environment).and_then(|id| self.projects.load().get(&id).copied());
        let Some(project) = project else { return Ok(None) };
        let chunk = self.store.key_list_chunk(project, sha256, position).await;
        Ok(chunk.map_err(source_error)?.map(Bytes::from))
    }

    fn bell(&self) -> watch::Receiver<u64> {
        self.bell.clone()
    }
}
