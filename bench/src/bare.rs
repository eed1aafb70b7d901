//! The floor: a handler of the same framework that answers the same bytes and does nothing else.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::process::Process;
use crate::target::Target;

/// Serves the file's content until it is killed, wherever it is asked; 304 to whom names a tag. Prints its port.
pub(crate) async fn serve(file: &Path) -> Result<()> {
    let body =
        Bytes::from(std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?);
    let answer = move |headers: HeaderMap, _body: Bytes| {
        let body = body.clone();
        async move {
            if headers.contains_key(header::IF_NONE_MATCH) {
                return StatusCode::NOT_MODIFIED.into_response();
            }
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    };
    let router = Router::new()
        .route("/ofrep/v1/evaluate/flags/{key}", post(answer.clone()))
        .route("/ofrep/v1/evaluate/flags", post(answer.clone()))
        .route("/sdk/v1/snapshot", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}

/// The same in a process of its own, which ends with this value.
pub(crate) struct Bare {
    child: Child,
    pub(crate) target: Target,
}

impl Bare {
    /// Answers the file's content.
    pub(crate) fn start(file: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("bare").arg(file).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let target = Target::parse(&format!("http://127.0.0.1:{}", line.trim()))?;
        Ok(Self { child, target })
    }

    pub(crate) fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
