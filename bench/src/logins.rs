//! Evaluation while people sign in: each password takes a core for some 20 ms, and nobody who asks a flag may notice.
//!
//! Questions arrive at a constant rate, whatever the answers take, and each is measured from when it was due. Rounds
//! without and with sign-ins take turns.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tempfile::TempDir;
use testkit::process::{Burgee, Start};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::spawn_blocking;

use crate::arrivals::Pace;
use crate::exchange::exchange;
use crate::load::{Load, PATIENCE};
use crate::run::{OFREP, millis};
use crate::server::MEASURED;
use crate::tally::Durations;
use crate::target::{Target, Template};

const ROUNDS: u8 = 15;
const ROUND: Duration = Duration::from_secs(4);
const CONNECTIONS: usize = 16;
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
    for round in 0..ROUNDS {
        for side in &mut sides {
            side.measure(round).await?;
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
    _burgee: Burgee,
    _folder: TempDir,
    port: u16,
    load: Load,
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
        let flag = json!({ "key": MEASURED, "enabled": true, "rollout_percentage": 25 });
        burgee.post("/api/v1/flags", Some(&admin), &flag).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let target = Target::parse(&burgee.url)?.with(&format!("x-sdk-key: {}", burgee.banner.server_key))?;
        let port = target.address.port();
        let load = load(target);
        let (idle, busy, ratios) = Default::default();
        let program = program.to_owned();
        Ok(Self { program, _burgee: burgee, _folder: folder, port, load, idle, busy, ratios, tries: 0 })
    }

    async fn measure(&mut self, round: u8) -> Result<()> {
        let before = questions(self.load.clone()).await?;
        let measured = questions(self.load.clone());
        let (during, tries) = while_people_sign_in(self.port, round, measured).await?;
        self.ratios.push(during.quantile(0.99).as_secs_f64() / before.quantile(0.99).as_secs_f64());
        println!("nobody signs in:  {}\n{PEOPLE} sign in:       {}", tell(&before), tell(&during));
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
        let middle = usize::from(ROUNDS / 2);
        println!(
            "{}: OFREP p99 at {RATE}/s: idle {:?}, while {PEOPLE} sign in at once ({} tries) {:?}: {:.2} times (median of \
             {ROUNDS} pairs)",
            self.program, self.idle[middle], self.tries, self.busy[middle], self.ratios[middle]
        );
    }
}

fn load(target: Target) -> Load {
    let body = r#"{"context":{"targetingKey":"user-42"}}"#;
    let template = Template::new(target.request("POST", &format!("{OFREP}/{MEASURED}"), Some(body)), 1);
    let (pace, connections, warm_up) = (Pace::Open(RATE), CONNECTIONS, Duration::ZERO);
    Load {
        target,
        template,
        pace,
        connections,
        threads: 2,
        sources: 1,
        warm_up,
        lasting: ROUND,
        patience: PATIENCE,
    }
}

async fn questions(load: Load) -> Result<Durations> {
    let outcome = spawn_blocking(move || load.run(None)).await??;
    ensure!(outcome.tally.failures() == 0, "not everyone was answered: {:?}", outcome.tally.statuses);
    Ok(outcome.tally.took)
}

fn tell(took: &Durations) -> String {
    let [p50, p99, most] = [took.quantile(0.5), took.quantile(0.99), took.most()].map(millis);
    format!("p50 {p50:.2} ms, p99 {p99:.2} ms, max {most:.2} ms ({} measured)", took.count())
}

/// Gives how often they tried. In each round everyone comes from an address of their own, or they would be told to come
/// back.
async fn while_people_sign_in(
    port: u16,
    round: u8,
    measured: impl Future<Output = Result<Durations>>,
) -> Result<(Durations, u64)> {
    let over = Arc::new(AtomicBool::new(false));
    let people: Vec<_> = (0..PEOPLE)
        .map(|person| tokio::spawn(sign_in(Ipv4Addr::new(127, 1, round, person), port, over.clone())))
        .collect();
    let took = measured.await;
    over.store(true, Ordering::Relaxed);
    let mut tries = 0;
    for person in people {
        tries += person.await??;
    }
    Ok((took?, tries))
}

/// Signs in as somebody else each time, over and over. Each costs as much as with the right password, up to the answer.
async fn sign_in(from: Ipv4Addr, port: u16, over: Arc<AtomicBool>) -> Result<u64> {
    let mut stream = connect_from(from, port).await?;
    let (mut buffer, mut tries) = (vec![0; 16 * 1024], 0);
    while !over.load(Ordering::Relaxed) {
        let body = format!(r#"{{"email":"{tries}@{from}.example","password":"no such password"}}"#);
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = exchange(&mut stream, request.as_bytes(), &mut buffer).await?;
        ensure!(status == 401, "{status} was answered");
        tries += 1;
    }
    Ok(tries)
}

async fn connect_from(address: Ipv4Addr, port: u16) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
