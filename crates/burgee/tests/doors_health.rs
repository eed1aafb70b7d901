//! Whether it lives and whether it can do its work, as those hear it who watch it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};
use testkit::way::way_to;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
/// It hears of what happens by polling, and is then late for some seconds.
const PATIENCE: Duration = Duration::from_secs(40);

async fn ready(burgee: &Burgee) -> Result<(u16, Value)> {
    burgee.ask("GET", "/ready", None, None).await
}

/// Asks until it is so.
async fn ready_until(burgee: &Burgee, is_so: impl Fn(u16, &Value) -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, body) = ready(burgee).await?;
        if is_so(status, &body) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("still {status} {body}");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_s14_g9_row_186_without_its_store_it_lives_but_is_not_ready_until_it_has_it_again() -> Result<()> {
    let database = testkit::postgres::database().await?;
    let (begin, rest) = database.split_once('@').context("no address")?;
    let (server, name) = rest.split_once('/').context("no database")?;
    let (switch, open) = watch::channel(true);
    let port = way_to(server.to_owned(), open).await?;
    let folder = tempfile::tempdir()?;
    let url = format!("{begin}@127.0.0.1:{port}/{name}");
    let burgee =
        Start { program: PROGRAM, folder: folder.path(), env: &[("DATABASE_URL", &url)] }.start().await?;
    let fine = json!({ "store": "ok", "flags": "ok", "keys": "ok", "process": "ok" });
    let (status, body) = ready(&burgee).await?;
    assert_eq!((status, body), (200, json!({ "status": "ok", "environments": 3, "checks": fine })));

    switch.send(false)?;
    ready_until(&burgee, |status, body| status == 503 && body["checks"]["store"] != "ok").await?;
    let all = |status: u16, body: &Value| {
        let behind =
            |what: &str| body["checks"][what].as_str().is_some_and(|told| told.contains("not compared"));
        status == 503 && behind("flags") && behind("keys") && body["status"] == "unavailable"
    };
    ready_until(&burgee, all).await?;
    let (status, _) = burgee.ask("GET", "/health", None, None).await?;
    assert_eq!(status, 200, "it lives");
    let snapshot = burgee.get("/sdk/v1/snapshot", &burgee.banner.server_key).await?;
    ensure!(snapshot["flags"].is_object(), "applications are served from memory");
    // Nor is the store asked for what is not there: whoever invents names costs it nothing.
    for flag in 0..100 {
        let url = format!("{}/ofrep/v1/evaluate/flags/invented-{flag}", burgee.url);
        let request = burgee.http.post(url).header("x-sdk-key", &burgee.banner.server_key).body("{}");
        assert_eq!(request.send().await?.status(), 404);
    }
    let told = ready(&burgee).await?.1.to_string();
    ensure!(
        !told.contains("postgres") && !told.contains(&port.to_string()),
        "it tells strangers too much: {told}"
    );

    switch.send(true)?;
    ready_until(&burgee, |status, body| status == 200 && body["checks"] == fine).await?;
    Ok(())
}

#[tokio::test]
async fn a_node_that_is_stopping_says_so_while_it_still_serves() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE__SERVER__SHUTDOWN_DELAY", "3s")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let pid = burgee.pid().to_string();
    let token = burgee.register("dev@example.com", "developer").await?;
    ensure!(std::process::Command::new("kill").arg(&pid).status()?.success());
    let asked = Instant::now();
    ready_until(&burgee, |status, body| status == 503 && body["checks"]["process"] == "is stopping").await?;
    let flag = json!({ "key": "late" });
    burgee.post("/api/v1/flags", Some(&token), &flag).await?;
    ensure!(asked.elapsed() < Duration::from_secs(3), "too slow to be seen");
    // A second signal stops it at once.
    let (code, took) = burgee.stop().await?;
    ensure!(code == Some(0) && asked.elapsed() < Duration::from_secs(3), "{code:?} after {took:?}");
    Ok(())
}

#[tokio::test]
async fn only_reading_is_asked_of_health() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    for path in ["/health", "/ready"] {
        let (status, problem) = burgee.ask("POST", path, None, None).await?;
        assert_eq!((status, &problem["code"]), (405, &json!("method_not_allowed")), "{path}");
    }
    Ok(())
}
