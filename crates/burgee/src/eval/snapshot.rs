//! Where a snapshot comes from, with the large key lists that it names.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use engine::model::{Keys, SCHEMA, Snapshot};
use engine::{KeyList, KeyLists, Ruleset};
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::read_input;
use crate::system;

/// No answer of a server takes longer to arrive.
const PATIENCE: Duration = Duration::from_mins(1);
/// No document of a server is larger, in bytes: a key list of a million of the longest keys fits.
const MOST_BYTES: usize = 512 << 20;

/// The rules of a snapshot in a file, or on standard input.
pub(super) fn read(source: &str, key_lists: Option<&Path>) -> anyhow::Result<Ruleset> {
    let bytes = match source {
        "-" => read_input()?,
        path => std::fs::read(path).with_context(|| format!("--snapshot: {path} cannot be read"))?,
    };
    let snapshot = parse(&bytes).context("--snapshot")?;
    let mut lists = KeyLists::default();
    for (sha256, count) in named(&snapshot) {
        let Some(folder) = key_lists else {
            bail!(
                "the snapshot names key lists that are not inside, such as {sha256}; \
                 save GET /sdk/v1/segments/{{sha256}} to a file of that name, and give its folder as --key-lists"
            );
        };
        let path = folder.join(sha256);
        let blob = std::fs::read(&path).with_context(|| {
            format!("the snapshot names a key list, and {} cannot be read", path.display())
        })?;
        insert(&mut lists, sha256, count, &blob)?;
    }
    Ok(Ruleset::compile(&snapshot, &lists))
}

/// The rules that a server's key reads.
pub(super) async fn fetch(url: &str, key: &str) -> anyhow::Result<Ruleset> {
    let base: Url = url.parse().with_context(|| format!("--url: {url} is not a URL"))?;
    ensure!(base.scheme() == "http", "--url: only http:// is spoken here; {} is not", base.scheme());
    let server =
        Server { base, key, client: Client::builder().timeout(PATIENCE).tls_certs_only([]).build()? };
    let snapshot = parse(&server.get("/sdk/v1/snapshot").await?).context("the server's snapshot")?;
    let mut lists = KeyLists::default();
    for (sha256, count) in named(&snapshot) {
        let blob = server.get(&format!("/sdk/v1/segments/{sha256}")).await?;
        insert(&mut lists, sha256, count, &blob)?;
    }
    Ok(Ruleset::compile(&snapshot, &lists))
}

struct Server<'a> {
    base: Url,
    key: &'a str,
    client: Client,
}

impl Server<'_> {
    async fn get(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let asked = self.client.get(&url).header("X-SDK-Key", self.key).send().await;
        let mut answer = asked.with_context(|| format!("{url} does not answer"))?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.with_context(|| format!("{url} broke off"))? {
            bytes.extend_from_slice(&piece);
            ensure!(bytes.len() <= MOST_BYTES, "{url} answers with more than {MOST_BYTES} bytes");
        }
        if status == StatusCode::OK {
            return Ok(bytes);
        }
        // A problem document says it best.
        let problem: Option<Value> = serde_json::from_slice(&bytes).ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
        bail!("{url}: {status}{}", detail.map(|detail| format!(": {detail}")).unwrap_or_default());
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<Snapshot> {
    let snapshot: Snapshot = serde_json::from_slice(bytes).context("is not a snapshot")?;
    let schema = snapshot.schema;
    ensure!(schema == SCHEMA, "has the schema {schema}, and this program knows {SCHEMA}; use a newer one");
    Ok(snapshot)
}

/// The key lists that are not inside, with how many keys they have.
fn named(snapshot: &Snapshot) -> BTreeMap<&str, u64> {
    let segments = snapshot.segments.values().filter_map(|segment| segment.known());
    let keys = segments.flat_map(|segment| [&segment.included, &segment.excluded]);
    keys.filter_map(|keys| match keys {
        Keys::Blob { sha256, count } => Some((sha256.as_str(), *count)),
        Keys::Inline(_) => None,
    })
    .collect()
}

/// Takes a list only if it is the one that is named.
fn insert(lists: &mut KeyLists, sha256: &str, count: u64, blob: &[u8]) -> anyhow::Result<()> {
    let digest = hex::encode(Sha256::digest(blob));
    ensure!(digest == sha256, "the key list {sha256} is damaged: its SHA-256 is {digest}");
    let read = KeyList::read(blob, system::seed());
    let list = read.map_err(|why| anyhow::anyhow!("the key list {sha256} does not read: {why}"))?;
    ensure!(list.len() as u64 == count, "the key list {sha256} has {} keys, not {count}", list.len());
    lists.insert(sha256.to_owned(), Arc::new(list));
    Ok(())
}
