//! What delivery stands on: where changes come from, who may read an environment, and where events go. On a server
//! all are the store's; on an edge a network lies in between.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderValue;
use bytes::Bytes;
use engine::model::{Delta, Revision, Snapshot};
use tokio::sync::watch;
use tokio::time::timeout;
use wire::events::{Batch, Receipt};

use crate::ticket::Seal;

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

    /// How many bytes the large key list has that the environment's segments name by this digest; `None` if there is
    /// no such list.
    async fn key_list_length(
        &self,
        environment: &EnvironmentId,
        sha256: &str,
    ) -> Result<Option<u64>, SourceError>;

    /// The bytes of that list from this place on, counted from 0: not all, but as many as come at once, which is one at
    /// least and 1 MiB or so at most. `None` beyond the last, or if there is no such list. A list stays the same for
    /// ever.
    async fn key_list_bytes(
        &self,
        environment: &EnvironmentId,
        sha256: &str,
        start: u64,
    ) -> Result<Option<Bytes>, SourceError>;

    /// Wakes when there may be changes; several may come as one, and some may be lost. Its value means nothing.
    fn bell(&self) -> watch::Receiver<u64>;
}

/// Why a sink did not take a batch.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// There is no such environment, and it will not come again.
    #[error("the environment is gone")]
    Gone,
    /// Too much comes at once; the same batch may be given again in a moment. Nothing was written.
    #[error("too many events come at once")]
    Busy,
    /// It does not answer. Nothing was written, or all was: the same batch may be given again.
    #[error("what takes events does not answer")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// Where events go.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Takes a batch, once: the same id again is the same batch, and written no more. What is wrong with times is for
    /// the sink to say; all else was looked at.
    async fn take(&self, environment: &EnvironmentId, batch: Batch) -> Result<Receipt, SinkError>;
}

/// Who may read which environment.
#[async_trait]
pub trait Gate: Send + Sync {
    /// What a key opens; `None` if it is unknown, revoked or expired. Asked for every request, so it answers from
    /// memory and in a time that says nothing about keys.
    async fn open(&self, key: &str) -> Option<Arc<Pass>>;

    /// What the key of this id opens, for who brings a ticket that it sealed ([`Pass::seal`]); `None` as in
    /// [`Gate::open`], and as soon. The id itself proves nothing.
    async fn find(&self, id: &str) -> Option<Arc<Pass>>;

    /// What time it is, in seconds since 1970: by it keys and tickets end.
    fn now(&self) -> u64;

    /// Wakes when some key may have been made, changed or revoked, or has expired. Its value means nothing.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// What a key opens, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The key's own id, a UUID in lower case. It is no secret; who sends one along must send this one.
    pub id: Arc<str>,
    /// How much it shows of what it opens.
    pub kind: KeyKind,
    /// What it opens: all of one project. Of several, each request says which it means.
    pub environments: Arc<[EnvironmentId]>,
    /// Which pages may use it in a browser.
    pub pages: Pages,
    /// What its tickets are told by from those that others made up.
    pub seal: Seal,
}

/// Which pages may use a key in a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pages {
    /// None: it must stay secret, and no page can keep a secret.
    None,
    /// Those of any origin.
    Any,
    /// Those of these origins, written in lower case.
    Of(Arc<[String]>),
}

impl Pages {
    /// Whether a page of this origin may.
    pub(crate) fn allow(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Of(origins) => {
                origins.iter().any(|allowed| origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes()))
            }
        }
    }
}

/// Whom a key lets in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reader {
    /// The one environment that it reads at a time.
    pub environment: EnvironmentId,
    /// How much of it.
    pub kind: KeyKind,
}

/// How much of an environment a key shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Kept secret on a server or an edge: all flags, with their rules.
    Server,
    /// Given to browsers and phones: results of `client_visible` flags, and nothing of how they came about.
    Client,
}
