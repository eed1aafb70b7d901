//! Who just wrote reads what they wrote, on the node that took it.
//!
//! A change is done when it is committed, and every node hears of it by the bell. The node that took it waits,
//! briefly, until its own doors answer accordingly: a script that makes a flag or a key and uses it in the next
//! line finds it there. A node that is late answers all the same.

use std::future::Future;
use std::time::Duration;

use delivery::{EnvironmentId, Gate, Hub};
use domain::id::Id;
use domain::sdk_key::SdkKey;
use engine::model::Revision;

use crate::keyring::Keyring;

/// How long an answer may wait for its own node.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long between two looks at the hub.
const PAUSE: Duration = Duration::from_millis(5);

/// Until the hub's state of an environment has taken a change in, the large key lists that it names included.
pub(crate) async fn flags(hub: &Hub, environment: Id, revision: Revision) {
    let id = EnvironmentId(environment.to_string().into());
    let Some(mut states) = hub.watch(&id) else { return };
    let taken_in = async {
        loop {
            // Before reading: what is announced from now on may not be in what is read.
            states.mark_unchanged();
            let Some(installed) = hub.read(&id) else { return false };
            if installed.has_taken_in(revision) {
                return true;
            }
            if states.changed().await.is_err() {
                return false;
            }
        }
    };
    briefly(taken_in).await;
}

/// Until the hub has an environment.
pub(crate) async fn environment(hub: &Hub, environment: Id) {
    let id = EnvironmentId(environment.to_string().into());
    briefly(hub_until(|| hub.watch(&id).is_some())).await;
}

/// Until the hub has nothing of an environment any more, and no key opens it.
pub(crate) async fn environment_gone(hub: &Hub, keyring: &Keyring, environment: Id) {
    let id = EnvironmentId(environment.to_string().into());
    let gone = async {
        hub_until(|| hub.watch(&id).is_none()).await && keyring_until(keyring, || !keyring.opens(&id)).await
    };
    briefly(gone).await;
}

/// The hub tells of changes within environments only, and they come and go too seldom for more than asking.
async fn hub_until(settled: impl Fn() -> bool) -> bool {
    while !settled() {
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// Until the keyring lets a key in as it now is, or no more if it is over.
pub(crate) async fn key(keyring: &Keyring, key: &SdkKey) {
    briefly(keyring_until(keyring, || keyring.has_taken_in(key))).await;
}

async fn keyring_until(keyring: &Keyring, settled: impl Fn() -> bool) -> bool {
    let mut changes = keyring.changes();
    while !settled() {
        if changes.changed().await.is_err() {
            return false;
        }
    }
    true
}

async fn briefly(settled: impl Future<Output = bool>) {
    if tokio::time::timeout(PATIENCE, settled).await != Ok(true) {
        tracing::debug!("answered before this node had taken the change in");
    }
}
