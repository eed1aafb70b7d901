//! What every adapter of `domain::ports::Bus` does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use domain::log::Chain;
use domain::ports::Bus;
use tokio::time::timeout;

/// How long a ring may be on its way.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who listens is woken by a ring, and by several rings at least once.
pub async fn wakes_everyone(bus: Arc<dyn Bus>) -> Result<()> {
    let mut listeners = [bus.listen(), bus.listen()];
    for revision in 1..=3 {
        bus.ring(Chain::Instance, revision).await;
    }
    for bell in &mut listeners {
        ensure!(timeout(PATIENCE, bell.changed()).await.is_ok_and(|rung| rung.is_ok()), "nobody was woken");
    }
    Ok(())
}

/// Who begins to listen is not woken by what was before.
pub async fn forgets(bus: Arc<dyn Bus>) -> Result<()> {
    bus.ring(Chain::Instance, 1).await;
    tokio::time::sleep(PATIENCE / 10).await;
    let bell = bus.listen();
    ensure!(!bell.has_changed().unwrap_or(true), "woken by the past");
    Ok(())
}

/// Ringing where nobody listens is no error and does not wait.
pub async fn needs_nobody(bus: Arc<dyn Bus>) -> Result<()> {
    ensure!(timeout(PATIENCE, bus.ring(Chain::Instance, 1)).await.is_ok(), "the ring waits");
    Ok(())
}
