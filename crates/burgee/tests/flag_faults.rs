//! A flag that cannot be is refused with the path of each fault, and nothing is written.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

/// So many lists in one another.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| if inner.is_null() { json!([]) } else { json!([inner]) })
}

/// What is wrong with a new flag, and the path that the answer must name.
fn faulty_flags() -> Vec<(Value, &'static str)> {
    let variants = json!([{ "key": "a", "value": "A" }, { "key": "b", "value": "B" }]);
    let string = |more: Value| {
        let mut flag =
            json!({ "key": "x", "kind": "string", "variants": variants, "default": { "variant": "a" } });
        if let (Some(flag), Some(more)) = (flag.as_object_mut(), more.as_object()) {
            flag.extend(more.clone());
        }
        flag
    };
    let split = |weights: [i64; 2]| json!({ "default": { "split": [{ "variant": "a", "weight": weights[0] }, { "variant": "b", "weight": weights[1] }] } });
    vec![
        (json!([]), ""),
        (json!({}), "key"),
        (json!({ "key": "" }), "key"),
        (json!({ "key": "a b" }), "key"),
        (json!({ "key": ".." }), "key"),
        (json!({ "key": "x".repeat(257) }), "key"),
        (json!({ "key": 7 }), "key"),
        (json!({ "key": "x", "colour": "red" }), "colour"),
        (json!({ "key": "x", "enabled": "yes" }), "enabled"),
        (json!({ "key": "x", "name": "a\0b" }), "name"),
        (json!({ "key": "x", "kind": "colour" }), "kind"),
        (json!({ "key": "x", "kind": "string" }), ""),
        (
            json!({ "key": "x", "kind": "number", "default_value": 9_007_199_254_740_993_i64 }),
            "variants[0].value",
        ),
        (json!({ "key": "x", "kind": "object", "default_value": nested(33) }), "variants[0].value"),
        (json!({ "key": "x", "default_value": "on" }), "default_value"),
        (json!({ "key": "x", "default_value": true, "rollout_percentage": 5 }), ""),
        (json!({ "key": "x", "rollout_percentage": 101 }), "rollout_percentage"),
        (json!({ "key": "x", "rollout_percentage": 0.0001 }), "rollout_percentage"),
        (json!({ "key": "x", "default": { "variant": "maybe" } }), "default.variant"),
        (json!({ "key": "x", "default": { "variant": "on", "weight": 3 } }), "default.weight"),
        (json!({ "key": "x", "off_variant": "maybe" }), "off_variant"),
        (json!({ "key": "x", "tags": [""] }), "tags[0]"),
        (
            json!({ "key": "x", "prerequisites": [{ "flag": "y", "variants": ["on"] }] }),
            "prerequisites[0].flag",
        ),
        (json!({ "key": "x", "prerequisites": [{ "flag": "x", "variants": ["on"] }] }), "prerequisites"),
        (json!({ "key": "x", "prerequisites": [{ "flag": "y" }] }), "prerequisites[0].variants"),
        (json!({ "key": "x", "prerequisites": ["y"] }), "prerequisites[0]"),
        (json!({ "key": "x", "lifecycle": "asleep" }), "lifecycle"),
        (json!({ "key": "x", "owner": ["me"] }), "owner"),
        (json!({ "key": "x", "expected_end": "soon" }), "expected_end"),
        (json!({ "key": "x", "expected_end": "2026-02-30" }), "expected_end"),
        (json!({ "key": "x", "temporary": false, "expected_end": "2026-12-31" }), "expected_end"),
        (
            json!({ "key": "x", "kind": "object", "default_value": { "a": [9_007_199_254_740_993_i64] } }),
            "default_value.a[0]",
        ),
        (
            string(json!({ "variants": [{ "key": "a", "value": "A" }, { "key": 7, "value": "B" }] })),
            "variants[1].key",
        ),
        (string(split([1, 2])), "default.split"),
        (string(split([-1, 100_001])), "default.split[0].weight"),
        (string(json!({ "variants": [{ "key": "a", "value": 1 }] })), "variants[0].value"),
        (
            string(json!({ "variants": [{ "key": "a", "value": "A" }, { "key": "a", "value": "B" }] })),
            "variants[1].key",
        ),
        (string(json!({ "targets": [{ "variant": "c", "keys": ["u"] }] })), "targets[0].variant"),
        (
            string(
                json!({ "targets": [{ "variant": "a", "keys": ["u"] }, { "variant": "b", "keys": ["u"] }] }),
            ),
            "targets[1].keys[0]",
        ),
    ]
}

/// What is wrong with a rule of a new flag, and the path that the answer must name.
fn faulty_rules() -> Vec<(Value, &'static str)> {
    let rule = |rule: Value| json!({ "key": "x", "rules": [rule] });
    vec![
        (rule(json!({ "serve": { "variant": "maybe" } })), "rules[0].serve.variant"),
        (rule(json!({ "when": { "all": [] } })), "rules[0].serve"),
        (
            rule(json!({ "attribute": "a", "operator": "resembles", "value": "b", "variant": true })),
            "rules[0].operator",
        ),
        (
            rule(json!({ "attribute": "a", "operator": "equals", "value": "b", "variant": "maybe" })),
            "rules[0].variant",
        ),
        (
            rule(json!({ "attribute": "a", "operator": "equals", "value": {}, "variant": true })),
            "rules[0].value",
        ),
        (rule(json!({ "attribute": "a", "operator": "equals", "variant": true })), "rules[0].value"),
        (rule(json!({ "priority": 3_000_000_000_i64, "serve": { "variant": "on" } })), "rules[0].priority"),
        (
            rule(
                json!({ "when": { "any": [{ "attribute": "a", "operator": "contains", "values": ["b", ""] }] }, "serve": null }),
            ),
            "rules[0].when.any[0].values[1]",
        ),
        (rule(json!({ "when": { "segment": "beta" }, "serve": null })), "rules[0].when.segment"),
        (
            rule(json!({ "attribute": "version", "operator": "semver", "value": "1.x.3", "variant": true })),
            "rules[0].value",
        ),
        (
            rule(json!({ "when": { "attribute": "a", "operator": "in", "list": "tiers" }, "serve": null })),
            "rules[0].when.list",
        ),
        (
            rule(json!({ "when": { "attribute": "a", "operator": "gt", "value": "many" }, "serve": null })),
            "rules[0].when.value",
        ),
        (
            rule(
                json!({ "when": { "attribute": "a", "operator": "equals", "values": [-9_007_199_254_740_993_i64] }, "serve": null }),
            ),
            "rules[0].when.values[0]",
        ),
        (rule(json!({ "when": { "bucket": { "to": 100_001 } }, "serve": null })), "rules[0].when.bucket.to"),
    ]
}

#[tokio::test]
async fn a_faulty_flag_is_refused_with_the_path_of_its_fault() -> Result<()> {
    let house = house().await?;
    let head = house.head().await?;
    for (flag, path) in faulty_flags().into_iter().chain(faulty_rules()) {
        let (status, problem) = house.refused("POST", "/api/v1/flags", flag.to_string()).await?;
        assert_eq!(
            (status, &problem["code"], &problem["status"]),
            (400, &json!("invalid"), &json!(400)),
            "{flag}: {problem}"
        );
        let violations = problem["violations"].as_array().context("no violations")?;
        let named =
            violations.iter().any(|violation| violation["path"] == path && violation["message"] != "");
        assert!(named, "{flag} should name {path:?}, not {violations:?}");
        assert!(problem["error"].as_str().is_some_and(|error| !error.is_empty()));
    }
    assert_eq!(house.head().await?, head, "something was written");
    assert_eq!(house.burgee.get("/api/v1/flags", &house.developer).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn the_deepest_value_that_is_taken_is_read_by_everyone() -> Result<()> {
    let house = house().await?;
    let flag = json!({ "key": "deep", "kind": "object", "default_value": nested(32), "enabled": true });
    house.burgee.post("/api/v1/flags", Some(&house.developer), &flag).await?;
    assert_eq!(
        house.burgee.get("/api/v1/flags/deep", &house.developer).await?["variants"][0]["value"],
        nested(32)
    );
    let snapshot = house.burgee.get("/sdk/v1/snapshot", &house.burgee.banner.server_key).await?;
    assert_eq!(snapshot["flags"]["deep"]["variants"][0]["value"], nested(32));
    Ok(())
}

#[tokio::test]
async fn all_faults_of_a_document_are_told_at_once() -> Result<()> {
    let house = house().await?;
    let flag = json!({ "key": "a b", "enabled": 1, "colour": "red", "tags": [3] });
    let (_, problem) = house.refused("POST", "/api/v1/flags", flag.to_string()).await?;
    let paths: Vec<_> = problem["violations"]
        .as_array()
        .context("no violations")?
        .iter()
        .map(|one| one["path"].clone())
        .collect();
    for path in ["key", "enabled", "colour", "tags[0]"] {
        assert!(paths.contains(&json!(path)), "{path} is missing in {paths:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_did_not_read_does_not_hide_what_makes_no_sense() -> Result<()> {
    let house = house().await?;
    let flag = json!({
        "key": "a b", "kind": "string", "colour": "red",
        "variants": [{ "key": "a", "value": "A" }, { "key": "b", "value": 2 }, { "value": "C" }],
        "default": { "split": [{ "variant": "a", "weight": 1 }] },
        "off_variant": 7,
        "prerequisites": [{ "flag": "none", "variants": ["on"] }, { "flag": "other" }],
        "rules": [
            { "when": { "any": [
                { "attribute": "v", "operator": "semver", "values": ["1.2.3", "1.x.3"] },
                { "attribute": "v", "operator": "resembles", "values": [1] },
                { "attribute": "ip", "operator": "cidr", "value": "10.0.0.0/64" },
            ] }, "serve": { "variant": "a" } },
            { "attribute": "a", "operator": "matches", "value": "(", "variant": "a" },
            { "when": { "segment": "nobody" }, "serve": { "variant": "b", "weight": 2 } },
            { "id": "r", "serve": null }, { "id": "r", "serve": null },
        ],
    });
    let (status, problem) = house.refused("POST", "/api/v1/flags", flag.to_string()).await?;
    assert_eq!(status, 400);
    let violations = problem["violations"].as_array().context("no violations")?;
    let mut paths: Vec<_> = violations.iter().filter_map(|one| one["path"].as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "colour",
        "default.split",
        "key",
        "off_variant",
        "prerequisites[0].flag",
        "prerequisites[1].variants",
        "rules[0].when.any[0].values[1]",
        "rules[0].when.any[1].operator",
        "rules[0].when.any[2].value",
        "rules[1].value",
        "rules[2].serve.weight",
        "rules[2].when.segment",
        "rules[4].id",
        "variants[1].value",
        "variants[2].key",
    ];
    assert_eq!(paths, expected, "{problem:#}");
    let range = violations.iter().find(|one| one["path"] == "rules[0].when.any[0].values[1]");
    let message = range.and_then(|one| one["message"].as_str()).context("no message")?;
    assert!(message.contains("1.x.3") && message.contains(">="), "{message} says what would be right");
    Ok(())
}

#[tokio::test]
async fn what_never_changes_is_not_changed() -> Result<()> {
    let house = house().await?;
    let made = house.create(json!({ "key": "x", "temporary": true, "expected_end": "2026-12-31" })).await?;
    for (change, path) in [
        (json!({ "key": "y" }), "key"),
        (json!({ "kind": "string" }), "kind"),
        (json!({ "temporary": false }), "temporary"),
    ] {
        let (status, problem) = house.patch(&house.developer, "x", change).await?;
        assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!(path)), "{problem}");
    }
    assert_eq!(house.get("/api/v1/flags/x").await?, made);
    let (status, changed) =
        house.patch(&house.developer, "x", json!({ "temporary": false, "expected_end": null })).await?;
    assert_eq!((status, &changed["temporary"], &changed["expected_end"]), (200, &json!(false), &Value::Null));
    Ok(())
}
