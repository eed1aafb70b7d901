//! Who may read an environment: the keys in force.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use delivery::{EnvironmentId, Freshness, Gate, KeyKind, Pages, Pass, Seal};
use domain::environment::Environment;
use domain::id::Id;
use domain::log::Chain;
use domain::ports::{Bus, Clock, SdkKeyUse, Store, StoreError};
use domain::sdk_key::{KeyState, Reach, SdkKey, SdkKeyKind};
use domain::secret::{digest_secret, hash_secret};
use domain::security::{MOST_REMEMBERED, Remembered};
use domain::time::Timestamp;
use engine::model::Revision;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a lost bell may go unnoticed.
const POLL: Duration = Duration::from_secs(2);
/// How often it is written down which keys were used. Of a key only the minute is, so once a minute at most.
const NOTE: Duration = Duration::from_secs(10);
/// If more projects than this have changed at once, the keys of all are read: one query takes only so many ids.
const MOST_PROJECTS: usize = 100;
/// What the last use of a key is told by, in milliseconds.
const MINUTE: i64 = 60_000;

/// The keys in force, by hash, in memory: no request waits for the store, an unknown key costs it nothing, and without
/// it the last known keys hold. Found by hash, so the time that a look-up takes says nothing about a key.
pub struct Keyring {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keys: ArcSwap<Keys>,
    /// Those that were in force: whoever brings one is no stranger.
    ended: Remembered<()>,
    /// Up to which revision of each chain they are known.
    known: Mutex<BTreeMap<Chain, Revision>>,
    changes: watch::Sender<u64>,
    freshness: Freshness,
}

/// A key's SHA-256.
type Digest = [u8; 32];

/// The keys in force.
#[derive(Default)]
struct Keys {
    by_digest: HashMap<Digest, Held>,
    digests: HashMap<Id, Digest>,
}

impl Keys {
    fn new(by_digest: HashMap<Digest, Held>) -> Self {
        let digests = by_digest.iter().map(|(digest, held)| (held.id, *digest)).collect();
        Self { by_digest, digests }
    }

    fn by_id(&self, id: Id) -> Option<&Held> {
        self.by_digest.get(self.digests.get(&id)?)
    }
}

/// A key in force.
#[derive(Clone)]
struct Held {
    id: Id,
    project_id: Id,
    version: Revision,
    expires_at: Option<Timestamp>,
    pass: Arc<Pass>,
    uses: Arc<Uses>,
}

/// When a key was last used, in minutes since 1970; 0 is never.
#[derive(Default)]
struct Uses {
    last: AtomicI64,
    /// As far as that was written down.
    noted: AtomicI64,
}

/// Two are the same if they open the same; that one was used is no difference.
impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.version, self.expires_at) == (other.id, other.version, other.expires_at)
            && self.pass == other.pass
    }
}

impl Held {
    /// What it opens, unless it is over; and notes that it was used.
    fn enter(&self, now: Timestamp) -> Option<Arc<Pass>> {
        if self.is_over(now) {
            return None;
        }
        let minute = now.as_millis().div_euclid(MINUTE);
        // Looked at first, so that many who use one key do not fight for its line of the cache.
        if self.uses.last.load(Ordering::Relaxed) < minute {
            self.uses.last.fetch_max(minute, Ordering::Relaxed);
        }
        Some(Arc::clone(&self.pass))
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

impl Keyring {
    /// Loads the keys; they must load once before anyone is let in.
    pub async fn load(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Arc<Self>, StoreError> {
        let (keys, known, changes) = (ArcSwap::default(), Mutex::default(), watch::Sender::new(0));
        let (ended, freshness) = (Remembered::default(), Freshness::default());
        let keyring = Self { store, clock, keys, ended, known, changes, freshness };
        keyring.refresh().await?;
        let most = MOST_REMEMBERED.try_into().unwrap_or(u32::MAX);
        for hash in keyring.store.sdk_keys_ended(keyring.clock.now(), most).await?.iter().rev() {
            keyring.ended.note(hash, ());
        }
        Ok(Arc::new(keyring))
    }

    /// Keeps the keys up to date until shutdown: at each ring of the bell, every two seconds in case one was lost, and
    /// when the time of one is over. Notes in between which were used.
    pub fn follow(self: Arc<Self>, bus: &dyn Bus, shutdown: CancellationToken) -> JoinHandle<()> {
        let mut bell = bus.listen();
        let mut note = tokio::time::interval(NOTE);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return self.note_uses().await,
                    rung = bell.changed() => if rung.is_err() { return },
                    _ = note.tick() => {
                        self.note_uses().await;
                        continue;
                    }
                    () = tokio::time::sleep(self.pause()) => {}
                }
                if let Err(error) = self.refresh().await {
                    let error = &error as &dyn Error;
                    tracing::warn!(error, "keys were not refreshed; the last known ones hold");
                    self.drop_expired();
                }
            }
        })
    }

    /// Whether it lets a key in as it now is, or no more if it is over.
    pub(crate) fn has_taken_in(&self, key: &SdkKey) -> bool {
        match digest_of(key).and_then(|digest| self.keys.load().by_digest.get(&digest).cloned()) {
            Some(held) => key.revoked_at.is_none() && held.version >= key.version,
            None => key.state(self.clock.now()) != KeyState::InForce,
        }
    }

    /// Whether a key is in force, or was: one of those that ended last. No store is asked.
    pub(crate) fn knows(&self, key: &str) -> bool {
        let is_in_force = self.keys.load().by_digest.contains_key(&digest_secret(key));
        is_in_force || self.ended.get(&hash_secret(key)).is_some()
    }

    /// Whether any key opens an environment.
    pub(crate) fn opens(&self, environment: &EnvironmentId) -> bool {
        self.keys.load().by_digest.values().any(|held| held.pass.environments.contains(environment))
    }

    /// How long ago the keys were compared with the store's.
    pub(crate) fn age(&self) -> Duration {
        self.freshness.age()
    }

    /// Until the next look: sooner if the time of a key is over before.
    fn pause(&self) -> Duration {
        let now = self.clock.now().as_millis();
        let keys = self.keys.load();
        let ends = keys.by_digest.values().filter_map(|held| held.expires_at);
        let next = ends.map(|end| end.as_millis().saturating_sub(now).max(1)).min();
        let next = next.and_then(|millis| millis.try_into().ok()).map_or(POLL, Duration::from_millis);
        next.min(POLL)
    }

    /// Reads the keys of the projects in which something has changed since they were last read; where nothing has, one
    /// short query says so.
    async fn refresh(&self) -> Result<(), StoreError> {
        // The revisions before the keys: what changes in between is read again.
        let heads = self.store.heads().await?;
        let heads: BTreeMap<_, _> = heads.iter().map(|head| (head.chain, head.revision)).collect();
        let changed = changed(&self.known.lock().unwrap_or_else(PoisonError::into_inner), &heads);
        match changed {
            Changed::Projects(projects) if projects.is_empty() => self.drop_expired(),
            Changed::Projects(projects) => self.read(Some(&projects)).await?,
            Changed::Anything => self.read(None).await?,
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = heads;
        self.freshness.renew();
        Ok(())
    }

    /// Reads the keys of these projects, or of all.
    async fn read(&self, projects: Option<&[Id]>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let kept = self.store.sdk_keys_in_force(now, projects).await?;
        let environments = self.environments(&kept).await?;
        let known = self.keys.load_full();
        let known = &known.by_digest;
        let stays = |held: &Held| {
            projects.is_some_and(|projects| !projects.contains(&held.project_id)) && !held.is_over(now)
        };
        let others =
            known.iter().filter(|(_, held)| stays(held)).map(|(digest, held)| (*digest, held.clone()));
        let read = kept.into_iter().filter_map(|key| {
            let digest = digest_of(&key)?;
            let uses = known.get(&digest).map_or_else(Arc::default, |held| Arc::clone(&held.uses));
            let held = Held {
                id: key.id,
                project_id: key.project_id,
                version: key.version,
                expires_at: key.expires_at,
                pass: Arc::new(pass(&key, &environments)),
                uses,
            };
            Some((digest, held))
        });
        self.replace(others.chain(read).collect());
        Ok(())
    }

    /// The environments of the projects that a key opens as a whole.
    async fn environments(&self, keys: &[SdkKey]) -> Result<HashMap<Id, Vec<Environment>>, StoreError> {
        let whole = keys.iter().filter(|key| key.reach == Reach::Project).map(|key| key.project_id);
        let mut environments = HashMap::new();
        for project_id in whole.collect::<HashSet<_>>() {
            environments.insert(project_id, self.store.environments(project_id).await?);
        }
        Ok(environments)
    }

    /// A key's time is over whether or not the store answers.
    fn drop_expired(&self) {
        let now = self.clock.now();
        let known = self.keys.load();
        if !known.by_digest.values().any(|held| held.is_over(now)) {
            return;
        }
        let mut keys = known.by_digest.clone();
        keys.retain(|_, held| !held.is_over(now));
        self.replace(keys);
    }

    fn replace(&self, keys: HashMap<Digest, Held>) {
        let before = self.keys.load();
        if before.by_digest != keys {
            for digest in before.by_digest.keys().filter(|digest| !keys.contains_key(*digest)) {
                self.ended.note(&hex::encode(digest), ());
            }
            self.keys.store(Arc::new(Keys::new(keys)));
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Writes down which keys were used since that was last done; what fails is done again with the next.
    async fn note_uses(&self) {
        let keys = self.keys.load_full();
        let (mut uses, mut noted) = (Vec::new(), Vec::new());
        for held in keys.by_digest.values() {
            let last = held.uses.last.load(Ordering::Relaxed);
            if last > held.uses.noted.load(Ordering::Relaxed) {
                let at = Timestamp::from_millis(last * MINUTE);
                uses.push(SdkKeyUse { project_id: held.project_id, id: held.id, at });
                noted.push((&held.uses.noted, last));
            }
        }
        if uses.is_empty() {
            return;
        }
        match self.store.note_sdk_keys_used(&uses).await {
            Ok(()) => noted.iter().for_each(|(noted, last)| noted.store(*last, Ordering::Relaxed)),
            Err(error) => {
                let error = &error as &dyn Error;
                tracing::warn!(error, "which keys were used was not written down; tried again in a moment");
            }
        }
    }
}

/// Of a key that is kept; none if what is kept is no digest, which opens nothing.
fn digest_of(key: &SdkKey) -> Option<Digest> {
    let mut digest = Digest::default();
    hex::decode_to_slice(&key.hash, &mut digest).is_ok().then_some(digest)
}

/// Where keys may have changed.
enum Changed {
    /// In these projects.
    Projects(Vec<Id>),
    /// Anywhere.
    Anything,
}

/// Where keys may have changed between two states of all chains. That a project has gone stands on the instance's
/// chain; what else stands there changes no key, but is rare beside changes of flags.
fn changed(before: &BTreeMap<Chain, Revision>, now: &BTreeMap<Chain, Revision>) -> Changed {
    if before.get(&Chain::Instance) != now.get(&Chain::Instance) {
        return Changed::Anything;
    }
    let moved = now.iter().filter(|(chain, revision)| before.get(chain) != Some(revision));
    let moved: Vec<_> = moved.map(|(chain, _)| chain.id()).collect();
    if moved.len() > MOST_PROJECTS { Changed::Anything } else { Changed::Projects(moved) }
}

/// What a key opens.
fn pass(key: &SdkKey, environments: &HashMap<Id, Vec<Environment>>) -> Pass {
    let ids: Vec<Id> = match &key.reach {
        Reach::Environments(ids) => ids.clone(),
        Reach::Project => environments
            .get(&key.project_id)
            .into_iter()
            .flatten()
            .map(|environment| environment.id)
            .collect(),
    };
    let pages = match key.kind {
        SdkKeyKind::Server | SdkKeyKind::Edge => Pages::None,
        SdkKeyKind::Client if key.origins.allow_any() => Pages::Any,
        SdkKeyKind::Client => Pages::Of(key.origins.as_slice().into()),
    };
    Pass {
        id: key.id.to_string().into(),
        kind: match key.kind {
            SdkKeyKind::Server | SdkKeyKind::Edge => KeyKind::Server,
            SdkKeyKind::Client => KeyKind::Client,
        },
        environments: ids.iter().map(|id| EnvironmentId(id.to_string().into())).collect(),
        pages,
        seal: Seal::of(key.hash.as_bytes()),
    }
}

#[async_trait]
impl Gate for Keyring {
    async fn open(&self, key: &str) -> Option<Arc<Pass>> {
        self.keys.load().by_digest.get(&digest_secret(key))?.enter(self.clock.now())
    }

    async fn find(&self, id: &str) -> Option<Arc<Pass>> {
        self.keys.load().by_id(id.parse().ok()?)?.enter(self.clock.now())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis() / 1_000).unwrap_or_default()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_changed_is_read() {
        let project =
            |number: u128| -> Id { format!("00000000-0000-7000-8000-{number:012}").parse().unwrap() };
        let heads = |instance, revisions: &[(u128, Revision)]| {
            let own =
                revisions.iter().map(|(number, revision)| (Chain::Project(project(*number)), *revision));
            own.chain([(Chain::Instance, instance)]).collect::<BTreeMap<_, _>>()
        };
        let before = heads(3, &[(1, 10), (2, 20)]);
        let read = |now: &BTreeMap<_, _>| match changed(&before, now) {
            Changed::Projects(projects) => Some(projects),
            Changed::Anything => None,
        };
        assert_eq!(read(&before), Some(Vec::new()), "nothing");
        assert_eq!(read(&heads(3, &[(1, 10), (2, 21)])), Some(vec![project(2)]));
        assert_eq!(read(&heads(3, &[(1, 9), (2, 20)])), Some(vec![project(1)]), "another history");
        assert_eq!(read(&heads(4, &[(1, 10), (2, 20), (3, 1)])), None, "a project may have gone");
        assert!(matches!(changed(&BTreeMap::new(), &before), Changed::Anything), "at first");
        let many: Vec<_> = (0..200).map(|number| (number, 1)).collect();
        assert_eq!(read(&heads(3, &many)), None);
    }
}
