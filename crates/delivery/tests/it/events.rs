//! The door for events.

use std::sync::atomic::Ordering;

use axum::body::Body;
use serde_json::{Value, json};
use wire::events::Event;

use crate::support::{Answer, App, CLIENT_KEY, SERVER_KEY, flag, with};

const EVENTS: &str = "/sdk/v1/events";
const AT: &str = "2026-11-21T12:00:00Z";

async fn app() -> App {
    App::new(json!({"open": with(flag(), json!({"client_visible": true})), "hidden": flag()})).await
}

fn count(flag: &str, variant: &str, version: u64) -> Value {
    json!({"type": "count", "flag": flag, "variant": variant, "version": version, "reason": "STATIC", "n": 1,
        "from": AT, "to": AT})
}

fn batch(events: &[Value]) -> String {
    json!({"batch_id": "b", "sent_at": AT, "events": events}).to_string()
}

async fn send(app: &App, key: &str, body: impl Into<Body>) -> Answer {
    Answer::of(app.send("POST", EVENTS, &[("x-sdk-key", key)], body).await).await
}

fn paths(answer: &Answer) -> Vec<String> {
    let violations = answer.json()["violations"].as_array().cloned().unwrap_or_default();
    violations.iter().map(|violation| violation["path"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn events_of_flags_that_a_key_does_not_show_are_refused() {
    let app = app().await;
    let events = [
        count("open", "on", 7),
        count("hidden", "on", 7),
        count("made-up", "on", 7),
        count("open", "made-up", 7),
        count("open", "", 6),
        json!({"type": "metric", "name": "m", "value": 1, "flag": "hidden", "at": AT}),
        json!({"type": "metric", "name": "m", "value": 1, "at": AT}),
        json!({"type": "unheard-of"}),
        json!({"type": "count", "flag": "open"}),
    ];
    let server = send(&app, SERVER_KEY, batch(&events)).await;
    assert_eq!(server.status, 200);
    assert_eq!(server.json()["accepted"], 6);
    assert_eq!(paths(&server).first().unwrap(), "events[8].reason", "{:?}", paths(&server));
    assert_eq!(paths(&server).last().unwrap(), "events[2].flag");
    let client = send(&app, CLIENT_KEY, batch(&events)).await;
    let receipt = client.json();
    assert_eq!(
        (&receipt["accepted"], &receipt["skipped"], &receipt["rejected"]),
        (&3.into(), &1.into(), &5.into())
    );
    assert_eq!(
        paths(&client)[4..],
        ["events[1].flag", "events[2].flag", "events[3].variant", "events[5].flag"]
    );
    let messages: Vec<_> = (4..6).map(|place| receipt["violations"][place]["message"].clone()).collect();
    assert_eq!(messages[0], messages[1], "nobody learns which flags there are");
    let taken = app.sink.taken.lock().unwrap();
    let versions = taken[1].events.iter().filter_map(|sent| match &sent.event {
        Event::Count(count) => Some(count.version),
        _ => None,
    });
    assert_eq!(versions.collect::<Vec<_>>(), [7, 0], "a client says of no version but the flag's own");
}

#[tokio::test]
async fn a_client_key_takes_the_place_of_no_exposure_to_come() {
    let app = app().await;
    let exposure = |version: u64| json!({"type": "exposure", "flag": "open", "variant": "on", "version": version, "unit": "u1", "at": AT});
    let events = [exposure(7), exposure(8), exposure(6), exposure(0)];
    let client = send(&app, CLIENT_KEY, batch(&events)).await;
    assert_eq!((&client.json()["accepted"], &client.json()["rejected"]), (&1.into(), &3.into()));
    assert_eq!(paths(&client), ["events[1].version", "events[2].version", "events[3].version"]);
    assert_eq!(send(&app, SERVER_KEY, batch(&events)).await.json()["accepted"], 4);
}

#[tokio::test]
async fn what_is_no_batch_is_refused_and_the_door_lives() {
    let app = app().await;
    send(&app, SERVER_KEY, "{").await.assert_problem(400, "invalid_batch");
    let nothing = send(&app, SERVER_KEY, "{}").await;
    nothing.assert_problem(400, "invalid_batch");
    assert_eq!(paths(&nothing), ["batch_id", "sent_at", "events"]);
    send(&app, SERVER_KEY, vec![b' '; (1 << 20) + 1]).await.assert_problem(413, "body_too_large");
    send(&app, "nobody", batch(&[])).await.assert_problem(401, "unknown_key");
    let got = app.send("GET", EVENTS, &[("x-sdk-key", SERVER_KEY)], Body::empty()).await;
    Answer::of(got).await.assert_problem(405, "method_not_allowed");
    let many = vec![count("open", "on", 7); 5_000];
    assert_eq!(
        send(&app, SERVER_KEY, batch(&many)).await.json()["accepted"],
        5_000,
        "a large one, off the reactor"
    );
}

#[tokio::test]
async fn a_page_may_send_events_with_a_client_key() {
    let app = app().await;
    let headers =
        [("x-sdk-key", CLIENT_KEY), ("origin", "https://shop.example"), ("content-type", "text/plain")];
    let answer = Answer::of(app.send("POST", EVENTS, &headers, batch(&[count("open", "on", 7)])).await).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (200, "https://shop.example")
    );
}

#[tokio::test]
async fn a_sink_that_fails_is_told_and_one_that_is_stuck_holds_so_many_and_nobody_else() {
    let app = app().await;
    app.sink.is_failing.store(true, Ordering::SeqCst);
    let answer = send(&app, SERVER_KEY, batch(&[])).await;
    answer.assert_problem(503, "events_unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    app.sink.is_stuck.store(true, Ordering::SeqCst);
    let mut stuck = Vec::new();
    for _ in 0..8 {
        let mut sent = Box::pin(send(&app, CLIENT_KEY, batch(&[])));
        assert!(futures_util::poll!(&mut sent).is_pending());
        stuck.push(sent);
    }
    let answer = send(&app, CLIENT_KEY, batch(&[])).await;
    answer.assert_problem(503, "too_many_events");
    let mut server = Box::pin(send(&app, SERVER_KEY, batch(&[])));
    assert!(futures_util::poll!(&mut server).is_pending(), "there is room for those who can be trusted");
    app.sink.is_stuck.store(false, Ordering::SeqCst);
    app.sink.is_failing.store(false, Ordering::SeqCst);
    stuck.clear();
    assert_eq!(send(&app, CLIENT_KEY, batch(&[])).await.status, 200);
}
