//! A source and a gate in memory, and the doors on top of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use burgee_delivery::{
    Delivery, EnvironmentId, Follower, Gate, Hub, KeyKind, Reader, Source, SourceError, router,
};
use engine::model::{Delta, Revision, SCHEMA, Snapshot};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) const SERVER_KEY: &str = "server-key";
pub(crate) const CLIENT_KEY: &str = "client-key";
pub(crate) const PROD: &str = "prod";

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
    is_failing: AtomicBool,
    bell: watch::Sender<u64>,
}

impl FakeSource {
    /// A source with the environment `prod` at revision 40 of epoch `9f`, with these flags.
    pub(crate) fn new(flags: Value) -> Arc<Self> {
        let source =
            Self { kept: Mutex::default(), is_failing: AtomicBool::new(false), bell: watch::Sender::new(0) };
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
        let mut kept = self.kept();
        let kept = kept.get_mut(&environment(id)).unwrap();
        let flags = [(key.to_owned(), serde_json::from_value(flag).unwrap())].into();
        let delta = Delta { revision: kept.now.revision + 1, flags, ..Delta::default() };
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
            }
            merged
        }))
    }

    fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }
}

/// Lets in the keys that it was given.
pub(crate) struct FakeGate {
    keys: Mutex<HashMap<String, Reader>>,
    changes: watch::Sender<u64>,
}

impl FakeGate {
    pub(crate) fn new() -> Arc<Self> {
        let gate = Self { keys: Mutex::default(), changes: watch::Sender::new(0) };
        gate.add(SERVER_KEY, PROD, KeyKind::Server);
        gate.add(CLIENT_KEY, PROD, KeyKind::Client);
        Arc::new(gate)
    }

    pub(crate) fn add(&self, key: &str, id: &str, kind: KeyKind) {
        let reader = Reader { environment: environment(id), kind };
        self.keys.lock().unwrap().insert(key.to_owned(), reader);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn revoke(&self, key: &str) {
        self.keys.lock().unwrap().remove(key);
        self.changes.send_modify(|changes| *changes += 1);
    }
}

#[async_trait]
impl Gate for FakeGate {
    async fn open(&self, credential: &str) -> Option<Reader> {
        self.keys.lock().unwrap().get(credential).cloned()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The doors, with what is behind them.
pub(crate) struct App {
    pub(crate) source: Arc<FakeSource>,
    pub(crate) gate: Arc<FakeGate>,
    pub(crate) shutdown: CancellationToken,
    follower: Follower,
    router: Router,
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
        let shutdown = CancellationToken::new();
        let follower = Follower::new(hub.clone(), source.clone());
        let router = router(Delivery { hub, gate: gate.clone(), shutdown: shutdown.clone(), max_streams: 4 });
        Self { source, gate, shutdown, follower, router }
    }

    pub(crate) async fn sync(&mut self) {
        self.follower.sync_once().await.unwrap();
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
        self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
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
