//! `kill -9` at any moment loses nothing that was acknowledged, and leaves nothing half-written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const ROUNDS: u64 = 50;
const WRITERS: usize = 4;

/// What one writer was told: the flag it made, and the revision of each toggle that was acknowledged.
#[derive(Default)]
struct Acknowledged {
    created: Vec<String>,
    toggles: Vec<u64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn k8_s6_fifty_kills_under_writes_lose_nothing_acknowledged() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let mut burgee = start.start().await?;
    let token = burgee.admin().await?;
    burgee.post("/api/v1/flags", Some(&token), &json!({ "key": "switch" })).await?;

    let mut total = Acknowledged::default();
    for round in 0..ROUNDS {
        let writers = write_until_killed(&burgee, &token, round);
        // A different moment of the work in each round.
        tokio::time::sleep(Duration::from_millis(60 + round * 37 % 190)).await;
        burgee.kill()?;
        for writer in writers {
            let told = writer.await?;
            total.created.extend(told.created);
            total.toggles.extend(told.toggles);
        }
        burgee = start.start().await.with_context(|| format!("start after kill {round}"))?;
    }
    println!("acknowledged: {} flags, {} toggles", total.created.len(), total.toggles.len());
    ensure!(total.created.len() > 50 && total.toggles.len() > 50, "too little was written to prove anything");
    compare(&burgee, &token, &total).await?;
    let verified = burgee.run(&["audit", "verify"])?;
    ensure!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    Ok(())
}

fn write_until_killed(
    burgee: &Burgee,
    token: &str,
    round: u64,
) -> Vec<tokio::task::JoinHandle<Acknowledged>> {
    let stop = Arc::new(AtomicBool::new(false));
    let writer = |number: usize| {
        let (url, http, token) = (burgee.url.clone(), burgee.http.clone(), token.to_owned());
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut told = Acknowledged::default();
            for count in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let key = format!("flag-{round}-{number}-{count}");
                let create =
                    http.post(format!("{url}/api/v1/flags")).bearer_auth(&token).json(&json!({ "key": key }));
                let Ok(answer) = create.send().await else { break };
                if answer.status() == 201 {
                    told.created.push(key);
                }
                let toggle = http.post(format!("{url}/api/v1/flags/switch/toggle")).bearer_auth(&token);
                let Ok(answer) = toggle.send().await else { break };
                let acknowledged = answer.status() == 200;
                // An answer whose end was cut off counts as none.
                let Ok(flag) = answer.json::<Value>().await else { break };
                if acknowledged {
                    told.toggles.extend(flag["version"].as_u64());
                }
            }
            stop.store(true, Ordering::Relaxed);
            told
        })
    };
    (0..WRITERS).map(writer).collect()
}

/// Each acknowledged change is in the log and in the flags, and the log and the flags agree.
async fn compare(burgee: &Burgee, token: &str, total: &Acknowledged) -> Result<()> {
    let entries = everything(burgee, token, "/api/v1/audit?limit=1000").await?;
    let flags = everything(burgee, token, "/api/v1/flags?limit=1000").await?;
    let logged = |action: &str| entries.iter().filter(|entry| entry["action"] == action).collect::<Vec<_>>();
    let created: Vec<_> =
        logged("create_flag").iter().map(|entry| entry["entities"][0]["key"].clone()).collect();
    for key in &total.created {
        ensure!(created.contains(&json!(key)), "{key} was acknowledged and is not in the log");
        ensure!(flags.iter().any(|flag| flag["key"] == **key), "{key} was acknowledged and is not there");
    }
    ensure!(
        created.len() == flags.len(),
        "{} flags were logged and {} are there",
        created.len(),
        flags.len()
    );

    let toggles = logged("toggle_flag");
    for revision in &total.toggles {
        ensure!(
            toggles.iter().any(|entry| entry["revision"] == *revision),
            "toggle {revision} is not in the log"
        );
    }
    let switch = burgee.get("/api/v1/flags/switch", token).await?;
    ensure!(
        switch["enabled"] == json!(toggles.len() % 2 == 1),
        "the switch and its {} toggles differ",
        toggles.len()
    );
    Ok(())
}

/// All pages of a list.
async fn everything(burgee: &Burgee, token: &str, path: &str) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let answer = burgee
            .http
            .get(format!("{}{path}", burgee.url))
            .bearer_auth(token)
            .send()
            .await?
            .error_for_status()?;
        let link = answer.headers().get("link").map(|link| link.to_str().map(str::to_owned)).transpose()?;
        next = link.and_then(|link| Some(link.split_once('<')?.1.split_once('>')?.0.to_owned()));
        all.extend(answer.json::<Vec<Value>>().await?);
    }
    Ok(all)
}
