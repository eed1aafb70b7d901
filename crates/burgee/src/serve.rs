//! Listening, and stopping in order.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Server;

/// Requests under way and streams have this long to end.
const DRAIN: Duration = Duration::from_secs(8);

/// Takes the port, before anything is made that a start without it would lose.
pub(crate) async fn bind(server: &Server) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let Server { host, port } = server;
    let listener = TcpListener::bind((host.as_str(), *port)).await;
    let listener =
        listener.with_context(|| format!("cannot listen on {host}:{port} (server.host, server.port)"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    Ok((listener, address))
}

/// Serves until shutdown; then takes no new connections, lets requests under way end, and gives up on those
/// that do not.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    // Answers and events are small and should leave at once.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection kept its delay");
        }
    });
    let drained = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::select! {
        served = drained.into_future() => served.context("serving failed"),
        () = async { shutdown.cancelled().await; tokio::time::sleep(DRAIN).await } => {
            tracing::warn!("some requests did not end within {} s and were cut", DRAIN.as_secs());
            Ok(())
        }
    }
}

/// Cancels the token at SIGTERM or SIGINT.
pub(crate) fn cancel_on_signal(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        shutdown.cancel();
    });
    Ok(())
}
