//! From a toggle to a hundred streams on the same machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};
use tokio::sync::mpsc;

use crate::spread::Spread;

const CLIENTS: usize = 100;
const TOGGLES: usize = 200;
/// Between two toggles: each is measured alone.
const PAUSE: Duration = Duration::from_millis(20);

/// Toggles one flag and measures, for each client, from before the request was sent to the event's arrival.
pub(crate) async fn run(program: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Arc::new(Start { program, folder: folder.path(), env: &[] }.start().await?);
    let admin = burgee.admin().await?;
    burgee.post("/api/v1/flags", Some(&admin), &json!({ "key": "switch" })).await?;
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    for _ in 0..CLIENTS {
        tokio::spawn(listen(burgee.clone(), arrived.clone()));
    }
    for _ in 0..CLIENTS {
        arrivals.recv().await.context("a client ended")?;
    }
    let (mut took, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..TOGGLES {
        let asked = Instant::now();
        burgee.post("/api/v1/flags/switch/toggle", Some(&admin), &Value::Null).await?;
        answered.push(asked.elapsed());
        for _ in 0..CLIENTS {
            let at: Instant = arrivals.recv().await.context("a client ended")?;
            took.push(at - asked);
        }
        tokio::time::sleep(PAUSE).await;
    }
    ensure!(took.len() == CLIENTS * TOGGLES, "events were lost");
    println!("toggle request, to its answer:           {}", Spread::new(answered));
    println!("toggle to {CLIENTS} SSE clients, to each:      {}", Spread::new(took));
    Ok(())
}

/// Says when each event (the first is the snapshot) arrived.
async fn listen(burgee: Arc<Burgee>, arrived: mpsc::UnboundedSender<Instant>) -> Result<()> {
    let request = burgee
        .http
        .get(format!("{}/sdk/v1/stream", burgee.url))
        .header("x-sdk-key", &burgee.banner.server_key);
    let mut chunks = request.send().await?.error_for_status()?.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let events = chunk?.windows(4).filter(|window| window == b"\nid:" || window == b"id: ").count();
        for _ in 0..events.min(1) {
            arrived.send(Instant::now())?;
        }
    }
    Ok(())
}
