//! Streams as they are read: on a connection that was used before, slowly, and not at all.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
/// What is to happen at once has happened by then, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);
/// Large enough to fit into no buffer on the way, in bytes.
const LARGE: usize = 2_000_000;

fn authority(burgee: &Burgee) -> &str {
    burgee.url.strip_prefix("http://").unwrap()
}

/// A connection whose end here takes little that nobody reads.
async fn connect(burgee: &Burgee) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4 << 10)?;
    Ok(socket.connect(authority(burgee).parse()?).await?)
}

fn stream_request(key: &str) -> String {
    format!("GET /sdk/v1/stream HTTP/1.1\r\nhost: localhost\r\nx-sdk-key: {key}\r\n\r\n")
}

fn question(key: &str) -> String {
    format!(
        "POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nhost: localhost\r\nx-sdk-key: {key}\r\ncontent-length: 2\r\n\r\n{{}}"
    )
}

/// Reads until this has come, and gives all up to there.
async fn read_until(stream: &mut TcpStream, end: &str) -> Result<String> {
    let mut heard = Vec::new();
    let hearing = async {
        loop {
            let text = String::from_utf8_lossy(&heard);
            if text.contains(end) {
                return Ok(text.into_owned());
            }
            ensure!(
                stream.read_buf(&mut heard).await? > 0,
                "closed after {}",
                String::from_utf8_lossy(&heard)
            );
        }
    };
    timeout(SOON, hearing).await.with_context(|| format!("no {end:?}"))?
}

/// Flags whose snapshot is larger than [`LARGE`].
async fn fill(burgee: &Burgee) -> Result<()> {
    let admin = burgee.admin().await?;
    for number in 0..25 {
        let variants = json!([{ "key": "a", "value": "x".repeat(90_000) }]);
        let flag = json!({
            "key": format!("large-{number}"), "kind": "string", "variants": variants, "default": { "variant": "a" },
        });
        burgee.post("/api/v1/flags", Some(&admin), &flag).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_on_a_connection_that_was_used_before_is_like_any_other() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let admin = burgee.admin().await?;
    burgee.post("/api/v1/flags", Some(&admin), &json!({ "key": "switch" })).await?;
    let key = &burgee.banner.server_key;
    let mut after = TcpStream::connect(authority(&burgee)).await?;
    after.write_all(question(key).as_bytes()).await?;
    let answer = read_until(&mut after, "\"flagSetId\":\"default/development\",\"version\"").await?;
    ensure!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    read_rest(&mut after).await?;
    after.write_all(stream_request(key).as_bytes()).await?;
    // Both at once: the answer to the first comes whole, and then the stream.
    let mut together = TcpStream::connect(authority(&burgee)).await?;
    together.write_all(format!("{}{}", question(key), stream_request(key)).as_bytes()).await?;
    for (stream, begins) in [
        (&mut after, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream"),
        (&mut together, "HTTP/1.1 200 OK\r\n"),
    ] {
        let heard = read_until(stream, "event: snapshot").await?;
        assert!(heard.starts_with(begins), "{heard}");
        assert!(heard.contains("connection: close\r\n"), "handed over: {heard}");
        assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), usize::from(begins.len() < 20) + 1, "{heard}");
    }
    burgee.post("/api/v1/flags/switch/toggle", Some(&admin), &Value::Null).await?;
    for stream in [&mut after, &mut together] {
        read_until(stream, "event: delta").await?;
    }
    Ok(())
}

/// What is left of an answer that has come.
async fn read_rest(stream: &mut TcpStream) -> Result<()> {
    let mut rest = vec![0; 64 << 10];
    let _ = timeout(Duration::from_millis(200), stream.read(&mut rest)).await;
    Ok(())
}

#[tokio::test]
async fn who_takes_nothing_is_closed_and_who_takes_it_slowly_gets_all() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    fill(&burgee).await?;
    let request = stream_request(&burgee.banner.server_key);
    let (mut deaf, mut slow) = (connect(&burgee).await?, connect(&burgee).await?);
    for stream in [&mut deaf, &mut slow] {
        stream.write_all(request.as_bytes()).await?;
    }
    let begun = Instant::now();
    // All of it takes longer than anybody may take nothing.
    let mut taken = 0;
    let mut piece = vec![0; 25_000];
    while begun.elapsed() < Duration::from_secs(40) {
        sleep(Duration::from_millis(500)).await;
        taken += timeout(SOON, slow.read_exact(&mut piece)).await.context("the slow one hears nothing")??;
    }
    while taken < LARGE {
        let read = timeout(SOON, slow.read(&mut piece)).await.context("the slow one hears nothing")??;
        ensure!(read > 0, "closed after {taken}");
        taken += read;
    }
    // It was closed with what it had not taken: little of it comes, and then the end.
    let mut heard = Vec::new();
    let _ = timeout(SOON, deaf.read_to_end(&mut heard)).await.context("the deaf one is kept")?;
    assert!(heard.len() < LARGE / 2, "{} bytes", heard.len());
    Ok(())
}

#[tokio::test]
async fn streams_are_bounded_in_all_and_with_each_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE__DELIVERY__MAX_STREAMS", "3"), ("BURGEE__DELIVERY__MAX_STREAMS_PER_KEY", "2")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let (server, client) = (&burgee.banner.server_key, &burgee.banner.client_key);
    let open = async |key: &str| {
        let request = burgee.http.get(format!("{}/sdk/v1/stream", burgee.url)).header("x-sdk-key", key);
        request.send().await
    };
    let held = [open(server).await?, open(server).await?];
    let refused = async |key: &str, status: u16, code: &str| -> Result<()> {
        let answer = open(key).await?;
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (status, &"10".parse()?));
        let problem: Value = answer.json().await?;
        assert_eq!(problem["code"], code);
        Ok(())
    };
    refused(server, 429, "too_many_streams_of_key").await?;
    let other = open(client).await?;
    assert_eq!(other.status(), 200);
    refused(client, 503, "too_many_streams").await?;
    drop(held);
    let again = async {
        while !open(server).await?.status().is_success() {
            sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(())
    };
    timeout(SOON, again).await.context("a place is not given back")?
}
