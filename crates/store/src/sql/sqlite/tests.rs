//! What needs a hand on the writer's own connection.

use domain::id::Id;
use domain::log::{Chain, Change};
use domain::ports::{CommitError, Logs as _, Store as _, StoreError};
use domain::time::Timestamp;

use super::open;

fn change(comment: String) -> Change {
    Change {
        chain: Chain::Instance,
        at: Timestamp::from_millis(1),
        actor: Id::NIL,
        source: "test".to_owned(),
        action: "fill_disk",
        entities: Vec::new(),
        before: None,
        after: None,
        comment: Some(comment),
        standing: None,
        reads: Vec::new(),
        writes: Vec::new(),
    }
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_forgotten_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("burgee.db")).await.unwrap();
    assert_eq!(store.commit(change("before".to_owned())).await.unwrap(), 1);
    // The file may not grow, as far as this connection is concerned. SQLite ends the transaction by itself.
    sqlx::query("PRAGMA max_page_count = 1").execute(&store.writer).await.unwrap();
    let full = store.commit(change("x".repeat(1 << 20))).await.unwrap_err();
    assert!(matches!(full, CommitError::Store(StoreError::Unavailable(_))), "{full:?}");
    assert_eq!(store.heads().await.unwrap()[0].revision, 1, "nothing was written");
    assert_eq!(store.commit(change("after".to_owned())).await.unwrap(), 2, "the writer is stuck");
}
