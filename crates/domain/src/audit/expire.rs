//! Letting go of what is older than it must be kept. What is left of a chain leads on from a checkpoint, and an entry
//! of the chain says which, so it can still be proved whole.

use engine::model::Revision;
use serde_json::json;

use super::entry::document;
use super::hex;
use crate::control::Control;
use crate::error::Result;
use crate::id::Id;
use crate::log::{Chain, Change, Hash, LogEntry, Write};
use crate::ports::{CommitError, Head, SecurityFilter};
use crate::security::{SecurityEntry, SecurityEvent, SecurityKind, SecurityNote};
use crate::time::Timestamp;

/// What is done.
pub(super) const EXPIRE: &str = "expire_changes";
/// Who does it.
const SOURCE: &str = "burgee";
/// So many entries at most go in one change: it holds the one writer of SQLite.
const BATCH: u32 = 1_000;

impl Control {
    /// Removes the entries of all chains that are older than `before`, from the beginning up to the first that is not.
    /// Gives how many.
    pub async fn expire_changes(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        for head in self.store.heads().await? {
            while let Some(count) = self.expire_some(head.chain, before).await? {
                removed += count;
            }
        }
        Ok(removed)
    }

    /// One batch of a chain; `None` if there is nothing left to do, or someone else is at it.
    async fn expire_some(&self, chain: Chain, before: Timestamp) -> Result<Option<u64>> {
        let from = self.checkpoint(chain).await?.map_or(0, |checkpoint| checkpoint.revision);
        let entries = self.store.log_after(chain, from, BATCH).await?;
        let old: Vec<_> = entries.iter().take_while(|entry| entry.at < before).collect();
        let (Some(first), Some(last)) = (old.first(), old.last()) else { return Ok(None) };
        // What says that others went stays until there is more to say.
        if old.iter().all(|entry| entry.action == EXPIRE) {
            return Ok(None);
        }
        let (through, hash, count) = (last.revision, last.hash, old.len() as u64);
        let after = json!({
            "checkpoint": { "revision": through, "hash": hex(&hash) },
            "removed": { "from": first.revision, "count": count, "older_than": before },
        });
        let change = Change {
            chain,
            at: self.clock.now(),
            actor: Id::NIL,
            source: SOURCE.to_owned(),
            action: EXPIRE,
            entities: Vec::new(),
            before: None,
            after: Some(after.to_string()),
            comment: None,
            standing: None,
            reads: Vec::new(),
            writes: vec![Write::ExpireEntries { through, hash }],
        };
        match self.commit(change).await {
            Ok(_) => Ok(Some(count)),
            Err(CommitError::Stale) => Ok(None),
            Err(error) => Err(crate::control::unexpected(error)),
        }
    }

    async fn checkpoint(&self, chain: Chain) -> Result<Option<Head>> {
        let checkpoints = self.store.checkpoints().await?;
        Ok(checkpoints.into_iter().find(|checkpoint| checkpoint.chain == chain))
    }

    /// The same of the security log, of which at most so many entries stay, however young.
    pub async fn expire_security(&self, before: Option<Timestamp>, most: u64) -> Result<u64> {
        let mut removed = 0;
        let surplus = self.store.security_head().await?.revision.saturating_sub(most);
        loop {
            let after = self.store.security_head().await?.checkpoint;
            let filter = SecurityFilter {
                after: Some(after),
                oldest_first: true,
                limit: BATCH,
                ..SecurityFilter::default()
            };
            let entries = self.store.security_log(&filter).await?.items;
            let expires = SecurityKind::EntriesExpired;
            let is_old = |entry: &&SecurityEntry| {
                entry.revision <= surplus || before.is_some_and(|before| entry.note.last_at < before)
            };
            let old: Vec<_> = entries.iter().take_while(is_old).collect();
            let Some(last) = old.last().filter(|_| !old.iter().all(|one| one.note.kind == expires.name()))
            else {
                return Ok(removed);
            };
            let note = SecurityNote::once(SecurityEvent {
                at: self.clock.now(),
                kind: expires,
                known: true,
                actor: None,
                address: None,
                subject: checkpoint_text(last.revision, &last.hash),
                detail: match before.filter(|before| last.note.last_at < *before) {
                    Some(before) => format!("{} entries older than {before} were removed", old.len()),
                    None => format!("{} entries were removed, for at most {most} are kept", old.len()),
                },
            });
            if !self.store.append_security(&[note], Some((last.revision, last.hash))).await? {
                return Ok(removed);
            }
            removed += old.len() as u64;
        }
    }
}

/// How long logs are kept, in milliseconds; for ever if nothing is said.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Changes.
    pub changes: Option<i64>,
    /// The security log.
    pub security: Option<i64>,
    /// So many entries of the security log, however young: whoever makes noise for years fills no disk.
    pub security_entries: u64,
}

impl Retention {
    /// Removes what is older now. What fails is tried again the next time.
    pub async fn keep(self, control: &Control) {
        let now = control.clock.now();
        if let Some(millis) = self.changes {
            told("changes", control.expire_changes(now.earlier(millis)).await);
        }
        let before = self.security.map(|millis| now.earlier(millis));
        told("security events", control.expire_security(before, self.security_entries).await);
    }
}

fn told(what: &str, removed: Result<u64>) {
    match removed {
        Ok(0) => {}
        Ok(count) => tracing::info!("{count} {what} were older, or more, than are kept and were removed"),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "old {what} could not be removed");
        }
    }
}

/// A checkpoint as one word.
pub(super) fn checkpoint_text(revision: Revision, hash: &Hash) -> String {
    format!("{revision}:{}", hex(hash))
}

/// The checkpoint that an entry says it made.
pub(super) fn checkpoint_of(entry: &LogEntry) -> Option<(Revision, String)> {
    if entry.action != EXPIRE {
        return None;
    }
    let said = document(entry.after.as_deref())?;
    let checkpoint = &said["checkpoint"];
    Some((checkpoint["revision"].as_u64()?, checkpoint["hash"].as_str()?.to_owned()))
}
