//! Rules that are as heavy as they may be, over contexts that are as long as they may be: whoever asks for something
//! else is not kept waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use testkit::house::House;
use tokio::task::JoinSet;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const FLAGS: &str = "/ofrep/v1/evaluate/flags";

/// A house with a flag that looks for each of its texts in all of a long one, and a light flag.
async fn house() -> Result<Arc<House>> {
    let house = House::open(PROGRAM).await?;
    let texts: Vec<_> = (0..400).map(|number| format!("ab{number}")).collect();
    let when = json!({ "attribute": "text", "operator": "contains", "values": texts });
    let rules = json!([{ "when": when, "serve": { "variant": "off" } }]);
    house.create(json!({ "key": "heavy", "enabled": true, "rules": rules, "client_visible": false })).await?;
    house.create(json!({ "key": "light", "enabled": true, "client_visible": true })).await?;
    Ok(Arc::new(house))
}

fn long_context() -> Value {
    json!({ "targetingKey": "ann", "text": "a".repeat(60_000) })
}

fn ofrep(house: &House, path: &str, key: &str) -> RequestBuilder {
    let request = house.burgee.http.post(format!("{}{FLAGS}{path}", house.burgee.url));
    request.header("x-sdk-key", key).json(&json!({ "context": long_context() }))
}

/// The status of an answer, and when to ask again.
type Asked = Result<(u16, Option<String>)>;

/// Questions on their way, all at once; gives how many were answered so far, and what comes of them.
fn ask_often(times: usize, question: impl Fn() -> RequestBuilder) -> (Arc<AtomicUsize>, JoinSet<Asked>) {
    let answered = Arc::new(AtomicUsize::new(0));
    let mut asking = JoinSet::new();
    for _ in 0..times {
        let (question, answered) = (question(), Arc::clone(&answered));
        asking.spawn(async move {
            let answer = question.send().await?;
            answered.fetch_add(1, Ordering::SeqCst);
            let retry = answer.headers().get("retry-after").map(|after| after.to_str().map(str::to_owned));
            Ok((answer.status().as_u16(), retry.transpose()?))
        });
    }
    (answered, asking)
}

async fn until_first(answered: &AtomicUsize) {
    while answered.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heavy_questions_keep_nobody_waiting() -> Result<()> {
    let house = house().await?;
    let (server_key, client_key) = (&house.burgee.banner.server_key, &house.burgee.banner.client_key);
    let (answered, mut asking) = ask_often(50, || ofrep(&house, "/heavy", server_key));
    until_first(&answered).await;
    let health = house.burgee.http.get(format!("{}/health", house.burgee.url));
    for light in [health, ofrep(&house, "/light", server_key), ofrep(&house, "", client_key)] {
        assert_eq!(light.send().await?.status(), 200);
    }
    let before = answered.load(Ordering::SeqCst);
    assert!(before < 45, "{before} of 50 heavy questions were answered first");
    while let Some(asked) = asking.join_next().await {
        let (status, retry) = asked??;
        ensure!(status == 200 || (status, retry.as_deref()) == (503, Some("1")), "{status}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_are_explained_at_a_time() -> Result<()> {
    let house = house().await?;
    let explain = |flag: &str| {
        let request = house.burgee.http.post(format!("{}/api/v1/evaluate/explain", house.burgee.url));
        request.bearer_auth(&house.user).json(&json!({ "flag": flag, "context": long_context() }))
    };
    let (answered, mut asking) = ask_often(80, || explain("heavy"));
    until_first(&answered).await;
    assert_eq!(house.burgee.http.get(format!("{}/health", house.burgee.url)).send().await?.status(), 200);
    let before = answered.load(Ordering::SeqCst);
    assert!(before < 75, "{before} of 80 heavy questions were answered first");
    let mut statuses = BTreeMap::new();
    while let Some(asked) = asking.join_next().await {
        let (status, retry) = asked??;
        ensure!(status == 200 || retry.as_deref() == Some("1"), "{status}");
        *statuses.entry(status).or_insert(0) += 1;
    }
    let sent_away = statuses.remove(&429).context("all were taken")?;
    assert_eq!(statuses, [(200, 80 - sent_away)].into());
    assert_eq!(explain("light").send().await?.status(), 200, "room is given back");
    Ok(())
}
