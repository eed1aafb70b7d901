//! Evaluation while people sign in: each password takes a core for some 20 ms, and nobody who asks a flag may notice.
//!
//! Questions arrive at a constant rate, whatever the answers take, and each is measured from when it was due. Rounds
//! without and with sign-ins take turns.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use testkit::process::{Burgee, Start};
use tokio::net::TcpStream;
use tokio::time::sleep_until;

use crate::load::ask;
use crate::ofrep::request;
use crate::spread::Spread;

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const CONNECTIONS: u32 = 16;
/// Questions in a second, over all connections.
const RATE: u32 = 500;
/// People who sign in at once, over and over.
const PEOPLE: u8 = 20;

/// Measures both and prints the medians of their p99 and the ratio.
pub(crate) async fn run(program: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program, folder: folder.path(), env: &[] }.start().await?;
    let admin = burgee.admin().await?;
    let flag = json!({ "key": "new-checkout", "enabled": true, "rollout_percentage": 25 });
    burgee.post("/api/v1/flags", Some(&admin), &flag).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let port: u16 = burgee.url.rsplit(':').next().context("no port")?.parse()?;
    let request = request(&burgee.banner.server_key, r#"{"context":{"targetingKey":"user-42"}}"#);

    let (mut idle, mut busy, mut ratios, signed) = (Vec::new(), Vec::new(), Vec::new(), AtomicU64::new(0));
    for _ in 0..ROUNDS {
        let before = questions(port, &request).await?;
        let during = while_people_sign_in(&burgee, &signed, questions(port, &request)).await?;
        ratios.push(during.quantile(0.99).as_secs_f64() / before.quantile(0.99).as_secs_f64());
        println!("nobody signs in:  {before}\n{PEOPLE} sign in:       {during}");
        idle.push(before.quantile(0.99));
        busy.push(during.quantile(0.99));
    }
    for figures in [&mut idle, &mut busy] {
        figures.sort_unstable();
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let tries = signed.load(Ordering::Relaxed);
    println!(
        "OFREP p99 at {RATE}/s: idle {:?}, while {PEOPLE} sign in at once ({tries} tries) {:?}: {:.2} times (median of {ROUNDS} pairs)",
        idle[ROUNDS / 2],
        busy[ROUNDS / 2],
        ratios[ROUNDS / 2]
    );
    Ok(())
}

async fn questions(port: u16, request: &[u8]) -> Result<Spread> {
    let begun = tokio::time::Instant::now() + Duration::from_millis(100);
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|place| {
            let request = request.to_vec();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
                stream.set_nodelay(true)?;
                let (mut buffer, mut took) = (vec![0; 16 * 1024], Vec::new());
                let step = Duration::from_secs(1) * CONNECTIONS / RATE;
                let mut due = begun + step * place / CONNECTIONS;
                while due < begun + ROUND {
                    sleep_until(due).await;
                    ask(&mut stream, &request, &mut buffer).await?;
                    took.push(due.elapsed());
                    due += step;
                }
                anyhow::Ok(took)
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(Spread::new(all))
}

/// Everyone from an address of their own, or they would be told to come back.
async fn while_people_sign_in(
    burgee: &Burgee,
    signed: &AtomicU64,
    measured: impl Future<Output = Result<Spread>>,
) -> Result<Spread> {
    let over = Arc::new(AtomicBool::new(false));
    let people: Vec<_> = (0..PEOPLE)
        .map(|person| {
            let (over, url) = (over.clone(), format!("{}/auth/login", burgee.url));
            tokio::spawn(async move {
                let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + person));
                let http = reqwest::Client::builder().local_address(from).build()?;
                let mut tries = 0;
                while !over.load(Ordering::Relaxed) {
                    let email = format!("{person}.{tries}.{:?}@example.com", Instant::now());
                    let email = email.replace([' ', '{', '}', ':', ','], "");
                    let body = json!({ "email": email, "password": "no such password" });
                    let answer = http.post(&url).json(&body).send().await?;
                    anyhow::ensure!(answer.status() == 401, "{}", answer.status());
                    tries += 1;
                }
                Ok(tries)
            })
        })
        .collect();
    let spread = measured.await;
    over.store(true, Ordering::Relaxed);
    for person in people {
        signed.fetch_add(person.await??, Ordering::Relaxed);
    }
    spread
}
