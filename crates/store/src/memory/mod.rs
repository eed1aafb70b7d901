//! The store in memory: for tests, and for trying things out. Nothing of it outlives the process.

mod accounts;
mod environments;
mod idempotency;
mod log;
mod people;
mod ports;
mod sdk_keys;
mod segments;
mod tables;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::context_field::ContextField;
use domain::flag::{FlagHere, document};
use domain::id::Id;
use domain::key::Key;
use domain::log::{Chain, Change, Hash, Link, LogEntry, ReadVersion, link};
use domain::ports::{CommitError, Head, Page, Store, StoreResult};
use domain::segment::SegmentHere;
use engine::model::{Flag, List, Read, Revision, Segment};

use idempotency::Attempts;
use tables::{Of, Tables};
use usage::UsageTables;

/// Everything, behind one lock that no call holds for longer than it computes.
pub(crate) struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    epoch: Option<String>,
    /// By project; the instance's own under [`Id::NIL`].
    chains: BTreeMap<Id, Vec<Arc<LogEntry>>>,
    tables: Tables,
    /// By environment, then kind and key: the last revision at which it changed in the snapshot.
    effects: BTreeMap<Id, BTreeMap<(Of, Key), Revision>>,
    /// By environment: the revisions that changed something in its snapshot.
    affected: BTreeMap<Id, BTreeSet<Revision>>,
    attempts: Attempts,
    /// By project, likewise: up to where entries were removed.
    checkpoints: BTreeMap<Id, Head>,
    security: log::SecurityTable,
    usage: UsageTables,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let state = State {
            epoch: None,
            chains: BTreeMap::from([(Id::NIL, Vec::new())]),
            tables: Tables::default(),
            effects: BTreeMap::new(),
            affected: BTreeMap::new(),
            attempts: Attempts::default(),
            checkpoints: BTreeMap::new(),
            security: log::SecurityTable::default(),
            usage: UsageTables::default(),
        };
        Self { state: Mutex::new(state) }
    }
}

impl MemoryStore {
    /// The state. A commit replaces it whole at its end, so a panic leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn commit(&mut self, change: &Change) -> Result<Revision, CommitError> {
        let chain_id = change.chain.id();
        let chain = self.chains.get(&chain_id).ok_or(CommitError::Stale)?;
        let outlives = change.chain == Chain::Instance || change.is_of_the_log_alone();
        if !outlives && !self.tables.projects.values().any(|project| project.id == chain_id) {
            return Err(CommitError::Stale);
        }
        if change.standing.as_ref().is_some_and(|standing| !self.tables.upholds(standing)) {
            return Err(CommitError::Lapsed);
        }
        let revision = revision_of(chain) + 1;
        self.tables.check(chain_id, &change.reads)?;
        self.check_heads(&change.reads)?;
        // A copy: a later write may be refused. Rows are shared, so this copies pointers.
        let mut tables = self.tables.clone();
        let mut effects = Vec::new();
        self.check_log_writes(chain_id, &change.writes)?;
        for write in &change.writes {
            tables.apply(chain_id, revision, change.at, write, &mut effects)?;
        }
        let entry = entry(change, revision, &hash_of(chain));
        self.tables = tables;
        for project in self.tables.projects.values() {
            self.chains.entry(project.id).or_default();
        }
        self.chains.entry(chain_id).or_default().push(Arc::new(entry));
        self.apply_log_writes(chain_id, &change.writes);
        let made = self.tables.environments.iter().filter(|(_, place)| place.made_at == revision);
        for (environment_id, _) in made.filter(|(_, place)| place.environment.project_id == chain_id) {
            self.affected.entry(*environment_id).or_default().insert(revision);
        }
        for (environment_id, of, key) in effects {
            self.affected.entry(environment_id).or_default().insert(revision);
            self.effects.entry(environment_id).or_default().insert((of, key), revision);
        }
        Ok(revision)
    }

    /// Whether nothing was done since the ends of chains were read.
    fn check_heads(&self, reads: &[ReadVersion]) -> Result<(), CommitError> {
        let is_end = |read: &ReadVersion| match read {
            ReadVersion::Head { chain, revision } => {
                self.chains.get(&chain.id()).is_some_and(|entries| revision_of(entries) == *revision)
            }
            _ => true,
        };
        if reads.iter().all(is_end) { Ok(()) } else { Err(CommitError::Stale) }
    }

    /// The revision of the last change that affected the environment.
    fn snapshot_revision(&self, environment: &tables::Place) -> Revision {
        let effects = self.effects.get(&environment.environment.id);
        let last = effects.and_then(|effects| effects.values().max().copied());
        last.unwrap_or_default().max(environment.made_at)
    }

    fn entries(&self, chain: Chain) -> &[Arc<LogEntry>] {
        self.chains.get(&chain.id()).map_or(&[], Vec::as_slice)
    }
}

fn revision_of(chain: &[Arc<LogEntry>]) -> Revision {
    chain.last().map_or(0, |entry| entry.revision)
}

fn hash_of(chain: &[Arc<LogEntry>]) -> Hash {
    chain.last().map_or([0; 32], |entry| entry.hash)
}

fn entry(change: &Change, revision: Revision, previous: &Hash) -> LogEntry {
    let links = Link::of(change, revision);
    LogEntry {
        chain: change.chain,
        revision,
        at: change.at,
        actor: change.actor,
        source: change.source.clone(),
        action: change.action.to_owned(),
        entities: change.entities.clone(),
        before: change.before.clone(),
        after: change.after.clone(),
        comment: change.comment.clone(),
        texts: links.texts,
        hash: link(previous, &links),
    }
}

/// The first of them, and whether there are more.
fn page<T>(mut items: Vec<T>, total: usize, limit: u32) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    Page { items, total: Some(total as u64), more }
}

fn travelling(here: &FlagHere) -> Arc<Read<Flag>> {
    Arc::new(document(&here.flag, &here.config).into())
}

fn travelling_segment(here: &SegmentHere) -> (String, Arc<Read<Segment>>) {
    (here.segment.key.to_string(), Arc::new(here.config.document()))
}

fn listed(field: &ContextField) -> (String, Arc<Read<List>>) {
    (field.key.to_string(), Arc::new(List(field.values.clone()).into()))
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, change: Change) -> Result<Revision, CommitError> {
        crate::fit::check(&change)?;
        self.state().commit(&change)
    }

    async fn commit_both(&self, first: Change, second: Change) -> Result<(Revision, Revision), CommitError> {
        crate::fit::check(&first)?;
        crate::fit::check(&second)?;
        let mut state = self.state();
        let mut both = state.clone();
        let revisions = (both.commit(&first)?, both.commit(&second)?);
        *state = both;
        Ok(revisions)
    }

    async fn close(&self) {}

    async fn epoch(&self) -> StoreResult<Option<String>> {
        Ok(self.state().epoch.clone())
    }

    async fn renew_epoch(&self, epoch: &str) -> StoreResult<()> {
        self.state().epoch = Some(epoch.to_owned());
        Ok(())
    }
}
