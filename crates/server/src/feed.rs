//! What delivery is given on a server: changes from the store.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::body::Bytes;
use delivery::{EnvironmentId, Source, SourceError};
use domain::environment::Environment;
use domain::id::Id;
use domain::ports::{Bus, KEY_LIST_PIECE, Store, StoreError};
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

impl StoreSource {
    /// All lists of a project are in one place; which of its environments names them does not matter.
    fn project(&self, environment: &EnvironmentId) -> Option<Id> {
        self.projects.load().get(&read_id(environment)?).copied()
    }
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

    async fn key_list_length(
        &self,
        environment: &EnvironmentId,
        sha256: &str,
    ) -> Result<Option<u64>, SourceError> {
        let Some(project) = self.project(environment) else { return Ok(None) };
        self.store.key_list_length(project, sha256).await.map_err(source_error)
    }

    async fn key_list_bytes(
        &self,
        environment: &EnvironmentId,
        sha256: &str,
        start: u64,
    ) -> Result<Option<Bytes>, SourceError> {
        let (place, before) = (start / KEY_LIST_PIECE as u64, start % KEY_LIST_PIECE as u64);
        let (Some(project), Ok(place)) = (self.project(environment), place.try_into()) else {
            return Ok(None);
        };
        let piece = self.store.key_list_chunk(project, sha256, place).await.map_err(source_error)?;
        let mut piece = Bytes::from(piece.unwrap_or_default());
        let rest = piece.split_off(piece.len().min(usize::try_from(before).unwrap_or(usize::MAX)));
        Ok(Some(rest).filter(|rest| !rest.is_empty()))
    }

    fn bell(&self) -> watch::Receiver<u64> {
        self.bell.clone()
    }
}
