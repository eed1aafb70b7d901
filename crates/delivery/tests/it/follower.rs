//! The follower: what it does about lost bells, failing sources and histories that change.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{FakeSource, PROD, SEED, SOON, environment, flag, with};
use burgee_delivery::{Catchup, Follower, Hub, Installed, Source};
use engine::KeyLists;
use engine::model::{Revision, Snapshot};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use wire::etag::Position;

fn flags() -> Value {
    json!({"a": flag()})
}

pub(crate) struct Following {
    pub(crate) source: Arc<FakeSource>,
    pub(crate) hub: Arc<Hub>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Following {
    pub(crate) async fn start() -> Self {
        let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
        let shutdown = CancellationToken::new();
        let task = Follower::new(hub.clone(), source.clone(), SEED).start(shutdown.clone());
        let following = Self { source, hub, shutdown, task };
        following.until(|hub| hub.len() == 1).await;
        // Well into the wait for the next poll.
        sleep(Duration::from_millis(500)).await;
        following
    }

    /// Waits until the hub is as it should be; time is paused, so this costs none.
    pub(crate) async fn until(&self, is_so: impl Fn(&Hub) -> bool) {
        let waiting = async {
            while !is_so(&self.hub) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, waiting).await.expect("the hub never got there");
    }

    pub(crate) async fn until_revision(&self, revision: Revision) {
        self.until(|hub| now(hub).revision == revision).await;
    }
}

fn now(hub: &Hub) -> Snapshot {
    hub.read(&environment(PROD)).unwrap().ruleset().snapshot()
}

fn catchup(hub: &Hub, epoch: &str, revision: Revision) -> Catchup {
    hub.read(&environment(PROD)).unwrap().since(Some(Position { epoch, revision }))
}

#[tokio::test(start_paused = true)]
async fn the_bell_brings_a_change_at_once() {
    let following = Following::start().await;
    let revision = following.source.change(PROD, "b", flag());
    let rung = Instant::now();
    following.source.ring();
    following.until_revision(revision).await;
    assert!(rung.elapsed() < Duration::from_millis(10), "{:?}", rung.elapsed());
    assert_eq!(now(&following.hub), following.source.now(PROD));
}

#[tokio::test(start_paused = true)]
async fn k8_a_lost_bell_costs_time_and_no_change() {
    let following = Following::start().await;
    let revision = following.source.change(PROD, "b", flag());
    let changed = Instant::now();
    following.until_revision(revision).await;
    assert!(changed.elapsed() <= Duration::from_secs(2), "{:?}", changed.elapsed());
    assert_eq!(now(&following.hub), following.source.now(PROD));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_leaves_the_last_good_state() {
    let following = Following::start().await;
    following.source.fail(true);
    let revision = following.source.change(PROD, "b", flag());
    for _ in 0..5 {
        following.source.ring();
        sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(now(&following.hub).revision, revision - 1);
    assert_eq!(following.hub.len(), 1);
    following.source.fail(false);
    following.until_revision(revision).await;
    assert_eq!(now(&following.hub), following.source.now(PROD));
}

#[tokio::test(start_paused = true)]
async fn environments_come_and_go() {
    let following = Following::start().await;
    let mut prod = following.hub.watch(&environment(PROD)).unwrap();
    following.source.put("dev", "9f", 3, json!({}));
    following.source.ring();
    following.until(|hub| hub.len() == 2).await;
    assert_eq!(following.hub.read(&environment("dev")).unwrap().position().revision, 3);
    assert!(!prod.has_changed().unwrap(), "another environment is nobody's business");

    following.source.remove(PROD);
    following.source.ring();
    following.until(|hub| hub.len() == 1).await;
    assert!(following.hub.read(&environment(PROD)).is_none());
    assert!(prod.changed().await.is_err(), "who listens is told");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_it() {
    let following = Following::start().await;
    following.shutdown.cancel();
    timeout(Duration::from_secs(1), following.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_first_load_must_succeed() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    source.fail(true);
    let error = follower.sync_once().await.unwrap_err();
    assert_eq!(error.to_string(), "the source of changes does not answer");
    assert_eq!(error.0.to_string(), "the store is down");
    assert!(hub.is_empty());
    source.fail(false);
    follower.sync_once().await.unwrap();
    assert_eq!(now(&hub), source.now(PROD));
}

#[tokio::test(start_paused = true)]
async fn deltas_applied_equal_the_snapshot_fetched() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    follower.sync_once().await.unwrap();
    // Some changes come alone and some several at a time; keys appear, change and go.
    for round in 0..60_u32 {
        let key = format!("flag-{}", round * 7 % 11);
        let config = if round % 5 == 4 { Value::Null } else { with(flag(), json!({"version": round})) };
        source.change(PROD, &key, config);
        if round % 3 != 0 {
            follower.sync_once().await.unwrap();
            // Long enough for streams to be told of it.
            tokio::time::sleep(Duration::from_millis(10)).await;
            let fetched = Installed::new(&source.now(PROD), &KeyLists::default());
            let followed = hub.read(&environment(PROD)).unwrap();
            assert_eq!(followed.ruleset().snapshot(), fetched.ruleset().snapshot());
            assert_eq!(followed.ruleset(), fetched.ruleset());
        }
    }
    let Catchup::Deltas(frames) = catchup(&hub, "9f", 40) else { panic!("no deltas were kept") };
    assert_eq!(frames.len(), 40, "one for each time that something was installed");
}

#[tokio::test]
async fn a_large_environment_is_followed_like_a_small_one() {
    let many: serde_json::Map<_, _> = (0..600).map(|number| (format!("flag-{number}"), flag())).collect();
    let (source, hub) = (FakeSource::new(Value::Object(many)), Arc::new(Hub::new()));
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    follower.sync_once().await.unwrap();
    source.change(PROD, "flag-7", Value::Null);
    follower.sync_once().await.unwrap();
    let installed = hub.read(&environment(PROD)).unwrap();
    assert_eq!(installed.ruleset().len(), 599);
    let document = installed.snapshot().await.document();
    assert_eq!(serde_json::from_slice::<Snapshot>(&document).unwrap(), source.now(PROD));
}

#[tokio::test]
async fn a_state_is_announced_once_and_only_if_it_is_new() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    follower.sync_once().await.unwrap();
    let mut revisions = hub.watch(&environment(PROD)).unwrap();
    follower.sync_once().await.unwrap();
    assert!(!revisions.has_changed().unwrap());
    let revision = source.change(PROD, "a", Value::Null);
    follower.sync_once().await.unwrap();
    assert!(revisions.has_changed().unwrap());
    assert_eq!(*revisions.borrow_and_update(), revision);
}

#[tokio::test]
async fn another_history_is_taken_over_whole() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    follower.sync_once().await.unwrap();
    source.change(PROD, "b", flag());
    follower.sync_once().await.unwrap();
    source.put(PROD, "a0", 12, json!({"c": flag()}));
    follower.sync_once().await.unwrap();
    assert_eq!(now(&hub), source.now(PROD));
    assert_eq!(catchup(&hub, "9f", 40), Catchup::Snapshot);
    assert_eq!(catchup(&hub, "a0", 12), Catchup::UpToDate);
}

#[tokio::test]
async fn a_source_that_lags_behind_takes_nothing_back() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    follower.sync_once().await.unwrap();
    source.put(PROD, "9f", 38, json!({}));
    follower.sync_once().await.unwrap();
    assert_eq!(now(&hub).revision, 40);
    assert_eq!(now(&hub).flags.len(), 1);
}

#[tokio::test]
async fn a_document_of_another_schema_is_refused() {
    let (source, hub) = (FakeSource::new(flags()), Arc::new(Hub::new()));
    let mut follower = Follower::new(hub.clone(), source.clone(), SEED);
    source.put("dev", "9f", 3, json!({}));
    follower.sync_once().await.unwrap();
    source.put(PROD, "a0", 12, json!({}));
    source.set_schema(PROD, 2);
    source.change("dev", "a", flag());
    source.put("new", "9f", 1, json!({}));
    let error = follower.sync_once().await.unwrap_err();
    assert_eq!(error.0.to_string(), "the snapshot of environment prod has schema 2; this version reads 1");
    assert_eq!(now(&hub).revision, 40, "the last good state stays");
    assert_eq!(hub.read(&environment("dev")).unwrap().position().revision, 4, "the others go on");
    assert!(hub.read(&environment("new")).is_some());
    assert_eq!(source.environments().await.unwrap().len(), 3);
}
