//! The three stores keep one contract.

use std::sync::Arc;

use anyhow::Result;
use domain::ports::Store;
use testkit::{postgres, store_contract};

async fn open(address: &str) -> Result<Arc<dyn Store>> {
    Ok(burgee_store::open(address).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() -> Result<()> {
    store_contract::all(async || open("memory:").await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_the_contract() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = std::sync::atomic::AtomicU32::new(0);
    let next = || files.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let address = || format!("sqlite:{}/{}.db", folder.path().display(), next());
    store_contract::all(async || open(&address()).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_the_contract() -> Result<()> {
    store_contract::all(async || open(&postgres::database().await?).await).await
}
