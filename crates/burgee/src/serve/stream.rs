//! A stream of events over HTTP/1, written to its socket with nothing in between.
//!
//! Thousands of them are open for hours and say little, so what each holds counts: hyper's buffers alone are 16 KiB. hyper
//! reads the request and hands the connection over. The answer ends with the connection, so frames are written as they
//! are, the same bytes for everyone.

use std::io::{self, ErrorKind};
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use delivery::Stream;
use http::response::Parts;
use http::{HeaderValue, header};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::system;

/// Frames that are there at once are written as one, as far as they are no longer than this together, in bytes.
const TOGETHER: usize = 16 << 10;

/// So many bytes the system keeps at most for a reader that takes its time, twice that with what it needs itself. Without
/// a bound it is megabytes, of what will be old when it is read.
const BEHIND: usize = 64 << 10;

/// A socket of which the system can be told how much to keep.
pub(super) trait Narrow {
    /// Lets the system keep no more than [`BEHIND`] of what is written.
    fn narrow(&self);
}

impl Narrow for TcpStream {
    fn narrow(&self) {
        if let Err(error) = set_socket_send_buffer_size(self, BEHIND) {
            tracing::debug!(%error, "the system keeps as much for a reader as it likes");
        }
    }
}

impl Narrow for TlsStream<TcpStream> {
    fn narrow(&self) {
        self.get_ref().0.narrow();
    }
}

/// A stream, and the head of the answer that it is.
pub(super) struct Handed {
    pub(super) head: Parts,
    pub(super) stream: Box<Stream>,
}

impl Handed {
    /// Writes until the stream is over, its reader has gone, or has taken nothing for longer than `patience`: then it may
    /// come again, and go on from where it is.
    pub(super) async fn write_to(
        self,
        mut io: impl AsyncRead + AsyncWrite + Narrow + Unpin,
        patience: Duration,
    ) {
        io.narrow();
        let Self { head, mut stream } = self;
        let writing = async {
            write(&mut io, text(head), &mut stream, patience).await?;
            while let Some(frame) = next(&mut io, &mut stream).await? {
                write(&mut io, frame, &mut stream, patience).await?;
            }
            timeout(patience, io.shutdown()).await?
        };
        if let Err(error) = writing.await {
            tracing::debug!(%error, "a stream ended early");
        }
    }
}

/// The head as it is sent. That the length of what follows is told by its end is known to HTTP/1.0 as well.
fn text(mut head: Parts) -> Bytes {
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Ok(date) = HeaderValue::try_from(system::http_date()) {
        head.headers.insert(header::DATE, date);
    }
    let mut text = BytesMut::with_capacity(1024);
    text.put_slice(b"HTTP/1.1 200 OK\r\n");
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.put_slice(part);
        }
    }
    text.put_slice(b"\r\n");
    text.freeze()
}

/// The next frame; `None` when the stream is over. Fails when its reader has gone.
async fn next(io: &mut (impl AsyncRead + Unpin), stream: &mut Stream) -> io::Result<Option<Bytes>> {
    let mut said = [0; 64];
    let mut frame = pin!(stream.next());
    loop {
        tokio::select! {
            biased;
            frame = &mut frame => return Ok(frame),
            // The end, or what nobody asked for: an answer that ends with the connection is the last one on it.
            read = io.read(&mut said) => if read? == 0 { return Err(ErrorKind::UnexpectedEof.into()) },
        }
    }
}

/// Writes these bytes, with such frames behind them as are there and short. All of it is on its way then: TLS keeps to
/// itself what it is given until it is told otherwise.
async fn write(
    io: &mut (impl AsyncWrite + Unpin),
    mut bytes: Bytes,
    stream: &mut Stream,
    patience: Duration,
) -> io::Result<()> {
    if let Some(frame) = stream.rendered(TOGETHER.saturating_sub(bytes.len())) {
        let mut together = BytesMut::from(bytes);
        together.put(frame);
        while let Some(frame) = stream.rendered(TOGETHER.saturating_sub(together.len())) {
            together.put(frame);
        }
        bytes = together.freeze();
    }
    // Each piece has as long: who takes it slowly, but does, gets all of it.
    while bytes.has_remaining() {
        let written = timeout(patience, io.write(&bytes)).await??;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes.advance(written);
    }
    timeout(patience, io.flush()).await?
}
