//! Whether this node lives, and whether it can do its work.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use delivery::Hub;
use domain::control::Control;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::keyring::Keyring;
use crate::problem::Problem;

/// A store that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The store is not asked again for so long, however often somebody wants to know.
const AGAIN: Duration = Duration::from_secs(1);
/// Flags and keys that were not compared with the store for so long are behind; usually they are every two seconds.
const BEHIND: Duration = Duration::from_secs(10);

/// What this node's health depends on.
pub struct Health {
    control: Arc<Control>,
    hub: Arc<Hub>,
    keyring: Arc<Keyring>,
    /// Cancelled as soon as this node is to stop.
    leaving: CancellationToken,
    /// When the store was asked last, and whether it answered.
    asked: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    /// Of a node that stops when `leaving` is cancelled.
    pub fn new(
        control: Arc<Control>,
        hub: Arc<Hub>,
        keyring: Arc<Keyring>,
        leaving: CancellationToken,
    ) -> Self {
        Self { control, hub, keyring, leaving, asked: Mutex::default() }
    }

    /// `/health` and `/ready`.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/health", get(get_health))
            .route("/ready", get(get_ready))
            .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
            .with_state(Arc::new(self))
    }

    async fn store_answers(&self) -> bool {
        let mut asked = self.asked.lock().await;
        if let Some((_, answers)) = asked.filter(|(at, _)| at.elapsed() < AGAIN) {
            return answers;
        }
        let answers = matches!(timeout(PATIENCE, self.control.ready()).await, Ok(Ok(())));
        *asked = Some((Instant::now(), answers));
        answers
    }
}

/// 200 as long as the process answers.
async fn get_health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// 200 if this node does all of its work; else 503, with what is wrong. Applications are served from memory even then.
async fn get_ready(State(health): State<Arc<Health>>) -> Response {
    let told = |fault: Option<String>| fault.unwrap_or_else(|| "ok".to_owned());
    let behind = |age: Duration| {
        (age > BEHIND).then(|| format!("not compared with the store for {} s", age.as_secs()))
    };
    let store =
        (!health.store_answers().await).then(|| format!("does not answer within {} s", PATIENCE.as_secs()));
    let flags = behind(health.hub.age());
    let keys = behind(health.keyring.age());
    let stays = health.leaving.is_cancelled().then(|| "is stopping".to_owned());
    let is_ready = [&store, &flags, &keys, &stays].iter().all(|fault| fault.is_none());
    let (status, word) =
        if is_ready { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    let checks =
        json!({ "store": told(store), "flags": told(flags), "keys": told(keys), "process": told(stays) });
    let body = json!({ "status": word, "environments": health.hub.len(), "checks": checks });
    (status, Json(body)).into_response()
}
