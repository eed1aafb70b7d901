//! Where events go on a server: through the use case into the store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use delivery::{EnvironmentId, Sink, SinkError};
use domain::control::Control;
use domain::error::Error;
use domain::time::Timestamp;
use domain::usage::{Count, Event, EventBatch, Exposure, Metric, Sent};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wire::events::{self, Batch, Faults, Receipt};

/// So many batches are written at once; SQLite has one writer, whom changes want as well.
const AT_ONCE: usize = 2;
/// How long a batch waits to be one of them.
const PATIENCE: Duration = Duration::from_secs(5);

/// Events, as the store takes them.
pub struct StoreSink {
    control: Arc<Control>,
    turns: Semaphore,
}

impl StoreSink {
    /// Into the store of these use cases.
    pub fn new(control: Arc<Control>) -> Self {
        Self { control, turns: Semaphore::new(AT_ONCE) }
    }
}

#[async_trait]
impl Sink for StoreSink {
    async fn take(&self, environment: &EnvironmentId, batch: Batch) -> Result<Receipt, SinkError> {
        // Ids of environments are ours; one that does not read names none.
        let environment_id = environment.0.parse().map_err(|_| SinkError::Gone)?;
        let turn = timeout(PATIENCE, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| SinkError::Busy)?.map_err(|_| SinkError::Busy)?;
        let Batch { id, sent_at, events, skipped, mut faults } = batch;
        let batch = EventBatch {
            environment_id,
            id,
            sent_at: Timestamp::from_millis(sent_at),
            events: events.into_iter().map(sent).collect(),
            skipped,
            rejected: faults.count,
        };
        let taken = self.control.take_events(batch).await.map_err(sink_error)?;
        for refused in &taken.refused {
            faults.refuse(refused.place, refused.member, refused.message);
        }
        let Faults { told, .. } = faults;
        Ok(Receipt {
            accepted: taken.accepted,
            skipped: taken.skipped,
            rejected: taken.rejected,
            duplicate: taken.duplicate,
            violations: told.into_iter().map(Into::into).collect(),
        })
    }
}

fn sink_error(error: Error) -> SinkError {
    match error {
        Error::NotFound { .. } => SinkError::Gone,
        error => SinkError::Unavailable(error.into()),
    }
}

fn sent(events::Sent { place, event }: events::Sent) -> Sent {
    let event = match event {
        events::Event::Count(events::Count { flag, variant, version, reason, n, from, to }) => {
            let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
            Event::Count(Count { flag, variant, version, reason, n, from, to })
        }
        events::Event::Exposure(events::Exposure { flag, variant, version, rule, unit, at }) => {
            let at = Timestamp::from_millis(at);
            Event::Exposure(Exposure { flag, variant, version, rule, unit, at })
        }
        events::Event::Metric(events::Metric { name, value, unit, flag, variant, at }) => {
            let at = Timestamp::from_millis(at);
            Event::Metric(Metric { name, value, unit, flag, variant, at })
        }
    };
    Sent { place, event }
}
