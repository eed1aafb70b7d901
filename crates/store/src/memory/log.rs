//! The log and the security log in memory.

use std::sync::Arc;

use domain::id::Id;
use domain::log::{Chain, Hash, LogEntry, Write};
use domain::ports::{CommitError, Head, LogFilter, Page, SecurityFilter, SecurityHead};
use domain::security::{SecurityEntry, SecurityNote, link_security};
use engine::model::Revision;

use super::State;

impl State {
    /// Whether what a change writes to the log is there to be written to.
    pub(super) fn check_log_writes(&self, chain_id: Id, writes: &[Write]) -> Result<(), CommitError> {
        let entries = self.entries(Chain::from_id(chain_id));
        let is_there = |write: &Write| match write {
            Write::RedactEntry { revision, .. } => entries.iter().any(|entry| entry.revision == *revision),
            Write::ExpireEntries { through, hash } => {
                entries.iter().any(|entry| entry.revision == *through && entry.hash == *hash)
            }
            _ => true,
        };
        if writes.iter().all(is_there) { Ok(()) } else { Err(CommitError::Stale) }
    }

    /// Writes it, when the change's own entry is there: the chain is never empty.
    pub(super) fn apply_log_writes(&mut self, chain_id: Id, writes: &[Write]) {
        let Some(entries) = self.chains.get_mut(&chain_id) else { return };
        for write in writes {
            match write {
                Write::RedactEntry { revision, texts } => {
                    if let Some(entry) = entries.iter_mut().find(|entry| entry.revision == *revision) {
                        let entry = Arc::make_mut(entry);
                        entry.before = entry.before.take().filter(|_| !texts.before);
                        entry.after = entry.after.take().filter(|_| !texts.after);
                        entry.comment = entry.comment.take().filter(|_| !texts.comment);
                    }
                }
                Write::ExpireEntries { through, hash } => {
                    entries.retain(|entry| entry.revision > *through);
                    let chain = Chain::from_id(chain_id);
                    self.checkpoints.insert(chain_id, Head { chain, revision: *through, hash: *hash });
                }
                _ => {}
            }
        }
    }

    pub(super) fn log_page(&self, chain: Chain, filter: &LogFilter) -> Page<LogEntry> {
        let about = |entry: &&Arc<LogEntry>| {
            let of_entities = filter.entities.iter().all(|id| {
                let affected = self.affected.get(id).is_some_and(|at| at.contains(&entry.revision));
                affected || entry.entities.iter().any(|entity| entity.id == *id)
            });
            of_entities
                && filter.actor.is_none_or(|actor| entry.actor == actor)
                && filter.action.as_ref().is_none_or(|action| entry.action == *action)
                && filter.since.is_none_or(|since| entry.at >= since)
                && filter.until.is_none_or(|until| entry.at < until)
        };
        let mut all: Vec<_> = self.entries(chain).iter().filter(about).collect();
        if !filter.oldest_first {
            all.reverse();
        }
        let total = all.len();
        let shown = all.iter().filter(|entry| within(entry.revision, filter.before, filter.after));
        let mut page = super::page(shown.map(|entry| LogEntry::clone(entry)).collect(), total, filter.limit);
        page.total = page.total.filter(|total| filter.is_of_all() || *total <= filter.most_counted);
        if !filter.is_of_all() && filter.most_counted == 0 {
            page.total = None;
        }
        page
    }
}

fn within(revision: Revision, before: Option<Revision>, after: Option<Revision>) -> bool {
    before.is_none_or(|before| revision < before) && after.is_none_or(|after| revision > after)
}

/// The security log.
#[derive(Clone, Default)]
pub(super) struct SecurityTable {
    entries: Vec<SecurityEntry>,
    revision: Revision,
    hash: Hash,
    checkpoint: Revision,
    checkpoint_hash: Hash,
}

impl SecurityTable {
    pub(super) fn head(&self) -> SecurityHead {
        SecurityHead {
            revision: self.revision,
            hash: self.hash,
            checkpoint: self.checkpoint,
            checkpoint_hash: self.checkpoint_hash,
        }
    }

    pub(super) fn append(&mut self, notes: &[SecurityNote], checkpoint: Option<(Revision, Hash)>) -> bool {
        if let Some((through, hash)) = checkpoint {
            if !self.entries.iter().any(|entry| entry.revision == through && entry.hash == hash) {
                return false;
            }
            self.entries.retain(|entry| entry.revision > through);
            (self.checkpoint, self.checkpoint_hash) = (through, hash);
        }
        for note in notes {
            self.revision += 1;
            self.hash = link_security(&self.hash, self.revision, note);
            self.entries.push(SecurityEntry { revision: self.revision, note: note.clone(), hash: self.hash });
        }
        true
    }

    pub(super) fn page(&self, filter: &SecurityFilter) -> Page<SecurityEntry> {
        let wanted = |entry: &&SecurityEntry| {
            let note = &entry.note;
            filter.kind.as_ref().is_none_or(|kind| note.kind == *kind)
                && (filter.actor.is_none() || note.actor == filter.actor)
                && (filter.address.is_none() || note.address == filter.address)
                && filter.since.is_none_or(|since| note.at >= since)
                && filter.until.is_none_or(|until| note.at < until)
        };
        let mut all: Vec<_> = self.entries.iter().filter(wanted).collect();
        if !filter.oldest_first {
            all.reverse();
        }
        let whole = all.len() == self.entries.len();
        let is_of_all = whole
            && filter.kind.is_none()
            && filter.actor.is_none()
            && filter.address.is_none()
            && filter.since.is_none()
            && filter.until.is_none();
        let total = all.len();
        let shown = all.into_iter().filter(|entry| within(entry.revision, filter.before, filter.after));
        let mut page = super::page(shown.cloned().collect(), total, filter.limit);
        page.total = page.total.filter(|_| is_of_all);
        page
    }
}
