//! The doorbell: says that something changed, never what. Who hears it reads from where they stand; who misses
//! it finds out by polling.

use async_trait::async_trait;
use domain::log::Chain;
use domain::ports::Bus;
use engine::model::Revision;
use tokio::sync::watch;

/// The bell of a single node: everyone who listens lives in this process.
#[derive(Debug)]
pub struct InProcess {
    rings: watch::Sender<u64>,
}

impl Default for InProcess {
    fn default() -> Self {
        Self { rings: watch::Sender::new(0) }
    }
}

#[async_trait]
impl Bus for InProcess {
    async fn ring(&self, _chain: Chain, _revision: Revision) {
        self.rings.send_modify(|rings| *rings += 1);
    }

    fn listen(&self) -> watch::Receiver<u64> {
        self.rings.subscribe()
    }
}
