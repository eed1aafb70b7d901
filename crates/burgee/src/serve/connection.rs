//! One connection: its protocol is told by its first bytes, and it is served until it or the server ends.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use delivery::Content;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::stream::{Handed, Narrow};
use super::ticking::Ticking;
use super::tls::Tls;
use super::under_way::UnderWay;
use super::{Answer, Bounds};

/// What a connection of HTTP/2 begins with (RFC 9113, 3.4), and no request of HTTP/1 does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No head of a request of HTTP/1 is larger, in bytes: 431. (One of HTTP/2: hyper's 16 KiB.)
const MOST_HEAD: usize = 64 << 10;

/// How often within the time that a head may take hyper is asked whether it is over.
const TICKS: u32 = 8;
/// What is written in pieces is written as one up to this, in bytes: an answer's head and its body, mostly.
const SMALL: usize = 2 << 10;

/// Serves one connection until it ends. At shutdown the requests that it began are ended, and then the connection.
pub(super) async fn attend(
    stream: TcpStream,
    address: IpAddr,
    tls: Option<Arc<Tls>>,
    answer: impl Answer,
    bounds: Bounds,
    shutdown: CancellationToken,
) {
    // Answers and events are small and should leave at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection kept its delay");
    }
    let Some(tls) = tls else { return speak(stream, address, answer, bounds, shutdown).await };
    let accepted = tokio::select! {
        biased;
        accepted = timeout(bounds.handshake, tls.accept(stream)) => accepted,
        () = shutdown.cancelled() => return,
    };
    match accepted {
        // On the heap, where its buffers are as well: connections without it keep no room for it.
        Ok(Ok(stream)) => Box::pin(speak(stream, address, answer, bounds, shutdown)).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection was not made secure"),
        Err(_) => tracing::debug!("a connection was not made secure in time"),
    }
}

/// Finds out which protocol is spoken, and speaks it.
async fn speak<S: AsyncRead + AsyncWrite + Narrow + Unpin + Send + 'static>(
    stream: S,
    address: IpAddr,
    answer: impl Answer,
    bounds: Bounds,
    shutdown: CancellationToken,
) {
    let begun = tokio::select! {
        // What is there already was asked before the shutdown.
        biased;
        begun = timeout(bounds.head, Begun::read(stream, bounds.unread)) => begun,
        () = shutdown.cancelled() => return,
    };
    let begun = match begun {
        Ok(Ok(begun)) => begun,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection broke before it said anything"),
        Err(_) => return tracing::debug!("a connection never said what it speaks"),
    };
    let ended = if begun.is_http2() {
        // On the heap, or each of the many connections of HTTP/1 would keep room for it.
        Box::pin(speak_http2(begun, address, answer, bounds, &shutdown)).await
    } else {
        // Likewise: a stream that goes on without hyper needs none of its room.
        match Box::pin(speak_http1(begun, address, answer, bounds, &shutdown)).await {
            Ok(Some((io, handed))) => return handed.write_to(io, bounds.unread).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn Error, "a connection ended early");
    }
}

async fn speak_http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    begun: Begun<S>,
    address: IpAddr,
    answer: impl Answer,
    bounds: Bounds,
    shutdown: &CancellationToken,
) -> hyper::Result<()> {
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let response = answer.answer(address, request.map(Body::new)).await;
            Ok::<_, Infallible>(response.map(Content::into_body))
        }
    });
    let under_way = UnderWay::default();
    let idle = under_way.idle(bounds.head);
    let unread = under_way.unread(bounds.unread);
    let service = TowerToHyperService::new(under_way.around(service));
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2.timer(TokioTimer::new()).keep_alive_interval(bounds.ping).keep_alive_timeout(bounds.ping);
    let serving = end_in_order(http2.serve_connection(TokioIo::new(begun), service), idle, shutdown);
    tokio::select! {
        ended = serving => ended,
        // Cut: what is kept for its answers is let go of with it.
        () = unread => {
            tracing::debug!("a connection was closed whose answers nobody reads");
            Ok(())
        }
    }
}

/// Serves until the connection ends, or a stream is to be written to it and nothing else any more.
async fn speak_http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    begun: Begun<S>,
    address: IpAddr,
    answer: impl Answer,
    bounds: Bounds,
    shutdown: &CancellationToken,
) -> hyper::Result<Option<(S, Handed)>> {
    let (hand, mut handed) = oneshot::channel();
    let hand = Arc::new(Mutex::new(Some(hand)));
    let is_flushed = Arc::clone(&begun.is_flushed);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, hand, is_flushed) = (answer.clone(), Arc::clone(&hand), Arc::clone(&is_flushed));
        async move {
            let (head, content) = answer.answer(address, request.map(Body::new)).await.into_parts();
            let stream = match content {
                // Of no answer before it does hyper hold anything back.
                Content::Stream(stream) if is_flushed.load(Ordering::Relaxed) => stream,
                content => {
                    return Ok::<_, Infallible>(hyper::Response::from_parts(head, content.into_body()));
                }
            };
            let hand = hand.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(hand) = hand {
                let _ = hand.send(Handed { head, stream });
            }
            // The connection is taken apart before this is asked again.
            pending().await
        }
    });
    let mut http1 = http1::Builder::new();
    http1.timer(Ticking).header_read_timeout(bounds.head).max_buf_size(MOST_HEAD);
    let mut connection = http1.serve_connection(TokioIo::new(begun), service);
    let mut tick = pin!(sleep(bounds.head / TICKS));
    loop {
        tokio::select! {
            // What is there already was asked before the shutdown.
            biased;
            ended = &mut connection => return ended.map(|()| None),
            Ok(handed) = &mut handed => {
                let io = connection.into_parts().io.into_inner();
                return Ok(Some((io.rest, handed)));
            }
            () = shutdown.cancelled() => break,
            () = &mut tick => tick.as_mut().reset(Instant::now() + bounds.head / TICKS),
        }
    }
    // Of an idle one hyper's own bound on heads is enough.
    Pin::new(&mut connection).graceful_shutdown();
    loop {
        tokio::select! {
            ended = &mut connection => return ended.map(|()| None),
            () = &mut tick => tick.as_mut().reset(Instant::now() + bounds.head / TICKS),
        }
    }
}

/// Serves until the connection ends, or lets what it began end when it is idle or the server stops.
async fn end_in_order<C: GracefulConnection>(
    connection: C,
    idle: impl Future<Output = ()>,
    shutdown: &CancellationToken,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    tokio::select! {
        // What is there already was asked before the shutdown.
        biased;
        ended = connection.as_mut() => return ended,
        () = shutdown.cancelled() => {}
        () = idle => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// A connection of which so much was read that its protocol is known. It is read from its first byte on, and its writes
/// fail when the other end has taken nothing for too long.
struct Begun<S> {
    /// What was read and not yet read again; at most as long as the preface.
    bytes: Vec<u8>,
    is_http2: bool,
    rest: S,
    /// Whether all that was written is on its way, as far as hyper has asked: it does once it has written all it has.
    is_flushed: Arc<AtomicBool>,
    /// How long a write may wait.
    unread: Duration,
    /// Runs while one does.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Reads until there is a byte that is not the preface's, or all of it. To peek would not do: as long as less
    /// is there it would find the same bytes again at once.
    async fn read(mut stream: S, unread: Duration) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(PREFACE.len());
        while let Some(expected) = PREFACE.strip_prefix(bytes.as_slice()).filter(|rest| !rest.is_empty()) {
            let mut next = (&mut stream).take(expected.len() as u64);
            if next.read_buf(&mut bytes).await? == 0 {
                break;
            }
        }
        let is_flushed = Arc::new(AtomicBool::new(true));
        Ok(Self { is_http2: bytes == PREFACE, bytes, rest: stream, is_flushed, unread, waits: None })
    }

    fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// What came of a write, or a failure if it has waited for too long.
    fn within_patience<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waits = None;
            return polled;
        }
        let unread = self.unread;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(unread)));
        waits.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            return Pin::new(&mut self.rest).poll_read(cx, buffer);
        }
        let fits = self.bytes.len().min(buffer.remaining());
        buffer.put_slice(&self.bytes[..fits]);
        self.bytes.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.is_flushed.store(false, Ordering::Relaxed);
        let polled = Pin::new(&mut self.rest).poll_write(cx, bytes);
        self.within_patience(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_flushed.store(false, Ordering::Relaxed);
        let polled = if bytes.iter().map(|piece| piece.len()).sum::<usize>() <= SMALL {
            // To copy that little costs less than what the system does for each piece.
            let (mut together, mut length) = ([0; SMALL], 0);
            for piece in bytes {
                if let Some(place) = together.get_mut(length..length + piece.len()) {
                    place.copy_from_slice(piece);
                    length += piece.len();
                }
            }
            Pin::new(&mut self.rest).poll_write(cx, together.get(..length).unwrap_or_default())
        } else {
            Pin::new(&mut self.rest).poll_write_vectored(cx, bytes)
        };
        self.within_patience(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.rest.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.rest).poll_flush(cx);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.is_flushed.store(true, Ordering::Relaxed);
        }
        self.within_patience(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.rest).poll_shutdown(cx);
        self.within_patience(cx, polled)
    }
}
