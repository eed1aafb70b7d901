//! A closed-loop client: so many connections, each sends its request again as soon as the answer is whole.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many answers came in how long.
pub(crate) struct Throughput {
    answers: u64,
    took: Duration,
}

impl Throughput {
    /// Answers in a second.
    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64()
    }
}

/// Sends `request` to a port of this machine over `connections` for `duration`.
pub(crate) async fn run(
    port: u16,
    request: Vec<u8>,
    connections: usize,
    duration: Duration,
) -> Result<Throughput> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let request = request.clone();
            tokio::spawn(async move { repeat(port, &request, begun + duration).await })
        })
        .collect();
    let mut answers = 0;
    for task in tasks {
        answers += task.await??;
    }
    Ok(Throughput { answers, took: begun.elapsed() })
}

async fn repeat(port: u16, request: &[u8], until: Instant) -> Result<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 * 1024];
    let mut answers = 0;
    while Instant::now() < until {
        ask(&mut stream, request, &mut buffer).await?;
        answers += 1;
    }
    Ok(answers)
}

/// Sends a request and reads its answer, which must be 200.
pub(crate) async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<()> {
    let status = exchange(stream, request, buffer).await?;
    ensure!(status == 200, "{status} was answered");
    Ok(())
}

/// Sends a request and reads its answer, which must have a `Content-Length`. Gives the status.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<u16> {
    stream.write_all(request).await?;
    let mut length = 0;
    loop {
        let read = stream.read(buffer.get_mut(length..).context("the answer is too large")?).await?;
        ensure!(read > 0, "the connection was closed");
        length += read;
        let answer = buffer.get(..length).unwrap_or_default();
        let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head_text = std::str::from_utf8(answer.get(..head).unwrap_or_default())?;
        let status = head_text.split(' ').nth(1).context("no status")?.parse()?;
        let body: usize = head_text
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(|value| value.trim().to_owned())
            })
            .context("no content-length")?
            .parse()?;
        if length >= head + 4 + body {
            return Ok(status);
        }
    }
}
