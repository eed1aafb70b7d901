//! Whether this node lives, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::AppState;
use crate::problem::Problem;

/// 200 as long as the process answers.
pub async fn get_health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// 200 when snapshots are loaded and the store answers; else 503. Applications are served from the snapshots
/// even then.
pub async fn get_ready(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    state.control.ready().await?;
    Ok(Json(json!({ "status": "ok", "environments": state.hub.len() })))
}
