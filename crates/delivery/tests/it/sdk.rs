//! Snapshots and streams: who gets what, when, and what ends a stream.

use std::time::Duration;

use crate::support::{Answer, App, CLIENT_KEY, PROD, SERVER_KEY, SOON, flag, with};
use axum::body::{Body, BodyDataStream};
use axum::http::Response;
use engine::model::{Delta, Snapshot};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// A stream as a reader sees it.
pub(crate) struct Reading(BodyDataStream);

#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Reading {
    pub(crate) async fn open(app: &App, key: &str, last: Option<&str>) -> Self {
        let mut headers = vec![("x-sdk-key", key)];
        headers.extend(last.map(|last| ("last-event-id", last)));
        let response = app.send("GET", "/sdk/v1/stream", &headers, "").await;
        assert_eq!(response.status(), 200);
        Self::begun(response).await
    }

    /// A stream that was opened, read up to where its first event comes.
    pub(crate) async fn begun(response: Response<Body>) -> Self {
        let mut reading = Self(response.into_body().into_data_stream());
        let first = reading.text().await.unwrap();
        let retry = first.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let retry: u64 = retry.expect("when to come back is said first").parse().unwrap();
        assert!((1_000..1_100).contains(&retry), "{retry}: there are few");
        reading
    }

    /// What comes next, as it is; `None` at the end.
    pub(crate) async fn text(&mut self) -> Option<String> {
        let frame = timeout(SOON, self.0.next()).await.expect("the stream neither speaks nor ends")?.unwrap();
        Some(String::from_utf8(frame.to_vec()).unwrap())
    }

    /// The next event, comments left out; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        let next = async {
            loop {
                let frame = self.text().await?;
                if frame != ":\n\n" {
                    return Some(parse(&frame));
                }
            }
        };
        timeout(SOON, next).await.expect("there are only comments")
    }

    /// Checks that nothing but comments comes for longer than any delay.
    pub(crate) async fn assert_quiet(&mut self) {
        let next = timeout(Duration::from_secs(10), self.event()).await;
        assert!(next.is_err(), "{next:?}");
    }
}

fn parse(frame: &str) -> Event {
    let lines: Vec<_> = frame.strip_suffix("\n\n").unwrap().split('\n').collect();
    let [id, event, data] = lines[..] else { panic!("not one event of three lines: {frame}") };
    Event {
        id: id.strip_prefix("id: ").unwrap().to_owned(),
        name: event.strip_prefix("event: ").unwrap().to_owned(),
        data: serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap(),
    }
}

fn flags() -> Value {
    json!({"a": flag()})
}

fn toggled(enabled: bool) -> Value {
    with(flag(), json!({"enabled": enabled}))
}

/// The snapshot as the source has it.
fn truth(app: &App) -> Value {
    serde_json::to_value(app.source.now(PROD)).unwrap()
}

#[tokio::test]
async fn a_server_key_reads_the_snapshot() {
    let mut app = App::new(flags()).await;
    let get = async |app: &App, known: &str| {
        let headers = [("authorization", &*format!("Bearer {SERVER_KEY}")), ("if-none-match", known)];
        Answer::of(app.send("GET", "/sdk/v1/snapshot", &headers, "").await).await
    };
    let answer = get(&app, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("etag"), "\"9f.40\"");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    assert_eq!(answer.json(), truth(&app));
    for known in ["\"9f.40\"", "W/\"9f.40\"", "9f.40", "\"9f.39\", \"9f.40\"", "*"] {
        let answer = get(&app, known).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("etag"), answer.body.len()),
            (304, "\"9f.40\"", 0),
            "{known}"
        );
    }
    app.change("b", flag()).await;
    let changed = get(&app, "\"9f.40\"").await;
    assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"9f.41\""));
    assert_eq!(changed.json(), truth(&app));
}

#[tokio::test]
async fn the_snapshot_is_for_server_keys_only() {
    let app = App::new(flags()).await;
    let get =
        async |key| Answer::of(app.send("GET", "/sdk/v1/snapshot", &[("x-sdk-key", key)], "").await).await;
    get(CLIENT_KEY).await.assert_problem(403, "client_key");
    get("unknown").await.assert_problem(401, "unknown_key");
    get("").await.assert_problem(401, "missing_key");
    let in_url = format!("/sdk/v1/snapshot?key={SERVER_KEY}");
    Answer::of(app.send("GET", &in_url, &[], "").await).await.assert_problem(401, "missing_key");
    Answer::of(app.send("POST", "/sdk/v1/snapshot", &[], "").await)
        .await
        .assert_problem(405, "method_not_allowed");
}

#[tokio::test(start_paused = true)]
async fn a_new_reader_gets_a_snapshot_and_then_every_change() {
    let mut app = App::new(flags()).await;
    let response = app.send("GET", "/sdk/v1/stream", &[("x-sdk-key", SERVER_KEY)], "").await;
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(response.headers()[name], value);
    }
    let mut reading = Reading::open(&app, SERVER_KEY, None).await;
    let first = reading.event().await.unwrap();
    assert_eq!(first, Event { id: "9f.40".to_owned(), name: "snapshot".to_owned(), data: truth(&app) });

    let mut held: Snapshot = serde_json::from_value(first.data).unwrap();
    for (key, flag) in [("b", flag()), ("a", toggled(false)), ("b", Value::Null), ("a", toggled(true))] {
        let revision = app.change(key, flag).await;
        let event = reading.event().await.unwrap();
        assert_eq!((event.id, &*event.name), (format!("9f.{revision}"), "delta"));
        held.apply(&serde_json::from_value::<Delta>(event.data).unwrap());
        assert_eq!(serde_json::to_value(&held).unwrap(), truth(&app));
    }
    reading.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_goes_on_from_where_it_was() {
    let mut app = App::new(flags()).await;
    app.change("a", toggled(false)).await;
    app.change("a", toggled(true)).await;

    let mut there = Reading::open(&app, SERVER_KEY, Some("9f.42")).await;
    there.assert_quiet().await;
    let mut behind = Reading::open(&app, SERVER_KEY, Some("9f.40")).await;
    for revision in [41, 42] {
        let event = behind.event().await.unwrap();
        assert_eq!((event.id, &*event.name), (format!("9f.{revision}"), "delta"));
    }
    app.change("b", flag()).await;
    for reading in [&mut there, &mut behind] {
        assert_eq!(reading.event().await.unwrap().id, "9f.43");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_from_elsewhere_begins_anew() {
    let mut app = App::new(flags()).await;
    app.change("a", toggled(false)).await;
    for last in ["9f.39", "9f.42", "a0.41", "nonsense", "", "9f"] {
        let mut reading = Reading::open(&app, SERVER_KEY, Some(last)).await;
        let event = reading.event().await.unwrap();
        assert_eq!((&*event.id, &*event.name), ("9f.41", "snapshot"), "{last}");
        assert_eq!(event.data, truth(&app));
        reading.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_to_ask_again_and_nothing_else() {
    let mut app = App::new(flags()).await;
    let notice = |revision: u64| Event {
        id: format!("9f.{revision}"),
        name: "message".to_owned(),
        data: json!({"type": "refetchEvaluation", "etag": format!("\"9f.{revision}\"")}),
    };
    let mut fresh = Reading::open(&app, CLIENT_KEY, None).await;
    assert_eq!(fresh.event().await.unwrap(), notice(40), "what changed since it last asked is not missed");
    let mut resumed = Reading::open(&app, CLIENT_KEY, Some("9f.40")).await;
    resumed.assert_quiet().await;

    let changed = Instant::now();
    app.change("a", toggled(false)).await;
    app.change("a", toggled(true)).await;
    assert_eq!(fresh.event().await.unwrap(), notice(42), "what happens at once is told once");
    assert_eq!(resumed.event().await.unwrap(), notice(42));
    assert!(changed.elapsed() <= Duration::from_millis(600), "{:?}", changed.elapsed());
    fresh.assert_quiet().await;

    for last in ["9f.41", "9f.3", "a0.42", "9f.99"] {
        let mut behind = Reading::open(&app, CLIENT_KEY, Some(last)).await;
        assert_eq!(behind.event().await.unwrap(), notice(42), "{last}");
        behind.assert_quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn clients_are_not_told_all_at_once() {
    let mut app = App::new(flags()).await;
    let mut readings = Vec::new();
    for _ in 0..4 {
        readings.push(Reading::open(&app, CLIENT_KEY, Some("9f.40")).await);
    }
    app.change("a", toggled(false)).await;
    let changed = Instant::now();
    let told = futures_util::future::join_all(readings.iter_mut().map(async |reading| {
        reading.event().await.unwrap();
        changed.elapsed()
    }))
    .await;
    for (index, one) in told.iter().enumerate() {
        let near = told[..index].iter().find(|other| one.abs_diff(**other) < Duration::from_millis(50));
        assert_eq!(near, None, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_that_keep_coming_do_not_put_a_notice_off() {
    let mut app = App::new(flags()).await;
    // The first streams are told almost at once.
    for _ in 0..2 {
        Reading::open(&app, CLIENT_KEY, None).await;
    }
    let mut reading = Reading::open(&app, CLIENT_KEY, Some("9f.40")).await;
    let began = Instant::now();
    let told = tokio::spawn(async move { reading.event().await.map(|_| began.elapsed()) });
    for round in 0..2_000_u32 {
        app.change("a", toggled(round % 2 == 0)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let waited = told.await.unwrap().unwrap();
    assert!(waited > Duration::from_millis(100) && waited < Duration::from_millis(600), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn k2_g8_a_slow_reader_skips_ahead() {
    let mut app = App::new(flags()).await;
    let mut reading = Reading::open(&app, SERVER_KEY, None).await;
    for round in 0..300_u32 {
        app.change("a", toggled(round % 2 == 0)).await;
    }
    let event = reading.event().await.unwrap();
    assert_eq!((&*event.id, &*event.name), ("9f.340", "snapshot"), "not one frame for each of 300 changes");
    for round in 0..3 {
        app.change("a", toggled(round % 2 == 0)).await;
    }
    let event = reading.event().await.unwrap();
    assert_eq!((&*event.id, &*event.name), ("9f.343", "delta"), "what came close together is one event");
    // Far enough apart for each to be one of its own.
    for round in 0..300_u32 {
        app.change("a", toggled(round % 2 == 0)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let event = reading.event().await.unwrap();
    assert_eq!((&*event.id, &*event.name), ("9f.643", "snapshot"), "what is older than the hub remembers");
    assert_eq!(event.data, truth(&app));
    reading.assert_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_that_it_lives() {
    let mut app = App::new(flags()).await;
    let mut reading = Reading::open(&app, SERVER_KEY, Some("9f.40")).await;
    let opened = Instant::now();
    assert_eq!(reading.text().await.unwrap(), ":\n\n");
    let silence = opened.elapsed();
    assert!((12..=15).contains(&silence.as_secs()), "{silence:?}");
    let is_beat = |beat: u32| opened.elapsed().abs_diff(silence * beat) < Duration::from_millis(10);
    assert!(reading.text().await.unwrap() == ":\n\n" && is_beat(2));
    app.gate.revoke("some other key");
    assert!(reading.text().await.unwrap() == ":\n\n" && is_beat(3), "keys that change do not put it off");
    tokio::time::sleep(silence / 2).await;
    app.change("a", toggled(false)).await;
    reading.event().await.unwrap();
    let spoke = opened.elapsed();
    assert_eq!(reading.text().await.unwrap(), ":\n\n");
    let since = opened.elapsed().saturating_sub(spoke);
    assert!(since.abs_diff(silence) < Duration::from_millis(10), "{since:?}: an event puts it off");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_ends_its_streams_and_no_others() {
    let app = App::new(flags()).await;
    let mut server = Reading::open(&app, SERVER_KEY, Some("9f.40")).await;
    let mut client = Reading::open(&app, CLIENT_KEY, Some("9f.40")).await;
    app.gate.revoke(SERVER_KEY);
    let revoked = Instant::now();
    assert_eq!(server.event().await, None);
    assert!(revoked.elapsed() < Duration::from_secs(1));
    client.assert_quiet().await;
    app.gate.revoke(CLIENT_KEY);
    assert_eq!(client.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_opens_something_else_ends_its_streams() {
    let app = App::new(flags()).await;
    let mut reading = Reading::open(&app, SERVER_KEY, Some("9f.40")).await;
    app.gate.add(SERVER_KEY, PROD, burgee_delivery::KeyKind::Client);
    assert_eq!(reading.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_all_streams_and_opens_none() {
    let app = App::new(flags()).await;
    let mut server = Reading::open(&app, SERVER_KEY, Some("9f.40")).await;
    let mut client = Reading::open(&app, CLIENT_KEY, None).await;
    app.shutdown.cancel();
    assert_eq!(server.event().await, None);
    assert_eq!(client.event().await, None);
    let answer = Answer::of(app.send("GET", "/sdk/v1/stream", &[("x-sdk-key", SERVER_KEY)], "").await).await;
    answer.assert_problem(503, "shutting_down");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test(start_paused = true)]
async fn s5_an_environment_that_goes_takes_its_streams_along() {
    let mut app = App::new(flags()).await;
    let mut reading = Reading::open(&app, SERVER_KEY, Some("9f.40")).await;
    app.source.remove(PROD);
    app.sync().await;
    assert_eq!(reading.event().await, None);
    let answer = Answer::of(app.send("GET", "/sdk/v1/stream", &[("x-sdk-key", SERVER_KEY)], "").await).await;
    answer.assert_problem(503, "not_ready");
}

#[tokio::test(start_paused = true)]
async fn no_more_streams_are_opened_than_allowed() {
    let app = App::new(flags()).await;
    let mut readings = Vec::new();
    for _ in 0..4 {
        readings.push(Reading::open(&app, SERVER_KEY, None).await);
    }
    let answer = Answer::of(app.send("GET", "/sdk/v1/stream", &[("x-sdk-key", SERVER_KEY)], "").await).await;
    answer.assert_problem(503, "too_many_streams");
    assert_eq!(answer.header("retry-after"), "10");
    readings.pop();
    Reading::open(&app, SERVER_KEY, None).await;
}

#[tokio::test(start_paused = true)]
async fn a_url_carries_client_keys_only() {
    let app = App::new(flags()).await;
    let get = async |uri: &str| app.send("GET", uri, &[], "").await;
    let response = get(&format!("/sdk/v1/stream?key={CLIENT_KEY}")).await;
    assert_eq!(response.status(), 200);
    let mut reading = Reading::begun(response).await;
    app.gate.revoke(CLIENT_KEY);
    assert_eq!(reading.event().await, None);

    let refused = Answer::of(get(&format!("/sdk/v1/stream?key={SERVER_KEY}")).await).await;
    refused.assert_problem(401, "server_key_in_url");
    assert!(!refused.json().to_string().contains(SERVER_KEY));
    Answer::of(get("/sdk/v1/stream?key=unknown").await).await.assert_problem(401, "unknown_key");
    Answer::of(get("/sdk/v1/stream").await).await.assert_problem(401, "missing_key");
}
