//! Environments are made, filled, ordered and deleted, and their readers notice at once.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const ENVIRONMENTS: &str = "/api/v1/environments";

async fn as_admin(house: &House, method: &str, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
    house.burgee.ask(method, &format!("{ENVIRONMENTS}{path}"), Some(&house.admin), body.as_ref()).await
}

/// A key for an environment.
async fn sdk_key(house: &House, environment: &str) -> Result<String> {
    let path = format!("/api/v1/sdk-keys?environment={environment}");
    let made =
        house.burgee.post(&path, Some(&house.admin), &json!({ "name": "shop", "kind": "server" })).await?;
    Ok(made["key"].as_str().context("no key")?.to_owned())
}

async fn ofrep(house: &House, key: &str, flag: &str) -> Result<(u16, Value)> {
    let url = format!("{}/ofrep/v1/evaluate/flags/{flag}", house.burgee.url);
    let question = json!({ "context": { "targetingKey": "u" } });
    let answer = house.burgee.http.post(url).header("x-api-key", key).json(&question).send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json::<Value>().await?["value"].clone()))
}

#[tokio::test]
async fn a_new_environment_is_served_at_once() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "switch", "enabled": true, "targeted_users": ["u"] })).await?;
    let (status, made) = as_admin(
        &house,
        "POST",
        "",
        Some(json!({ "key": "preview", "color": "#01FEAF", "copy_from": "development" })),
    )
    .await?;
    assert_eq!(status, 201, "{made}");
    for (member, value) in [
        ("name", json!("preview")),
        ("color", json!("#01feaf")),
        ("protected", json!(false)),
        ("position", json!(3)),
        ("description", json!("")),
    ] {
        assert_eq!(made[member], value, "{member}");
    }
    let key = sdk_key(&house, "preview").await?;
    assert_eq!(ofrep(&house, &key, "switch").await?, (200, json!(true)));
    house.create(json!({ "key": "later" })).await?;
    let later = house.get("/api/v1/flags/later?environment=preview").await?;
    assert_eq!(later["enabled"], json!(false), "flags that are made later are there as well");

    let (status, _) =
        as_admin(&house, "POST", "", Some(json!({ "key": "empty", "copy_from": null }))).await?;
    assert_eq!(status, 201);
    let here = house.get("/api/v1/flags/switch?environment=empty").await?;
    assert_eq!((&here["enabled"], &here["targets"]), (&json!(false), &json!([])));
    let log = house.get("/api/v1/audit?limit=1").await?;
    assert_eq!(
        (&log[0]["action"], &log[0]["entities"][0]["key"]),
        (&json!("create_environment"), &json!("empty"))
    );
    Ok(())
}

#[tokio::test]
async fn an_environment_is_changed_by_who_may_and_knows_of_what() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let url = format!("{}{ENVIRONMENTS}/staging", house.burgee.url);
    let read = house.burgee.http.get(&url).bearer_auth(&house.developer).send().await?;
    let tag = read.headers()["etag"].to_str()?.to_owned();
    let staging: Value = read.json().await?;
    let (status, same) = as_admin(&house, "PUT", "/staging", Some(staging.clone())).await?;
    assert_eq!((status, &same), (200, &staging), "sent back as it came, it changes nothing");
    let (status, changed) =
        as_admin(&house, "PATCH", "/staging", Some(json!({ "name": "Stage", "protected": true }))).await?;
    assert_eq!((status, &changed["name"], &changed["color"]), (200, &json!("Stage"), &staging["color"]));
    let stale = house.burgee.http.patch(&url).bearer_auth(&house.admin).header("if-match", tag);
    assert_eq!(stale.json(&json!({ "name": "other" })).send().await?.status(), 412);
    let production = json!({ "key": "x" });
    let (status, problem) = house
        .burgee
        .ask("POST", "/api/v1/flags?environment=staging", Some(&house.developer), Some(&production))
        .await?;
    assert_eq!((status, &problem["code"]), (403, &json!("protected_environment")), "it is protected now");

    for (method, path, body) in [
        ("POST", "", json!({ "key": "mine" })),
        ("PATCH", "/staging", json!({ "name": "mine" })),
        ("DELETE", "/staging", Value::Null),
        ("PUT", "/order", json!({ "keys": [] })),
    ] {
        let path = format!("{ENVIRONMENTS}{path}");
        let (status, problem) = house.burgee.ask(method, &path, Some(&house.developer), Some(&body)).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("not_permitted")), "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let head = house.head().await?;
    let bad = json!({ "key": "a b", "color": "green", "protected": 1, "position": 0.5, "copy_from": "nowhere", "shape": "round" });
    let (status, problem) = as_admin(&house, "POST", "", Some(bad)).await?;
    let violations = problem["violations"].as_array().context("no violations")?;
    let mut paths: Vec<_> = violations.iter().filter_map(|violation| violation["path"].as_str()).collect();
    paths.sort_unstable();
    assert_eq!((status, paths), (400, vec!["color", "copy_from", "key", "position", "protected", "shape"]));
    for (body, path) in [
        (json!({ "key": "other" }), "key"),
        (json!({ "copy_from": "development" }), "copy_from"),
        (json!({ "description": "x".repeat(4_097) }), "description"),
    ] {
        let (status, problem) = as_admin(&house, "PATCH", "/staging", Some(body)).await?;
        assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!(path)));
    }
    for (keys, path) in [
        (json!(["production", "staging"]), "keys"),
        (json!(["production", "staging", "development", "staging"]), "keys[3]"),
        (json!(["production", "staging", "nowhere"]), "keys[2]"),
    ] {
        let (status, problem) = as_admin(&house, "PUT", "/order", Some(json!({ "keys": keys }))).await?;
        assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!(path)), "{keys}");
    }
    let (status, problem) = as_admin(&house, "POST", "", Some(json!({ "key": "staging" }))).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("key_taken")));
    for path in ["/nowhere", "/nowhere?force=true"] {
        let (status, problem) = as_admin(&house, "DELETE", path, None).await?;
        assert_eq!((status, &problem["code"]), (404, &json!("no_such_environment")));
    }
    let (status, problem) = as_admin(&house, "DELETE", "/staging?force=yes", None).await?;
    assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!("query force")));
    assert_eq!(house.head().await?, head, "something was written");
    Ok(())
}

#[tokio::test]
async fn environments_are_put_in_order() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    // Its name is that of a path.
    as_admin(&house, "POST", "", Some(json!({ "key": "order" }))).await?;
    let (status, order) = as_admin(&house, "GET", "/order", None).await?;
    assert_eq!((status, &order["key"]), (200, &json!("order")));
    let keys = json!(["order", "production", "development", "staging"]);
    let (status, listed) = as_admin(&house, "PUT", "/order", Some(json!({ "keys": keys }))).await?;
    let listed: Vec<_> = listed.as_array().context("no list")?.iter().map(|one| one["key"].clone()).collect();
    assert_eq!((status, json!(listed)), (200, keys.clone()));
    let head = house.head().await?;
    as_admin(&house, "PUT", "/order", Some(json!({ "keys": keys }))).await?;
    assert_eq!(house.head().await?, head, "what changes nothing is no change");
    assert_eq!(as_admin(&house, "DELETE", "/order", None).await?.0, 204);
    assert_eq!(as_admin(&house, "GET", "/order", None).await?.0, 404);
    Ok(())
}

/// Environments with their positions, in order.
async fn order(house: &House) -> Result<Vec<String>> {
    let list = house.get(ENVIRONMENTS).await?;
    let list = list.as_array().context("no list")?.iter();
    Ok(list.map(|one| format!("{}{}", one["key"].as_str().unwrap_or_default(), one["position"])).collect())
}

#[tokio::test]
async fn no_two_environments_have_one_position() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let put = async |key: &str, position: i64| {
        as_admin(&house, "PATCH", &format!("/{key}"), Some(json!({ "position": position }))).await
    };
    assert_eq!(order(&house).await?, ["development0", "staging1", "production2"]);
    assert_eq!(put("development", 1).await?.0, 200);
    assert_eq!(order(&house).await?, ["staging0", "development1", "production2"], "it goes where it was put");
    assert_eq!(put("production", 0).await?.0, 200);
    assert_eq!(order(&house).await?, ["production0", "staging1", "development2"]);
    assert_eq!(put("production", -7).await?.0, 200);
    assert_eq!(order(&house).await?, ["production-7", "staging1", "development2"], "nobody is in the way");
    let head = house.head().await?;
    assert_eq!(put("production", -7).await?.0, 200);
    assert_eq!(house.head().await?, head);

    let preview = json!({ "key": "preview", "position": 1 });
    assert_eq!(as_admin(&house, "POST", "", Some(preview)).await?.0, 201);
    assert_eq!(order(&house).await?, ["production-7", "preview1", "staging2", "development3"]);
    let log = house.get("/api/v1/audit?limit=1").await?;
    assert_eq!(log[0]["before"]["environments"]["staging"]["position"], json!(1));
    assert_eq!(log[0]["after"]["environments"]["staging"]["position"], json!(2));
    assert_eq!(house.get("/api/v1/audit?environment=staging&limit=1").await?, log);
    for position in [1_000_000_001_i64, -3_000_000_000] {
        let (status, problem) = put("staging", position).await?;
        let why = format!("must be a whole number (-1000000000 to 1000000000), not {position}");
        assert_eq!((status, &problem["violations"][0]["message"]), (400, &json!(why)));
    }
    let verified = house.burgee.run(&["audit", "verify"])?;
    assert!(verified.status.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_when_they_are_put_there_at_once() -> Result<()> {
    let house = std::sync::Arc::new(House::open(PROGRAM).await?);
    for round in 0..10 {
        let writers: Vec<_> = ["development", "staging", "production"]
            .into_iter()
            .map(|key| {
                let house = house.clone();
                let document = json!({ "position": 100 + round });
                tokio::spawn(
                    async move { as_admin(&house, "PATCH", &format!("/{key}"), Some(document)).await },
                )
            })
            .collect();
        for writer in writers {
            assert_eq!(writer.await??.0, 200);
        }
        let list = house.get(ENVIRONMENTS).await?;
        let mut positions: Vec<_> =
            list.as_array().context("no list")?.iter().filter_map(|one| one["position"].as_i64()).collect();
        positions.dedup();
        assert_eq!(positions.len(), 3, "{list}");
    }
    Ok(())
}

#[tokio::test]
async fn positions_stay_within_their_bounds() -> Result<()> {
    const LAST: i64 = 1_000_000_000;
    let house = House::open(PROGRAM).await?;
    let make = async |document: Value| as_admin(&house, "POST", "", Some(document)).await;
    for key in ["qa", "qb"] {
        let (status, made) = make(json!({ "key": key, "position": LAST })).await?;
        assert_eq!((status, &made["position"]), (201, &json!(LAST)), "{made}");
    }
    let (status, made) = make(json!({ "key": "qc" })).await?;
    assert_eq!((status, &made["position"]), (201, &json!(LAST)), "it is the last: {made}");
    let expected = [(LAST - 2, "qa"), (LAST - 1, "qb"), (LAST, "qc")].map(|(at, key)| format!("{key}{at}"));
    assert_eq!(order(&house).await?[3..], expected, "who is in the way moves to where there is room");
    assert_eq!(as_admin(&house, "PATCH", "/staging", Some(json!({ "position": LAST }))).await?.0, 200);
    let (status, _) = make(json!({ "key": "qd", "position": -LAST })).await?;
    assert_eq!(status, 201);
    assert_eq!(as_admin(&house, "PATCH", "/production", Some(json!({ "position": -LAST }))).await?.0, 200);
    for environment in house.get(ENVIRONMENTS).await?.as_array().context("no list")? {
        let path = format!("/{}", environment["key"].as_str().context("no key")?);
        let (status, same) = as_admin(&house, "PUT", &path, Some(environment.clone())).await?;
        assert_eq!((status, &same), (200, environment), "what GET answers can be sent back");
    }
    let keys: Vec<_> =
        order(&house).await?.iter().map(|one| one.replace(LAST.to_string().as_str(), "!")).collect();
    assert_eq!((keys.len(), keys[0].as_str(), keys[6].as_str()), (7, "production-!", "staging!"), "{keys:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_moves_environments_at_once_leaves_each_a_place_of_its_own() -> Result<()> {
    let house = std::sync::Arc::new(House::open(PROGRAM).await?);
    for round in 0..10 {
        for (key, position) in [("development", -5), ("staging", -3), ("production", 2)] {
            as_admin(&house, "PATCH", &format!("/{key}"), Some(json!({ "position": position }))).await?;
        }
        let made = format!("q{round}");
        let asked = [
            ("PUT", "/order".to_owned(), json!({ "keys": ["development", "staging", "production"] })),
            ("PATCH", "/production".to_owned(), json!({ "position": 0 })),
            ("POST", String::new(), json!({ "key": made, "position": 0 })),
            ("PATCH", "/staging".to_owned(), json!({ "position": 0 })),
        ];
        let asked = asked.map(|(method, path, document)| {
            let house = house.clone();
            tokio::spawn(async move { as_admin(&house, method, &path, Some(document)).await })
        });
        for answer in asked {
            let (status, answer) = answer.await??;
            // The order may lack the one that was just made.
            assert!([200, 201, 400].contains(&status), "{answer}");
        }
        let list = house.get(ENVIRONMENTS).await?;
        let positions: std::collections::BTreeSet<_> =
            list.as_array().context("no list")?.iter().filter_map(|one| one["position"].as_i64()).collect();
        assert_eq!(positions.len(), 4, "{list}");
        assert_eq!(as_admin(&house, "DELETE", &format!("/{made}"), None).await?.0, 204);
    }
    Ok(())
}

#[tokio::test]
async fn what_has_something_in_it_goes_by_force_only() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "switch" })).await?;
    for key in ["preview", "unused"] {
        as_admin(&house, "POST", "", Some(json!({ "key": key }))).await?;
    }
    assert_eq!(as_admin(&house, "DELETE", "/unused", None).await?.0, 204, "nobody put anything into it");
    house.patch(&house.developer, "switch?environment=preview", json!({ "enabled": true })).await?;
    let segment = json!({ "key": "beta", "included": ["u1"] });
    house.burgee.post("/api/v1/segments?environment=preview", Some(&house.developer), &segment).await?;
    let key = sdk_key(&house, "preview").await?;
    assert_eq!(ofrep(&house, &key, "switch").await?, (200, json!(true)));
    let stream = house.burgee.http.get(format!("{}/sdk/v1/stream", house.burgee.url));
    let stream = stream.header("x-sdk-key", &key).send().await?;
    assert_eq!(stream.status(), 200);

    let (status, problem) = as_admin(&house, "DELETE", "/preview", None).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("environment_in_use")));
    let detail = problem["detail"].as_str().context("no detail")?;
    for part in
        ["1 enabled flags", "1 flags whose config", "1 segments with", "1 SDK keys in force", "?force=true"]
    {
        assert!(detail.contains(part), "{part} is not in {detail:?}");
    }
    assert_eq!(as_admin(&house, "DELETE", "/preview?force=true", None).await?.0, 204);
    assert_eq!(ofrep(&house, &key, "switch").await?.0, 401, "its keys are refused");
    let ended = tokio::time::timeout(std::time::Duration::from_secs(2), stream.bytes()).await;
    ended.context("its stream did not end")??;
    let log = house.get("/api/v1/audit?limit=1").await?;
    assert_eq!(log[0]["action"], "delete_environment");
    let contents = &log[0]["before"]["contents"];
    assert_eq!((&contents["enabled_flags"], &contents["configs_left_out"]), (&json!(1), &json!(0)));
    assert_eq!(contents["configs"]["flags"]["switch"]["enabled"], json!(true), "{contents}");
    let included = &contents["configs"]["segments"]["beta"]["included"];
    assert_eq!(*included, json!({ "count": 1, "keys": ["u1"] }));

    let (status, problem) = as_admin(&house, "DELETE", "/development?force=true", None).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("default_environment")));
    let verified = house.burgee.run(&["audit", "verify"])?;
    assert!(verified.status.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_and_an_environment_made_at_once_know_of_each_other() -> Result<()> {
    let house = std::sync::Arc::new(House::open(PROGRAM).await?);
    for round in 0..10 {
        let (making, filling) = (house.clone(), house.clone());
        let flag =
            tokio::spawn(async move { making.create(json!({ "key": format!("flag-{round}") })).await });
        let environment = tokio::spawn(async move {
            as_admin(&filling, "POST", "", Some(json!({ "key": format!("place-{round}") }))).await
        });
        flag.await??;
        assert_eq!(environment.await??.0, 201);
        let path = format!("/api/v1/flags/flag-{round}?environment=place-{round}");
        assert_eq!(house.get(&path).await?["enabled"], json!(false));
    }
    Ok(())
}
