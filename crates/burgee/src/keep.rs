//! Looking after the logs and what was counted: the security log is written, and what is too old goes.

use std::sync::Arc;
use std::time::Duration;

use domain::audit::Retention;
use domain::control::Control;
use domain::error::Error;
use domain::usage::UsageRetention;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long an event may wait to be written.
const FLUSH: Duration = Duration::from_secs(1);
/// How often it is looked for what is too old: as often as the shortest retention asks, at most and at least.
const OFTEN: Duration = Duration::from_mins(1);
const SELDOM: Duration = Duration::from_hours(24);
/// Each of so many minutes it is looked for what is too much: whoever counts ten million rows reads them for a second.
const BOUNDED: u64 = 10;

/// Writes what was noted, until shutdown; what comes while requests end is the last flush's.
pub(crate) fn security(control: Arc<Control>, shutdown: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut failed = false;
        while passes(FLUSH, &shutdown).await {
            let flushed = control.flush_security(false).await;
            // Once for each time that it begins to fail.
            if let (Err(error), false) = (&flushed, failed) {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "the security log cannot be written; its events wait, within bounds"
                );
            }
            failed = flushed.is_err();
        }
    })
}

/// Removes what is too old, at the start and then once a day, until shutdown.
pub(crate) fn logs(
    control: Arc<Control>,
    retention: Retention,
    shutdown: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let shortest = [retention.changes, retention.security].into_iter().flatten().min();
        let shortest = shortest.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis);
        let pause = shortest.unwrap_or(SELDOM).clamp(OFTEN, SELDOM);
        loop {
            retention.keep(&control).await;
            if !passes(pause, &shutdown).await {
                return;
            }
        }
    })
}

/// Makes hours of minutes that were counted, and removes what is too old, each minute until shutdown; every ten minutes
/// what is too much. Each piece is a transaction of its own, so a shutdown ends it between any two.
pub(crate) fn usage(
    control: Arc<Control>,
    retention: UsageRetention,
    shutdown: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        for minute in 0_u64.. {
            let tended = tokio::select! {
                () = shutdown.cancelled() => return,
                tended = tend(&control, &retention, minute % BOUNDED == 0) => tended,
            };
            if let Err(error) = tended {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "not all old counts, exposures and metrics were looked after"
                );
            }
            if !passes(OFTEN, &shutdown).await {
                return;
            }
        }
    })
}

async fn tend(control: &Control, retention: &UsageRetention, is_bounded: bool) -> Result<(), Error> {
    let tended = control.tend_usage(retention).await;
    // Whether or not that failed: a disk that fills does not wait.
    let touched = if is_bounded { control.bound_usage(retention).await? } else { 0 };
    if touched > 0 {
        tracing::warn!(
            "{touched} of the oldest exposures, metrics and counts were removed, or put together by hour, for an environment has more than usage.max_rows"
        );
    }
    tended.map(|_| ())
}

/// Whether the time passed before the shutdown.
async fn passes(time: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
