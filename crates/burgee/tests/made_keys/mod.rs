//! SDK keys as tests make and use them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use reqwest::Response;
use serde_json::Value;
use testkit::house::House;
use testkit::process::Burgee;

pub(crate) const KEYS: &str = "/api/v1/sdk-keys";

/// A key that was made, and its secret.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) document: Value,
}

impl Made {
    pub(crate) fn of(document: Value) -> Result<Self> {
        let text = |member: &str| {
            document[member].as_str().map(str::to_owned).with_context(|| format!("no {member}: {document}"))
        };
        let (id, key) = (text("id")?, text("key")?);
        Ok(Self { id, key, document })
    }

    pub(crate) fn path(&self) -> String {
        format!("{KEYS}/{}", self.id)
    }
}

pub(crate) async fn make(house: &House, environment: &str, document: Value) -> Result<Made> {
    let path = format!("{KEYS}?environment={environment}");
    Made::of(house.burgee.post(&path, Some(&house.admin), &document).await?)
}

/// GETs a path with a key, as a program does.
pub(crate) async fn get(burgee: &Burgee, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
    let mut request = burgee.http.get(format!("{}{path}", burgee.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.send().await?)
}

pub(crate) async fn status(burgee: &Burgee, path: &str, key: &str) -> Result<u16> {
    Ok(get(burgee, path, &[("x-sdk-key", key)]).await?.status().as_u16())
}

/// How long a stream takes to end.
pub(crate) async fn end_of(stream: Response) -> Result<Duration> {
    let since = Instant::now();
    tokio::time::timeout(Duration::from_secs(8), stream.bytes())
        .await
        .context("the stream does not end")??;
    Ok(since.elapsed())
}
