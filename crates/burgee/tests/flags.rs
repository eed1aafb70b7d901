//! Flags through the REST API: views of environments, short forms, partial writes, lists, the log.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

#[tokio::test]
async fn a_new_boolean_flag_is_whole_and_disabled() -> Result<()> {
    let house = house().await?;
    let flag = house.create(json!({ "key": "dark-mode" })).await?;
    let expected = json!({
        "key": "dark-mode", "name": "dark-mode", "description": "", "kind": "boolean", "tags": [], "client_visible": true,
        "variants": [{ "key": "on", "value": true }, { "key": "off", "value": false }],
        "enabled": false, "off_variant": "off", "targets": [], "rules": [], "default": { "variant": "on" },
        "prerequisites": [], "owner": null, "lifecycle": "active", "temporary": false, "expected_end": null,
    });
    let expected = expected.as_object().context("no object")?;
    for (member, value) in expected {
        assert_eq!(&flag[member], value, "{member}");
    }
    let mut members: Vec<_> = flag.as_object().context("no object")?.keys().map(String::as_str).collect();
    members.retain(|member| !expected.contains_key(*member));
    assert_eq!(members, ["created_at", "flag_version", "id", "updated_at", "version"]);
    let time = flag["created_at"].as_str().context("no time")?;
    assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    Ok(())
}

#[tokio::test]
async fn short_forms_become_the_model_that_travels() -> Result<()> {
    let house = house().await?;
    let flag = house
        .create(json!({
            "key": "a", "rollout_percentage": 12.345, "targeted_users": ["u1", "u2"],
            "rules": [{ "attribute": "plan", "operator": "in", "value": "gold, , platinum", "variant": "on", "priority": 3 }],
        }))
        .await?;
    assert_eq!(
        flag["default"],
        json!({ "split": [{ "variant": "on", "weight": 12345 }, { "variant": "off", "weight": 87655 }] })
    );
    assert_eq!(flag["targets"], json!([{ "variant": "on", "keys": ["u1", "u2"] }]));
    let mut rule = flag["rules"][0].clone();
    let id = rule.as_object_mut().and_then(|rule| rule.remove("id")).context("no id")?;
    let when =
        json!({ "attribute": "plan", "operator": "in", "values": ["gold", "platinum"], "ignore_case": true });
    assert_eq!(rule, json!({ "priority": 3, "when": when, "serve": { "variant": "on" } }));
    // Written again in the same words, the rule keeps its id.
    let again = json!({ "rules": [{ "attribute": "plan", "operator": "in", "value": "gold,platinum", "variant": true, "priority": 3 }] });
    let (_, flag) = house.patch(&house.developer, "a", again).await?;
    assert_eq!(flag["rules"][0]["id"], id);

    let flag = house
        .create(json!({
            "key": "colour", "kind": "string", "default_value": "blue",
            "rules": [
                { "attribute": "a", "operator": "equals", "value": "1", "variant": "red" },
                { "attribute": "a", "operator": "equals", "value": "2", "variant": "blue" },
            ],
        }))
        .await?;
    assert_eq!(
        flag["variants"],
        json!([{ "key": "default", "value": "blue" }, { "key": "v1", "value": "red" }])
    );
    assert_eq!(
        (&flag["off_variant"], &flag["default"]),
        (&json!("default"), &json!({ "variant": "default" }))
    );
    assert_eq!(flag["rules"][1]["serve"], json!({ "variant": "default" }));
    Ok(())
}

#[tokio::test]
async fn s2_environments_see_their_own_half() -> Result<()> {
    let house = house().await?;
    let flag = json!({ "key": "a", "enabled": true, "default_value": false, "rules": [{ "serve": { "variant": "on" } }] });
    house.create(flag).await?;
    let here = house.get("/api/v1/flags/a").await?;
    let there = house.get("/api/v1/flags/a?environment=staging").await?;
    assert_eq!((&here["enabled"], &there["enabled"]), (&json!(true), &json!(false)));
    assert_eq!((&there["rules"], &there["default"]), (&json!([]), &json!({ "variant": "on" })));
    assert_eq!(here["id"], there["id"]);

    let (status, changed) = house
        .patch(&house.developer, "a?environment=staging", json!({ "enabled": true, "name": "A" }))
        .await?;
    assert_eq!(status, 200);
    let untouched = house.get("/api/v1/flags/a").await?;
    assert_eq!(untouched["name"], "A", "the definition is everywhere");
    assert_eq!(untouched["version"], here["version"], "the config is not");
    assert_eq!(changed["version"], changed["flag_version"]);
    let environments = house.get("/api/v1/environments").await?;
    let seen: Vec<_> = environments
        .as_array()
        .context("no list")?
        .iter()
        .map(|one| (one["key"].clone(), one["protected"].clone()))
        .collect();
    assert_eq!(
        seen,
        [("development", false), ("staging", false), ("production", true)]
            .map(|(key, is)| (json!(key), json!(is)))
    );
    Ok(())
}

#[tokio::test]
async fn b7_k10_a_write_keeps_what_it_does_not_name_and_get_can_be_sent_back() -> Result<()> {
    let house = house().await?;
    let flag = json!({ "key": "a", "description": "why", "tags": ["x", "b", "x"], "targeted_users": ["u"], "rollout_percentage": 5 });
    let made = house.create(flag).await?;
    assert_eq!(made["tags"], json!(["b", "x"]));
    let (_, changed) = house.patch(&house.developer, "a", json!({ "tags": null, "enabled": true })).await?;
    assert_eq!(
        (&changed["description"], &changed["targets"], &changed["default"]),
        (&made["description"], &made["targets"], &made["default"])
    );
    assert_eq!((&changed["tags"], &changed["enabled"]), (&json!([]), &json!(true)));

    let (status, same) =
        house.burgee.ask("PUT", "/api/v1/flags/a", Some(&house.developer), Some(&changed)).await?;
    assert_eq!((status, &same), (200, &changed), "sent back as it came, it changes nothing");
    let log = house.get("/api/v1/audit?flag=a").await?;
    assert_eq!(log.as_array().map(Vec::len), Some(2), "and what changes nothing is no change");
    let rule = json!({ "attribute": "plan", "operator": "equals", "value": "pro", "variant": true });
    let (_, ruled) = house.patch(&house.developer, "a", json!({ "rules": [rule] })).await?;
    let (status, kept) =
        house.ask(&house.developer, "PUT", "/api/v1/flags/a", json!({ "name": "A" })).await?;
    assert_eq!((status, &kept["rules"], &kept["name"]), (200, &ruled["rules"], &json!("A")), "PUT does too");
    assert_eq!(kept["rules"].as_array().map(Vec::len), Some(1));
    let (status, problem) = house.patch(&house.developer, "a", json!({ "kind": "string" })).await?;
    assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!("kind")));
    Ok(())
}

#[tokio::test]
async fn a_definition_is_changed_by_who_may_change_every_environment_it_is_enabled_in() -> Result<()> {
    let house = house().await?;
    let variants = |second: &str| json!([{ "key": "a", "value": "A" }, { "key": "b", "value": second }]);
    house
        .create(
            json!({ "key": "c", "kind": "string", "variants": variants("B"), "default": { "variant": "b" } }),
        )
        .await?;
    let (status, _) = house.patch(&house.developer, "c", json!({ "variants": variants("B2") })).await?;
    assert_eq!(status, 200, "enabled nowhere, it is anyone's");
    let (status, _) =
        house.patch(&house.admin, "c?environment=production", json!({ "enabled": true })).await?;
    assert_eq!(status, 200);
    let (status, problem) = house.patch(&house.developer, "c", json!({ "variants": variants("B3") })).await?;
    assert_eq!((status, &problem["code"]), (403, &json!("protected_environment")));
    let (status, _) =
        house.patch(&house.developer, "c", json!({ "description": "words are harmless" })).await?;
    assert_eq!(status, 200);

    let only = json!([{ "key": "a", "value": "A" }]);
    let gone = json!({ "variants": only, "default": { "variant": "a" } });
    let (status, problem) = house.patch(&house.admin, "c", gone).await?;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("variant_in_use")),
        "other environments still serve it"
    );
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("staging")), "{problem}");
    Ok(())
}

#[tokio::test]
async fn s14_lists_are_paged_searched_and_filtered() -> Result<()> {
    let house = house().await?;
    for (key, tag) in [("beta", "team-a"), ("alpha", "team-b"), ("gamma_1", "team-a"), ("delta", "team-a")] {
        house.create(json!({ "key": key, "tags": [tag], "description": format!("about {key}") })).await?;
    }
    let mut keys = Vec::new();
    let mut next = Some("/api/v1/flags?limit=3&tag=team-a".to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let answer = house
            .burgee
            .http
            .get(format!("{}{path}", house.burgee.url))
            .bearer_auth(&house.developer)
            .send()
            .await?;
        assert_eq!(answer.headers()["x-total-count"], "3");
        let link = answer.headers().get("link").map(|link| link.to_str().map(str::to_owned)).transpose()?;
        next = link.and_then(|link| {
            Some(link.strip_prefix('<')?.split_once(">; rel=\"next\"")?.0.replace("limit=3", "limit=1"))
        });
        keys.extend(answer.json::<Vec<Value>>().await?.iter().map(|flag| flag["key"].clone()));
        pages += 1;
        if pages == 1 {
            assert!(next.is_none(), "three of three fit on one page");
            next = Some("/api/v1/flags?limit=1&tag=team-a".to_owned());
            keys.clear();
        }
    }
    assert_eq!(keys, [json!("beta"), json!("delta"), json!("gamma_1")]);
    assert_eq!(pages, 4);
    let found = house.get("/api/v1/flags?search=A_1").await?;
    assert_eq!(found.as_array().map(Vec::len), Some(1), "an underscore is an underscore");
    let (status, _) = house.burgee.ask("GET", "/api/v1/flags?limit=0", Some(&house.developer), None).await?;
    assert_eq!(status, 400);
    Ok(())
}

#[tokio::test]
async fn the_log_knows_who_did_what_and_why() -> Result<()> {
    let house = house().await?;
    house.create(json!({ "key": "a" })).await?;
    let toggle = house
        .burgee
        .http
        .post(format!("{}/api/v1/flags/a/toggle", house.burgee.url))
        .bearer_auth(&house.developer);
    let answer = toggle.header("burgee-comment", "f%C3%BCr%20alle").send().await?;
    assert_eq!(answer.status(), 200);
    let (status, _) = house.burgee.ask("DELETE", "/api/v1/flags/a", Some(&house.admin), None).await?;
    assert_eq!(status, 204);

    let log = house.get("/api/v1/audit?flag=a").await?;
    let actions: Vec<_> =
        log.as_array().context("no list")?.iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(
        actions,
        [json!("delete_flag"), json!("toggle_flag"), json!("create_flag")],
        "a deleted flag keeps its history"
    );
    let entry = &log[1];
    assert_eq!((&entry["actor"]["name"], &entry["comment"]), (&json!("dev@example.com"), &json!("für alle")));
    let enabled = |text: &str| entry[text]["configs"]["development"]["enabled"].clone();
    assert_eq!((enabled("before"), enabled("after")), (json!(false), json!(true)));
    assert!(log[0]["before"]["flag"].is_object() && log[0]["after"].is_null());

    house.create(json!({ "key": "a" })).await?;
    let again = house.get("/api/v1/flags/a").await?;
    assert!(again["version"].as_u64() > log[0]["revision"].as_u64(), "versions never come back");
    Ok(())
}

#[tokio::test]
async fn s5_who_wrote_reads_what_they_wrote() -> Result<()> {
    let house = house().await?;
    let ask = async |key: &str, flag: &str| {
        let request = house.burgee.http.post(format!("{}/ofrep/v1/evaluate/flags/{flag}", house.burgee.url));
        let answer = request
            .header("x-api-key", key)
            .json(&json!({ "context": { "targetingKey": "u" } }))
            .send()
            .await?;
        let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await?);
        Ok::<_, anyhow::Error>((status, body["value"].clone()))
    };
    for round in 0..20 {
        let made = json!({ "name": "shop", "kind": "server" });
        let made = house.burgee.post("/api/v1/sdk-keys", Some(&house.developer), &made).await?;
        let key = made["key"].as_str().context("no key")?;
        let flag = format!("flag-{round}");
        house.create(json!({ "key": flag, "enabled": true })).await?;
        assert_eq!(ask(key, &flag).await?, (200, json!(true)));
        house
            .burgee
            .post(&format!("/api/v1/flags/{flag}/toggle"), Some(&house.developer), &Value::Null)
            .await?;
        assert_eq!(ask(key, &flag).await?, (200, json!(false)));
        house.burgee.ask("DELETE", &format!("/api/v1/flags/{flag}"), Some(&house.admin), None).await?;
        assert_eq!(ask(key, &flag).await?.0, 404);
    }
    Ok(())
}
