//! Questions that take long: who asks for something else does not wait for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Answer, App, CLIENT_KEY, SERVER_KEY, flag, with};
use futures_util::future::join_all;
use serde_json::{Value, json};

const ALL: &str = "/ofrep/v1/evaluate/flags";

/// `heavy` looks for each of its texts in all of the context; `light` does nothing of the kind, and clients see it
/// alone.
fn flags() -> Value {
    flags_looking_for(100)
}

fn flags_looking_for(texts: usize) -> Value {
    let texts: Vec<_> = (0..texts).map(|number| format!("ab{number}")).collect();
    let when = json!({"attribute": "text", "operator": "contains", "values": texts});
    let rule = json!({"id": "r1", "when": when, "serve": {"variant": "off"}});
    let light =
        json!({"id": "r1", "when": {"attribute": "plan", "operator": "exists"}, "serve": {"variant": "off"}});
    json!({
        "heavy": with(flag(), json!({"rules": [rule]})),
        "light": with(flag(), json!({"rules": [light], "client_visible": true})),
    })
}

/// Long enough to be heavy with `heavy`, and light without.
fn long_question() -> String {
    json!({"context": {"targetingKey": "u1", "text": "a".repeat(60_000)}}).to_string()
}

async fn ask(app: &App, path: &str, key: &str, body: String) -> Answer {
    Answer::of(app.send("POST", path, &[("x-sdk-key", key)], body).await).await
}

/// Asks so many times at once, and counts the answers as they come; gives how many had which status.
async fn ask_often(app: &App, times: usize, path: &str, answered: &AtomicUsize) -> BTreeMap<u16, usize> {
    let questions = (0..times).map(|_| async {
        let answer = ask(app, path, SERVER_KEY, long_question()).await;
        answered.fetch_add(1, Ordering::SeqCst);
        if answer.status == 503 {
            assert_eq!(answer.header("retry-after"), "1");
            let details = answer.json()["errorDetails"].as_str().unwrap().to_owned();
            assert!(details.starts_with("this question takes long"), "{details}");
        }
        answer.status.as_u16()
    });
    let mut statuses = BTreeMap::new();
    for status in join_all(questions).await {
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

/// On one thread: heavy questions that were answered where they come in would all be answered before anything else.
#[tokio::test]
async fn light_questions_pass_heavy_ones() {
    let app = App::new(flags()).await;
    for path in ["/ofrep/v1/evaluate/flags/heavy", ALL] {
        let answered = AtomicUsize::new(0);
        let light = async {
            for (path, key) in [
                ("/ofrep/v1/evaluate/flags/light", SERVER_KEY),
                ("/ofrep/v1/evaluate/flags/light", CLIENT_KEY),
                (ALL, CLIENT_KEY),
            ] {
                assert_eq!(ask(&app, path, key, long_question()).await.status, 200, "{path} {key}");
            }
            let hidden = ask(&app, "/ofrep/v1/evaluate/flags/heavy", CLIENT_KEY, long_question()).await;
            assert_eq!(
                hidden.status, 404,
                "what a client is not shown it cannot tell by how long that takes"
            );
            answered.load(Ordering::SeqCst)
        };
        // The heavy ones come first.
        let (statuses, before) = tokio::join!(ask_often(&app, 25, path, &answered), light);
        assert!(before < 20, "{path}: {before} heavy ones were answered before");
        assert_eq!(statuses, [(200, 25)].into(), "{path}");
    }
}

#[tokio::test]
async fn a_heavy_question_is_answered_as_a_light_one_is() {
    let app = App::new(flags()).await;
    for (text, variant) in [("a".repeat(60_000), "on"), ("a".repeat(60_000) + "b7", "off")] {
        let question = |text: &str| json!({"context": {"targetingKey": "u1", "text": text}}).to_string();
        let heavy = ask(&app, "/ofrep/v1/evaluate/flags/heavy", SERVER_KEY, question(&text)).await;
        let light = question(&text[text.len() - 3..]);
        let light = ask(&app, "/ofrep/v1/evaluate/flags/heavy", SERVER_KEY, light).await;
        assert_eq!((heavy.status.as_u16(), &heavy.json()["variant"]), (200, &json!(variant)));
        assert_eq!(heavy.json(), light.json());
        let all = ask(&app, ALL, SERVER_KEY, question(&text)).await;
        assert_eq!(all.json()["flags"][0]["variant"], variant);
    }
}

#[tokio::test]
async fn no_more_heavy_questions_wait_than_may() {
    let app = App::new(flags_looking_for(1_200)).await;
    let statuses = ask_often(&app, 80, "/ofrep/v1/evaluate/flags/heavy", &AtomicUsize::new(0)).await;
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [200, 503]);
    assert_eq!(ask(&app, ALL, SERVER_KEY, long_question()).await.status, 200, "room is given back");
}

#[tokio::test]
async fn a_long_body_is_read_as_a_short_one_is() {
    let app = App::new(flags()).await;
    let around = |context: &str| format!(r#"{{"padding": "{}", "context": {context}}}"#, "x".repeat(100_000));
    let answer =
        ask(&app, "/ofrep/v1/evaluate/flags/light", SERVER_KEY, around(r#"{"plan": "\ud800"}"#)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["variant"]), (200, &json!("off")));
    assert_eq!(ask(&app, ALL, SERVER_KEY, around("7")).await.status, 400);
}

/// As many flags as asked for, as people write them.
fn usual_flags(number: usize) -> Value {
    let when = json!({"attribute": "country", "operator": "in", "values": ["DE", "AT", "CH"]});
    let rule = json!({"id": "r1", "when": when, "serve": {"variant": "off"}});
    let flag = with(flag(), json!({"rules": [rule], "client_visible": true}));
    (0..number)
        .map(|number| (format!("flag-{number}"), flag.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// All clients ask for their flags anew within half a second of a change.
#[tokio::test]
async fn usual_questions_that_come_at_once_are_all_answered() {
    let app = App::new(usual_flags(500)).await;
    let question = json!({"context": {"targetingKey": "u1", "country": "FR", "plan": "gold"}}).to_string();
    let questions = (0..200).map(|_| ask(&app, ALL, CLIENT_KEY, question.clone()));
    assert!(join_all(questions).await.iter().all(|answer| answer.status == 200));
}

/// On one thread: what is long to write keeps nobody waiting either.
#[tokio::test]
async fn light_questions_pass_long_answers() {
    let long = json!([{"key": "on", "value": "x".repeat(150_000)}]);
    let long = with(flag(), json!({"kind": "string", "variants": long, "off_variant": null}));
    let mut flags: serde_json::Map<_, _> =
        (0..10).map(|number| (format!("long-{number}"), long.clone())).collect();
    flags.insert("light".to_owned(), flag());
    let app = App::new(flags.into()).await;
    for path in [ALL, "/ofrep/v1/evaluate/flags/long-0"] {
        let answered = AtomicUsize::new(0);
        let long = join_all((0..15).map(|_| async {
            let answer = ask(&app, path, SERVER_KEY, r#"{"context": {}}"#.to_owned()).await;
            answered.fetch_add(1, Ordering::SeqCst);
            assert!(answer.status == 200 && answer.body.len() > 150_000);
        }));
        let light = async {
            ask(&app, "/ofrep/v1/evaluate/flags/light", SERVER_KEY, "{}".to_owned()).await;
            answered.load(Ordering::SeqCst)
        };
        let (_, before) = tokio::join!(long, light);
        assert!(before < 10, "{path}: {before} long answers were written before");
    }
}
