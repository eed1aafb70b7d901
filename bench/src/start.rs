//! From start to the first answer of `/health`, and what an idle server holds.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use testkit::process::{Burgee, Start};

use crate::process::Process;
use crate::run::megabytes;
use crate::spread::Spread;

const RUNS: usize = 10;
const FLAGS: usize = 5_000;

/// Measures on an empty database and with 5,000 flags.
pub(crate) async fn run(program: &str) -> Result<()> {
    let mut empty = Vec::new();
    for _ in 0..RUNS {
        let folder = tempfile::tempdir()?;
        let asked = Instant::now();
        let burgee = Start { program, folder: folder.path(), env: &[] }.start().await?;
        empty.push(asked.elapsed());
        burgee.stop().await?;
    }
    println!("start to first /health, empty database:  {}", Spread::new(empty));

    let folder = tempfile::tempdir()?;
    let start = Start { program, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("resident memory, idle, empty database:   {:.1} MB", resident(&burgee)?);
    fill(&burgee).await?;
    burgee.stop().await?;
    let mut full = Vec::new();
    for run in 0..RUNS {
        let asked = Instant::now();
        let burgee = start.start().await?;
        full.push(asked.elapsed());
        if run + 1 == RUNS {
            tokio::time::sleep(Duration::from_secs(2)).await;
            println!("resident memory, idle, {FLAGS} flags:      {:.1} MB", resident(&burgee)?);
        }
        burgee.stop().await?;
    }
    println!("start to first /health, {FLAGS} flags:     {}", Spread::new(full));
    Ok(())
}

/// Typical flags: two rules, a rollout, a few targets.
async fn fill(burgee: &Burgee) -> Result<()> {
    let admin = burgee.admin().await?;
    for number in 0..FLAGS {
        let flag = json!({
            "key": format!("flag-{number}"), "enabled": true, "rollout_percentage": number % 100,
            "targeted_users": ["user-1", "user-2", "user-3"],
            "rules": [
                { "attribute": "country", "operator": "in", "value": "DE, AT, CH", "variant": true, "priority": 1 },
                { "attribute": "plan", "operator": "equals", "value": "gold", "variant": false, "priority": 2 },
            ],
        });
        burgee.post("/api/v1/flags", Some(&admin), &flag).await?;
    }
    Ok(())
}

fn resident(burgee: &Burgee) -> Result<f64> {
    Ok(megabytes(Process::new(burgee.pid()).resident()?))
}
