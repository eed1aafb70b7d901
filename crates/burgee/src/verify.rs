//! `burgee audit verify`: proves that the logs are the ones that were written.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use domain::audit::{self, Verified, VerifiedSecurity, hex};
use domain::log::{Chain, Hash};
use domain::ports::{Head, SecurityFilter, Store};
use engine::model::Revision;

use crate::config::Config;

/// The name of the security log's chain.
const SECURITY: &str = "security";

/// Walks all chains, prints their heads, and compares with heads kept elsewhere. Only reads.
pub(crate) async fn verify(
    config: &Config,
    mut expected: Vec<String>,
    checkpoints: &[PathBuf],
) -> anyhow::Result<ExitCode> {
    for file in checkpoints {
        expected.extend(heads_in(file)?);
    }
    if let Some(path) = config.database.strip_prefix("sqlite:")
        && !std::path::Path::new(path).is_file()
    {
        bail!("there is no database {path}; name its configuration with --config");
    }
    let store = store::open_read_only(&config.database).await?;
    if store.epoch().await?.is_none() {
        bail!("there is no log in {}: nothing was ever started on it", config.place());
    }
    let mut sound = walk(&*store).await?;
    for head in &expected {
        let found = find(&*store, head).await?;
        // What cannot be proved any more is not proved.
        sound &= found == Found::Held;
        let found = match found {
            Found::Held => "held  ",
            Found::Missing => "MISSING",
            Found::Expired => "expired",
        };
        println!("{found}  {head}");
    }
    store.close().await;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Walks all chains and prints what was found. Whether all of them are as they were written.
pub(crate) async fn walk(store: &dyn Store) -> anyhow::Result<bool> {
    let mut sound = true;
    for Verified { head, checkpoint, fault } in audit::verify(store).await? {
        let name = chain_name(head.chain);
        sound &= fault.is_none();
        print(&name, (head.revision, &head.hash), checkpoint.map(|begin| begin.revision), fault);
    }
    let VerifiedSecurity { head, fault } = audit::verify_security(store).await?;
    sound &= fault.is_none();
    let begin = Some(head.checkpoint).filter(|revision| *revision > 0);
    print(SECURITY, (head.revision, &head.hash), begin, fault);
    Ok(sound)
}

/// The head is the last word of its line, so that it is found again.
fn print(name: &str, (revision, hash): (Revision, &Hash), begin: Option<Revision>, fault: Option<String>) {
    let from = begin.map(|revision| format!("(from {} on)  ", revision + 1)).unwrap_or_default();
    match fault {
        None => println!("ok      {from}{}", show(name, revision, hash)),
        Some(fault) => println!("BROKEN  {name}: {fault}"),
    }
}

fn chain_name(chain: Chain) -> String {
    match chain {
        Chain::Instance => "instance".to_owned(),
        Chain::Project(id) => id.to_string(),
    }
}

/// A head as one word, to be kept and given back: `chain@revision:hash`.
fn show(name: &str, revision: Revision, hash: &Hash) -> String {
    format!("{name}@{revision}:{}", hex(hash))
}

/// The heads in a file that this command printed.
fn heads_in(file: &PathBuf) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let heads = lines.map(|line| {
        if line.starts_with("BROKEN") {
            bail!("{} has no head in the line {line:?}: that chain was broken already", file.display());
        }
        Ok(line.split_whitespace().last().unwrap_or_default().to_owned())
    });
    let heads = heads.collect::<anyhow::Result<Vec<_>>>()?;
    if heads.is_empty() {
        bail!("{} has no heads; give what `burgee audit verify` printed", file.display());
    }
    Ok(heads)
}

/// What became of an entry that was once a head.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It is there.
    Held,
    /// It is not, or is another one.
    Missing,
    /// It was removed because of its age; whether it was the one cannot be told any more.
    Expired,
}

fn found(expected: (Revision, &str), checkpoint: (Revision, Hash), entry: Option<(Revision, Hash)>) -> Found {
    let (revision, hash) = expected;
    let is_it = |(there, found): (Revision, Hash)| there == revision && hex(&found) == hash;
    if revision < checkpoint.0 {
        Found::Expired
    } else if revision == 0 || is_it(checkpoint) || entry.is_some_and(is_it) {
        Found::Held
    } else {
        Found::Missing
    }
}

/// What became of a head.
async fn find(store: &dyn Store, head: &str) -> anyhow::Result<Found> {
    let parse = || {
        let (chain, rest) = head.split_once('@')?;
        let (revision, hash) = rest.split_once(':')?;
        Some((chain, (revision.parse::<u64>().ok()?, hash)))
    };
    let none = || format!("{head:?} is no head; they look like chain@revision:hash");
    let (name, expected) = parse().with_context(none)?;
    let before = expected.0.saturating_sub(1);
    if name == SECURITY {
        let head = store.security_head().await?;
        let filter =
            SecurityFilter { after: Some(before), oldest_first: true, limit: 1, ..SecurityFilter::default() };
        let entries = store.security_log(&filter).await?.items;
        let entry = entries.first().map(|entry| (entry.revision, entry.hash));
        return Ok(found(expected, (head.checkpoint, head.checkpoint_hash), entry));
    }
    let chain = if name == "instance" {
        Chain::Instance
    } else {
        Chain::Project(name.parse().ok().with_context(none)?)
    };
    let checkpoints = store.checkpoints().await?;
    let checkpoint = checkpoints.into_iter().find(|checkpoint| checkpoint.chain == chain);
    let checkpoint = checkpoint.map_or((0, [0; 32]), |Head { revision, hash, .. }| (revision, hash));
    let entries = store.log_after(chain, before, 1).await?;
    let entry = entries.first().map(|entry| (entry.revision, entry.hash));
    Ok(found(expected, checkpoint, entry))
}
