//! Who takes all they can get of connections, bodies or attention takes nobody else's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
/// Whoever is not an attacker is answered by then, on a busy machine and with a password to hash too; well before the
/// server gives up on the attackers' connections (30 s).
const PROMPTLY: Duration = Duration::from_secs(15);
/// An HTTP/2 connection that says nothing more: the preface and empty settings.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

async fn connect(burgee: &Burgee, from: u8) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(address(from), 0))?;
    let to = burgee.url.strip_prefix("http://").context("no address")?.parse()?;
    Ok(socket.connect(to).await?)
}

/// Someone else, from an address of their own.
struct Neighbour<'a> {
    burgee: &'a Burgee,
    http: Client,
}

impl<'a> Neighbour<'a> {
    fn new(burgee: &'a Burgee, from: u8) -> Result<Self> {
        // A new connection each time: that is what there may be no room for.
        let http = Client::builder().local_address(address(from)).pool_max_idle_per_host(0);
        Ok(Self { burgee, http: http.tls_certs_only([]).build()? })
    }

    /// Asks whether the server is there, asks a flag, and signs in.
    async fn is_served(&self) -> Result<()> {
        let at = |path: &str| format!("{}{path}", self.burgee.url);
        let since = Instant::now();
        let health = self.http.get(at("/health")).send().await?.status();
        let key = &self.burgee.banner.server_key;
        let flag = self.http.post(at("/ofrep/v1/evaluate/flags/a")).header("x-sdk-key", key);
        let flag = flag.json(&json!({ "context": { "targetingKey": "u" } })).send().await?.status();
        let login = json!({ "email": "dev@example.com", "password": "secret" });
        let login = self.http.post(at("/auth/login")).json(&login).send().await?.status();
        ensure!(health == 200 && flag == 200 && login == 200, "{health} {flag} {login}");
        ensure!(since.elapsed() < PROMPTLY, "it took {:?}", since.elapsed());
        Ok(())
    }
}

async fn start(start: Start<'_>) -> Result<Burgee> {
    let burgee = start.start_logging_to(&start.folder.join("log")).await?;
    let dev = burgee.register("dev@example.com", "developer").await?;
    burgee.post("/api/v1/flags", Some(&dev), &json!({ "key": "a", "enabled": true })).await?;
    Ok(burgee)
}

/// Those of so many connections that stay open: no more than `most`, as soon as the server has come to close the others.
async fn left_open(mut streams: Vec<TcpStream>, most: usize) -> Vec<TcpStream> {
    let since = Instant::now();
    loop {
        streams = open_now(streams).await;
        if streams.len() <= most || since.elapsed() > PROMPTLY {
            return streams;
        }
    }
}

/// Those that are still open a moment later.
async fn open_now(streams: Vec<TcpStream>) -> Vec<TcpStream> {
    let looks = streams.into_iter().map(|mut stream| async move {
        let mut bytes = [0; 4096];
        loop {
            match timeout(Duration::from_millis(500), stream.read(&mut bytes)).await {
                Err(_) => return Some(stream),
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return None,
            }
        }
    });
    join_all(looks).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn connections_of_few_addresses_leave_room_for_others() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env =
        [("BURGEE__SERVER__MAX_CONNECTIONS", "300"), ("BURGEE__SERVER__TRUSTED_PROXIES", "[127.0.0.9]")];
    let burgee = start(Start { program: PROGRAM, folder: folder.path(), env: &env }).await?;
    let neighbour = Neighbour::new(&burgee, 5)?;
    let mut held = Vec::new();
    for from in [2, 3, 4] {
        let mut streams = Vec::new();
        for _ in 0..300 {
            let mut stream = connect(&burgee, from).await?;
            // Of those that are closed at once some are told by this.
            let _ = stream.write_all(HTTP2).await;
            streams.push(stream);
        }
        let open = left_open(streams, 200).await;
        ensure!((1..=200).contains(&open.len()), "127.0.0.{from} has {}", open.len());
        held.extend(open);
        neighbour.is_served().await?;
    }
    // One that is trusted takes what is left.
    let mut proxy = Vec::new();
    for _ in 0..300 {
        proxy.push(connect(&burgee, 9).await?);
    }
    let proxied = left_open(proxy, 300 - held.len()).await.len();
    ensure!(proxied + held.len() >= 290, "{proxied} beside {}", held.len());

    let log = std::fs::read_to_string(folder.path().join("log"))?;
    // Told once for each time in which some are refused, of which a slow machine may see several.
    let told = |what: &str| log.matches(what).count();
    let (begun, over) = (told("closed at once"), told("connections are taken again"));
    ensure!(begun == over + 1 || over > 0 && begun == over, "{begun} began, {over} are over: {log}");
    // Whoever of them goes leaves room again.
    let since = Instant::now();
    drop(held);
    while neighbour.is_served().await.is_err() {
        ensure!(since.elapsed() < PROMPTLY, "there is no room again");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Half of a request's body, and nothing after it.
async fn half_a_body(burgee: &Burgee, from: u8, path: &str, size: usize) -> Result<TcpStream> {
    let mut stream = connect(burgee, from).await?;
    let key = &burgee.banner.server_key;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-sdk-key: {key}\r\ncontent-type: application/json\r\n\
         content-length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    // Who is refused may find the connection closed.
    let _ = stream.write_all(&vec![b' '; size / 2]).await;
    Ok(stream)
}

#[tokio::test]
async fn unfinished_bodies_cost_only_who_sends_them() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = start(Start { program: PROGRAM, folder: folder.path(), env: &[] }).await?;
    let neighbour = Neighbour::new(&burgee, 5)?;
    let mut held = Vec::new();
    // Small ones by the thousand, which took all places once; then large ones, which took memory.
    for (path, size) in [
        ("/auth/login", 200),
        ("/ofrep/v1/evaluate/flags", 200),
        ("/auth/login", 1 << 20),
        ("/ofrep/v1/evaluate/flags", 1 << 20),
    ] {
        for from in [2, 3] {
            for _ in 0..520 {
                held.push(timeout(PROMPTLY, half_a_body(&burgee, from, path, size)).await??);
            }
        }
        neighbour.is_served().await?;
    }
    let resident = resident_mebibytes(&burgee)?;
    ensure!(resident < 512, "{resident} MiB");
    // Who takes too much is told so.
    let refused = Neighbour::new(&burgee, 2)?;
    let slow = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    let answer = refused.http.post(format!("{}/auth/login", burgee.url)).body(slow).send().await?;
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str()?), (503, "1"));
    assert_eq!(answer.json::<Value>().await?["code"], "too_busy");
    Ok(())
}

fn resident_mebibytes(burgee: &Burgee) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", burgee.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
