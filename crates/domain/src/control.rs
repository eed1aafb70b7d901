//! The control plane: the use cases, and what they share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::model::Revision;

use crate::access::{Caller, Reader, Standing};
use crate::account::{LastUsed, Throttle, hashing};
use crate::background::Background;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::evaluation::{explaining, simulating};
use crate::id::Id;
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion};
use crate::ports::{Bus, Clock, CommitError, Ids, Store};
use crate::revert::say_reverts;
use crate::security::{Pending, Remembered};
use crate::time::Timestamp;
use crate::turns::Turns;

/// The key of the project that is meant where none is named.
pub const DEFAULT_PROJECT: &str = "default";
/// The key of the environment that is meant where none is named.
pub const DEFAULT_ENVIRONMENT: &str = "development";

/// How often a change is decided anew because another one came first. Each round lets at least one writer
/// through, so this many writers at once all succeed.
const MOST_ATTEMPTS: u32 = 64;
/// The longest pause between two attempts grows by this much each time, in milliseconds.
const PAUSE: u32 = 2;

/// How often a change was decided and another one came first.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

/// What an operator may choose.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Settings {
    /// Whether anyone may register as a viewer or developer.
    pub open_registration: bool,
    /// The shortest password, in characters.
    pub shortest_password: usize,
    /// Whether people may sign in with a password.
    pub password_login: bool,
    /// How long a session token holds, in seconds.
    pub token_ttl: i64,
    /// How long a session lasts, refreshed or not, in seconds.
    pub session_ttl: i64,
    /// How old a key that signs session tokens becomes before another takes its place, in seconds; `None` if that is
    /// done by people alone.
    pub rotate_signing_keys: Option<i64>,
    /// Whether a new flag may be seen by client-kind keys unless it says otherwise.
    pub client_visible: bool,
    /// Whether a new client key must say which pages may use it.
    pub origins_required: bool,
    /// Whether users' ids are kept that come with events: exposures stand on them, metrics are kept without.
    pub keep_units: bool,
    /// What a thread does before it hashes passwords, so that others go first; they take a core for some 20 ms each.
    pub give_way: fn(),
}

/// The use cases. They stand in this crate by capability: [`crate::flag`], [`crate::account`],
/// [`crate::sdk_key`], [`crate::environment`], [`crate::log`]. Cheap to clone: all of them are one.
#[derive(Clone)]
pub struct Control {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) settings: Settings,
    pub(crate) hashing: Background,
    pub(crate) explaining: Turns,
    pub(crate) simulating: Turns,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) last_used: Arc<LastUsed>,
    pub(crate) security: Pending,
    /// The access tokens that were found or ended here, and whose they are: after a restart, those found since.
    pub(crate) tokens: Arc<Remembered<Id>>,
    /// The revision that the changes of this one revert: see [`crate::revert`].
    pub(crate) reverts: Option<Revision>,
}

/// What a request says besides its content.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The door it came by; after a space the address that it came from, if that is known; and after another the access
    /// token that it was asked with: `api 203.0.113.7 token:ID`.
    pub source: String,
    /// The address that it came from.
    pub address: Option<IpAddr>,
    /// Why, in the words of who asks.
    pub comment: Option<String>,
    /// The entity tags (RFC 9110 `If-Match`) of which one must be current.
    pub if_match: Option<String>,
    /// What who asks stands on; nothing if the program does, or nobody who proved who they are.
    pub standing: Option<Arc<Standing>>,
}

impl Request {
    /// Whether the caller may go on with an entity whose tag is `current`.
    pub(crate) fn check(&self, current: &str) -> Result<()> {
        let Some(expected) = &self.if_match else { return Ok(()) };
        let matches = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == current;
        if expected.split(',').map(str::trim).any(matches) {
            return Ok(());
        }
        Err(Error::Stale { current: current.to_owned() })
    }
}

impl Control {
    /// The use cases over a founded store; see [`crate::founding`].
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        settings: Settings,
    ) -> Self {
        Self {
            store,
            bus,
            clock,
            ids,
            hashing: hashing(settings.give_way),
            settings,
            explaining: explaining(),
            simulating: simulating(),
            throttle: Arc::default(),
            last_used: Arc::default(),
            tokens: Arc::default(),
            security: Pending::default(),
            reverts: None,
        }
    }

    /// Commits a change and rings the bell.
    pub(crate) async fn commit(&self, mut change: Change) -> Result<Revision, CommitError> {
        self.expect_comment(&change).await?;
        if let Some(revision) = self.reverts {
            say_reverts(&mut change, revision);
        }
        let chain = change.chain;
        let revision = self.store.commit(change).await?;
        self.bus.ring(chain, revision).await;
        Ok(revision)
    }

    /// Commits two changes, both or neither, and rings the bell for both.
    pub(crate) async fn commit_both(
        &self,
        first: Change,
        second: Change,
    ) -> Result<(Revision, Revision), CommitError> {
        self.expect_comment(&first).await?;
        self.expect_comment(&second).await?;
        let chains = (first.chain, second.chain);
        let revisions = self.store.commit_both(first, second).await?;
        self.bus.ring(chains.0, revisions.0).await;
        self.bus.ring(chains.1, revisions.1).await;
        Ok(revisions)
    }

    /// Commits a change. `None` if another one came first: then it must be decided anew (and with `If-Match` is
    /// refused). A conflict when that happens too often.
    pub(crate) async fn try_commit(
        &self,
        change: Change,
        attempts: &mut Attempts,
    ) -> Result<Option<Revision>> {
        let committed = self.commit(change).await;
        self.settle(committed, attempts).await
    }

    /// That nothing is done on a chain from now on until the change that reads this is made. Asked before everything
    /// that the change is decided upon.
    pub(crate) async fn nothing_else_on(&self, chain: Chain) -> Result<ReadVersion> {
        let heads = self.store.heads().await?;
        let revision = heads.iter().find(|head| head.chain == chain).map_or(0, |head| head.revision);
        Ok(ReadVersion::Head { chain, revision })
    }

    /// Commits a change that another one may make as well: then there is nothing left to do.
    pub(crate) async fn commit_once(&self, change: Change) -> Result<()> {
        match self.commit(change).await {
            Ok(_) | Err(CommitError::Stale) => Ok(()),
            Err(error) => Err(unexpected(error)),
        }
    }

    /// The same as [`Self::try_commit`] for a change that makes something with a key of its own. `what` is a noun with its article.
    pub(crate) async fn try_create(
        &self,
        change: Change,
        attempts: &mut Attempts,
        what: &str,
        key: &Key,
    ) -> Result<Option<Revision>> {
        match self.commit(change).await {
            Err(CommitError::Taken { .. }) => Err(key_taken(what, key)),
            committed => self.settle(committed, attempts).await,
        }
    }

    /// Waits a little before a further attempt, so that writers who met do not meet again.
    pub(crate) async fn settle(
        &self,
        committed: Result<Revision, CommitError>,
        Attempts(made): &mut Attempts,
    ) -> Result<Option<Revision>> {
        match committed {
            Ok(revision) => Ok(Some(revision)),
            Err(CommitError::Stale) if *made < MOST_ATTEMPTS => {
                *made += 1;
                let millis = self.ids.below(*made * PAUSE);
                tokio::time::sleep(Duration::from_millis(millis.into())).await;
                Ok(None)
            }
            Err(error) => Err(unexpected(error)),
        }
    }

    /// The environments of a project, by position.
    pub(crate) async fn all_environments(&self, project_id: Id) -> Result<Vec<Environment>> {
        Ok(self.store.environments(project_id).await?)
    }

    /// The environments of the project, by position.
    pub async fn environments(&self, reader: &Reader) -> Result<Vec<Environment>> {
        self.all_environments(reader.project_id()).await
    }

    /// The environment of a project with this key, or the default one.
    pub async fn environment(&self, project_id: Id, key: Option<&str>) -> Result<Environment> {
        let key = key.unwrap_or(DEFAULT_ENVIRONMENT);
        find_environment(&self.all_environments(project_id).await?, key)
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the store answers.
    pub async fn ready(&self) -> Result<()> {
        self.store.epoch().await?;
        Ok(())
    }
}

/// Something has that key already. `what` is a noun with its article.
pub(crate) fn key_taken(what: &str, key: &Key) -> Error {
    let message = format!("{what} with the key {key} already exists");
    Error::Conflict { code: "key_taken", message }
}

/// A change of the instance that says all but what changes.
pub(crate) fn on_instance(
    caller: &Caller,
    request: &Request,
    at: Timestamp,
    action: &'static str,
    entities: Vec<Entity>,
) -> Change {
    Change { entities, ..Change::of_instance(action, caller.account_id(), request, at) }
}

/// The one of these with this key.
pub(crate) fn find_environment(environments: &[Environment], key: &str) -> Result<Environment> {
    let found = environments.iter().find(|environment| environment.key.as_str() == key);
    let known = environments.iter().map(|environment| environment.key.as_str());
    found.cloned().ok_or_else(|| Error::no_environment(key, known))
}

/// A commit that can only fail if something is badly wrong or someone was faster by a hair.
pub(crate) fn unexpected(error: CommitError) -> Error {
    match error {
        CommitError::Store(error) => error.into(),
        CommitError::Unexplained { why } => Error::Unexplained { why },
        CommitError::Taken { what } => Error::Conflict {
            code: "taken",
            message: format!(
                "another {what} like this was made at the same moment; look at it and try again"
            ),
        },
        CommitError::Lapsed => Error::Forbidden {
            code: "rights_changed",
            message: "what you may do changed while this was under way, so nothing was done; ask again to be told what \
                      holds now"
                .to_owned(),
        },
        CommitError::Stale => Error::busy(),
    }
}
