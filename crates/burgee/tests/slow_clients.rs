//! Connections as they are kept and ended: by clients that take their time, and by those that take it for ever.
//! What the program waits for and how long is tested beside its loop, with shorter bounds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::response::IntoResponse;
use futures_util::{StreamExt, stream};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use server::body::{Json, MOST_BODY, OptionalJson};
use testkit::process::{Burgee, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
/// What is to happen at once has happened by then, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);

fn authority(burgee: &Burgee) -> &str {
    burgee.url.strip_prefix("http://").unwrap()
}

#[tokio::test]
async fn one_connection_takes_one_request_after_another() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let authority = authority(&burgee);
    let mut stream = TcpStream::connect(authority).await?;
    for _ in 0..3 {
        stream.write_all(format!("GET /health HTTP/1.1\r\nhost: {authority}\r\n\r\n").as_bytes()).await?;
        let mut bytes = vec![0; 4096];
        let read = timeout(SOON, stream.read(&mut bytes)).await.context("no answer")??;
        ensure!(bytes[..read].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&bytes[..read]));
    }
    Ok(())
}

/// Speaks HTTP/2 from the first byte on, as gRPC does.
async fn http2(burgee: &Burgee) -> Result<SendRequest<Body>> {
    let io = TokioIo::new(TcpStream::connect(authority(burgee)).await?);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    Ok(sender)
}

#[tokio::test]
async fn http2_is_spoken_without_asking_and_sigterm_ends_its_streams() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let mut http2 = http2(&burgee).await?;
    let request = |path: &str| {
        let key = &burgee.banner.server_key;
        Request::get(format!("{}{path}", burgee.url)).header("x-sdk-key", key).body(Body::empty())
    };
    let health = timeout(SOON, http2.send_request(request("/health")?)).await??;
    assert_eq!(health.status(), 200);
    let stream = timeout(SOON, http2.send_request(request("/sdk/v1/stream")?)).await??;
    assert_eq!(stream.status(), 200);

    let events = tokio::spawn(axum::body::to_bytes(Body::new(stream.into_body()), MOST_BODY));
    let (code, took) = burgee.stop().await?;
    assert_eq!(code, Some(0));
    assert!(took < SOON, "{took:?}");
    let events = events.await?.context("the stream was cut")?;
    assert!(String::from_utf8_lossy(&events).contains("event: snapshot"), "{events:?}");
    Ok(())
}

#[tokio::test]
async fn k15_half_a_request_keeps_sigterm_waiting_no_longer_than_ten_seconds() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let authority = authority(&burgee);
    let head = format!("POST /auth/login HTTP/1.1\r\nhost: {authority}\r\ncontent-length: 9\r\n");
    let mut halves = Vec::new();
    for half in ["", "PRI", &head, &format!("{head}\r\n{{\"em")] {
        let mut stream = TcpStream::connect(authority).await?;
        stream.write_all(half.as_bytes()).await?;
        halves.push(stream);
    }
    let (code, took) = burgee.stop().await?;
    assert_eq!(code, Some(0));
    assert!(took < SOON, "{took:?}");
    Ok(())
}

/// The body's first bytes, and nothing ever after.
fn half_a_body() -> Request {
    let half = stream::iter([Ok::<_, axum::BoxError>(Bytes::from_static(b"{\"key\": "))]);
    Request::new(Body::from_stream(half.chain(stream::pending())))
}

#[tokio::test(start_paused = true)]
async fn k15_half_a_body_is_answered_as_a_problem() -> Result<()> {
    let since = Instant::now();
    let required = Json::from_request(half_a_body(), &()).await.err().context("it was taken")?;
    assert_eq!(since.elapsed().as_secs(), 30);
    let optional = OptionalJson::from_request(half_a_body(), &()).await.err().context("it was taken")?;
    for problem in [required, optional] {
        let response = problem.into_response();
        assert_eq!(response.status(), 408);
        let body = axum::body::to_bytes(response.into_body(), MOST_BODY).await?;
        let problem: Value = serde_json::from_slice(&body)?;
        assert_eq!((&problem["status"], &problem["code"]), (&json!(408), &json!("body_too_slow")));
    }
    Ok(())
}
