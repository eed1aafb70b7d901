//! One request and its answer within a runtime, among much else that goes on there.

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::{Head, Reader, Step};

/// Sends a request and reads its answer, which must be 200.
pub(crate) async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<()> {
    let status = exchange(stream, request, buffer).await?;
    ensure!(status == 200, "{status} was answered");
    Ok(())
}

/// Sends a request and reads its answer. Gives the status.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<u16> {
    stream.write_all(request).await?;
    let (mut reader, mut head): (_, Option<Head>) = (Reader::default(), None);
    loop {
        let read = stream.read(buffer).await?;
        ensure!(read > 0, "the connection was closed");
        let mut piece = buffer.get(..read).unwrap_or_default();
        loop {
            match reader.read(&mut piece, &mut |_| {})? {
                Step::More => break,
                Step::Head(here) => head = Some(here),
                Step::Whole => return Ok(head.context("no head")?.status),
            }
        }
    }
}
