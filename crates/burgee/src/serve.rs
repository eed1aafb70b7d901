//! Listening, and stopping in order.
//!
//! The loop is our own, for `axum::serve` bounds nothing: neither how many connections there are nor how long one
//! may take to say what it wants.

mod connection;
mod guests;
mod stream;
#[cfg(test)]
mod tests;
mod ticking;
mod tls;
mod under_way;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use axum::response::Response;
use delivery::Content;
use futures_util::FutureExt;
use hyper::Request;
use server::doors::Front;
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Server;

pub(crate) use guests::Guests;
pub(crate) use tls::Tls;

/// What the server puts up with.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// How long a request's head may take, from the end of the request before it: so this is also how long an
    /// idle connection is kept, of HTTP/1 and of HTTP/2. A stream is an answer that has not ended, and not idle. A
    /// connection's first bytes, which tell its protocol, have as long again.
    head: Duration,
    /// How long it may take to make a connection secure.
    handshake: Duration,
    /// How long a connection of HTTP/2 may be silent before it is asked whether it lives, and how long its answer
    /// may take. Who sends half a head cannot answer: nothing may come between the halves.
    ping: Duration,
    /// How long a client may take nothing of what is there for it.
    unread: Duration,
    /// Requests under way and streams have this long to end.
    drain: Duration,
}

const BOUNDS: Bounds = Bounds {
    head: Duration::from_secs(30),
    handshake: Duration::from_secs(10),
    ping: Duration::from_secs(20),
    unread: Duration::from_secs(30),
    drain: Duration::from_secs(8),
};

/// So many connections wait at most to be accepted, if the system allows it (`net.core.somaxconn`). Who finds no place
/// tries again after a second, then two, then four: after a restart thousands come at once.
const BACKLOG: u32 = 8_192;
/// So many are accepted before anything else is looked at.
const AT_ONCE: usize = 64;
/// So long may the files of a certificate take to be read.
const MOST_TO_RELOAD: Duration = Duration::from_secs(5);
/// When a connection cannot be accepted, most likely for want of open files, so long passes before the next try.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Who answers what comes in.
pub(crate) trait Answer: Clone + Send + Sync + 'static {
    /// Answers a request of a connection from this address.
    fn answer(&self, peer: IpAddr, request: Request<Body>) -> impl Future<Output = Response<Content>> + Send;
}

impl Answer for Front {
    async fn answer(&self, peer: IpAddr, request: Request<Body>) -> Response<Content> {
        Self::answer(self, peer, request).await
    }
}

/// Takes the port, before anything is made that a start without it would lose.
pub(crate) async fn bind(server: &Server) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let Server { host, port, .. } = server;
    let listener = listen(host, *port).await;
    let listener =
        listener.with_context(|| format!("cannot listen on {host}:{port} (server.host, server.port)"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    Ok((listener, address))
}

/// On the first of the host's addresses that can be had.
async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut failed = None;
    for address in lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Or a start soon after a stop would find the port taken.
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it has no address")))
}

/// Serves until shutdown; then takes no new connections, lets requests under way end, and gives up on those
/// that do not.
pub(crate) async fn serve(
    listener: TcpListener,
    guests: Guests,
    tls: Option<Arc<Tls>>,
    answer: impl Answer,
    shutdown: CancellationToken,
) {
    serve_within(BOUNDS, listener, guests, tls, answer, shutdown).await;
}

async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    mut guests: Guests,
    tls: Option<Arc<Tls>>,
    answer: impl Answer,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next() => note(ended),
            accepted = listener.accept() => {
                // All that have ended: many may have since the last time, and each keeps what it took until then.
                while let Some(ended) = connections.try_join_next() {
                    note(ended);
                }
                let others = std::iter::from_fn(|| listener.accept().now_or_never()).take(AT_ONCE);
                for accepted in std::iter::once(accepted).chain(others) {
                    match accepted {
                        Ok((stream, peer)) => {
                            let address = peer.ip().to_canonical();
                            // Without a place it is closed: who waits in the system's queue takes the place of others there.
                            let Some(place) = guests.admit(address) else { continue };
                            let (tls, answer, shutdown) = (tls.clone(), answer.clone(), shutdown.clone());
                            let attending = connection::attend(stream, address, tls, answer, bounds, shutdown);
                            connections.spawn(async move {
                                let _place = place;
                                attending.await;
                            });
                        }
                        Err(error) => {
                            wait_out(&error, &shutdown).await;
                            break;
                        }
                    }
                }
            }
        }
    }
    drop(listener);
    drain(connections, bounds.drain).await;
}

/// A panic ends the connection that it happened on, and no other.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection was lost by a fault of ours");
    }
}

/// The listener stays ready while it fails, so trying again at once would be a busy loop.
async fn wait_out(error: &io::Error, shutdown: &CancellationToken) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        // That client is gone already; the next one is another.
        return;
    }
    tracing::error!(
        %error,
        "no connection can be accepted; trying again in {} s (are enough open files allowed? see ulimit -n)",
        ACCEPT_AGAIN.as_secs()
    );
    tokio::select! {
        () = sleep(ACCEPT_AGAIN) => {}
        () = shutdown.cancelled() => {}
    }
}

/// Waits for the connections, which know of the shutdown; those that are left are cut when they are dropped.
async fn drain(mut connections: JoinSet<()>, patience: Duration) {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    };
    if timeout(patience, all).await.is_err() {
        tracing::warn!(
            "{} connections did not end within {} s and were cut",
            connections.len(),
            patience.as_secs()
        );
    }
}

/// At SIGTERM or SIGINT cancels `leaving`, by which who watches this node is told, and then, after a while or at a second
/// signal, `shutdown`.
pub(crate) fn cancel_on_signal(
    leaving: CancellationToken,
    after: Duration,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        leaving.cancel();
        if !after.is_zero() {
            tracing::info!(
                "stopping in {} s (server.shutdown_delay); a second signal stops at once",
                after.as_secs()
            );
            tokio::select! {
                () = sleep(after) => {}
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        tracing::info!("stopping");
        shutdown.cancel();
    });
    Ok(())
}

/// On a thread of its own, which is left alone after a while: a file may be a pipe, or on a disk that is gone.
async fn reload(tls: Arc<Tls>) -> anyhow::Result<()> {
    let (done, reloaded) = oneshot::channel();
    std::thread::spawn(move || done.send(tls.reload()));
    timeout(MOST_TO_RELOAD, reloaded).await.context("the files could not be read in time")??
}

/// Reads the certificate anew at each SIGHUP, until shutdown. Without one SIGHUP means what it always does.
pub(crate) fn reload_on_signal(tls: Arc<Tls>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be heard")?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                heard = hangup.recv() => if heard.is_none() { return },
                () = shutdown.cancelled() => return,
            }
            match reload(tls.clone()).await {
                Ok(()) => tracing::info!("new connections are served with the certificate as it is now"),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the certificate was not taken; the one before it is served on");
                }
            }
        }
    });
    Ok(())
}
