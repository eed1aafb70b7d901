//! Archives, copies, many flags at once, and lists by what people note of flags.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::problem::{detail, paths};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn ask(house: &House, token: &str, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
    house.ask(token, method, &format!("/api/v1/flags/{path}"), body).await
}

fn keys(flags: &Value) -> Vec<&str> {
    flags.as_array().into_iter().flatten().filter_map(|flag| flag["key"].as_str()).collect()
}

fn requires(flag: &str) -> Value {
    json!({ "prerequisites": [{ "flag": flag, "variants": ["on"] }] })
}

#[tokio::test]
async fn an_archived_flag_gives_its_off_variant_and_comes_back_as_it_was() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let developer = house.developer.as_str();
    house.create(json!({ "key": "old", "enabled": true, "lifecycle": "deprecated" })).await?;
    house.create(json!({ "key": "asks" })).await?;
    assert_eq!(house.evaluate("old", developer).await?["value"], json!(true));
    house.patch(developer, "asks?environment=staging", requires("old")).await?;
    let (status, problem) = ask(&house, developer, "POST", "old/archive", Value::Null).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("flag_in_use")));
    assert!(detail(&problem).contains("flag asks in staging, prerequisites[0].flag"), "{problem}");
    house.patch(developer, "asks?environment=staging", json!({ "prerequisites": [] })).await?;

    let (status, flag) = ask(&house, developer, "POST", "old/archive", Value::Null).await?;
    assert_eq!((status, &flag["lifecycle"], &flag["enabled"]), (200, &json!("archived"), &json!(true)));
    let answer = house.evaluate("old", developer).await?;
    assert_eq!((&answer["value"], &answer["reason"]), (&json!(false), &json!("DISABLED")));
    assert_eq!(keys(&house.get("/api/v1/flags").await?), ["asks"]);
    assert_eq!(keys(&house.get("/api/v1/flags?archived=true").await?), ["old"]);
    let (status, problem) = house.patch(developer, "asks", requires("old")).await?;
    assert_eq!((status, paths(&problem)), (400, vec!["prerequisites[0].flag"]));

    let (status, lowered) = ask(&house, developer, "POST", "old/toggle", Value::Null).await?;
    assert_eq!((status, &lowered["enabled"]), (200, &json!(false)), "so it comes back lowered");
    let head = house.head().await?;
    for (path, body) in [
        ("old/toggle", Value::Null),
        ("old/toggle", json!({ "enabled": true })),
        ("old/toggle?environment=staging", json!({ "enabled": true })),
        ("bulk", json!({ "action": "enable", "keys": ["asks", "old"] })),
        ("bulk?dry_run=true", json!({ "action": "enable", "keys": ["asks", "old"] })),
    ] {
        let (status, problem) = ask(&house, developer, "POST", path, body).await?;
        assert_eq!((status, &problem["code"]), (409, &json!("flag_archived")), "{path}: {problem}");
        assert!(
            detail(&problem).contains("off variant") && detail(&problem).contains("restore"),
            "{problem}"
        );
        assert!(!path.starts_with("bulk") || paths(&problem) == ["keys[1]"], "{problem}");
    }
    let (status, problem) = house.patch(developer, "old", json!({ "enabled": true })).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("flag_archived")));
    assert_eq!(house.head().await?, head, "something was written");
    let both = json!({ "enabled": true, "lifecycle": "deprecated" });
    assert_eq!(house.patch(developer, "old", both).await?.0, 200, "at once with its restoring");
    assert_eq!(ask(&house, developer, "POST", "old/archive", Value::Null).await?.0, 200);

    let (status, flag) = ask(&house, developer, "POST", "old/restore", Value::Null).await?;
    assert_eq!((status, &flag["lifecycle"]), (200, &json!("deprecated")));
    assert_eq!(house.evaluate("old", developer).await?["value"], json!(true));
    let log = house.get("/api/v1/audit?flag=old&limit=2").await?;
    assert_eq!((&log[0]["action"], &log[1]["action"]), (&json!("restore_flag"), &json!("archive_flag")));

    house.patch(&house.admin, "old?environment=production", json!({ "enabled": true })).await?;
    let (status, problem) = ask(&house, developer, "POST", "old/archive", Value::Null).await?;
    assert_eq!((status, &problem["code"]), (403, &json!("protected_environment")));
    let (status, _) = house.patch(&house.admin, "old", json!({ "lifecycle": "archived" })).await?;
    assert_eq!(status, 200, "the word does the same");
    assert_eq!(house.evaluate("old", developer).await?["value"], json!(false));
    Ok(())
}

#[tokio::test]
async fn lists_know_what_people_note_of_flags() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for flag in [
        json!({ "key": "a", "owner": "team-a", "lifecycle": "draft" }),
        json!({ "key": "b", "owner": "team-a", "expected_end": "2020-02-29" }),
        json!({ "key": "c", "owner": "team b", "expected_end": "9999-12-31", "lifecycle": "deprecated" }),
        json!({ "key": "d", "temporary": true }),
    ] {
        house.create(flag).await?;
    }
    ask(&house, &house.developer, "POST", "d/archive", Value::Null).await?;
    for (query, expected) in [
        ("", vec!["a", "b", "c"]),
        ("owner=team-a", vec!["a", "b"]),
        ("owner=team%20b", vec!["c"]),
        ("lifecycle=draft", vec!["a"]),
        ("lifecycle=archived", vec!["d"]),
        ("lifecycle=active&archived=true", vec!["d"]),
        ("temporary=true", vec!["b", "c"]),
        ("temporary=false", vec!["a"]),
        ("overdue=true", vec!["b"]),
        ("overdue=true&owner=team%20b", vec![]),
    ] {
        assert_eq!(keys(&house.get(&format!("/api/v1/flags?{query}")).await?), expected, "{query}");
    }
    let next = house.burgee.http.get(format!("{}/api/v1/flags?owner=team-a&limit=1", house.burgee.url));
    let next = next.bearer_auth(&house.developer).send().await?;
    assert_eq!(next.headers()["link"], "</api/v1/flags?cursor=a&owner=team-a&limit=1>; rel=\"next\"");
    for (query, path) in [
        ("limit=abc", "query limit"),
        ("limit=1001", "query limit"),
        ("lifecycle=asleep", "query lifecycle"),
        ("archived=perhaps", "query archived"),
        ("overdue=1", "query overdue"),
    ] {
        let (status, problem) = house.refused("GET", &format!("/api/v1/flags?{query}"), "").await?;
        assert_eq!((status, paths(&problem)), (400, vec![path]), "{problem}");
    }
    Ok(())
}

#[tokio::test]
async fn a_config_is_copied_with_a_look_first() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "cart" })).await?;
    house
        .create(json!({
            "key": "checkout", "enabled": true, "targeted_users": ["u1"],
            "rules": [{ "id": "r1", "attribute": "plan", "operator": "equals", "value": "pro", "variant": true }],
            "default": { "split": [{ "variant": "on", "weight": 25_000 }, { "variant": "off", "weight": 75_000 }],
                         "salt": "kept" },
            "prerequisites": [{ "flag": "cart", "variants": ["on"] }],
        }))
        .await?;
    let (head, here) = (house.head().await?, house.get("/api/v1/flags/checkout").await?);
    let copy = json!({ "from": "development", "to": "production" });
    let refused = ask(&house, &house.developer, "POST", "checkout/copy?dry_run=true", copy.clone()).await?;
    assert_eq!((refused.0, &refused.1["code"]), (403, &json!("protected_environment")));
    let (status, tried) =
        ask(&house, &house.admin, "POST", "checkout/copy?dry_run=true", copy.clone()).await?;
    assert_eq!((status, &tried["dry_run"]), (200, &json!(true)));
    let changes = tried["changes"].as_array().context("no changes")?;
    let changed: Vec<_> = changes.iter().filter_map(|change| change["path"].as_str()).collect();
    assert_eq!(
        changed,
        ["default.variant", "default.salt", "default.split", "prerequisites[0]", "rules[0]", "targets[0]"]
    );
    assert_eq!(changes[4]["before"], Value::Null);
    assert_eq!(changes[4]["after"]["id"], json!("r1"));
    assert_eq!(house.head().await?, head, "a look changes nothing");

    let (status, copied) = ask(&house, &house.admin, "POST", "checkout/copy", copy.clone()).await?;
    assert_eq!((status, &copied["changes"], &copied["dry_run"]), (200, &tried["changes"], &json!(false)));
    let there = house.get("/api/v1/flags/checkout?environment=production").await?;
    assert_eq!(there, copied["flag"]);
    for member in ["default", "rules", "targets", "prerequisites", "off_variant"] {
        assert_eq!(there[member], here[member], "{member}");
    }
    assert_eq!(there["enabled"], json!(false), "a copy raises nothing unless it says so");
    let mut raising = copy.clone();
    raising["include_enabled"] = json!(true);
    let (_, raised) = ask(&house, &house.admin, "POST", "checkout/copy", raising).await?;
    assert_eq!(raised["changes"], json!([{ "path": "enabled", "before": false, "after": true }]));
    let (_, again) = ask(&house, &house.admin, "POST", "checkout/copy", copy).await?;
    assert_eq!(again["changes"], json!([]));
    let log = house.get("/api/v1/audit?flag=checkout&limit=10").await?;
    let copies = log.as_array().context("no list")?.iter().filter(|entry| entry["action"] == "copy_flag");
    assert_eq!(copies.count(), 2, "what changes nothing is no change");

    for (bad, expected) in [
        (json!({}), vec!["from", "to"]),
        (json!({ "from": "nowhere", "to": "production" }), vec!["from"]),
        (json!({ "from": "staging", "to": "staging" }), vec![""]),
        (
            json!({ "from": "staging", "to": "production", "include_enabled": 1, "extra": 1 }),
            vec!["include_enabled", "extra"],
        ),
    ] {
        let (status, problem) = ask(&house, &house.admin, "POST", "checkout/copy", bad).await?;
        assert_eq!((status, paths(&problem)), (400, expected), "{problem}");
    }
    Ok(())
}

#[tokio::test]
async fn an_archived_flag_requires_nothing_until_it_is_restored() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let developer = house.developer.as_str();
    for key in ["base", "next", "last"] {
        house.create(json!({ "key": key })).await?;
    }
    house.patch(developer, "next?environment=staging", requires("base")).await?;
    house.patch(developer, "last", requires("next")).await?;
    let chain = json!({ "action": "archive", "keys": ["base", "next"] });
    let (status, problem) = ask(&house, developer, "POST", "bulk", chain).await?;
    assert_eq!((status, paths(&problem)), (409, vec!["keys[1]"]), "only last stays: {problem}");
    assert_eq!(ask(&house, developer, "POST", "last/archive", Value::Null).await?.0, 200);
    assert_eq!(ask(&house, developer, "POST", "next/archive", Value::Null).await?.0, 200, "last asks nobody");
    let rest = json!({ "action": "archive", "keys": ["next", "base"] });
    let (status, done) = ask(&house, developer, "POST", "bulk", rest).await?;
    assert_eq!((status, &done["changed"]), (200, &json!(["base"])), "{done}");

    let restore = json!({ "lifecycle": "active" });
    for (method, path, body) in [("POST", "next/restore", Value::Null), ("PATCH", "next", restore.clone())] {
        let (status, problem) = ask(&house, developer, method, path, body).await?;
        assert_eq!((status, &problem["code"]), (409, &json!("flag_archived")), "{path}: {problem}");
        let why = "it requires flags that are archived: base in staging; restore those first, or require them no more";
        assert_eq!(detail(&problem), why);
    }
    let mended = json!({ "lifecycle": "active", "prerequisites": [] });
    assert_eq!(
        house.patch(developer, "next?environment=staging", mended).await?.0,
        200,
        "it asks nobody now"
    );
    for key in ["last", "base"] {
        assert_eq!(
            ask(&house, developer, "POST", &format!("{key}/restore"), Value::Null).await?.0,
            200,
            "{key}"
        );
    }
    let (status, problem) = ask(&house, developer, "POST", "next/archive", Value::Null).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("flag_in_use")), "last is back: {problem}");
    Ok(())
}

#[tokio::test]
async fn many_flags_change_at_once_or_none_does() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let developer = house.developer.as_str();
    for key in ["a", "b", "c", "bulk"] {
        house.create(json!({ "key": key })).await?;
    }
    house.patch(developer, "b", json!({ "enabled": true })).await?;
    let head = house.head().await?;
    let enable = json!({ "action": "enable", "keys": ["c", "a", "b"] });
    let (status, tried) = ask(&house, developer, "POST", "bulk?dry_run=true", enable.clone()).await?;
    let expected = json!({ "dry_run": true, "changed": ["a", "c"], "unchanged": ["b"], "revision": null });
    assert_eq!((status, &tried), (200, &expected));
    assert_eq!(house.head().await?, head);
    let (status, done) = ask(&house, developer, "POST", "bulk", enable.clone()).await?;
    assert_eq!((status, &done["revision"]), (200, &json!(head + 1)));
    for key in ["a", "b", "c"] {
        assert_eq!(house.evaluate(key, developer).await?["value"], json!(true), "{key}");
    }
    let log = house.get("/api/v1/audit?limit=1").await?;
    assert_eq!(log[0]["action"], "bulk_enable_flags");
    assert_eq!(log[0]["after"], json!({ "environment": "development", "enabled": { "a": true, "c": true } }));
    let (_, done) = ask(&house, developer, "POST", "bulk", enable).await?;
    assert_eq!((&done["changed"], house.head().await?), (&json!([]), head + 1));

    let missing = json!({ "action": "disable", "keys": ["a", "x", "b", "y"] });
    let (status, problem) = ask(&house, developer, "POST", "bulk", missing).await?;
    assert_eq!((status, paths(&problem)), (404, vec!["keys[1]", "keys[3]"]));
    house.patch(developer, "c?environment=staging", requires("a")).await?;
    let archive = json!({ "action": "archive", "keys": ["b", "a"] });
    let (status, problem) = ask(&house, developer, "POST", "bulk", archive.clone()).await?;
    assert_eq!((status, &problem["code"], paths(&problem)), (409, &json!("flag_in_use"), vec!["keys[1]"]));
    assert!(detail(&problem).contains("flag c in staging"), "{problem}");
    assert_eq!(house.get("/api/v1/flags/b").await?["lifecycle"], json!("active"), "all or nothing");
    house.patch(developer, "c?environment=staging", json!({ "prerequisites": [] })).await?;
    assert_eq!(ask(&house, developer, "POST", "bulk", archive).await?.0, 200);
    assert_eq!(keys(&house.get("/api/v1/flags?archived=true").await?), ["a", "b"]);

    let many: Vec<_> = (0..1_001).map(|number| format!("f{number}")).collect();
    for (bad, expected) in [
        (json!({}), vec!["action", "keys"]),
        (json!({ "action": "delete", "keys": ["a", "a", "a b"] }), vec!["action", "keys[1]", "keys[2]"]),
        (json!({ "action": "enable", "keys": [] }), vec!["keys"]),
        (json!({ "action": "enable", "keys": many }), vec!["keys"]),
    ] {
        let (status, problem) = ask(&house, developer, "POST", "bulk", bad).await?;
        assert_eq!((status, paths(&problem)), (400, expected), "{problem}");
    }
    assert_eq!(house.get("/api/v1/flags/bulk").await?["key"], json!("bulk"), "a flag may be called so");
    assert_eq!(ask(&house, developer, "POST", "bulk/toggle", Value::Null).await?.1["enabled"], json!(true));
    assert_eq!(house.patch(developer, "bulk", json!({ "name": "Bulk" })).await?.1["name"], json!("Bulk"));
    let (status, _) =
        ask(&house, &house.user, "POST", "bulk", json!({ "action": "enable", "keys": ["c"] })).await?;
    assert_eq!(status, 403);
    Ok(())
}

#[tokio::test]
async fn a_thousand_flags_are_one_change() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let keys: Vec<_> = (0..1_000).map(|number| format!("f{number:03}")).collect();
    for key in &keys {
        house.create(json!({ "key": key })).await?;
    }
    let head = house.head().await?;
    let (status, done) =
        ask(&house, &house.developer, "POST", "bulk", json!({ "action": "enable", "keys": keys })).await?;
    assert_eq!((status, done["changed"].as_array().map(Vec::len)), (200, Some(1_000)));
    assert_eq!(house.head().await?, head + 1);
    let snapshot = house.burgee.get("/sdk/v1/snapshot", &house.burgee.banner.server_key).await?;
    let flags = snapshot["flags"].as_object().context("no flags")?;
    assert!(flags.len() == 1_000 && flags.values().all(|flag| flag["enabled"] == json!(true)));
    let verified = house.burgee.run(&["audit", "verify"])?;
    assert!(verified.status.success());
    Ok(())
}
