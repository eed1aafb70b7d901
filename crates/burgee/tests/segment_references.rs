//! What segments name, and what names them: it is there and stays, and nothing goes in a circle.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::problem::violations;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const SEGMENTS: &str = "/api/v1/segments";

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

/// Asks as the developer.
async fn ask(house: &House, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
    house.ask(&house.developer, method, &format!("{SEGMENTS}{path}"), body).await
}

async fn make(house: &House, segment: Value) -> Result<Value> {
    house.burgee.post(SEGMENTS, Some(&house.developer), &segment).await
}

#[tokio::test]
async fn what_is_named_must_be_there_and_stays() -> Result<()> {
    let house = house().await?;
    let naming = |key: &str| json!({"when": {"any": [{"not": {"segment": key}}]}});
    let (status, answer) =
        ask(&house, "POST", "", json!({"key": "a", "when": {"all": [{"segment": "b"}]}})).await?;
    assert_eq!(status, 400);
    assert!(violations(&answer)[0].starts_with("when.all[0]"), "{answer}");
    let list = json!({"key": "a", "when": {"attribute": "tier", "operator": "in", "list": "tiers"}});
    let (status, answer) = ask(&house, "POST", "", list.clone()).await?;
    assert_eq!(status, 400);
    assert!(violations(&answer)[0].starts_with("when"), "{answer}");
    let tiers = json!({"key": "tiers", "values": ["gold"]});
    house.burgee.post("/api/v1/context-fields", Some(&house.developer), &tiers).await?;
    make(&house, list).await?;

    make(&house, json!({"key": "b"})).await?;
    make(&house, json!({"key": "c"})).await?;
    assert_eq!(ask(&house, "PATCH", "/b", naming("a")).await?.0, 200);
    assert_eq!(ask(&house, "PATCH", "/c?environment=staging", naming("b")).await?.0, 200);
    let (status, answer) = ask(&house, "PATCH", "/a", naming("b")).await?;
    assert_eq!(status, 400);
    assert!(answer.to_string().contains("a → b → a"), "{answer}");
    let (status, answer) = ask(&house, "PATCH", "/a", naming("a")).await?;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(ask(&house, "PATCH", "/a?environment=staging", naming("b")).await?.0, 200, "each for itself");

    let delete = async |path: String| house.burgee.ask("DELETE", &path, Some(&house.admin), None).await;
    let (status, answer) = delete(format!("{SEGMENTS}/b")).await?;
    assert_eq!((status, &answer["code"]), (409, &json!("segment_in_use")));
    let message = answer["detail"].as_str().context("no message")?;
    for place in
        ["segment c in staging, when.any[0].not.segment", "segment a in staging, when.any[0].not.segment"]
    {
        assert!(message.contains(place), "{message}");
    }
    let (status, answer) = delete("/api/v1/context-fields/tiers".to_owned()).await?;
    assert_eq!((status, &answer["code"]), (409, &json!("context_field_in_use")));
    assert!(
        answer["detail"].as_str().is_some_and(|text| text.contains("segment a in development, when.list"))
    );
    for environment in ["development", "staging", "production"] {
        for key in ["a", "b", "c"] {
            let path = format!("{SEGMENTS}/{key}?environment={environment}");
            let body = json!({"when": null});
            let (status, _) = house.burgee.ask("PATCH", &path, Some(&house.admin), Some(&body)).await?;
            assert_eq!(status, 200);
        }
    }
    for key in ["a", "b", "c"] {
        assert_eq!(delete(format!("{SEGMENTS}/{key}")).await?.0, 204);
    }
    assert_eq!(house.snapshot().await?["segments"], json!({}));
    Ok(())
}

#[tokio::test]
async fn flags_name_segments() -> Result<()> {
    let house = house().await?;
    make(&house, json!({"key": "beta", "included": ["u1"]})).await?;
    house
        .create(json!({
            "key": "new", "enabled": true, "default_value": false,
            "rules": [{"when": {"segment": "beta"}, "serve": {"variant": "on"}}],
        }))
        .await?;
    let value = async |user: &str| -> Result<Value> {
        let url = format!("{}/ofrep/v1/evaluate/flags/new", house.burgee.url);
        let request = house.burgee.http.post(url).header("x-api-key", &house.burgee.banner.server_key);
        let answer = request.json(&json!({"context": {"targetingKey": user, "plan": "gold"}})).send().await?;
        Ok(answer.json::<Value>().await?["value"].clone())
    };
    assert_eq!((value("u1").await?, value("u2").await?), (json!(true), json!(false)));
    let gold = json!({"attribute": "plan", "operator": "equals", "value": "gold"});
    ask(&house, "PATCH", "/beta", json!({"when": gold, "included": [], "excluded": ["u1"]})).await?;
    assert_eq!((value("u1").await?, value("u2").await?), (json!(false), json!(true)));
    let path = format!("{SEGMENTS}/beta");
    let (status, answer) = house.burgee.ask("DELETE", &path, Some(&house.admin), None).await?;
    assert_eq!((status, &answer["code"]), (409, &json!("segment_in_use")));
    let detail = answer["detail"].as_str().context("no message")?;
    assert!(detail.contains("flag new in development, rules[0].when.segment"), "{detail}");
    Ok(())
}

/// Two writers, each of whom sees no cycle, may together not make one.
#[tokio::test(flavor = "multi_thread")]
async fn two_writers_together_make_no_cycle() -> Result<()> {
    let house = house().await?;
    for key in ["a", "b"] {
        make(&house, json!({"key": key})).await?;
    }
    let naming = |key: &str| json!({"when": {"segment": key}});
    let mut refused = [0, 0];
    for round in 0..50 {
        let (left, right) = tokio::try_join!(
            ask(&house, "PATCH", "/a", naming("b")),
            ask(&house, "PATCH", "/b", naming("a")),
        )?;
        let mut statuses = [left.0, right.0];
        refused[usize::from(left.0 == 200)] += 1;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400], "round {round}: {left:?} {right:?}");
        for path in ["/a", "/b"] {
            assert_eq!(ask(&house, "PATCH", path, json!({"when": null})).await?.0, 200);
        }
    }
    assert_eq!(refused.iter().sum::<i32>(), 50);
    Ok(())
}

/// One names what the other deletes: one of them is refused.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_named_that_is_deleted_meanwhile() -> Result<()> {
    let house = house().await?;
    make(&house, json!({"key": "a"})).await?;
    for round in 0..25 {
        make(&house, json!({"key": "b"})).await?;
        let path = format!("{SEGMENTS}/b");
        let (naming, deleting) = tokio::try_join!(
            ask(&house, "PATCH", "/a", json!({"when": {"segment": "b"}})),
            house.burgee.ask("DELETE", &path, Some(&house.admin), None),
        )?;
        let outcome = (naming.0, deleting.0);
        assert!(matches!(outcome, (200, 409) | (400, 204)), "round {round}: {naming:?} {deleting:?}");
        assert_eq!(ask(&house, "PATCH", "/a", json!({"when": null})).await?.0, 200);
        house.burgee.ask("DELETE", &path, Some(&house.admin), None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_circle_hides_no_other_fault_and_is_hidden_by_none() -> Result<()> {
    let house = house().await?;
    make(&house, json!({"key": "inner"})).await?;
    make(&house, json!({"key": "outer", "when": {"all": [{"segment": "inner"}, {"segment": "inner"}]}}))
        .await?;
    let bad = |operator: &str| {
        json!({"when": {"all": [
            {"segment": "outer"},
            {"attribute": "tier", "operator": "in", "list": "nowhere"},
            {"attribute": "version", "operator": operator, "values": ["no version"]},
        ]}})
    };
    for (operator, third) in [("semver", "when.all[2].values[0]: "), ("resembles", "when.all[2].operator: ")]
    {
        let (status, answer) = ask(&house, "PATCH", "/inner", bad(operator)).await?;
        let told = violations(&answer);
        assert_eq!((status, told.len()), (400, 3), "{told:#?}");
        for beginning in
            ["when: segments must not name each other in a circle", "when.all[1].list: there is no", third]
        {
            assert!(told.iter().any(|one| one.starts_with(beginning)), "{beginning} is not in {told:#?}");
        }
    }
    Ok(())
}
