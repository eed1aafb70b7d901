//! Where a bulk answer says that changes are told of, and the tickets that stand there in the place of secret keys.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::sdk::Reading;
use crate::support::{Answer, App, CLIENT_KEY, KEY_ID, PROD, SERVER_KEY, flag, with};
use burgee_delivery::{KeyKind, Pages};
use serde_json::{Value, json};
use tokio::time::timeout;

const FLAGS: &str = "/ofrep/v1/evaluate/flags";
const HOUR: u64 = 60 * 60;

async fn bulk(app: &App, key: &str, query: &str, known: &str) -> Answer {
    let headers = [("x-api-key", key), ("if-none-match", known)];
    Answer::of(app.send("POST", &format!("{FLAGS}{query}"), &headers, "{}").await).await
}

/// The address of the stream that a bulk answer names.
async fn stream_of(app: &App, key: &str, query: &str) -> String {
    let streams = bulk(app, key, query, "").await.json()["eventStreams"].take();
    let uri = streams[0]["endpoint"]["requestUri"].as_str().unwrap().to_owned();
    let expected = json!([{"type": "sse", "endpoint": {"requestUri": uri}, "inactivityDelaySec": 120}]);
    assert_eq!(streams, expected);
    uri
}

async fn open(app: &App, uri: &str) -> Reading {
    let response = app.send("GET", uri, &[], "").await;
    assert_eq!(response.status(), 200, "{uri}");
    Reading::begun(response).await
}

async fn refused(app: &App, uri: &str, status: u16, code: &str) {
    Answer::of(app.send("GET", uri, &[], "").await).await.assert_problem(status, code);
}

fn flags() -> Value {
    json!({"a": flag()})
}

fn off() -> Value {
    with(flag(), json!({"enabled": false}))
}

#[tokio::test(start_paused = true)]
async fn a_client_key_is_told_a_stream_that_it_opens_itself() {
    let mut app = App::new(flags()).await;
    assert_eq!(stream_of(&app, CLIENT_KEY, "").await, "/sdk/v1/stream?key=client-key");
    let key = "a key/that+is&odd=";
    app.gate.put(key, &[PROD, "dev"], KeyKind::Client, Pages::Any);
    let uri = stream_of(&app, key, "?environment=pro%64").await;
    assert_eq!(uri, "/sdk/v1/stream?key=a%20key%2Fthat%2Bis%26odd%3D&environment=prod");
    let mut reading = open(&app, &uri).await;
    assert_eq!(reading.event().await.unwrap().id, "9f.40");
    app.change("a", off()).await;
    assert_eq!(reading.event().await.unwrap().id, "9f.41");
}

#[tokio::test(start_paused = true)]
async fn a_server_key_is_told_a_stream_of_notices_and_its_secret_is_not_in_it() {
    let mut app = App::new(flags()).await;
    let uri = stream_of(&app, SERVER_KEY, "").await;
    assert!(uri.starts_with(&format!("/sdk/v1/stream?ticket={KEY_ID}.")), "{uri}");
    assert!(!uri.contains(SERVER_KEY), "{uri}");
    let mut reading = open(&app, &uri).await;
    for revision in [40, 41] {
        let event = reading.event().await.unwrap();
        let notice = json!({"type": "refetchEvaluation", "etag": format!("\"9f.{revision}\"")});
        assert_eq!((event.name.as_str(), event.data), ("message", notice), "no rules");
        app.change("a", off()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_opens_streams_of_what_it_was_made_for_and_nothing_else() {
    let mut app = App::new(flags()).await;
    app.source.put("dev", "9f", 7, flags());
    app.sync().await;
    app.gate.put(SERVER_KEY, &[PROD, "dev"], KeyKind::Server, Pages::None);
    let uri = stream_of(&app, SERVER_KEY, "?environment=dev").await;
    assert_eq!(open(&app, &uri).await.event().await.unwrap().id, "9f.7");
    refused(&app, &uri.replace("=dev", "=prod"), 401, "ticket_not_taken").await;
    refused(&app, uri.strip_suffix("&environment=dev").unwrap(), 401, "ticket_not_taken").await;

    let ticket = uri.split(['=', '&']).nth(1).unwrap();
    let [id, ends, seal] = ticket.split('.').collect::<Vec<_>>()[..] else { panic!("{ticket}") };
    let later = ends.parse::<u64>().unwrap() + 1;
    let (forged, short) = ("A".repeat(43), &seal[..42]);
    for other in [
        format!("{id}.{later}.{seal}"),
        format!("{id}.0{ends}.{seal}"),
        format!("{id}.{ends}.{forged}"),
        format!("{id}.{ends}.{short}"),
        format!("{id}.{ends}."),
        format!("0190a6e0-0000-7000-8000-000000000009.{ends}.{seal}"),
        "..".to_owned(),
        "x".to_owned(),
        SERVER_KEY.to_owned(),
    ] {
        let uri = format!("/sdk/v1/stream?environment=dev&ticket={other}");
        refused(&app, &uri, 401, "ticket_not_taken").await;
    }
    // Elsewhere it is nothing, and beside a key nobody knows which counts.
    for (method, path) in [("GET", "/sdk/v1/snapshot"), ("POST", FLAGS)] {
        let uri = format!("{path}?environment=dev&ticket={ticket}");
        Answer::of(app.send(method, &uri, &[], "").await).await.assert_problem(401, "missing_key");
    }
    refused(&app, &format!("{uri}&key={CLIENT_KEY}"), 400, "conflicting_keys").await;
    let beside = app.send("GET", &uri, &[("x-sdk-key", SERVER_KEY)], "").await;
    Answer::of(beside).await.assert_problem(400, "conflicting_keys");
    let as_key = app.send("GET", "/sdk/v1/snapshot", &[("x-sdk-key", ticket)], "").await;
    Answer::of(as_key).await.assert_problem(401, "unknown_key");
}

#[tokio::test(start_paused = true)]
async fn a_page_reads_nothing_by_a_ticket() {
    let app = App::new(flags()).await;
    let uri = stream_of(&app, SERVER_KEY, "").await;
    let response = app.send("GET", &uri, &[("origin", "https://shop.example")], "").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("access-control-allow-origin").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_ticket_ends_and_the_answer_names_another() {
    let app = App::new(flags()).await;
    let now = 1_900_000_000 / (12 * HOUR) * 12 * HOUR;
    let at = |time| app.gate.now.store(time, Ordering::SeqCst);
    at(now);
    let first = bulk(&app, SERVER_KEY, "", "").await;
    let etag = first.header("etag");
    let uri = stream_of(&app, SERVER_KEY, "").await;
    at(now + 12 * HOUR - 1);
    assert_eq!(bulk(&app, SERVER_KEY, "", etag).await.status, 304, "the same for twelve hours");
    at(now + 12 * HOUR);
    assert_eq!(bulk(&app, SERVER_KEY, "", etag).await.status, 200);
    assert_ne!(stream_of(&app, SERVER_KEY, "").await, uri);

    at(now + 24 * HOUR - 1);
    let mut reading = open(&app, &uri).await;
    assert_eq!(reading.event().await.unwrap().id, "9f.40");
    at(now + 24 * HOUR);
    refused(&app, &uri, 401, "ticket_not_taken").await;
    app.gate.revoke("another key");
    reading.assert_quiet().await;

    // A client's does not: its key goes on.
    let etag = bulk(&app, CLIENT_KEY, "", "").await.header("etag").to_owned();
    at(now + 480 * HOUR);
    assert_eq!(bulk(&app, CLIENT_KEY, "", &etag).await.status, 304);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_revoked_takes_its_tickets_along() {
    let app = App::new(flags()).await;
    let uri = stream_of(&app, SERVER_KEY, "").await;
    let mut reading = open(&app, &uri).await;
    assert_eq!(reading.event().await.unwrap().id, "9f.40");
    app.gate.revoke(SERVER_KEY);
    assert_eq!(timeout(Duration::from_secs(1), reading.event()).await.unwrap(), None);
    refused(&app, &uri, 401, "ticket_not_taken").await;
    // Who knows a client key could seal whatever they like.
    app.gate.put(SERVER_KEY, &[PROD], KeyKind::Client, Pages::Of([].into()));
    app.gate.revoke(CLIENT_KEY);
    refused(&app, &uri, 401, "ticket_not_taken").await;
}
