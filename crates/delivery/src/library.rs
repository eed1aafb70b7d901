//! The large key lists that segments name by their digests: fetched one after the other, held once for all
//! environments, forgotten when no environment names them any more.
//!
//! A list is taken only if it is whole and has the digest and the number of keys that it is named by. Until then
//! the segments that name it are evaluated as they were ([`crate::behind`]). Only an environment of which nothing is
//! known here yet waits for its lists, and not for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::iter::repeat;
use std::sync::Arc;
use std::time::Duration;

use engine::{KeyList, KeyListReader, KeyLists};
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::hub::Hub;
use crate::list_name::Name;
use crate::ports::{EnvironmentId, Source, SourceError, ask};

/// So long an environment of which nothing is known here waits for its lists, unless all of them were tried before:
/// flags without their segments would be answered otherwise a moment later. Then it is served without them.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);

/// After a try in vain a list rests so many times as long as the try took: one that is damaged is read whole each time,
/// and takes no more of the machine than this, while one that is not there is asked for each time anew.
const REST: u32 = 10;
/// It rests no longer.
const MOST_REST: Duration = Duration::from_mins(1);

/// The lists that are held, and the work on those that are missing.
pub(crate) struct Library {
    source: Arc<dyn Source>,
    seed: [u8; 16],
    held: Arc<KeyLists>,
    /// The lists of segments that wait, those that are held already included.
    wanted: BTreeMap<EnvironmentId, BTreeSet<Name>>,
    /// Since when environments of which nothing is known here wait for their first lists.
    newcomers: BTreeMap<EnvironmentId, Instant>,
    /// At most one at a time: what is read into memory besides a list's fingerprints is one piece of one list.
    fetching: Option<Fetching>,
    failed: BTreeMap<Name, Failure>,
    /// Their failures are in the log.
    told: BTreeSet<Name>,
}

/// How long environments of which nothing is known here wait for the lists of their segments.
pub(crate) struct Patience {
    /// The lists that were tried in vain.
    tried: BTreeSet<Name>,
    /// The environments that have waited long enough.
    is_over: BTreeSet<EnvironmentId>,
}

impl Patience {
    /// Whether an environment should wait for these lists, of which some are held.
    pub(crate) fn holds(&self, environment: &EnvironmentId, names: &BTreeSet<Name>, held: &KeyLists) -> bool {
        !self.is_over.contains(environment)
            && names.iter().any(|name| !name.is_held(held) && !self.tried.contains(name))
    }
}

/// A try in vain.
struct Failure {
    ended: Instant,
    /// The list is not tried again before.
    rests_until: Instant,
    /// Whether to try it again was asked for since, by [`Library::try_again`].
    is_due: bool,
}

struct Fetching {
    name: Name,
    began: Instant,
    list: BoxFuture<'static, Result<KeyList, SourceError>>,
}

impl Library {
    /// An empty one. `seed` should be chance.
    pub(crate) fn new(source: Arc<dyn Source>, seed: [u8; 16]) -> Self {
        Self {
            source,
            seed,
            held: Arc::default(),
            wanted: BTreeMap::new(),
            newcomers: BTreeMap::new(),
            fetching: None,
            failed: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// What can be compiled with.
    pub(crate) fn held(&self) -> Arc<KeyLists> {
        Arc::clone(&self.held)
    }

    /// From now on an environment waits for these and no others: its segments do, or if it is a newcomer all of it.
    pub(crate) fn want(&mut self, environment: &EnvironmentId, names: BTreeSet<Name>, is_newcomer: bool) {
        if names.is_empty() || !is_newcomer {
            self.newcomers.remove(environment);
        } else {
            self.newcomers.entry(environment.clone()).or_insert_with(Instant::now);
        }
        if names.is_empty() {
            self.wanted.remove(environment);
        } else {
            self.wanted.insert(environment.clone(), names);
        }
    }

    /// What newcomers need not wait for any longer.
    pub(crate) fn patience(&self) -> Patience {
        let over = self.newcomers.iter().filter(|(_, since)| since.elapsed() >= FIRST_PATIENCE);
        Patience {
            tried: self.told.clone(),
            is_over: over.map(|(environment, _)| environment.clone()).collect(),
        }
    }

    /// Whether an environment waits for its first lists.
    pub(crate) fn has_newcomers(&self) -> bool {
        !self.newcomers.is_empty()
    }

    /// Forgets what no state that is installed in one of these environments names and none of them waits for.
    /// What is being fetched for nobody is let go.
    pub(crate) fn retain(&mut self, environments: &[EnvironmentId], hub: &Hub) {
        self.wanted.retain(|environment, _| environments.contains(environment));
        self.newcomers.retain(|environment, _| environments.contains(environment));
        let wanted: BTreeSet<_> = self.wanted.values().flatten().collect();
        self.fetching.take_if(|fetching| !wanted.contains(&fetching.name));
        self.failed.retain(|name, _| wanted.contains(name));
        self.told.retain(|name| wanted.contains(name));
        if self.held.is_empty() {
            return;
        }
        let states: Vec<_> = environments.iter().filter_map(|environment| hub.read(environment)).collect();
        let mut named: BTreeSet<_> = states.iter().flat_map(|state| state.key_lists()).collect();
        named.extend(wanted.iter().map(|name| name.sha256.as_str()));
        Arc::make_mut(&mut self.held).retain(|sha256| named.contains(sha256));
    }

    /// Lists that could not be fetched are tried once more, unless they rest.
    pub(crate) fn try_again(&mut self) {
        let now = Instant::now();
        for failure in self.failed.values_mut() {
            failure.is_due |= failure.rests_until <= now;
        }
    }

    /// Those that rest, too.
    pub(crate) fn try_all(&mut self) {
        for failure in self.failed.values_mut() {
            failure.is_due = true;
        }
    }

    /// What was never tried, and then what was not for the longest time: or a few that fail would be tried for ever, and
    /// no other.
    fn next(&self) -> Option<(&Name, &EnvironmentId)> {
        let wanted =
            self.wanted.iter().flat_map(|(environment, names)| names.iter().zip(repeat(environment)));
        wanted
            .filter(|(name, _)| !name.is_held(&self.held))
            .filter(|(name, _)| self.failed.get(name).is_none_or(|failure| failure.is_due))
            .min_by_key(|(name, _)| self.failed.get(name).map(|failure| failure.ended))
    }

    /// Whether there is a list to be fetched.
    pub(crate) fn has_work(&self) -> bool {
        self.fetching.is_some() || self.next().is_some()
    }

    /// Fetches until a list more is held, or none is left to be tried; false if there was none to begin with. What was
    /// begun goes on at the next call, if this one is dropped.
    pub(crate) async fn fetch(&mut self) -> bool {
        let mut has_tried = false;
        loop {
            let next = self.next().map(|(name, environment)| (name.clone(), environment.clone()));
            let fetching = match (&mut self.fetching, next) {
                (Some(fetching), _) => fetching,
                (empty, Some((name, environment))) => empty.insert(Fetching {
                    list: Box::pin(fetched(Arc::clone(&self.source), environment, name.clone(), self.seed)),
                    began: Instant::now(),
                    name,
                }),
                (None, None) => return has_tried,
            };
            let list = (&mut fetching.list).await;
            let Some(Fetching { name, began, .. }) = self.fetching.take() else { return has_tried };
            has_tried = true;
            match list {
                Ok(list) => {
                    tracing::debug!(list = name.sha256, keys = name.count, "a key list was fetched");
                    if self.told.remove(&name) {
                        tracing::info!(list = name.sha256, "the key list that was missing has been fetched");
                    }
                    self.failed.remove(&name);
                    Arc::make_mut(&mut self.held).insert(name.sha256, Arc::new(list));
                    return true;
                }
                Err(error) => self.fail(name, began, &error),
            }
        }
    }

    fn fail(&mut self, name: Name, began: Instant, SourceError(cause): &SourceError) {
        if self.told.insert(name.clone()) {
            tracing::warn!(
                list = name.sha256,
                error = &**cause as &dyn Error,
                "a key list cannot be fetched; segments that name it stay as they were until it can, and new ones are \
                 not understood"
            );
        }
        let ended = Instant::now();
        let rests_until = ended + (REST * (ended - began)).min(MOST_REST);
        self.failed.insert(name, Failure { ended, rests_until, is_due: false });
    }
}

/// A list of the source's, if it is the one that is named.
async fn fetched(
    source: Arc<dyn Source>,
    environment: EnvironmentId,
    name: Name,
    seed: [u8; 16],
) -> Result<KeyList, SourceError> {
    let fault = |why: String| SourceError(why.into());
    let mut reading = Reading::new(name.count, seed).map_err(fault)?;
    let mut start = 0;
    loop {
        let piece = ask(source.key_list_bytes(&environment, &name.sha256, start)).await?;
        if piece.is_none() && start == 0 && name.count > 0 {
            return Err(fault("it is not there".to_owned()));
        }
        let Some(piece) = piece else { break };
        if piece.is_empty() {
            return Err(fault(format!("nothing comes of it after {start} bytes")));
        }
        start += piece.len() as u64;
        // Hashing a piece may take a millisecond.
        let read = spawn_blocking(move || reading.read(&piece).map(|()| reading));
        reading = read.await.map_err(|error| SourceError(error.into()))?.map_err(fault)?;
    }
    reading.finish(&name.sha256).map_err(fault)
}

/// A list that is being read.
struct Reading {
    keys: KeyListReader,
    digest: Sha256,
}

impl Reading {
    fn new(count: u64, seed: [u8; 16]) -> Result<Self, String> {
        Ok(Self { keys: KeyListReader::new(count, seed)?, digest: Sha256::new() })
    }

    fn read(&mut self, piece: &[u8]) -> Result<(), String> {
        self.digest.update(piece);
        self.keys.read(piece)
    }

    fn finish(self, sha256: &str) -> Result<KeyList, String> {
        let digest = hex::encode(self.digest.finalize());
        if digest != sha256 {
            return Err(format!("what came in its place has the digest {digest}"));
        }
        self.keys.finish()
    }
}
