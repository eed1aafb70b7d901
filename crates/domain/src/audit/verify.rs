//! Proving that nobody edited the logs.

use std::collections::BTreeMap;

use engine::model::Revision;

use super::expire::{checkpoint_of, checkpoint_text};
use super::hex;
use super::redact::taken_out;
use crate::log::{Chain, Hash, LogEntry, Texts, link};
use crate::ports::{Head, SecurityFilter, SecurityHead, Store, StoreResult};
use crate::security::{SecurityKind, link_security};

/// How many entries are verified at a time.
const BATCH: u32 = 1_000;
/// Texts that are missing and of which no entry has said yet that they were taken out. More are no redactions.
const MOST_MISSING: usize = 100_000;

/// What a walk along a chain found.
#[derive(Debug)]
pub struct Verified {
    /// The end of the chain, as the store says.
    pub head: Head,
    /// Where it begins, if its oldest entries were removed.
    pub checkpoint: Option<Head>,
    /// The first thing that is not as it was written, if any.
    pub fault: Option<String>,
}

/// What a walk along the security log found.
#[derive(Debug)]
pub struct VerifiedSecurity {
    /// Where it begins and ends.
    pub head: SecurityHead,
    /// The first thing that is not as it was written, if any.
    pub fault: Option<String>,
}

/// Walks every chain from its beginning, or from its checkpoint, and recomputes every hash. A chain that has entries
/// and no head was cut off as a whole.
pub async fn verify(store: &dyn Store) -> StoreResult<Vec<Verified>> {
    let heads = store.heads().await?;
    let mut chains = store.chains_in_log().await?;
    chains.push(Chain::Instance);
    chains.retain(|chain| heads.iter().all(|head| head.chain != *chain));
    chains.sort_unstable();
    chains.dedup();
    let headless = |chain| Verified {
        head: Head { chain, revision: 0, hash: [0; 32] },
        checkpoint: None,
        fault: Some("its head is gone: how far it went cannot be told".to_owned()),
    };
    let mut verified: Vec<_> = chains.into_iter().map(headless).collect();
    for head in heads {
        verified.push(walk(store, head).await?);
    }
    Ok(verified)
}

async fn checkpoint(store: &dyn Store, chain: Chain) -> StoreResult<Option<Head>> {
    let checkpoints = store.checkpoints().await?;
    Ok(checkpoints.into_iter().find(|checkpoint| checkpoint.chain == chain))
}

/// As far as the head that was read first: on a living log, what comes after it is not yet its. What expires
/// meanwhile moves the beginning; then the walk begins again.
async fn walk(store: &dyn Store, head: Head) -> StoreResult<Verified> {
    loop {
        let begin = checkpoint(store, head.chain).await?;
        // On a living log the entry that says so may come after the head that was read.
        let until = match begin {
            Some(begin) if begin.revision >= head.revision => current(store, head).await?,
            _ => head,
        };
        let fault = Walk::from(begin).along(store, until).await?;
        let now = checkpoint(store, head.chain).await?;
        if fault.is_some() && now != begin {
            continue;
        }
        return Ok(Verified { head: until, checkpoint: begin, fault });
    }
}

async fn current(store: &dyn Store, head: Head) -> StoreResult<Head> {
    let heads = store.heads().await?;
    Ok(heads.into_iter().find(|one| one.chain == head.chain).unwrap_or(head))
}

/// Where a walk stands.
struct Walk {
    revision: Revision,
    hash: Hash,
    begin: Option<Head>,
    /// Whether an entry said that what was before the beginning was removed.
    is_attested: bool,
    /// Texts that are gone, by revision, until an entry says who took them out.
    missing: BTreeMap<Revision, Vec<&'static str>>,
}

impl Walk {
    fn from(begin: Option<Head>) -> Self {
        let (revision, hash) = begin.map_or((0, [0; 32]), |begin| (begin.revision, begin.hash));
        Self { revision, hash, begin, is_attested: begin.is_none(), missing: BTreeMap::new() }
    }

    /// Walks to the head. Gives the first fault.
    async fn along(mut self, store: &dyn Store, head: Head) -> StoreResult<Option<String>> {
        while self.revision < head.revision {
            let entries = store.log_after(head.chain, self.revision, BATCH).await?;
            if entries.is_empty() {
                let (revision, made) = (self.revision, head.revision);
                return Ok(Some(format!("the log ends at revision {revision}, but {made} were made")));
            }
            for entry in entries.iter().take_while(|entry| entry.revision <= head.revision) {
                if let Some(fault) = self.step(entry) {
                    return Ok(Some(fault));
                }
            }
            if entries.iter().all(|entry| entry.revision > head.revision) {
                return Ok(Some(format!("revision {} is missing", self.revision + 1)));
            }
        }
        if self.hash != head.hash {
            let revision = self.revision;
            return Ok(Some(format!("the last entry, revision {revision}, is not the one that was written")));
        }
        if !self.is_attested || !self.missing.is_empty() {
            self.look_ahead(store, head).await?;
        }
        Ok(self.end())
    }

    /// What the head that was read does not reach yet may say what was taken out.
    async fn look_ahead(&mut self, store: &dyn Store, head: Head) -> StoreResult<()> {
        let (mut revision, mut hash) = (head.revision, head.hash);
        loop {
            let entries = store.log_after(head.chain, revision, BATCH).await?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in &entries {
                if link(&hash, &entry.into()) != entry.hash {
                    return Ok(());
                }
                self.hear(entry);
                (revision, hash) = (entry.revision, entry.hash);
            }
        }
    }

    fn step(&mut self, entry: &LogEntry) -> Option<String> {
        let revision = entry.revision;
        if revision != self.revision + 1 {
            return Some(format!("revision {} is missing", self.revision + 1));
        }
        let now = Texts::of(entry.before.as_deref(), entry.after.as_deref(), entry.comment.as_deref());
        let texts = [
            ("before", now.before, entry.texts.before),
            ("after", now.after, entry.texts.after),
            ("comment", now.comment, entry.texts.comment),
        ];
        for (name, now, then) in texts.into_iter().filter(|(_, now, then)| now != then) {
            if now != [0; 32] || then == [0; 32] || self.missing.len() >= MOST_MISSING {
                return Some(format!("revision {revision}: its {name} was changed after it was written"));
            }
            self.missing.entry(revision).or_default().push(name);
        }
        if link(&self.hash, &entry.into()) != entry.hash {
            return Some(format!(
                "revision {revision}: it, or the entry before it, was changed after it was written"
            ));
        }
        self.hear(entry);
        (self.revision, self.hash) = (revision, entry.hash);
        None
    }

    /// What an entry says of others.
    fn hear(&mut self, entry: &LogEntry) {
        if let Some((revision, texts)) = taken_out(entry)
            && let Some(missing) = self.missing.get_mut(&revision)
        {
            missing.retain(|name| !texts.iter().any(|text| text == name));
            if missing.is_empty() {
                self.missing.remove(&revision);
            }
        }
        if let (Some((revision, hash)), Some(begin)) = (checkpoint_of(entry), self.begin) {
            self.is_attested |= revision == begin.revision && hash == hex(&begin.hash);
        }
    }

    fn end(self) -> Option<String> {
        if let Some((revision, texts)) = self.missing.first_key_value() {
            let texts = texts.join(", ");
            return Some(format!(
                "revision {revision}: its {texts} is gone, and no entry says who took it out"
            ));
        }
        let begin = self.begin.filter(|_| !self.is_attested)?;
        Some(format!(
            "what was before revision {} is gone, and no entry says that it was removed",
            begin.revision + 1
        ))
    }
}

/// Walks the security log likewise.
pub async fn verify_security(store: &dyn Store) -> StoreResult<VerifiedSecurity> {
    loop {
        let head = store.security_head().await?;
        let fault = walk_security(store, head).await?;
        // What expires meanwhile moves the beginning.
        if fault.is_some() && store.security_head().await?.checkpoint != head.checkpoint {
            continue;
        }
        return Ok(VerifiedSecurity { head, fault });
    }
}

async fn walk_security(store: &dyn Store, head: SecurityHead) -> StoreResult<Option<String>> {
    let (mut revision, mut hash) = (head.checkpoint, head.checkpoint_hash);
    let said = checkpoint_text(revision, &hash);
    let mut is_attested = revision == 0;
    while revision < head.revision {
        let filter = SecurityFilter {
            after: Some(revision),
            before: Some(head.revision + 1),
            oldest_first: true,
            limit: BATCH,
            ..SecurityFilter::default()
        };
        let entries = store.security_log(&filter).await?.items;
        if entries.is_empty() {
            return Ok(Some(format!("the log ends at {revision}, but {} were made", head.revision)));
        }
        for entry in &entries {
            if entry.revision != revision + 1 {
                return Ok(Some(format!("{} is missing", revision + 1)));
            }
            if link_security(&hash, entry.revision, &entry.note) != entry.hash {
                let place = entry.revision;
                return Ok(Some(format!(
                    "{place}: it, or the entry before it, was changed after it was written"
                )));
            }
            let expired = entry.note.kind == SecurityKind::EntriesExpired.name();
            is_attested |= expired && entry.note.subject == said;
            (revision, hash) = (entry.revision, entry.hash);
        }
    }
    if hash != head.hash {
        return Ok(Some(format!("the last entry, {revision}, is not the one that was written")));
    }
    Ok((!is_attested).then(|| {
        format!("what was before {} is gone, and no entry says that it was removed", head.checkpoint + 1)
    }))
}
