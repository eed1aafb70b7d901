//! `burgee audit verify`: proves that the log is the one that was written.

use std::process::ExitCode;

use anyhow::{Context, bail};
use domain::audit::{self, hex};
use domain::log::Chain;
use domain::ports::{Head, Store};

use crate::config::Config;

/// Walks all chains, prints their heads, and compares with heads kept elsewhere.
pub(crate) async fn verify(config: &Config, expected: &[String]) -> anyhow::Result<ExitCode> {
    if let Some(path) = config.database.strip_prefix("sqlite:")
        && !std::path::Path::new(path).is_file()
    {
        bail!("there is no database {path}; name its configuration with --config");
    }
    let store = store::open(&config.database).await?;
    if store.epoch().await?.is_none() {
        bail!("there is no log in {}: nothing was ever started on it", config.place());
    }
    let mut sound = true;
    for verified in audit::verify(&*store).await? {
        let head = verified.head;
        match verified.fault {
            None => println!("ok      {}", show(&head)),
            Some(fault) => {
                sound = false;
                println!("BROKEN  {}: {fault}", chain_name(head.chain));
            }
        }
    }
    for head in expected {
        let held = holds(&*store, head).await?;
        sound &= held;
        println!("{}  {head}", if held { "held  " } else { "MISSING" });
    }
    store.close().await;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chain_name(chain: Chain) -> String {
    match chain {
        Chain::Instance => "instance".to_owned(),
        Chain::Project(id) => id.to_string(),
    }
}

/// A head as one word, to be kept and given back: `chain@revision:hash`.
fn show(head: &Head) -> String {
    format!("{}@{}:{}", chain_name(head.chain), head.revision, hex(&head.hash))
}

/// Whether the log still has the entry that was once its head.
async fn holds(store: &dyn Store, head: &str) -> anyhow::Result<bool> {
    let parse = || {
        let (chain, rest) = head.split_once('@')?;
        let (revision, hash) = rest.split_once(':')?;
        let chain = if chain == "instance" { Chain::Instance } else { Chain::Project(chain.parse().ok()?) };
        Some((chain, revision.parse::<u64>().ok()?, hash))
    };
    let (chain, revision, hash) =
        parse().with_context(|| format!("{head:?} is no head; they look like chain@revision:hash"))?;
    if revision == 0 {
        return Ok(true);
    }
    let entries = store.log_after(chain, revision - 1, 1).await?;
    Ok(entries.first().is_some_and(|entry| entry.revision == revision && hex(&entry.hash) == hash))
}
