//! What stands in the way of removing something, told to programs: `in_use_by`.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// A house in which most things are in use.
async fn house() -> Result<House> {
    let house = House::open(PROGRAM).await?;
    let post =
        async |path: &str, document: Value| house.burgee.post(path, Some(&house.developer), &document).await;
    post("/api/v1/context-fields", json!({ "key": "tiers", "values": ["gold"] })).await?;
    let when = json!({ "not": { "attribute": "tier", "operator": "in", "list": "tiers" } });
    post("/api/v1/segments", json!({ "key": "beta", "when": when })).await?;
    post("/api/v1/flags", json!({ "key": "cart" })).await?;
    post("/api/v1/flags", json!({ "key": "search" })).await?;
    let prerequisites =
        json!([{ "flag": "search", "variants": ["on"] }, { "flag": "cart", "variants": ["off", "on"] }]);
    let rule = json!({ "id": "r", "when": { "all": [{ "segment": "beta" }] }, "serve": { "variant": "on" } });
    post(
        "/api/v1/flags?environment=staging",
        json!({ "key": "checkout", "prerequisites": prerequisites, "rules": [rule] }),
    )
    .await?;
    Ok(house)
}

fn place(kind: &str, key: &str, environment: &str, path: &str, names: &str) -> Value {
    json!({ "kind": kind, "key": key, "environment": environment, "path": path, "names": names })
}

#[tokio::test]
async fn places_are_told_to_programs() -> Result<()> {
    let house = house().await?;
    let remove = async |path: &str| house.burgee.ask("DELETE", path, Some(&house.admin), None).await;
    for (path, code, places) in [
        (
            "/api/v1/flags/cart",
            "flag_in_use",
            vec![place("flag", "checkout", "staging", "prerequisites[1].flag", "cart")],
        ),
        (
            "/api/v1/flags/cart/variants/on",
            "variant_in_use",
            vec![
                place("flag", "cart", "development", "default.variant", "on"),
                place("flag", "cart", "staging", "default.variant", "on"),
                place("flag", "checkout", "staging", "prerequisites[1].variants[1]", "on"),
                place("flag", "cart", "production", "default.variant", "on"),
            ],
        ),
        (
            "/api/v1/segments/beta",
            "segment_in_use",
            vec![place("flag", "checkout", "staging", "rules[0].when.all[0].segment", "beta")],
        ),
        (
            "/api/v1/context-fields/tiers",
            "context_field_in_use",
            ["development", "staging", "production"]
                .map(|environment| place("segment", "beta", environment, "when.not.list", "tiers"))
                .to_vec(),
        ),
    ] {
        let (status, problem) = remove(path).await?;
        assert_eq!(
            (status, &problem["code"], &problem["in_use_by"]),
            (409, &json!(code), &json!(places)),
            "{path}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn so_are_those_of_many_flags() -> Result<()> {
    let house = house().await?;
    let archive = json!({ "action": "archive", "keys": ["search", "cart"] });
    let (status, problem) =
        house.burgee.ask("POST", "/api/v1/flags/bulk", Some(&house.developer), Some(&archive)).await?;
    let places = json!([
        place("flag", "checkout", "staging", "prerequisites[0].flag", "search"),
        place("flag", "checkout", "staging", "prerequisites[1].flag", "cart"),
    ]);
    assert_eq!((status, &problem["code"], &problem["in_use_by"]), (409, &json!("flag_in_use"), &places));
    let paths: Vec<_> =
        problem["violations"].as_array().into_iter().flatten().map(|one| &one["path"]).collect();
    assert_eq!(paths, ["keys[0]", "keys[1]"], "in the order in which they were named: {problem}");
    let together = json!({ "action": "archive", "keys": ["search", "cart", "checkout"] });
    let (status, done) =
        house.burgee.ask("POST", "/api/v1/flags/bulk", Some(&house.developer), Some(&together)).await?;
    assert_eq!(status, 200, "who requires them goes as well: {done}");
    Ok(())
}

#[tokio::test]
async fn and_those_of_an_environment() -> Result<()> {
    let house = house().await?;
    house.patch(&house.developer, "search?environment=staging", json!({ "enabled": true })).await?;
    let key = json!({ "name": "shop", "kind": "server" });
    let key = house.burgee.post("/api/v1/sdk-keys?environment=staging", Some(&house.developer), &key).await?;
    let id = key["id"].as_str().unwrap_or_default();
    let (status, problem) =
        house.burgee.ask("DELETE", "/api/v1/environments/staging", Some(&house.admin), None).await?;
    let contained = |kind: &str, key: &str| place(kind, key, "staging", "", "staging");
    let places = json!([
        contained("flag", "checkout"),
        contained("flag", "search"),
        contained("segment", "beta"),
        contained("sdk_key", id),
    ]);
    assert_eq!((status, &problem["in_use_by"]), (409, &places), "{problem}");
    Ok(())
}

#[tokio::test]
async fn many_places_are_bounded() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.burgee.post("/api/v1/segments", Some(&house.developer), &json!({ "key": "beta" })).await?;
    let rules = |flag: usize| -> Vec<Value> {
        let rule = |nth: usize| json!({ "id": format!("{flag}-{nth}"), "when": { "segment": "beta" }, "serve": null });
        (0..600).map(rule).collect()
    };
    for flag in 0..2 {
        house.create(json!({ "key": format!("f{flag}"), "rules": rules(flag) })).await?;
    }
    let (status, problem) =
        house.burgee.ask("DELETE", "/api/v1/segments/beta", Some(&house.admin), None).await?;
    assert_eq!((status, problem["in_use_by"].as_array().map(Vec::len)), (409, Some(1_000)));
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.ends_with("; and in 1180 more places"), "{detail}");
    Ok(())
}
