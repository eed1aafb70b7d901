//! Who was told of a state elsewhere that is not here yet.

use std::time::Duration;

use crate::support::{Answer, App, PROD, SERVER_KEY, flag, with};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const FLAGS: &str = "/ofrep/v1/evaluate/flags";

/// Asks as a provider does that was told of a state.
async fn told(app: &App, tag: &str, known: &str) -> Answer {
    let uri = format!("{FLAGS}?flagConfigEtag={tag}&flagConfigLastModified=1771622898");
    let headers = [("x-api-key", SERVER_KEY), ("if-none-match", known)];
    Answer::of(app.send("POST", &uri, &headers, "{}").await).await
}

fn off() -> Value {
    with(flag(), json!({"enabled": false}))
}

async fn following() -> App {
    let mut app = App::new(json!({"a": flag()})).await;
    app.follow();
    // Well into the wait for the next poll.
    sleep(Duration::from_millis(500)).await;
    app
}

#[tokio::test(start_paused = true)]
async fn who_was_told_of_a_change_elsewhere_is_given_it_at_once() {
    for tag in ["%229f.41%22", "9f.41", "W%2F%229f.41%22", "%229f.41%2Bc0ffee%22", "%229f.41+c0ffee%22"] {
        let app = following().await;
        let known = told(&app, "", "").await.header("etag").to_owned();
        app.source.change(PROD, "a", off());
        let asked = Instant::now();
        let answer = told(&app, tag, &known).await;
        let version = &answer.json()["metadata"]["version"];
        assert_eq!((answer.status.as_u16(), version), (200, &json!("41")), "{tag}");
        assert!(asked.elapsed() < Duration::from_millis(100), "{tag}: {:?}", asked.elapsed());
        app.shutdown.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_is_waited_for_in_vain_and_nobody_is_told_that_nothing_changed() {
    let app = following().await;
    let known = told(&app, "", "").await.header("etag").to_owned();
    app.source.fail(true);
    let asked = Instant::now();
    let answer = told(&app, "%229f.41%22", &known).await;
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (200, &*known));
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(3), "{waited:?}");

    let recovered = async {
        sleep(Duration::from_millis(100)).await;
        app.source.fail(false);
        app.source.change(PROD, "a", off());
        app.source.ring();
    };
    let (answer, ()) = join(told(&app, "%229f.41%22", &known), recovered).await;
    assert_eq!(answer.json()["metadata"]["version"], "41");
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_names_nothing_ahead_is_waited_for_by_nobody() {
    let app = following().await;
    let etag = told(&app, "", "").await.header("etag").to_owned();
    let asked = Instant::now();
    for tag in ["%229f.40%22", "9f.39", "a0.99", "garbage", "%ff", "9f.", "9f.99999999999999999999", "%22"] {
        assert_eq!(told(&app, tag, "").await.status, 200, "{tag}");
        assert_eq!(told(&app, tag, &etag).await.status, 304, "{tag}: ours stands for the whole answer");
    }
    assert_eq!(asked.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_waits_has_the_source_asked_no_more_often_than_is_bearable() {
    let app = following().await;
    let before = app.source.rounds();
    let answers = join_all((0..2_000).map(|_| told(&app, "9f.41", ""))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let rounds = app.source.rounds() - before;
    assert!(rounds <= 15, "{rounds} looks within 2.5 s");
}
