//! The floor: a handler of the same framework that answers the same JSON and does nothing else.

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::post;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

/// What an evaluation of the measured flag answers.
const ANSWER: &str = include_str!("answer.json");

/// Serves until it is killed; prints its port.
pub(crate) async fn serve() -> Result<()> {
    let handler = |_body: Bytes| async { ([(header::CONTENT_TYPE, "application/json")], ANSWER.trim_end()) };
    let router = Router::new().route("/ofrep/v1/evaluate/flags/{key}", post(handler));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}
