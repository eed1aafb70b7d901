//! The store in memory: for tests, and for trying things out. Nothing of it outlives the process.

mod accounts;
mod environments;
mod idempotency;
mod log;
mod people;
mod sdk_keys;
mod segments;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::account::{AccessToken, Account, AccountKind, Identity, ResetLink, SigningKey, StoredSession};
use domain::context_field::ContextField;
use domain::environment::Environment;
use domain::flag::{FlagEverywhere, FlagHere, document};
use domain::grant::{Grant, GrantFilter, Granted, Holder};
use domain::id::Id;
use domain::idempotency::Attempt;
use domain::key::Key;
use domain::log::{Chain, Change, Hash, Link, LogEntry, link};
use domain::ports::{
    AccountFilter, AnswerRoom, CommitError, FlagFilter, Head, KeyedFilter, LogFilter, Noted, Page,
    ProjectContent, SdkKeyFilter, SdkKeyUse, SecurityFilter, SecurityHead, Store, StoreError, StoreResult,
};
use domain::project::Project;
use domain::role::CustomRole;
use domain::sdk_key::{KeyState, SdkKey};
use domain::security::{SecurityEntry, SecurityNote};
use domain::segment::{KeySet, SegmentEverywhere, SegmentHere, SegmentSummary};
use domain::team::{Member, OwnedFlag, OwnedFlags, Team};
use domain::time::Timestamp;
use engine::model::{Delta, Flag, List, Read, Revision, SCHEMA, Segment, Snapshot};

use idempotency::Attempts;
use segments::{matches as matches_filter, summary};
use tables::{Of, Tables, matches};

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
        let revision = revision_of(chain) + 1;
        self.tables.check(chain_id, &change.reads)?;
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

    async fn heads(&self) -> StoreResult<Vec<Head>> {
        let head = |(id, chain): (&Id, &Vec<Arc<LogEntry>>)| Head {
            chain: Chain::from_id(*id),
            revision: revision_of(chain),
            hash: hash_of(chain),
        };
        Ok(self.state().chains.iter().map(head).collect())
    }

    async fn chains_in_log(&self) -> StoreResult<Vec<Chain>> {
        Ok(self.state().chains.keys().copied().map(Chain::from_id).collect())
    }

    async fn checkpoints(&self) -> StoreResult<Vec<Head>> {
        Ok(self.state().checkpoints.values().copied().collect())
    }

    async fn log(&self, chain: Chain, filter: &LogFilter) -> StoreResult<Page<LogEntry>> {
        Ok(self.state().log_page(chain, filter))
    }

    async fn log_after(&self, chain: Chain, after: Revision, limit: u32) -> StoreResult<Vec<LogEntry>> {
        let state = self.state();
        let entries = state.entries(chain).iter().filter(|entry| entry.revision > after);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(entries.take(limit).map(|entry| LogEntry::clone(entry)).collect())
    }

    async fn logged_entity(&self, project_id: Id, kind: &str, key: &str) -> StoreResult<Option<Id>> {
        let state = self.state();
        let known = |entry: &Arc<LogEntry>| {
            let named = entry.entities.iter().filter(|entity| entity.kind == kind && entity.key == key);
            named.map(|entity| entity.id).max()
        };
        Ok(state.entries(Chain::from_id(project_id)).iter().rev().find_map(known))
    }

    async fn project(&self, key: &str) -> StoreResult<Option<Project>> {
        let found = |key| self.state().tables.projects.get(&key).map(|project| Project::clone(project));
        Ok(Key::parse(key).and_then(found))
    }

    async fn projects(&self, filter: &KeyedFilter, of: Option<&[Id]>) -> StoreResult<Page<Project>> {
        let state = self.state();
        let wanted = |project: &&Arc<Project>| {
            of.is_none_or(|ids| ids.contains(&project.id))
                && matches_filter(filter, &project.key, &[&project.name, &project.description])
        };
        let all: Vec<_> = state.tables.projects.values().filter(wanted).collect();
        let after = |project: &&&Arc<Project>| filter.after.as_ref().is_none_or(|after| project.key > *after);
        let shown = all.iter().filter(after).map(|project| Project::clone(project));
        Ok(page(shown.collect(), all.len(), filter.limit))
    }

    async fn projects_of_team(&self, team_id: Id) -> StoreResult<Vec<Project>> {
        let state = self.state();
        let projects = state.tables.projects.values().filter(|project| project.team_id() == Some(team_id));
        Ok(projects.map(|project| Project::clone(project)).collect())
    }

    async fn project_content(&self, project_id: Id) -> StoreResult<ProjectContent> {
        Ok(self.state().tables.project_content(project_id))
    }

    async fn team(&self, key: &Key) -> StoreResult<Option<Team>> {
        Ok(self.state().tables.people.teams.get(key).map(|team| Team::clone(team)))
    }

    async fn team_by_id(&self, id: Id) -> StoreResult<Option<Team>> {
        Ok(self.state().tables.people.teams.values().find(|team| team.id == id).map(|team| Team::clone(team)))
    }

    async fn teams(&self, filter: &KeyedFilter) -> StoreResult<Page<Team>> {
        let state = self.state();
        let wanted = |team: &&Arc<Team>| matches_filter(filter, &team.key, &[&team.name, &team.description]);
        let all: Vec<_> = state.tables.people.teams.values().filter(wanted).collect();
        let after = |team: &&&Arc<Team>| filter.after.as_ref().is_none_or(|after| team.key > *after);
        let shown = all.iter().filter(after).map(|team| Team::clone(team));
        Ok(page(shown.collect(), all.len(), filter.limit))
    }

    async fn team_members(&self, team_id: Id) -> StoreResult<Vec<Member>> {
        Ok(self.state().tables.team_members(team_id))
    }

    async fn teams_of(&self, account_id: Id) -> StoreResult<Vec<Team>> {
        Ok(self.state().tables.teams_of(account_id))
    }

    async fn owned_flags(&self, owner: &str) -> StoreResult<Vec<OwnedFlags>> {
        Ok(self.state().tables.owned_flags(owner))
    }

    async fn flags_of_owner(&self, owner: &str, limit: u32) -> StoreResult<Page<OwnedFlag>> {
        let all = self.state().tables.flags_of_owner(owner);
        let total = all.len();
        Ok(page(all, total, limit))
    }

    async fn roles(&self) -> StoreResult<Vec<CustomRole>> {
        Ok(self.state().tables.people.roles.values().map(|role| CustomRole::clone(role)).collect())
    }

    async fn grant(&self, id: Id) -> StoreResult<Option<Grant>> {
        Ok(self.state().tables.grant(id))
    }

    async fn grants(&self, filter: &GrantFilter) -> StoreResult<Page<Grant>> {
        let all = self.state().tables.grants(filter);
        let total = all.len();
        let after = |grant: &Grant| filter.after.is_none_or(|after| grant.id > after);
        Ok(page(all.into_iter().filter(after).collect(), total, filter.limit))
    }

    async fn grants_of(&self, holder: Holder) -> StoreResult<Vec<Grant>> {
        Ok(self.state().tables.grants_of(holder))
    }

    async fn grants_with_role(&self, role: &str) -> StoreResult<u64> {
        let count = self.state().tables.people.grants_with_role(role);
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    async fn granted(&self, holder: Holder) -> StoreResult<Vec<Granted>> {
        Ok(self.state().tables.granted(holder))
    }

    async fn all_environments(&self) -> StoreResult<Vec<Environment>> {
        let state = self.state();
        let projects: BTreeSet<_> = state.tables.projects.values().map(|project| project.id).collect();
        Ok(projects.into_iter().flat_map(|id| state.tables.environments_of(id)).collect())
    }

    async fn append_security(
        &self,
        notes: &[SecurityNote],
        checkpoint: Option<(Revision, Hash)>,
    ) -> StoreResult<bool> {
        Ok(self.state().security.append(notes, checkpoint))
    }

    async fn security_log(&self, filter: &SecurityFilter) -> StoreResult<Page<SecurityEntry>> {
        Ok(self.state().security.page(filter))
    }

    async fn security_head(&self) -> StoreResult<SecurityHead> {
        Ok(self.state().security.head())
    }

    async fn project_by_id(&self, id: Id) -> StoreResult<Option<Project>> {
        let state = self.state();
        Ok(state
            .tables
            .projects
            .values()
            .find(|project| project.id == id)
            .map(|project| Project::clone(project)))
    }

    async fn environments(&self, project_id: Id) -> StoreResult<Vec<Environment>> {
        Ok(self.state().tables.environments_of(project_id))
    }

    async fn dependencies_version(&self, project_id: Id) -> StoreResult<Revision> {
        Ok(self.state().tables.dependencies_version(project_id))
    }

    async fn snapshot(&self, environment_id: Id) -> StoreResult<Option<Snapshot>> {
        let state = self.state();
        let Some(place) = state.tables.environments.get(&environment_id) else { return Ok(None) };
        let no_epoch = || StoreError::Corrupt("the database has no epoch yet".into());
        let flags = state.tables.flags_in(&place.environment);
        Ok(Some(Snapshot {
            schema: SCHEMA,
            epoch: state.epoch.clone().ok_or_else(no_epoch)?,
            revision: state.snapshot_revision(place),
            project: place.project.to_string(),
            environment: place.environment.key.to_string(),
            lists: state.tables.of_segments.fields_of(place.environment.project_id).map(listed).collect(),
            segments: state
                .tables
                .of_segments
                .segments_in(&place.environment)
                .map(|here| travelling_segment(&here))
                .collect(),
            flags: flags.map(|here| (here.flag.key.to_string(), travelling(&here))).collect(),
        }))
    }

    async fn changes_since(&self, environment_id: Id, revision: Revision) -> StoreResult<Option<Delta>> {
        let state = self.state();
        let Some(place) = state.tables.environments.get(&environment_id) else { return Ok(None) };
        let (tables, environment) = (&state.tables, &place.environment);
        let mut delta = Delta { revision: state.snapshot_revision(place).max(revision), ..Delta::default() };
        let effects = state.effects.get(&environment_id).into_iter().flatten();
        for ((of, key), _) in effects.filter(|(_, last)| **last > revision) {
            match of {
                Of::Flag => {
                    let flag = tables.flag_in(environment, key).map(|here| travelling(&here));
                    delta.flags.insert(key.to_string(), flag);
                }
                Of::Segment => {
                    let here = tables.of_segments.segment_in(environment, key);
                    let segment = here.map(|here| travelling_segment(&here).1);
                    delta.segments.insert(key.to_string(), segment);
                }
                Of::List => {
                    let field = tables.of_segments.field(environment.project_id, key);
                    delta.lists.insert(key.to_string(), field.map(|field| listed(&field).1));
                }
            }
        }
        Ok(Some(delta))
    }

    async fn flag(&self, project_id: Id, key: &Key) -> StoreResult<Option<FlagEverywhere>> {
        Ok(self.state().tables.flag(project_id, key))
    }

    async fn flags_named(&self, project_id: Id, keys: &[Key]) -> StoreResult<Vec<FlagEverywhere>> {
        let state = self.state();
        let keys: BTreeSet<_> = keys.iter().collect();
        Ok(keys.into_iter().filter_map(|key| state.tables.flag(project_id, key)).collect())
    }

    async fn flags(&self, environment: &Environment, filter: &FlagFilter) -> StoreResult<Page<FlagHere>> {
        let state = self.state();
        let all: Vec<_> = state.tables.flags_in(environment).filter(|here| matches(here, filter)).collect();
        let total = all.len();
        let after = |here: &FlagHere| filter.after.as_ref().is_none_or(|after| here.flag.key > *after);
        Ok(page(all.into_iter().filter(after).collect(), total, filter.limit))
    }

    async fn segment(&self, project_id: Id, key: &Key) -> StoreResult<Option<SegmentEverywhere>> {
        let state = self.state();
        let environments = state.tables.environments_of(project_id);
        Ok(state.tables.of_segments.segment(&environments, project_id, key))
    }

    async fn segments(
        &self,
        environment: &Environment,
        filter: &KeyedFilter,
    ) -> StoreResult<Page<SegmentSummary>> {
        let state = self.state();
        let wanted = |here: &SegmentHere| {
            let segment = &here.segment;
            matches_filter(filter, &segment.key, &[&segment.name, &segment.description])
        };
        let all: Vec<_> = state.tables.of_segments.segments_in(environment).filter(wanted).collect();
        let total = all.len();
        let after = |here: &SegmentHere| filter.after.as_ref().is_none_or(|after| here.segment.key > *after);
        Ok(page(all.into_iter().filter(after).map(summary).collect(), total, filter.limit))
    }

    async fn put_key_list(&self, project_id: Id, keys: &KeySet, at: Timestamp) -> StoreResult<()> {
        self.state().tables.of_segments.put_key_list(project_id, keys, at);
        Ok(())
    }

    async fn has_key_list(&self, project_id: Id, sha256: &str) -> StoreResult<bool> {
        Ok(self.state().tables.of_segments.has_key_list(project_id, sha256))
    }

    async fn key_list_chunk(
        &self,
        project_id: Id,
        sha256: &str,
        position: u32,
    ) -> StoreResult<Option<Vec<u8>>> {
        Ok(self.state().tables.of_segments.key_list_chunk(project_id, sha256, position))
    }

    async fn sweep_key_lists(&self, project_id: Id, before: Timestamp) -> StoreResult<u64> {
        Ok(self.state().tables.of_segments.sweep_key_lists(project_id, before))
    }

    async fn context_field(&self, project_id: Id, key: &Key) -> StoreResult<Option<ContextField>> {
        Ok(self.state().tables.of_segments.field(project_id, key))
    }

    async fn context_fields(&self, project_id: Id, filter: &KeyedFilter) -> StoreResult<Page<ContextField>> {
        let state = self.state();
        let wanted =
            |field: &&ContextField| matches_filter(filter, &field.key, &[&field.name, &field.description]);
        let all: Vec<_> = state.tables.of_segments.fields_of(project_id).filter(wanted).collect();
        let after = |field: &&&ContextField| filter.after.as_ref().is_none_or(|after| field.key > *after);
        let shown = all.iter().filter(after).map(|field| ContextField::clone(field));
        Ok(page(shown.collect(), all.len(), filter.limit))
    }

    async fn sdk_key(&self, project_id: Id, id: Id) -> StoreResult<Option<SdkKey>> {
        Ok(self.state().tables.sdk_keys(|key| key.project_id == project_id && key.id == id).pop())
    }

    async fn sdk_keys(&self, project_id: Id, filter: &SdkKeyFilter) -> StoreResult<Page<SdkKey>> {
        let wanted = |key: &SdkKey| key.project_id == project_id && sdk_keys::matches(key, filter);
        let all = self.state().tables.sdk_keys(wanted);
        let total = all.len();
        let after = |key: &SdkKey| filter.after.is_none_or(|after| (key.created_at, key.id) < after);
        Ok(page(all.into_iter().filter(after).collect(), total, filter.limit))
    }

    async fn sdk_keys_in_force(&self, now: Timestamp, of: Option<&[Id]>) -> StoreResult<Vec<SdkKey>> {
        let wanted = |key: &SdkKey| {
            key.state(now) == KeyState::InForce && of.is_none_or(|ids| ids.contains(&key.project_id))
        };
        Ok(self.state().tables.sdk_keys(wanted))
    }

    async fn note_sdk_keys_used(&self, uses: &[SdkKeyUse]) -> StoreResult<()> {
        let mut state = self.state();
        for used in uses {
            state.tables.note_used(used);
        }
        Ok(())
    }

    async fn account(&self, id: Id) -> StoreResult<Option<Account>> {
        Ok(self.state().tables.of_accounts.account(id))
    }

    async fn account_by_email(&self, email: &str) -> StoreResult<Option<Account>> {
        Ok(self.state().tables.of_accounts.by_email(email))
    }

    async fn account_by_identity(&self, issuer: &str, subject: &str) -> StoreResult<Option<Account>> {
        Ok(self.state().tables.of_accounts.by_identity(issuer, subject))
    }

    async fn identities(&self, account_id: Id) -> StoreResult<Vec<Identity>> {
        Ok(self.state().tables.of_accounts.identities(account_id))
    }

    async fn accounts(&self, kind: AccountKind, filter: &AccountFilter) -> StoreResult<Page<Account>> {
        let all = self.state().tables.of_accounts.list(kind, filter);
        let total = all.len();
        let after = |account: &Account| filter.after.as_ref().is_none_or(|after| account.email > *after);
        Ok(page(all.into_iter().filter(after).collect(), total, filter.limit))
    }

    async fn admins(&self, most: u32) -> StoreResult<Vec<Account>> {
        Ok(self.state().tables.of_accounts.admins(most))
    }

    async fn account_names(&self, ids: &[Id]) -> StoreResult<Vec<(Id, String)>> {
        let state = self.state();
        let accounts = ids.iter().filter_map(|id| state.tables.of_accounts.account(*id));
        Ok(accounts.map(|account| (account.id, account.email)).collect())
    }

    async fn access_token(&self, hash: &str) -> StoreResult<Option<(AccessToken, Account)>> {
        Ok(self.state().tables.of_accounts.access_token(hash))
    }

    async fn access_tokens(&self, account_id: Id) -> StoreResult<Vec<AccessToken>> {
        Ok(self.state().tables.of_accounts.access_tokens(account_id))
    }

    async fn note_tokens_used(&self, uses: &[(Id, Timestamp)]) -> StoreResult<()> {
        self.state().tables.of_accounts.note_tokens_used(uses);
        Ok(())
    }

    async fn open_session(&self, session: &StoredSession, version: Revision, most: u32) -> StoreResult<bool> {
        Ok(self.state().tables.of_accounts.open_session(session, version, most))
    }

    async fn session(
        &self,
        key_id: Id,
        session_id: Id,
    ) -> StoreResult<Option<(SigningKey, StoredSession, Account)>> {
        Ok(self.state().tables.of_accounts.session(key_id, session_id))
    }

    async fn session_of_family(&self, family: &str) -> StoreResult<Option<(StoredSession, Account)>> {
        Ok(self.state().tables.of_accounts.session_of_family(family))
    }

    async fn rotate_session(&self, id: Id, present: &str, next: &str) -> StoreResult<bool> {
        Ok(self.state().tables.of_accounts.rotate_session(id, present, next))
    }

    async fn end_session(&self, id: Id) -> StoreResult<bool> {
        Ok(self.state().tables.of_accounts.end_session(id))
    }

    async fn end_sessions(&self, account_id: Id) -> StoreResult<()> {
        self.state().tables.of_accounts.end_sessions(account_id, None);
        Ok(())
    }

    async fn reset_link(&self, hash: &str) -> StoreResult<Option<(ResetLink, Account)>> {
        Ok(self.state().tables.of_accounts.reset_link(hash))
    }

    async fn setup_token(&self) -> StoreResult<Option<(String, Timestamp)>> {
        Ok(self.state().tables.of_accounts.setup_token.clone())
    }

    async fn put_setup_token(&self, hash: &str, expires_at: Timestamp) -> StoreResult<()> {
        self.state().tables.of_accounts.setup_token = Some((hash.to_owned(), expires_at));
        Ok(())
    }

    async fn signing_keys(&self) -> StoreResult<Vec<SigningKey>> {
        Ok(self.state().tables.of_accounts.signing_keys())
    }

    async fn note_attempt(&self, attempt: &Attempt, forgotten: Timestamp, most: u32) -> StoreResult<Noted> {
        Ok(self.state().attempts.note(attempt, forgotten, most))
    }

    async fn end_attempt(&self, id: Id, answer: Option<&[u8]>, room: AnswerRoom) -> StoreResult<()> {
        self.state().attempts.end(id, answer, room);
        Ok(())
    }

    async fn sweep_attempts(&self, before: Timestamp) -> StoreResult<u64> {
        Ok(self.state().attempts.sweep(before))
    }
}
