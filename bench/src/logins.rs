//! Evaluation while people sign in: each password takes a core for some 20 ms, and nobody who asks a flag may notice.
//!
//! Questions arrive at a constant rate, whatever the answers take, and each is measured from when it was due. Rounds
//! without and with sign-ins take turns.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;
use testkit::process::{Burgee, Start};
use tokio::net::TcpStream;
use tokio::time::sleep_until;

use crate::load::ask;
use crate::ofrep::request;
use crate::spread::Spread;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
const CONNECTIONS: u32 = 16;
/// Questions in a second, over all connections.
const RATE: u32 = 500;
/// People who sign in at once, over and over.
const PEOPLE: u8 = 20;

/// Measures while nobody signs in and while people do, and prints the medians of their p99 and the ratio; of `other`, a
/// second build of the program, in turns with the first, if one is given.
pub(crate) async fn run(program: &str, other: Option<&str>) -> Result<()> {
    let mut sides = Vec::new();
    for program in [Some(program), other].into_iter().flatten() {
        sides.push(Side::start(program).await?);
    }
    for _ in 0..ROUNDS {
        for side in &mut sides {
            side.measure().await?;
        }
    }
    for side in &mut sides {
        side.tell();
    }
    Ok(())
}

/// A program that is measured, and what was.
struct Side {
    program: String,
    burgee: Burgee,
    _folder: TempDir,
    port: u16,
    request: Vec<u8>,
    idle: Vec<Duration>,
    busy: Vec<Duration>,
    ratios: Vec<f64>,
    tries: u64,
}

impl Side {
    async fn start(program: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let burgee = Start { program, folder: folder.path(), env: &[] }.start().await?;
        let admin = burgee.admin().await?;
        let flag = json!({ "key": "new-checkout", "enabled": true, "rollout_percentage": 25 });
        burgee.post("/api/v1/flags", Some(&admin), &flag).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let port = burgee.url.rsplit(':').next().context("no port")?.parse()?;
        let request = request(&burgee.banner.server_key, r#"{"context":{"targetingKey":"user-42"}}"#);
        let (idle, busy, ratios) = Default::default();
        let program = program.to_owned();
        Ok(Self { program, burgee, _folder: folder, port, request, idle, busy, ratios, tries: 0 })
    }

    async fn measure(&mut self) -> Result<()> {
        let before = questions(self.port, &self.request).await?;
        let measured = questions(self.port, &self.request);
        let (during, tries) = while_people_sign_in(&self.burgee, measured).await?;
        self.ratios.push(during.quantile(0.99).as_secs_f64() / before.quantile(0.99).as_secs_f64());
        println!("nobody signs in:  {before}\n{PEOPLE} sign in:       {during}");
        self.idle.push(before.quantile(0.99));
        self.busy.push(during.quantile(0.99));
        self.tries += tries;
        Ok(())
    }

    fn tell(&mut self) {
        for figures in [&mut self.idle, &mut self.busy] {
            figures.sort_unstable();
        }
        self.ratios.sort_unstable_by(f64::total_cmp);
        println!(
            "{}: OFREP p99 at {RATE}/s: idle {:?}, while {PEOPLE} sign in at once ({} tries) {:?}: {:.2} times (median of \
             {ROUNDS} pairs)",
            self.program,
            self.idle[ROUNDS / 2],
            self.tries,
            self.busy[ROUNDS / 2],
            self.ratios[ROUNDS / 2]
        );
    }
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
    measured: impl Future<Output = Result<Spread>>,
) -> Result<(Spread, u64)> {
    let over = Arc::new(AtomicBool::new(false));
    let people: Vec<_> = (0..PEOPLE)
        .map(|person| {
            let (over, url) = (over.clone(), format!("{}/auth/login", burgee.url));
            tokio::spawn(async move {
                let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + person));
                let http = reqwest::Client::builder().local_address(from).tls_certs_only([]).build()?;
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
    let mut tries = 0;
    for person in people {
        tries += person.await??;
    }
    Ok((spread?, tries))
}
