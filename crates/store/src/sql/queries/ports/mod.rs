//! What the domain asks of a store: each call is handed to the file that knows the rows, and takes no longer than
//! [`LONGEST`].

mod accounts;
mod attempts;
mod flags;
mod logs;
mod projects;
mod rights;
mod sdk_keys;
mod segments;
mod usage;

use async_trait::async_trait;
use domain::log::Change;
use domain::ports::{CommitError, Store, StoreResult};
use engine::model::Revision;

use super::{LONGEST, SqlStore, bounded, commit, environments, too_long};

#[async_trait]
impl Store for SqlStore {
    async fn commit(&self, change: Change) -> Result<Revision, CommitError> {
        crate::fit::check(&change)?;
        let committed = tokio::time::timeout(LONGEST, commit::commit(&self.writer, &change)).await;
        committed.map_err(|_| too_long())?.map_err(CommitError::from)
    }

    async fn commit_both(&self, first: Change, second: Change) -> Result<(Revision, Revision), CommitError> {
        crate::fit::check(&first)?;
        crate::fit::check(&second)?;
        let both = commit::commit_both(&self.writer, &first, &second);
        tokio::time::timeout(LONGEST, both).await.map_err(|_| too_long())?.map_err(CommitError::from)
    }

    async fn close(&self) {
        // The writer last: on SQLite the last connection moves the write-ahead log into the file.
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn epoch(&self) -> StoreResult<Option<String>> {
        bounded(environments::epoch(&self.reader)).await
    }

    async fn renew_epoch(&self, epoch: &str) -> StoreResult<()> {
        bounded(environments::renew_epoch(&self.writer, epoch)).await
    }
}
