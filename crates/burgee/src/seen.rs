//! What this data folder has seen of its database: the epoch and the highest revisions.
//!
//! A database put back from a copy stands behind what clients were already told, and would reuse revisions for
//! other changes. It is found out here and its history named anew, so that every client takes a full snapshot.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::ports::{Bus, Store};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The file is written at most this often while changes keep coming.
const PAUSE: Duration = Duration::from_secs(1);

/// The file, as it is kept.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    epoch: String,
    /// Highest revision of each chain, by its id.
    revisions: BTreeMap<String, u64>,
}

/// The file.
pub(crate) struct Seen {
    path: PathBuf,
    store: Arc<dyn Store>,
}

impl Seen {
    /// In a data folder, which is made if it is not there.
    pub(crate) fn open(folder: &Path, store: Arc<dyn Store>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        Ok(Self { path: folder.join("seen.json"), store })
    }

    /// Whether the database is another than the one last seen, or stands behind it: put back from a copy, it
    /// may have a revision that named another change, or an epoch that was given up.
    pub(crate) async fn is_behind(&self) -> anyhow::Result<bool> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", self.path.display()));
            }
        };
        let now = self.look().await?;
        // Without knowing what was seen, a new epoch is the safe answer: it costs each client a snapshot.
        let Ok(seen) = serde_json::from_slice::<Document>(&text) else { return Ok(true) };
        let behind = |(chain, revision): (&String, &u64)| now.revisions.get(chain).unwrap_or(&0) < revision;
        Ok(seen.epoch != now.epoch || seen.revisions.iter().any(behind))
    }

    /// Keeps the file up to date until shutdown, and once more then.
    pub(crate) fn follow(self, bus: &dyn Bus, shutdown: CancellationToken) -> JoinHandle<()> {
        let mut bell = bus.listen();
        tokio::spawn(async move {
            let mut written = Document::default();
            loop {
                if let Err(error) = self.write(&mut written).await {
                    tracing::warn!("{} was not written: {error:#}", self.path.display());
                }
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    rung = bell.changed() => if rung.is_err() { break },
                }
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            if let Err(error) = self.write(&mut written).await {
                tracing::warn!("{} was not written: {error:#}", self.path.display());
            }
        })
    }

    async fn look(&self) -> anyhow::Result<Document> {
        let epoch = self.store.epoch().await?.unwrap_or_default();
        let heads = self.store.heads().await?;
        let revisions = heads.iter().map(|head| (head.chain.id().to_string(), head.revision)).collect();
        Ok(Document { epoch, revisions })
    }

    /// By renaming, so that the file is always whole.
    async fn write(&self, written: &mut Document) -> anyhow::Result<()> {
        let now = self.look().await?;
        if now == *written {
            return Ok(());
        }
        let beside = self.path.with_extension("json.new");
        tokio::fs::write(&beside, serde_json::to_vec_pretty(&now)?).await?;
        tokio::fs::rename(&beside, &self.path).await?;
        *written = now;
        Ok(())
    }
}
