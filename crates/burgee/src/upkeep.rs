//! What is done each minute beside all requests: when tokens were last used is written, and signing keys are replaced
//! and removed when their time has come.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use domain::control::Control;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_mins(1);

/// Does it until shutdown; what was used is written once more then.
pub(crate) fn start(control: Arc<Control>, shutdown: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !shutdown.is_cancelled() {
            if let Err(error) = control.tend_signing_keys().await {
                tracing::warn!(error = &error as &dyn Error, "signing keys were not looked after");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
            if let Err(error) = control.keep_last_used().await {
                tracing::warn!(error = &error as &dyn Error, "when tokens were last used was not written");
            }
        }
    })
}
