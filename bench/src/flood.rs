//! Ten thousand sign-ins a second by nobody: made-up accounts and wrong passwords, from several addresses at once.
//!
//! What must hold: answers are 401, 429 or 503 alone; whether the server is there, and flags, are answered all the while;
//! memory and logs are bounded.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::process::Start;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep_until;

use crate::exchange::{ask, exchange};
use crate::process::Process;
use crate::run::{OFREP, megabytes};
use crate::server::MEASURED;
use crate::spread::Spread;
use crate::target::Target;

const RATE: u32 = 10_000;
const DURATION: Duration = Duration::from_secs(30);
/// More than passwords are hashed or wait for it, so that these do not hold up all others.
const CONNECTIONS: u32 = 500;
const ADDRESSES: u32 = 20;
/// Between two questions of who is no attacker, of each kind.
const PAUSE: Duration = Duration::from_millis(20);

/// How often each status was answered.
type Statuses = BTreeMap<u16, u64>;

/// Floods the program and prints what became of it.
pub(crate) async fn run(program: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let burgee = Start { program, folder: folder.path(), env: &[] }.start_logging_to(&log).await?;
    let admin = burgee.admin().await?;
    burgee.post("/api/v1/flags", Some(&admin), &json!({ "key": MEASURED, "enabled": true })).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let target = Target::parse(&burgee.url)?;
    let port = target.address.port();
    let process = Process::new(burgee.pid());
    let (before, files_before) = (megabytes(process.resident()?), folder_size(folder.path())?);

    let begun = Instant::now();
    let health = tokio::spawn(neighbour(port, target.request("GET", "/health", None), begun));
    let target = target.with(&format!("x-sdk-key: {}", burgee.banner.server_key))?;
    let body = r#"{"context":{"targetingKey":"user-42"}}"#;
    let question = target.request("POST", &format!("{OFREP}/{MEASURED}"), Some(body));
    let questions = tokio::spawn(neighbour(port, question, begun));
    let attackers: Vec<_> = (0..CONNECTIONS).map(|place| tokio::spawn(attack(port, place, begun))).collect();
    let most = watch_memory(process, begun).await?;
    let mut statuses = Statuses::new();
    for attacker in attackers {
        for (status, count) in attacker.await?? {
            *statuses.entry(status).or_default() += count;
        }
    }
    let took = begun.elapsed();
    let (questions, health) = (questions.await??, health.await??);
    let answers: u64 = statuses.values().sum();
    // What is written within a second is there by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let url = format!("{}/api/v1/security-log?limit=1", burgee.url);
    let events = burgee.http.get(url).bearer_auth(&admin).send().await?.error_for_status()?;
    let events =
        events.headers().get("x-total-count").and_then(|count| count.to_str().ok()).unwrap_or("?").to_owned();
    let grown = folder_size(folder.path())?.saturating_sub(files_before) / 1024;
    let lines = std::fs::read_to_string(&log)?.lines().count();

    println!(
        "sign-ins: {answers} answered in {:.1} s, {:.0} a second of {RATE} wanted; by status: {statuses:?}",
        took.as_secs_f64(),
        rate(answers, took)
    );
    println!("OFREP meanwhile:                         {questions}");
    println!("/health meanwhile:                       {health}");
    println!("resident memory before, at most:         {before:.1} MB, {most:.1} MB");
    println!("security log: {events} entries; data folder: {grown} KiB more; log: {lines} lines");
    let expected = [401, 429, 503];
    ensure!(
        statuses.keys().all(|status| expected.contains(status)),
        "others than {expected:?} were answered"
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure")]
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Each request in its time, or as soon as the answer before is there.
async fn attack(port: u16, place: u32, begun: Instant) -> Result<Statuses> {
    let last = u8::try_from(2 + place % ADDRESSES)?;
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
    let mut stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    stream.set_nodelay(true)?;
    let step = Duration::from_secs(1) * CONNECTIONS / RATE;
    let mut due = begun + step * place / CONNECTIONS;
    let (mut statuses, mut buffer, mut tries) = (Statuses::new(), vec![0; 16 * 1024], 0_u64);
    while begun.elapsed() < DURATION {
        sleep_until(due.into()).await;
        tries += 1;
        // One in four guesses at somebody who exists.
        let known = tries % 4 == 0;
        let email =
            if known { "admin@burgee.local".to_owned() } else { format!("{place}.{tries}@example.com") };
        let body = json!({ "email": email, "password": "no such password" }).to_string();
        let head = format!(
            "POST /auth/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let status = exchange(&mut stream, format!("{head}{body}").as_bytes(), &mut buffer).await?;
        *statuses.entry(status).or_default() += 1;
        due += step;
    }
    Ok(statuses)
}

/// Somebody else, who must be answered 200 each time.
async fn neighbour(port: u16, request: Vec<u8>, begun: Instant) -> Result<Spread> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut buffer, mut took) = (vec![0; 16 * 1024], Vec::new());
    while begun.elapsed() < DURATION {
        tokio::time::sleep(PAUSE).await;
        // One after the other: what one waits must not count for all that follow.
        let asked = Instant::now();
        ask(&mut stream, &request, &mut buffer).await?;
        took.push(asked.elapsed());
    }
    Ok(Spread::new(took))
}

/// The most it held while it lasted, in megabytes.
async fn watch_memory(process: Process, begun: Instant) -> Result<f64> {
    let mut most = 0.0_f64;
    while begun.elapsed() < DURATION {
        most = most.max(megabytes(process.resident()?));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(most)
}

fn folder_size(folder: &std::path::Path) -> Result<u64> {
    let mut size = 0;
    for file in std::fs::read_dir(folder)? {
        size += file?.metadata()?.len();
    }
    Ok(size)
}
