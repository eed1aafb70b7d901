//! What delivery stands on: where changes come from, and who may read an environment. On a server both are the
//! store's; on an edge a network lies in between.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::model::{Delta, Revision, Snapshot};
use tokio::sync::watch;
use tokio::time::timeout;

/// Names an environment of some project to a [`Source`] and a [`Gate`]. Opaque here; the same environment always
/// has the same one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentId(pub Arc<str>);

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a source did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the source of changes does not answer")]
pub struct SourceError(#[source] pub Box<dyn Error + Send + Sync>);

/// How long one answer of the source may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer of the source, or a failure in its place when it takes too long.
pub(crate) async fn ask<T>(answer: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|elapsed| Err(SourceError(elapsed.into())))
}

/// Where snapshots and changes come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// All environments there are. One that is missing here is no longer served.
    async fn environments(&self) -> Result<Vec<EnvironmentId>, SourceError>;

    /// All flags of an environment; `None` if it is gone.
    async fn snapshot(&self, environment: &EnvironmentId) -> Result<Option<Snapshot>, SourceError>;

    /// What changed after `revision`, merged to the present; a delta of the given revision if nothing did.
    /// `None` if that cannot be told, because the environment is gone or the revision too old or never was:
    /// then a snapshot is asked for.
    async fn changes_since(
        &self,
        environment: &EnvironmentId,
        revision: Revision,
    ) -> Result<Option<Delta>, SourceError>;

    /// The piece with this place, from 0, of the large key list that the environment's segments name by this
    /// digest; `None` beyond the last, or if there is no such list. Pieces are not empty, of at most 1 MiB or so,
    /// and cut anywhere; a list stays the same for ever.
    async fn key_list_chunk(
        &self,
        environment: &EnvironmentId,
        sha256: &str,
        position: u32,
    ) -> Result<Option<Bytes>, SourceError>;

    /// Wakes when there may be changes; several may come as one, and some may be lost. Its value means nothing.
    fn bell(&self) -> watch::Receiver<u64>;
}

/// Who may read which environment.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Whom a key lets in; `None` if it is unknown or revoked. Asked for every request, so it answers from
    /// memory and in a time that says nothing about keys.
    async fn open(&self, credential: &str) -> Option<Reader>;

    /// Wakes when some key may have been made or revoked. Its value means nothing.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Whom a key lets in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reader {
    /// The one environment that it reads.
    pub environment: EnvironmentId,
    /// How much of it.
    pub kind: KeyKind,
}

/// How much of an environment a key shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Kept secret on a server: all flags, with their rules.
    Server,
    /// Given to browsers and phones: results of `client_visible` flags, and nothing of how they came about.
    Client,
}
