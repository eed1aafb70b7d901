//! A source and a gate in memory, and the doors on top of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use burgee_delivery::{
    Content, Delivery, Door, Doors, EnvironmentId, Follower, Gate, Hub, KeyKind, Pages, Pass, Seal, Sink,
    SinkError, Source, SourceError,
};
use engine::model::{Delta, Revision, SCHEMA, Snapshot};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use wire::events::{Batch, Receipt};

pub(crate) const SERVER_KEY: &str = "server-key";
pub(crate) const CLIENT_KEY: &str = "client-key";
pub(crate) const PROD: &str = "prod";
/// In the place of chance.
pub(crate) const SEED: [u8; 16] = [7; 16];

pub(crate) fn environment(id: &str) -> EnvironmentId {
    EnvironmentId(id.into())
}

/// An environment as a store has it: the present, and all changes that led to it.
#[derive(Clone)]
struct Kept {
    now: Snapshot,
    changes: Vec<Delta>,
}

/// Keeps environments in memory. Changes ring only when told so.
pub(crate) struct FakeSource {
    kept: Mutex<BTreeMap<EnvironmentId, Kept>>,
    /// By digest: what is there, as it is or is not.
    lists: Mutex<BTreeMap<String, Vec<Bytes>>>,
    /// Every piece of a list that was asked for.
    asked: Mutex<Vec<(String, u32)>>,
    /// Pieces that are not there, though their lists are as long as if they were.
    lost: Mutex<Vec<(String, u32)>>,
    /// One permit for each piece that may be given.
    pieces: Semaphore,
    is_failing: AtomicBool,
    /// How often it was asked which environments there are.
    rounds: AtomicU64,
    bell: watch::Sender<u64>,
}

impl FakeSource {
    /// A source with the environment `prod` at revision 40 of epoch `9f`, with these flags.
    pub(crate) fn new(flags: Value) -> Arc<Self> {
        let source = Self {
            kept: Mutex::default(),
            lists: Mutex::default(),
            asked: Mutex::default(),
            lost: Mutex::default(),
            pieces: Semaphore::new(1_000),
            is_failing: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            bell: watch::Sender::new(0),
        };
        source.put(PROD, "9f", 40, flags);
        Arc::new(source)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<EnvironmentId, Kept>> {
        self.kept.lock().unwrap()
    }

    /// Puts an environment in the place of whatever was there.
    pub(crate) fn put(&self, id: &str, epoch: &str, revision: Revision, flags: Value) {
        let now = Snapshot {
            schema: SCHEMA,
            epoch: epoch.to_owned(),
            revision,
            project: "shop".to_owned(),
            environment: id.to_owned(),
            lists: BTreeMap::new(),
            segments: BTreeMap::new(),
            flags: serde_json::from_value(flags).unwrap(),
        };
        self.kept().insert(environment(id), Kept { now, changes: Vec::new() });
    }

    pub(crate) fn remove(&self, id: &str) {
        self.kept().remove(&environment(id));
    }

    pub(crate) fn set_schema(&self, id: &str, schema: u32) {
        self.kept().get_mut(&environment(id)).unwrap().now.schema = schema;
    }

    /// Changes one flag (`null` deletes it) without ringing; answers the new revision.
    pub(crate) fn change(&self, id: &str, key: &str, flag: Value) -> Revision {
        let flags = [(key.to_owned(), serde_json::from_value(flag).unwrap())].into();
        self.commit(id, Delta { flags, ..Delta::default() })
    }

    /// Changes one segment (`null` deletes it) without ringing; answers the new revision.
    pub(crate) fn change_segment(&self, id: &str, key: &str, segment: Value) -> Revision {
        let segments = [(key.to_owned(), serde_json::from_value(segment).unwrap())].into();
        self.commit(id, Delta { segments, ..Delta::default() })
    }

    /// Changes one context list (`null` deletes it) without ringing; answers the new revision.
    pub(crate) fn change_context_list(&self, id: &str, key: &str, list: Value) -> Revision {
        let lists = [(key.to_owned(), serde_json::from_value(list).unwrap())].into();
        self.commit(id, Delta { lists, ..Delta::default() })
    }

    /// Keeps a list under its digest, in these pieces; answers how a segment names it.
    pub(crate) fn put_list(&self, pieces: &[&str]) -> Value {
        let bytes = pieces.concat();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        self.replace_list(&sha256, pieces);
        json!({"sha256": sha256, "count": bytes.lines().count()})
    }

    /// Keeps something else under a digest.
    pub(crate) fn replace_list(&self, sha256: &str, pieces: &[&str]) {
        let pieces = pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect();
        self.lists.lock().unwrap().insert(sha256.to_owned(), pieces);
    }

    pub(crate) fn remove_list(&self, sha256: &str) {
        self.lists.lock().unwrap().remove(sha256);
    }

    /// A piece of a list is there no more.
    pub(crate) fn lose_piece(&self, sha256: &str, position: u32) {
        self.lost.lock().unwrap().push((sha256.to_owned(), position));
    }

    /// The pieces that were asked for since this was last called.
    pub(crate) fn take_asked(&self) -> Vec<(String, u32)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Gives so many pieces more, and then none until the next call.
    pub(crate) fn give_pieces(&self, number: usize) {
        self.pieces.forget_permits(usize::MAX);
        self.pieces.add_permits(number);
    }

    fn commit(&self, id: &str, delta: Delta) -> Revision {
        let mut kept = self.kept();
        let kept = kept.get_mut(&environment(id)).unwrap();
        let delta = Delta { revision: kept.now.revision + 1, ..delta };
        kept.now.apply(&delta);
        kept.changes.push(delta);
        kept.now.revision
    }

    pub(crate) fn now(&self, id: &str) -> Snapshot {
        self.kept()[&environment(id)].now.clone()
    }

    pub(crate) fn fail(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::SeqCst);
    }

    /// How many rounds a follower made.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::SeqCst)
    }

    pub(crate) fn ring(&self) {
        self.bell.send_modify(|rings| *rings += 1);
    }

    fn answer<T>(&self, answer: T) -> Result<T, SourceError> {
        let is_failing = self.is_failing.load(Ordering::SeqCst);
        if is_failing { Err(SourceError("the store is down".into())) } else { Ok(answer) }
    }
}

#[async_trait]
impl Source for FakeSource {
    async fn environments(&self) -> Result<Vec<EnvironmentId>, SourceError> {
        self.rounds.fetch_add(1, Ordering::SeqCst);
        self.answer(self.kept().keys().cloned().collect())
    }

    async fn snapshot(&self, environment: &EnvironmentId) -> Result<Option<Snapshot>, SourceError> {
        self.answer(self.kept().get(environment).map(|kept| kept.now.clone()))
    }

    async fn changes_since(
        &self,
        environment: &EnvironmentId,
        revision: Revision,
    ) -> Result<Option<Delta>, SourceError> {
        let kept = self.kept().get(environment).cloned();
        self.answer(kept.map(|kept| {
            let mut merged = Delta { revision: kept.now.revision, ..Delta::default() };
            for change in kept.changes.into_iter().filter(|change| change.revision > revision) {
                merged.flags.extend(change.flags);
                merged.segments.extend(change.segments);
                merged.lists.extend(change.lists);
            }
            merged
        }))
    }

    async fn key_list_length(&self, _: &EnvironmentId, sha256: &str) -> Result<Option<u64>, SourceError> {
        let lists = self.lists.lock().unwrap();
        let length = |pieces: &Vec<Bytes>| pieces.iter().map(|piece| piece.len() as u64).sum();
        self.answer(lists.get(sha256).map(length))
    }

    async fn key_list_bytes(
        &self,
        _: &EnvironmentId,
        sha256: &str,
        start: u64,
    ) -> Result<Option<Bytes>, SourceError> {
        let rest = |pieces: &[Bytes]| {
            let mut before = usize::try_from(start).unwrap();
            for (position, piece) in pieces.iter().enumerate() {
                if before < piece.len() || (before == 0 && piece.is_empty()) {
                    return (position, Some(piece.slice(before..)));
                }
                before -= piece.len();
            }
            (pieces.len(), None)
        };
        let of = || rest(self.lists.lock().unwrap().get(sha256).map_or(&[], |pieces| pieces));
        let place = (sha256.to_owned(), of().0.try_into().unwrap());
        self.asked.lock().unwrap().push(place.clone());
        self.pieces.acquire().await.unwrap().forget();
        self.answer(of().1.filter(|_| !self.lost.lock().unwrap().contains(&place)))
    }

    fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }
}

/// The id of every key that is given no other.
pub(crate) const KEY_ID: &str = "0190a6e0-0000-7000-8000-000000000001";

/// Lets in the keys that it was given.
pub(crate) struct FakeGate {
    keys: Mutex<HashMap<String, Arc<Pass>>>,
    /// Seconds since 1970.
    pub(crate) now: AtomicU64,
    changes: watch::Sender<u64>,
}

impl FakeGate {
    pub(crate) fn new() -> Arc<Self> {
        let now = AtomicU64::new(1_900_000_000);
        let gate = Self { keys: Mutex::default(), now, changes: watch::Sender::new(0) };
        gate.add(SERVER_KEY, PROD, KeyKind::Server);
        gate.add(CLIENT_KEY, PROD, KeyKind::Client);
        Arc::new(gate)
    }

    pub(crate) fn add(&self, key: &str, id: &str, kind: KeyKind) {
        let pages = if kind == KeyKind::Client { Pages::Any } else { Pages::None };
        self.put(key, &[id], kind, pages);
    }

    /// Lets in a key under the id [`KEY_ID`], or changes what it opens.
    pub(crate) fn put(&self, key: &str, ids: &[&str], kind: KeyKind, pages: Pages) {
        self.put_as(KEY_ID, key, ids, kind, pages);
    }

    /// The same, under another id.
    pub(crate) fn put_as(&self, id: &str, key: &str, ids: &[&str], kind: KeyKind, pages: Pages) {
        let environments = ids.iter().map(|id| environment(id)).collect();
        let seal = Seal::of(key.as_bytes());
        let pass = Arc::new(Pass { id: id.into(), kind, environments, pages, seal });
        self.keys.lock().unwrap().insert(key.to_owned(), pass);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn revoke(&self, key: &str) {
        self.keys.lock().unwrap().remove(key);
        self.changes.send_modify(|changes| *changes += 1);
    }
}

#[async_trait]
impl Gate for FakeGate {
    async fn open(&self, key: &str) -> Option<Arc<Pass>> {
        self.keys.lock().unwrap().get(key).cloned()
    }

    /// Where keys share an id, the one is meant that makes tickets.
    async fn find(&self, id: &str) -> Option<Arc<Pass>> {
        let keys = self.keys.lock().unwrap();
        let mut meant = keys.values().filter(|pass| *pass.id == *id);
        meant.clone().find(|pass| pass.kind == KeyKind::Server).or_else(|| meant.next()).cloned()
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// Keeps what it is given, or does not answer.
#[derive(Default)]
pub(crate) struct FakeSink {
    pub(crate) taken: Mutex<Vec<Batch>>,
    pub(crate) is_failing: AtomicBool,
    /// Whether it never answers.
    pub(crate) is_stuck: AtomicBool,
}

#[async_trait]
impl Sink for FakeSink {
    async fn take(&self, environment: &EnvironmentId, batch: Batch) -> Result<Receipt, SinkError> {
        assert_eq!(*environment.0, *PROD);
        if self.is_stuck.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.is_failing.load(Ordering::SeqCst) {
            return Err(SinkError::Unavailable("the store is down".into()));
        }
        let (accepted, skipped, rejected) = (batch.events.len() as u64, batch.skipped, batch.faults.count);
        let violations = batch.faults.told.iter().cloned().map(Into::into).collect();
        self.taken.lock().unwrap().push(batch);
        Ok(Receipt { accepted, skipped, rejected, duplicate: false, violations })
    }
}

/// The doors, with what is behind them.
pub(crate) struct App {
    pub(crate) source: Arc<FakeSource>,
    pub(crate) gate: Arc<FakeGate>,
    pub(crate) sink: Arc<FakeSink>,
    pub(crate) shutdown: CancellationToken,
    follower: Option<Follower>,
    doors: Arc<Doors>,
}

impl App {
    /// Doors to these flags in the environment `prod`, with room for four streams. Follows when told so.
    pub(crate) async fn new(flags: Value) -> Self {
        let mut app = Self::unloaded(flags);
        app.sync().await;
        app
    }

    pub(crate) fn unloaded(flags: Value) -> Self {
        let (source, gate, hub) = (FakeSource::new(flags), FakeGate::new(), Arc::new(Hub::new()));
        let sink = Arc::new(FakeSink::default());
        let shutdown = CancellationToken::new();
        let follower = Some(Follower::new(hub.clone(), source.clone(), SEED));
        let doors = Doors::new(Delivery {
            hub,
            gate: gate.clone(),
            source: source.clone(),
            sink: sink.clone(),
            shutdown: shutdown.clone(),
            max_streams: 4,
            max_streams_per_key: Some(4),
        });
        Self { source, gate, sink, shutdown, follower, doors }
    }

    pub(crate) async fn sync(&mut self) {
        self.follower.as_mut().expect("it follows by itself").sync_once().await.unwrap();
    }

    /// From now on it follows by itself, until shutdown.
    pub(crate) fn follow(&mut self) {
        let follower = self.follower.take().expect("it does already");
        follower.start(self.shutdown.clone());
    }

    /// Changes a flag and installs the change; answers the new revision.
    pub(crate) async fn change(&mut self, key: &str, flag: Value) -> Revision {
        let revision = self.source.change(PROD, key, flag);
        self.sync().await;
        revision
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, body) = request.body(body.into()).unwrap().into_parts();
        let door = Door::of(head.uri.path()).expect("a door for applications");
        self.doors.answer(door, &head, body).await.map(Content::into_body)
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let content_type = parts.headers.get("content-type");
        assert!(
            content_type.is_none_or(|of| of != "text/event-stream"),
            "a stream was opened, and never ends"
        );
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that it is a problem document with this status and code.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json()["code"], code);
        assert_eq!(self.json()["status"], status);
    }
}

/// A boolean flag that serves `on` to everyone.
pub(crate) fn flag() -> Value {
    json!({"kind": "boolean", "version": 7, "enabled": true, "archived": false, "client_visible": false,
           "variants": [{"key": "on", "value": true}, {"key": "off", "value": false}], "off_variant": "off",
           "default": {"variant": "on"}})
}

/// `flag` with some of its members replaced.
pub(crate) fn with(mut flag: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members are an object") };
    flag.as_object_mut().unwrap().extend(members);
    flag
}

/// Longer than anything here takes; time is paused in these tests.
pub(crate) const SOON: Duration = Duration::from_hours(1);
