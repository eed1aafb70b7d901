//! What delivery is given on a server: changes from the store, and who may read an environment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use axum::body::Bytes;
use delivery::{EnvironmentId, Freshness, Gate, KeyKind, Reader, Source, SourceError};
use domain::id::Id;
use domain::ports::{Bus, Store, StoreError};
use domain::sdk_key::SdkKeyKind;
use domain::secret::hash_secret;
use engine::model::{Delta, Revision, Snapshot};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a lost bell may go unnoticed.
const POLL: Duration = Duration::from_secs(2);

/// Changes, as the store has them.
pub struct StoreSource {
    store: Arc<dyn Store>,
    bell: watch::Receiver<u64>,
    project_id: Id,
}

impl StoreSource {
    /// The environments of one project.
    pub fn new(store: Arc<dyn Store>, bus: &dyn Bus, project_id: Id) -> Self {
        Self { store, bell: bus.listen(), project_id }
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
        let environments = self.store.environments(self.project_id).await.map_err(source_error)?;
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

    /// All lists of the project are in one place; which environment names them does not matter.
    async fn key_list_chunk(
        &self,
        _: &EnvironmentId,
        sha256: &str,
        position: u32,
    ) -> Result<Option<Bytes>, SourceError> {
        let chunk = self.store.key_list_chunk(self.project_id, sha256, position).await;
        Ok(chunk.map_err(source_error)?.map(Bytes::from))
    }

    fn bell(&self) -> watch::Receiver<u64> {
        self.bell.clone()
    }
}

/// The keys in force, by hash, in memory: no request waits for the store, and without it the last known keys
/// hold. Found by hash, so the time that a look-up takes says nothing about a key.
pub struct Keyring {
    store: Arc<dyn Store>,
    keys: ArcSwap<HashMap<String, Reader>>,
    changes: watch::Sender<u64>,
    freshness: Freshness,
}

impl Keyring {
    /// Loads the keys; they must load once before anyone is let in.
    pub async fn load(store: Arc<dyn Store>) -> Result<Arc<Self>, StoreError> {
        let (keys, changes) = (ArcSwap::default(), watch::Sender::new(0));
        let keyring = Self { store, keys, changes, freshness: Freshness::default() };
        keyring.refresh().await?;
        Ok(Arc::new(keyring))
    }

    /// Keeps the keys up to date until shutdown: at each ring of the bell, and every two seconds in case one
    /// was lost.
    pub fn follow(self: Arc<Self>, bus: &dyn Bus, shutdown: CancellationToken) -> JoinHandle<()> {
        let mut bell = bus.listen();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    rung = bell.changed() => if rung.is_err() { return },
                    () = tokio::time::sleep(POLL) => {}
                }
                if let Err(error) = self.refresh().await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "keys were not refreshed; the last known ones hold"
                    );
                }
            }
        })
    }

    /// Whether the key with this hash is let in.
    pub(crate) fn holds(&self, hash: &str) -> bool {
        self.keys.load().contains_key(hash)
    }

    /// How long ago the keys were compared with the store's.
    pub(crate) fn age(&self) -> Duration {
        self.freshness.age()
    }

    /// Whether any key opens an environment.
    pub(crate) fn opens(&self, environment: &EnvironmentId) -> bool {
        self.keys.load().values().any(|reader| reader.environment == *environment)
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let keys = self.store.sdk_keys_in_force().await?;
        let reader = |kind, environment: Id| Reader {
            environment: EnvironmentId(environment.to_string().into()),
            kind: match kind {
                SdkKeyKind::Server => KeyKind::Server,
                SdkKeyKind::Client => KeyKind::Client,
            },
        };
        let keys: HashMap<_, _> =
            keys.into_iter().map(|key| (key.hash, reader(key.kind, key.environment_id))).collect();
        if **self.keys.load() != keys {
            self.keys.store(Arc::new(keys));
            self.changes.send_modify(|count| *count += 1);
        }
        self.freshness.renew();
        Ok(())
    }
}

#[async_trait]
impl Gate for Keyring {
    async fn open(&self, credential: &str) -> Option<Reader> {
        self.keys.load().get(&hash_secret(credential)).cloned()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
