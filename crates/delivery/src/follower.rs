//! Keeps the hub where the source is.
//!
//! The bell only wakes it: what changed is always asked for, from where the hub stands. A lost bell therefore
//! costs time (until the next poll) and never a change, and a source that fails leaves the last good state.
//! Nothing waits for large key lists but the segments that name them; when the library has one, they catch up.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use engine::KeyLists;
use engine::model::{Delta, Revision, SCHEMA, Snapshot};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::installed::{Installed, LARGE};
use crate::library::{Library, Patience};
use crate::list_name::Name;
use crate::ports::{EnvironmentId, Source, SourceError, ask};

/// How long a lost bell may go unnoticed.
const POLL: Duration = Duration::from_secs(2);
/// Between two looks that readers ask for: they may be wrong, and whoever has a key can ask.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Of one installed state, no more faulty flags than this are logged one by one.
const MOST_PROBLEMS: usize = 20;

/// The only one who installs. There must be no two at work on one hub.
pub struct Follower {
    hub: Arc<Hub>,
    source: Arc<dyn Source>,
    library: Library,
    /// So that an outage is logged when it begins and when it ends, and not at each poll.
    is_failing: bool,
}

/// What to do with the answer to "what changed since".
#[derive(Debug, PartialEq)]
enum Step {
    Stay,
    Apply(Delta),
    Fetch,
}

fn step(stand: Revision, changes: Option<Delta>) -> Step {
    match changes {
        Some(delta) if delta.revision == stand => Step::Stay,
        Some(delta) if delta.revision > stand => Step::Apply(delta),
        // The source does not know this history, or not so far: only all of it will tell.
        Some(_) | None => Step::Fetch,
    }
}

/// Whether a fetched snapshot leads on from the present state. An older one of the same history is what a copy
/// that lags behind has to say; revisions that readers have seen must not come back.
fn leads_on(from: Option<&Installed>, to: &Snapshot) -> bool {
    from.is_none_or(|from| {
        let from = from.position();
        from.epoch != to.epoch || from.revision < to.revision
    })
}

impl Follower {
    /// A follower that has not asked yet. `seed` should be chance: without it nobody can make up a key that is
    /// taken for one of a large list.
    pub fn new(hub: Arc<Hub>, source: Arc<dyn Source>, seed: [u8; 16]) -> Self {
        Self { hub, library: Library::new(Arc::clone(&source), seed), source, is_failing: false }
    }

    /// Follows until shutdown: at once, at each ring of the bell, and every two seconds in case one was lost.
    pub fn start(self, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(async move {
            // A round that is cut short has installed whole states or none.
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.follow() => {}
            }
        })
    }

    async fn follow(mut self) {
        let mut bell = self.source.bell();
        let mut next_poll = None;
        loop {
            // Before asking: what rings from now on may not be in the answer.
            bell.mark_unchanged();
            let result = self.round().await;
            let look_again = Instant::now() + LOOK_AGAIN;
            let poll = *next_poll.get_or_insert_with(|| Instant::now() + POLL);
            self.report(&result);
            tokio::select! {
                () = rung(&mut bell) => self.library.try_again(),
                () = sleep_until(poll) => self.library.try_again(),
                // Puts no poll off: anybody can know of states that never come.
                () = looked_for(&self.hub, look_again) => continue,
                // Who waits for a list catches up; what changed meanwhile comes with it.
                _ = self.library.fetch(), if self.library.has_work() => {}
            }
            next_poll = None;
        }
    }

    /// Brings every environment to where the source is for the first time, with the large key lists that this takes
    /// as far as they can be fetched. One that fails does not hold up the others; the first failure is returned.
    pub async fn load(&mut self) -> Result<(), SourceError> {
        let mut result = self.round().await;
        while result.is_ok() && self.library.has_newcomers() {
            // A list that takes its time goes on at the next turn, and by and by the newcomers lose their patience.
            let _ = timeout(POLL, self.library.fetch()).await;
            result = self.round().await;
        }
        result
    }

    /// Brings every environment to where the source is, new and removed ones included, and tries each key list that
    /// is missing. One that fails does not hold up the others; the first failure is returned. A list that cannot be
    /// fetched is no failure: it is in the log, and the segments that name it stay as they were.
    pub async fn sync_once(&mut self) -> Result<(), SourceError> {
        self.library.try_all();
        let mut result = self.round().await;
        while self.library.fetch().await {
            result = self.round().await;
        }
        result
    }

    /// Brings every environment to where the source is, its segments as far as the lists that are there allow.
    async fn round(&mut self) -> Result<(), SourceError> {
        let environments = ask(self.source.environments()).await?;
        self.hub.retain(|environment| environments.contains(environment));
        let (key_lists, patience) = (self.library.held(), self.library.patience());
        let round = Round { hub: &self.hub, source: &*self.source, key_lists, patience };
        let synced = join_all(environments.iter().map(|environment| round.sync(environment))).await;
        let mut result = Ok(());
        for (environment, synced) in environments.iter().zip(synced) {
            match synced {
                Ok(awaited) => {
                    let is_newcomer = self.hub.read(environment).is_none();
                    self.library.want(environment, awaited, is_newcomer);
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        self.library.retain(&environments, &self.hub);
        result
    }

    fn report(&mut self, result: &Result<(), SourceError>) {
        match result {
            Err(SourceError(cause)) if !self.is_failing => {
                let error = &**cause as &dyn std::error::Error;
                tracing::warn!(error, "changes cannot be fetched; what was last known is served");
            }
            Ok(()) if self.is_failing => tracing::info!("changes are fetched again"),
            _ => {}
        }
        self.is_failing = result.is_err();
        if result.is_ok() {
            self.hub.renew();
        }
    }
}

/// One round over all environments, with the key lists that are held.
struct Round<'a> {
    hub: &'a Hub,
    source: &'a dyn Source,
    key_lists: Arc<KeyLists>,
    patience: Patience,
}

impl Round<'_> {
    /// Gives the lists that the environment, or some of its segments, waits for.
    async fn sync(&self, environment: &EnvironmentId) -> Result<BTreeSet<Name>, SourceError> {
        let Some(current) = self.hub.read(environment) else { return self.fetch(environment, None).await };
        let stand = current.position().revision;
        match step(stand, ask(self.source.changes_since(environment, stand)).await?) {
            Step::Stay => self.catch_up(environment, current).await,
            Step::Apply(delta) => self.apply(environment, current, delta).await,
            Step::Fetch => self.fetch(environment, Some(current)).await,
        }
    }

    async fn catch_up(
        &self,
        environment: &EnvironmentId,
        current: Arc<Installed>,
    ) -> Result<BTreeSet<Name>, SourceError> {
        if !current.is_behind() {
            return Ok(BTreeSet::new());
        }
        let (before, key_lists) = (Arc::clone(&current), Arc::clone(&self.key_lists));
        let caught_up = build(true, move || before.caught_up(&key_lists)).await?;
        Ok(match caught_up {
            Some(installed) => self.install(environment, installed, Some(&current)),
            None => current.awaited(),
        })
    }

    async fn apply(
        &self,
        environment: &EnvironmentId,
        current: Arc<Installed>,
        delta: Delta,
    ) -> Result<BTreeSet<Name>, SourceError> {
        let is_large = current.ruleset().len() + delta.flags.len() >= LARGE
            || !delta.segments.is_empty()
            || current.is_behind();
        let (before, key_lists) = (Arc::clone(&current), Arc::clone(&self.key_lists));
        let told = self.hub.told(environment).unwrap_or_default();
        let installed = build(is_large, move || before.next(&delta, &key_lists, told)).await?;
        Ok(self.install(environment, installed, Some(&current)))
    }

    async fn fetch(
        &self,
        environment: &EnvironmentId,
        current: Option<Arc<Installed>>,
    ) -> Result<BTreeSet<Name>, SourceError> {
        let Some(snapshot) = ask(self.source.snapshot(environment)).await? else {
            self.hub.retain(|other| other != environment);
            return Ok(BTreeSet::new());
        };
        if snapshot.schema != SCHEMA {
            let message = format!(
                "the snapshot of environment {environment} has schema {}; this version reads {SCHEMA}",
                snapshot.schema
            );
            return Err(SourceError(message.into()));
        }
        if let Some(current) = current.as_ref().filter(|current| !leads_on(Some(current), &snapshot)) {
            return self.catch_up(environment, Arc::clone(current)).await;
        }
        if current.is_none() {
            let names = Name::all_of_snapshot(&snapshot);
            if self.patience.holds(environment, &names, &self.key_lists) {
                return Ok(names);
            }
        }
        let is_large = snapshot.flags.len() >= LARGE || !snapshot.segments.is_empty();
        let key_lists = Arc::clone(&self.key_lists);
        let installed = build(is_large, move || match current {
            Some(current) => current.replaced(&snapshot, &key_lists),
            None => Installed::new(&snapshot, &key_lists),
        });
        Ok(self.install(environment, installed.await?, None))
    }

    /// Gives the lists that are still missing for it. The faults of `before` are in the log already.
    fn install(
        &self,
        environment: &EnvironmentId,
        installed: Installed,
        before: Option<&Installed>,
    ) -> BTreeSet<Name> {
        let installed = Arc::new(installed);
        self.hub.install(environment, Arc::clone(&installed));
        let revision = installed.position().revision;
        tracing::debug!(%environment, revision, flags = installed.ruleset().len(), "installed");
        let known: Vec<_> = before.into_iter().flat_map(|before| before.ruleset().problems()).collect();
        let mut problems = installed.ruleset().problems().filter(|problem| !known.contains(problem));
        for (about, problem) in problems.by_ref().take(MOST_PROBLEMS) {
            tracing::warn!(%environment, revision, about, %problem, "not all of it can be read");
        }
        let more = problems.count();
        if more > 0 {
            tracing::warn!(%environment, revision, more, "there is more that cannot be read");
        }
        log_waiting(environment, &installed, before);
        installed.awaited()
    }
}

/// Which segments wait and which do no longer.
fn log_waiting(environment: &EnvironmentId, installed: &Installed, before: Option<&Installed>) {
    let waiting: BTreeSet<_> = installed.waiting().collect();
    let waited: BTreeSet<_> = before.into_iter().flat_map(Installed::waiting).collect();
    let revision = installed.position().revision;
    for segment in waiting.difference(&waited).take(MOST_PROBLEMS) {
        if installed.ruleset().knows_segment(segment) {
            tracing::info!(%environment, revision, segment, "asked as it was before until its key lists are here");
        } else {
            tracing::info!(%environment, revision, segment, "not understood until its key lists are here");
        }
    }
    for segment in waited.difference(&waiting).take(MOST_PROBLEMS) {
        tracing::info!(%environment, revision, segment, "asked as it was written: its key lists are here");
    }
}

/// Waits for the bell; for ever, if nobody can ring it any more: polling goes on.
async fn rung(bell: &mut watch::Receiver<u64>) {
    if bell.changed().await.is_err() {
        pending::<()>().await;
    }
}

/// Waits until a reader knows of a state that is not here yet, and until this time.
async fn looked_for(hub: &Hub, earliest: Instant) {
    hub.looked_for().await;
    sleep_until(earliest).await;
}

/// Runs `work`, off the reactor if it is on a large document.
async fn build<T: Send + 'static>(
    is_large: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    if !is_large {
        return Ok(work());
    }
    spawn_blocking(work).await.map_err(|error| SourceError(error.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delta(revision: Revision) -> Delta {
        Delta { revision, ..Delta::default() }
    }

    fn snapshot(epoch: &str, revision: Revision) -> Snapshot {
        serde_json::from_value(json!({
            "schema": 1, "epoch": epoch, "revision": revision, "project": "p", "environment": "dev", "flags": {},
        }))
        .unwrap()
    }

    #[test]
    fn an_answer_is_applied_only_if_it_leads_on() {
        assert_eq!(step(5, Some(delta(5))), Step::Stay);
        assert_eq!(step(5, Some(delta(9))), Step::Apply(delta(9)));
        assert_eq!(step(5, Some(delta(4))), Step::Fetch, "the source's history is shorter than ours");
        assert_eq!(step(5, None), Step::Fetch);
    }

    #[test]
    fn within_a_history_revisions_only_rise() {
        let current = Installed::new(&snapshot("e", 5), &KeyLists::default());
        assert!(leads_on(None, &snapshot("e", 0)));
        assert!(leads_on(Some(&current), &snapshot("e", 6)));
        assert!(!leads_on(Some(&current), &snapshot("e", 5)));
        assert!(!leads_on(Some(&current), &snapshot("e", 4)));
        assert!(leads_on(Some(&current), &snapshot("f", 4)), "another history begins where it does");
    }
}
