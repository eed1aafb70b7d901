//! The way back, why a change was made, and what is taken out of the log.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn revert(house: &House, token: &str, revision: u64, query: &str) -> Result<(u16, Value)> {
    let path = format!("/api/v1/audit/{revision}/revert{query}");
    house.ask(token, "POST", &path, Value::Null).await
}

/// A flag without what every change changes.
async fn flag(house: &House, path: &str) -> Result<Value> {
    let mut flag = house.get(&format!("/api/v1/flags/{path}")).await?;
    let members = flag.as_object_mut().context("no flag")?;
    for name in ["id", "version", "flag_version", "created_at", "updated_at"] {
        members.remove(name);
    }
    Ok(flag)
}

#[tokio::test]
async fn a_flags_change_is_set_back_and_nothing_else() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "a", "enabled": true })).await?;
    let before = flag(&house, "a").await?;
    let change = json!({ "name": "New", "rollout_percentage": 10, "tags": ["x"] });
    house.patch(&house.developer, "a", change).await?;
    let changed = house.head().await?;
    house.patch(&house.developer, "a", json!({ "description": "kept" })).await?;

    let (status, tried) = revert(&house, &house.developer, changed, "?dry_run=true").await?;
    assert_eq!((status, &tried["revision"]), (200, &Value::Null), "{tried}");
    assert_eq!(house.head().await?, changed + 1, "it was only tried");
    let (status, done) = revert(&house, &house.developer, changed, "").await?;
    assert_eq!((status, &done["revision"]), (200, &json!(changed + 2)), "{done}");
    assert_eq!(done["changes"], tried["changes"]);
    let mut expected = before.clone();
    expected["description"] = json!("kept");
    assert_eq!(flag(&house, "a").await?, expected, "only what the change touched");
    let entry = house.get(&format!("/api/v1/audit/{}", changed + 2)).await?;
    assert_eq!((&entry["action"], &entry["reverts"]), (&json!("revert_change"), &json!(changed)), "{entry}");
    assert_eq!(entry["entities"][0]["key"], "a");

    let (status, nothing) = revert(&house, &house.developer, changed, "").await?;
    assert_eq!((status, &nothing["changes"], &nothing["revision"]), (200, &json!([]), &Value::Null));
    let (status, again) = revert(&house, &house.developer, changed + 2, "").await?;
    assert_eq!(status, 200, "a revert is reverted: {again}");
    assert_eq!(flag(&house, "a").await?["name"], "New");

    house.patch(&house.developer, "a", json!({ "name": "Newer" })).await?;
    let (status, problem) = revert(&house, &house.developer, changed, "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_since")), "{problem}");
    assert_eq!(problem["violations"][0]["path"], "flag.name", "{problem}");
    let (status, done) = revert(&house, &house.developer, changed, "?force=true").await?;
    assert_eq!(status, 200, "{done}");
    assert_eq!(flag(&house, "a").await?, expected);
    let snapshot = house.snapshot().await?;
    assert_eq!(snapshot["flags"]["a"]["rules"], json!([]), "its own node serves it: {snapshot}");
    Ok(())
}

#[tokio::test]
async fn what_was_deleted_comes_back_whole_and_what_was_made_goes() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let rule = json!({ "when": { "attribute": "plan", "operator": "equals", "values": ["pro"] }, "serve": { "variant": "v2" } });
    let made = json!({
        "key": "banner", "kind": "string", "variants": [{ "key": "v1", "value": "a" }, { "key": "v2", "value": "b" }],
        "default": { "variant": "v1" }, "rules": [rule], "enabled": true, "tags": ["t"], "owner": "web",
        "temporary": true, "expected_end": "2027-01-01",
    });
    let (status, answer) = house.ask(&house.developer, "POST", "/api/v1/flags", made).await?;
    assert_eq!(status, 201, "{answer}");
    house.patch(&house.developer, "banner?environment=staging", json!({ "enabled": true })).await?;
    let shown = async || -> Result<[Value; 3]> {
        Ok([
            flag(&house, "banner").await?,
            flag(&house, "banner?environment=staging").await?,
            flag(&house, "banner?environment=production").await?,
        ])
    };
    let before = shown().await?;
    assert_eq!(house.ask(&house.admin, "DELETE", "/api/v1/flags/banner", Value::Null).await?.0, 204);
    let deleted = house.head().await?;
    let (status, problem) = revert(&house, &house.user, deleted, "").await?;
    assert_eq!(status, 403, "a viewer reverts nothing: {problem}");
    let (status, tried) = revert(&house, &house.developer, deleted, "?dry_run=true").await?;
    assert_eq!(status, 200, "{tried}");
    let (status, done) = revert(&house, &house.developer, deleted, "").await?;
    assert_eq!(status, 200, "{done}");
    assert_eq!(shown().await?, before, "as it was, in every environment");
    let (status, problem) = revert(&house, &house.developer, deleted, "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("key_taken")), "{problem}");

    // The revert made it, so its own revert removes it: an admin's.
    let remade = deleted + 1;
    assert_eq!(revert(&house, &house.developer, remade, "").await?.0, 403);
    house.patch(&house.developer, "banner", json!({ "owner": "app" })).await?;
    let (status, problem) = revert(&house, &house.admin, remade, "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_since")), "{problem}");
    let (status, done) = revert(&house, &house.admin, remade, "?force=true").await?;
    assert_eq!(status, 200, "{done}");
    assert_eq!(house.ask(&house.user, "GET", "/api/v1/flags/banner", Value::Null).await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn a_revert_needs_the_right_and_is_checked_like_every_write() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "a" })).await?;
    house.create(json!({ "key": "b" })).await?;
    let (status, _) =
        house.patch(&house.admin, "a?environment=production", json!({ "enabled": true })).await?;
    assert_eq!(status, 200);
    let raised = house.head().await?;
    let (status, problem) = revert(&house, &house.developer, raised, "").await?;
    assert_eq!((status, &problem["code"]), (403, &json!("protected_environment")), "{problem}");
    assert_eq!(revert(&house, &house.admin, raised, "").await?.0, 200);

    let required = json!({ "prerequisites": [{ "flag": "b", "variants": ["on"] }] });
    assert_eq!(house.patch(&house.developer, "a", required).await?.0, 200);
    let requires = house.head().await?;
    assert_eq!(house.patch(&house.developer, "a", json!({ "prerequisites": [] })).await?.0, 200);
    let no_more = house.head().await?;
    assert_eq!(house.ask(&house.admin, "DELETE", "/api/v1/flags/b", Value::Null).await?.0, 204);
    for query in ["?dry_run=true", ""] {
        let (status, problem) = revert(&house, &house.developer, no_more, query).await?;
        assert_eq!(status, 400, "it would name what is gone: {problem}");
    }
    let (status, nothing) = revert(&house, &house.developer, requires, "").await?;
    assert_eq!((status, &nothing["revision"]), (200, &Value::Null), "it is as it was: {nothing}");

    let (status, problem) = revert(&house, &house.admin, 1, "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "the founding: {problem}");
    house.ask(&house.developer, "POST", "/api/v1/sdk-keys", json!({ "name": "k", "kind": "server" })).await?;
    let (status, problem) = revert(&house, &house.admin, house.head().await?, "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{problem}");
    for revision in ["0", "999", "x"] {
        let path = format!("/api/v1/audit/{revision}/revert");
        assert_eq!(house.ask(&house.admin, "POST", &path, Value::Null).await?.0, 404, "{revision}");
    }
    assert_eq!(revert(&house, &house.admin, raised, "?force=maybe").await?.0, 400);
    Ok(())
}

#[tokio::test]
async fn many_flags_segments_fields_and_environments_are_set_back() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let dev = &house.developer;
    for key in ["a", "b"] {
        house.create(json!({ "key": key })).await?;
    }
    for (action, check, was) in
        [("enable", "enabled", json!(false)), ("archive", "lifecycle", json!("active"))]
    {
        let bulk = json!({ "action": action, "keys": ["a", "b"] });
        assert_eq!(house.ask(dev, "POST", "/api/v1/flags/bulk", bulk).await?.0, 200);
        let (status, done) = revert(&house, dev, house.head().await?, "").await?;
        assert_eq!(status, 200, "{done}");
        assert_eq!(flag(&house, "b").await?[check], was, "{action}");
        let (status, done) = revert(&house, dev, house.head().await?, "").await?;
        assert_eq!(status, 200, "and back: {done}");
        assert_ne!(flag(&house, "b").await?[check], was, "{action}");
    }

    let segment = json!({ "key": "s", "included": ["al", "jo"], "when": { "attribute": "plan", "operator": "equals", "values": ["pro"] } });
    assert_eq!(house.ask(dev, "POST", "/api/v1/segments", segment).await?.0, 201);
    let path = "/api/v1/segments/s";
    house.ask(dev, "PATCH", path, json!({ "name": "S", "included": ["jo", "mo"], "when": null })).await?;
    let changed = house.head().await?;
    house.ask(dev, "PATCH", path, json!({ "included": ["jo", "mo", "zoe"] })).await?;
    let (status, done) = revert(&house, dev, changed, "").await?;
    assert_eq!(status, 200, "{done}");
    let shown = house.get(path).await?;
    assert_eq!((&shown["name"], &shown["included"]), (&json!("s"), &json!(["al", "jo", "zoe"])), "{shown}");
    assert_eq!(shown["when"]["attribute"], "plan", "{shown}");
    house.ask(&house.admin, "DELETE", path, Value::Null).await?;
    let (status, done) = revert(&house, dev, house.head().await?, "").await?;
    assert_eq!(status, 200, "{done}");
    assert_eq!(house.get(path).await?["included"], shown["included"]);

    let field = json!({ "key": "plan", "values": ["free"] });
    assert_eq!(house.ask(dev, "POST", "/api/v1/context-fields", field).await?.0, 201);
    let path = "/api/v1/context-fields/plan";
    house.ask(dev, "POST", &format!("{path}/values"), json!({ "add": ["pro"] })).await?;
    assert_eq!(revert(&house, dev, house.head().await?, "").await?.0, 200);
    assert_eq!(house.get(path).await?["values"], json!(["free"]));
    house.ask(&house.admin, "DELETE", path, Value::Null).await?;
    assert_eq!(revert(&house, dev, house.head().await?, "").await?.0, 200);
    assert_eq!(house.get(path).await?["values"], json!(["free"]));

    let admin = &house.admin;
    let order = json!({ "keys": ["production", "development", "staging"] });
    let keys = async || -> Result<Vec<String>> {
        let listed = house.get("/api/v1/environments").await?;
        let keys = listed.as_array().context("no list")?.iter().filter_map(|one| one["key"].as_str());
        Ok(keys.map(str::to_owned).collect())
    };
    let before = keys().await?;
    let (status, answer) = house.ask(admin, "PUT", "/api/v1/environments/order", order).await?;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(revert(&house, dev, house.head().await?, "").await?.0, 403);
    assert_eq!(revert(&house, admin, house.head().await?, "").await?.0, 200);
    assert_eq!(keys().await?, before);
    house.ask(admin, "PATCH", "/api/v1/environments/production", json!({ "protected": false })).await?;
    assert_eq!(revert(&house, admin, house.head().await?, "").await?.0, 200);
    assert_eq!(house.get("/api/v1/environments/production").await?["protected"], true);
    house.ask(admin, "POST", "/api/v1/environments", json!({ "key": "qa" })).await?;
    assert_eq!(revert(&house, admin, house.head().await?, "").await?.0, 200);
    assert_eq!(keys().await?, before);
    house.ask(admin, "DELETE", "/api/v1/environments/staging?force=true", Value::Null).await?;
    let (status, problem) = revert(&house, admin, house.head().await?, "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{problem}");
    assert!(house.burgee.run(&["audit", "verify"])?.status.success());
    Ok(())
}

#[tokio::test]
async fn a_project_may_want_to_know_why() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "a" })).await?;
    let path = "/api/v1/projects/default";
    assert_eq!(
        house.ask(&house.developer, "PATCH", path, json!({ "comment_required": "all" })).await?.0,
        403
    );
    for wrong in [json!({ "comment_required": "always" }), json!({ "comments": "all" }), json!([])] {
        assert_eq!(house.ask(&house.admin, "PATCH", path, wrong).await?.0, 400);
    }
    let set = json!({ "comment_required": "protected" });
    let (status, settings) = house.ask(&house.admin, "PATCH", path, set).await?;
    assert_eq!((status, &settings["comment_required"]), (200, &json!("protected")));
    assert_eq!(house.burgee.get(path, &house.admin).await?, settings);

    assert_eq!(house.patch(&house.developer, "a", json!({ "enabled": true })).await?.0, 200);
    let production = "a?environment=production";
    let (status, problem) = house.patch(&house.admin, production, json!({ "enabled": true })).await?;
    assert_eq!((status, &problem["code"]), (400, &json!("comment_required")), "{problem}");
    assert_eq!(problem["violations"][0]["path"], "header Burgee-Comment", "{problem}");
    assert_eq!(house.patch(&house.developer, "a", json!({ "name": "A" })).await?.0, 400, "it reaches all");
    let head = house.head().await?;
    let commented = async |method: &str, path: &str, comment: &str, body: Value| -> Result<u16> {
        let request = house.burgee.http.request(method.parse()?, format!("{}{path}", house.burgee.url));
        let request = request.bearer_auth(&house.admin).header("burgee-comment", comment).json(&body);
        Ok(request.send().await?.status().as_u16())
    };
    let path = "/api/v1/flags/a?environment=production";
    assert_eq!(commented("PATCH", path, "%20", json!({ "enabled": true })).await?, 400, "that says nothing");
    assert_eq!(commented("PATCH", path, "launch", json!({ "enabled": true })).await?, 200);
    assert_eq!(house.head().await?, head + 1);
    assert_eq!(revert(&house, &house.admin, head + 1, "").await?.0, 400, "a revert says why as well");

    let (path, all) = ("/api/v1/projects/default", json!({ "comment_required": "all" }));
    let (status, problem) = house.ask(&house.admin, "PATCH", path, all.clone()).await?;
    assert_eq!((status, &problem["code"]), (400, &json!("comment_required")), "settings hold everywhere");
    assert_eq!(commented("PATCH", path, "audit", all).await?, 200);
    assert_eq!(house.patch(&house.developer, "a", json!({ "enabled": false })).await?.0, 400);
    assert_eq!(commented("PATCH", "/api/v1/flags/a", "off", json!({ "enabled": false })).await?, 200);
    Ok(())
}

#[tokio::test]
async fn texts_are_taken_out_and_the_chain_holds() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let request = house.burgee.http.post(format!("{}/api/v1/flags", house.burgee.url));
    let request = request.bearer_auth(&house.developer).header("burgee-comment", "password%3Ahunter2");
    assert_eq!(request.json(&json!({ "key": "a" })).send().await?.status(), 201);
    let path = "/api/v1/audit/2/redact";
    let texts = json!({ "texts": ["comment", "before"] });
    assert_eq!(house.ask(&house.developer, "POST", path, texts.clone()).await?.0, 403);
    let (status, done) = house.ask(&house.admin, "POST", path, texts.clone()).await?;
    assert_eq!((status, &done), (200, &json!({ "revision": 3 })));
    let entry = house.get("/api/v1/audit/2").await?;
    assert_eq!((&entry["comment"], &entry["redacted"]), (&Value::Null, &json!(["comment"])), "{entry}");
    assert_ne!(entry["after"], Value::Null, "it was not asked for: {entry}");
    let proof = house.get("/api/v1/audit/3").await?;
    assert_eq!(proof["after"], json!({ "redacted": { "revision": 2, "texts": ["comment"] } }), "{proof}");
    assert_eq!(proof["actor"]["name"], "admin@burgee.local");
    let (status, done) = house.ask(&house.admin, "POST", path, texts).await?;
    assert_eq!((status, &done), (200, &json!({ "revision": null })), "there is nothing left");
    let (status, problem) =
        house.ask(&house.admin, "POST", "/api/v1/audit/3/redact", json!({ "texts": ["after"] })).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_redactable")), "{problem}");
    for wrong in
        [json!({ "texts": [] }), json!({ "texts": ["hash"] }), json!({}), json!({ "texts": "after" })]
    {
        let (status, problem) = house.ask(&house.admin, "POST", path, wrong.clone()).await?;
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
    house.ask(&house.admin, "POST", path, json!({ "texts": ["after"] })).await?;
    assert_eq!(revert(&house, &house.admin, 2, "").await?.1["code"], "not_revertible");
    let path = "/api/v1/instance/audit/2/redact";
    assert_eq!(house.ask(&house.admin, "POST", path, json!({ "texts": ["after"] })).await?.0, 200);
    let verified = house.burgee.run(&["audit", "verify"])?;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    Ok(())
}

#[tokio::test]
async fn b19_what_is_too_old_goes_and_the_rest_is_proved_from_there() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    burgee.post("/api/v1/flags", Some(&token), &json!({ "key": "a" })).await?;
    let first = String::from_utf8(burgee.run(&["audit", "verify"])?.stdout)?;
    burgee.post("/api/v1/flags/a/toggle", Some(&token), &Value::Null).await?;
    burgee.stop().await?;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    let env = [("BURGEE__AUDIT__RETENTION", "1s"), ("BURGEE__SECURITY__RETENTION", "1s")];
    let burgee = Start { env: &env, ..start }.start().await?;
    let mut log = Value::Null;
    for _ in 0..100 {
        log = burgee.get("/api/v1/audit", &token).await?;
        if log[0]["action"] == "expire_changes" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(log.as_array().map(Vec::len), Some(1), "{log}");
    assert_eq!((&log[0]["revision"], &log[0]["actor"]["name"]), (&json!(4), &json!("burgee")), "{log}");
    assert_eq!(log[0]["after"]["checkpoint"]["revision"], 3, "{log}");
    assert_eq!(burgee.get("/api/v1/flags/a", &token).await?["enabled"], true, "the flag stays");
    assert_eq!(
        burgee.get("/api/v1/audit?flag=a", &token).await?,
        json!([]),
        "it is known, and nothing of it logged"
    );
    burgee.post("/api/v1/flags/a/toggle", Some(&token), &Value::Null).await?;
    let verified = burgee.run(&["audit", "verify"])?;
    let text = String::from_utf8(verified.stdout)?;
    assert!(verified.status.success() && text.contains("(from 4 on)"), "{text}");
    let head =
        |text: &str| text.lines().nth(1).and_then(|line| line.split_whitespace().last()).map(str::to_owned);
    let (old, new) = (head(&first).context("no head")?, head(&text).context("no head")?);
    let verified = burgee.run(&["audit", "verify", "--expect", &new, "--expect", &old])?;
    let text = String::from_utf8(verified.stdout)?;
    assert!(text.contains(&format!("held    {new}")) && text.contains(&format!("expired  {old}")), "{text}");
    assert!(!verified.status.success(), "what cannot be proved any more is not proved");
    burgee.stop().await?;
    let removed = "UPDATE changes SET after = NULL WHERE action = 'expire_changes' AND revision = 4";
    assert_eq!(testkit::sqlite::execute(&folder.path().join("burgee.db"), removed).await?, 1);
    let output = start.command().args(["audit", "verify"]).output()?;
    assert!(!output.status.success(), "nobody says that they were removed");
    Ok(())
}
