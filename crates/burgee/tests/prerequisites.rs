//! Flags that require others: nothing that is named may be missing, and nobody makes a circle.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

fn requires(flag: &str) -> Value {
    json!({ "prerequisites": [{ "flag": flag, "variants": ["on"] }] })
}

fn first_fault(problem: &Value) -> (&str, &str) {
    let text = |member: &str| problem["violations"][0][member].as_str().unwrap_or_default();
    (text("path"), text("message"))
}

#[tokio::test]
async fn a_flag_waits_for_the_one_it_requires() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "cart" })).await?;
    let mut flag = requires("cart");
    flag["key"] = json!("checkout");
    flag["enabled"] = json!(true);
    let made = house.create(flag).await?;
    assert_eq!(made["prerequisites"], json!([{ "flag": "cart", "variants": ["on"] }]));
    let answer = house.evaluate("checkout", &house.developer).await?;
    assert_eq!((&answer["value"], &answer["reason"]), (&json!(false), &json!("PREREQUISITE_FAILED")));
    house.patch(&house.developer, "cart", json!({ "enabled": true })).await?;
    let answer = house.evaluate("checkout", &house.developer).await?;
    assert_eq!((&answer["value"], &answer["reason"]), (&json!(true), &json!("DEFAULT")));
    let snapshot = house.burgee.get("/sdk/v1/snapshot", &house.burgee.banner.server_key).await?;
    assert_eq!(snapshot["flags"]["checkout"]["prerequisites"], made["prerequisites"]);
    let elsewhere = house.get("/api/v1/flags/checkout?environment=staging").await?;
    assert_eq!(elsewhere["prerequisites"], json!([]), "each environment has its own");
    Ok(())
}

#[tokio::test]
async fn what_is_required_must_be_there_and_stay() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "cart" })).await?;
    house.create(json!({ "key": "checkout" })).await?;
    let head = house.head().await?;
    let two = json!({ "prerequisites": [{ "flag": "cart", "variants": ["blue"] }, { "flag": "basket", "variants": ["on"] }] });
    let (status, problem) = house.patch(&house.developer, "checkout", two).await?;
    let paths: Vec<_> = (0..2).map(|place| problem["violations"][place]["path"].clone()).collect();
    assert_eq!(
        (status, paths),
        (400, vec![json!("prerequisites[0].variants[0]"), json!("prerequisites[1].flag")])
    );
    assert_eq!(house.head().await?, head);

    let (status, _) = house.patch(&house.developer, "checkout", requires("cart")).await?;
    assert_eq!(status, 200);
    let delete = async || house.burgee.ask("DELETE", "/api/v1/flags/cart", Some(&house.admin), None).await;
    let (status, problem) = delete().await?;
    assert_eq!((status, &problem["code"]), (409, &json!("flag_in_use")));
    let detail = problem["detail"].as_str().context("no detail")?;
    assert!(detail.contains("flag checkout in development, prerequisites[0].flag"), "{detail}");
    let variants = json!({ "variants": [{ "key": "yes", "value": true }, { "key": "no", "value": false }],
        "default": { "variant": "yes" }, "off_variant": "no" });
    let (status, problem) = house.patch(&house.developer, "cart", variants).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("variant_in_use")));
    let detail = problem["detail"].as_str().context("no detail")?;
    assert!(detail.contains("prerequisites[0].variants[0]"), "{detail}");

    house.patch(&house.developer, "checkout", json!({ "prerequisites": null })).await?;
    assert_eq!(delete().await?.0, 204);
    Ok(())
}

#[tokio::test]
async fn a_circle_is_refused_and_spelled() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for key in ["a", "b", "c"] {
        house.create(json!({ "key": key })).await?;
    }
    for (key, other) in [("a", "b"), ("b", "c")] {
        assert_eq!(house.patch(&house.developer, key, requires(other)).await?.0, 200);
    }
    let (status, problem) = house.patch(&house.developer, "c", requires("a")).await?;
    let (path, message) = first_fault(&problem);
    assert_eq!((status, path), (400, "prerequisites"));
    assert!(message.contains("c → a → b → c"), "{message}");
    let (status, _) = house.patch(&house.admin, "c?environment=production", requires("a")).await?;
    assert_eq!(status, 200, "in another environment it is none");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_together_make_no_circle() -> Result<()> {
    let house = Arc::new(House::open(PROGRAM).await?);
    for key in ["a", "b"] {
        house.create(json!({ "key": key })).await?;
    }
    for round in 0..50 {
        let writers = [("a", "b"), ("b", "a")].map(|(key, other)| {
            let house = house.clone();
            tokio::spawn(async move { house.patch(&house.developer, key, requires(other)).await })
        });
        let mut statuses = Vec::new();
        for writer in writers {
            statuses.push(writer.await??.0);
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400], "round {round}");
        for key in ["a", "b"] {
            assert_eq!(house.patch(&house.developer, key, json!({ "prerequisites": [] })).await?.0, 200);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_requires_another_does_not_delete_at_once() -> Result<()> {
    let house = Arc::new(House::open(PROGRAM).await?);
    house.create(json!({ "key": "asks" })).await?;
    for round in 0..25 {
        house.create(json!({ "key": "asked" })).await?;
        let (asking, deleting) = (house.clone(), house.clone());
        let asking =
            tokio::spawn(async move { asking.patch(&asking.developer, "asks", requires("asked")).await });
        let deleting = tokio::spawn(async move {
            deleting.burgee.ask("DELETE", "/api/v1/flags/asked", Some(&deleting.admin), None).await
        });
        let both = (asking.await??.0, deleting.await??.0);
        assert!([(200, 409), (400, 204)].contains(&both), "round {round}: {both:?}");
        house.patch(&house.developer, "asks", json!({ "prerequisites": [] })).await?;
        house.burgee.ask("DELETE", "/api/v1/flags/asked", Some(&house.admin), None).await?;
    }
    Ok(())
}

/// So many texts to look for.
fn heavy(weight: usize) -> Value {
    let texts = |from: usize| (from..(from + 1_000).min(weight)).map(|n| format!("t{n}")).collect::<Vec<_>>();
    let looks = (0..weight)
        .step_by(1_000)
        .map(|from| json!({ "attribute": "x", "operator": "contains", "values": texts(from) }));
    json!({ "rules": [{ "when": { "any": looks.collect::<Vec<_>>() }, "serve": { "variant": "on" } }] })
}

#[tokio::test]
async fn flags_that_require_each_other_are_not_too_heavy_together() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for key in ["cart", "user", "checkout"] {
        house.create(json!({ "key": key })).await?;
    }
    let required = ["cart", "user"].map(|key| json!({ "flag": key, "variants": ["on"] }));
    house.patch(&house.developer, "checkout", json!({ "prerequisites": required })).await?;
    for key in ["checkout", "user"] {
        assert_eq!(house.patch(&house.developer, key, heavy(9_000)).await?.0, 200);
    }
    let head = house.head().await?;
    let (status, problem) = house.patch(&house.developer, "cart", heavy(9_000)).await?;
    let (path, message) = first_fault(&problem);
    assert_eq!((status, path), (400, ""));
    let expected =
        "would break the flag \"checkout\", which depends on it: prerequisites: make a question weigh 27002";
    assert!(message.contains(expected), "{message}");
    assert_eq!(house.head().await?, head);
    assert_eq!(house.patch(&house.developer, "cart", heavy(1_900)).await?.0, 200);
    Ok(())
}
