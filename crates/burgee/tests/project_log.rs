//! What is done to a project stands in its own log, which outlives it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;

/// What a POST makes.
async fn made(house: &House, token: &str, path: &str, document: Value) -> Result<Value> {
    let (status, made) = house.ask(token, "POST", path, document).await?;
    ensure!(status == 201, "{path}: {status} {made}");
    Ok(made)
}

/// A server with a project `shop`, of which Tina is a team admin and nothing else.
async fn shop() -> Result<(House, String)> {
    let house = House::open(PROGRAM).await?;
    made(&house, &house.admin, "/api/v1/projects", json!({ "key": "shop" })).await?;
    let tina = house.person("tina@example.com", "member").await?;
    house.person("jo@example.com", "member").await?;
    let grant = json!({ "account": "tina@example.com", "role": "team_admin" });
    made(&house, &house.admin, "/api/v1/projects/shop/grants", grant).await?;
    Ok((house, tina))
}

/// The actions that a log has under a query, newest first.
async fn actions(house: &House, token: &str, query: &str) -> Result<Vec<String>> {
    let log = house.burgee.get(&format!("/api/v1/projects/shop/audit?{query}"), token).await?;
    let actions = log.as_array().context("no list")?.iter().filter_map(|one| one["action"].as_str());
    Ok(actions.map(str::to_owned).collect())
}

async fn revert(house: &House, token: &str, revision: &Value, query: &str) -> Result<(u16, Value)> {
    let path = format!("/api/v1/projects/shop/audit/{revision}/revert{query}");
    house.ask(token, "POST", &path, NOTHING).await
}

async fn head(house: &House) -> Result<Value> {
    let log = house.burgee.get("/api/v1/projects/shop/audit?limit=1", &house.admin).await?;
    Ok(log[0]["revision"].clone())
}

#[tokio::test]
async fn grants_and_settings_stand_in_the_projects_log_and_its_admins_read_it() -> Result<()> {
    let (house, tina) = shop().await?;
    let grants = "/api/v1/projects/shop/grants";
    let here = json!({ "account": "jo@example.com", "role": "developer", "environment": "staging" });
    let grant = made(&house, &tina, grants, here).await?;
    let (status, shown) =
        house.ask(&tina, "PATCH", "/api/v1/projects/shop", json!({ "name": "The shop" })).await?;
    assert_eq!((status, &shown["name"]), (200, &json!("The shop")));
    let path = format!("{grants}/{}", grant["id"].as_str().context("no id")?);
    assert_eq!(house.ask(&tina, "DELETE", &path, NOTHING).await?.0, 204);

    let all = ["delete_grant", "update_project", "create_grant", "create_grant", "found_project"];
    assert_eq!(actions(&house, &tina, "").await?, all);
    assert_eq!(actions(&house, &house.admin, "").await?, all);
    assert_eq!(actions(&house, &tina, "environment=staging&action=delete_grant").await?, ["delete_grant"]);
    assert_eq!(actions(&house, &tina, "account=jo@example.com").await?, ["delete_grant", "create_grant"]);
    let id = &grant["account"]["id"].as_str().context("no id")?.to_owned();
    assert_eq!(actions(&house, &tina, &format!("account={id}")).await?.len(), 2);
    assert_eq!(actions(&house, &tina, "actor=tina@example.com").await?.len(), 3);
    let log = house.burgee.get("/api/v1/projects/shop/audit?action=update_project", &tina).await?;
    let changes = json!([{ "path": "project.name", "old": "shop", "new": "The shop" }]);
    assert_eq!(log[0]["changes"], changes, "{log}");
    // What concerns the instance is in its own log, and who may not read that is not shown it.
    let log = house.burgee.get("/api/v1/instance/audit", &house.admin).await?;
    let of_instance = log.as_array().context("no list")?.iter().map(|one| one["action"].clone());
    let of_instance: Vec<_> = of_instance.take(3).collect();
    assert_eq!(json!(of_instance), json!(["create_account", "create_account", "create_project"]));
    assert_eq!(house.ask(&tina, "GET", "/api/v1/instance/audit", NOTHING).await?.0, 403);
    assert!(house.burgee.run(&["audit", "verify"])?.status.success());
    Ok(())
}

#[tokio::test]
async fn a_grant_is_reverted_by_who_may_grant() -> Result<()> {
    let (house, tina) = shop().await?;
    let dan = house.person("dan@example.com", "member").await?;
    let grants = "/api/v1/projects/shop/grants";
    made(&house, &house.admin, "/api/v1/teams", json!({ "key": "crew" })).await?;
    made(&house, &tina, grants, json!({ "account": "dan@example.com", "role": "developer" })).await?;
    let flags = "/api/v1/projects/shop/flags";
    assert_eq!(house.ask(&dan, "GET", flags, NOTHING).await?.0, 200);
    let given = head(&house).await?;
    assert_eq!(revert(&house, &dan, &given, "").await?.0, 403, "it takes the right to grant");
    let (status, tried) = revert(&house, &tina, &given, "?dry_run=true").await?;
    assert_eq!((status, &tried["revision"]), (200, &NOTHING), "{tried}");
    assert_eq!(tried["changes"][0]["old"]["account"], "dan@example.com", "{tried}");
    let (status, done) = revert(&house, &tina, &given, "").await?;
    assert_eq!(status, 200, "{done}");
    assert_eq!(house.ask(&dan, "GET", flags, NOTHING).await?.0, 404, "what was given is taken back");
    assert_eq!(revert(&house, &tina, &given, "").await?.1["changes"], json!([]), "once is enough");
    let (status, again) = revert(&house, &tina, &done["revision"], "").await?;
    assert_eq!(status, 200, "and what was taken back is given again: {again}");
    assert_eq!(house.ask(&dan, "GET", flags, NOTHING).await?.0, 200);
    let (_, nothing) = revert(&house, &tina, &done["revision"], "").await?;
    assert_eq!((&nothing["changes"], &nothing["revision"]), (&json!([]), &NOTHING), "he has it");

    // Nobody gives more than they have by a revert, and what is gone has nothing.
    let admin = json!({ "team": "crew", "role": "admin", "environment": "production" });
    let grant = made(&house, &house.admin, grants, admin).await?;
    let more = head(&house).await?;
    assert_eq!(revert(&house, &tina, &more, "").await?.1["code"], "more_than_own");
    let path = format!("{grants}/{}", grant["id"].as_str().context("no id")?);
    assert_eq!(house.ask(&house.admin, "DELETE", &path, NOTHING).await?.0, 204);
    let taken = head(&house).await?;
    assert_eq!(revert(&house, &tina, &taken, "").await?.1["code"], "more_than_own");
    let (status, done) = revert(&house, &house.admin, &taken, "").await?;
    assert_eq!((status, &done["changes"][0]["new"]["environment"]), (200, &json!("production")), "{done}");
    assert_eq!(house.ask(&house.admin, "DELETE", "/api/v1/teams/crew", NOTHING).await?.0, 204);
    let (status, problem) = revert(&house, &house.admin, &taken, "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{problem}");
    Ok(())
}

#[tokio::test]
async fn a_projects_settings_are_set_back() -> Result<()> {
    let (house, tina) = shop().await?;
    let path = "/api/v1/projects/shop";
    made(&house, &house.admin, "/api/v1/teams", json!({ "key": "crew" })).await?;
    let set = json!({ "name": "The shop", "team": "crew" });
    assert_eq!(house.ask(&house.admin, "PATCH", path, set).await?.0, 200);
    let set = head(&house).await?;
    assert_eq!(house.ask(&tina, "PATCH", path, json!({ "description": "kept" })).await?.0, 200);
    let (status, problem) = revert(&house, &tina, &set, "").await?;
    assert_eq!((status, &problem["code"]), (403, &json!("not_permitted")), "who owns it is not hers to say");
    let (status, tried) = revert(&house, &house.admin, &set, "?dry_run=true").await?;
    assert_eq!((status, &tried["revision"]), (200, &NOTHING), "{tried}");
    let (status, done) = revert(&house, &house.admin, &set, "").await?;
    assert_eq!(status, 200, "{done}");
    let shown = house.burgee.get(path, &house.admin).await?;
    assert_eq!((&shown["name"], &shown["description"]), (&json!("shop"), &json!("kept")), "{shown}");
    assert_eq!((&shown["team"], &shown["version"]), (&NOTHING, &done["revision"]), "{shown}");
    let (status, again) = revert(&house, &house.admin, &done["revision"], "").await?;
    assert_eq!(status, 200, "{again}");
    assert_eq!(house.burgee.get(path, &house.admin).await?["team"], "crew");

    // A later change is in the way, and a team of the same key is another one.
    let cleared = json!({ "name": "Newer", "team": null });
    assert_eq!(house.ask(&house.admin, "PATCH", path, cleared).await?.0, 200);
    let cleared = head(&house).await?;
    let (status, problem) = revert(&house, &house.admin, &again["revision"], "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_since")), "{problem}");
    assert_eq!(house.ask(&house.admin, "DELETE", "/api/v1/teams/crew", NOTHING).await?.0, 204);
    made(&house, &house.admin, "/api/v1/teams", json!({ "key": "crew" })).await?;
    let (status, problem) = revert(&house, &house.admin, &cleared, "").await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{problem}");
    Ok(())
}

#[tokio::test]
async fn what_is_done_to_a_project_says_why_where_it_wants_to_know() -> Result<()> {
    let (house, tina) = shop().await?;
    let grants = "/api/v1/projects/shop/grants";
    let commented = async |method: &str, path: &str, body: Value| -> Result<u16> {
        let request = house.burgee.http.request(method.parse()?, format!("{}{path}", house.burgee.url));
        let request = request.bearer_auth(&tina).header("burgee-comment", "ticket%207").json(&body);
        Ok(request.send().await?.status().as_u16())
    };
    let rule = json!({ "comment_required": "protected" });
    assert_eq!(house.ask(&tina, "PATCH", "/api/v1/projects/shop", rule).await?.0, 200);
    let viewer = |environment: Value| json!({ "account": "jo@example.com", "role": "viewer", "environment": environment });
    for (place, expected) in [(json!("staging"), 201), (json!("production"), 400), (NOTHING, 400)] {
        let (status, answer) = house.ask(&tina, "POST", grants, viewer(place.clone())).await?;
        assert_eq!(status, expected, "{place}: {answer}");
        assert!(status == 201 || answer["code"] == "comment_required", "{answer}");
    }
    assert_eq!(commented("POST", grants, viewer(json!("production"))).await?, 201);
    let given = house.burgee.get(grants, &tina).await?;
    for (place, expected) in [("staging", 204), ("production", 400)] {
        let found = given.as_array().context("no list")?.iter().find(|one| one["environment"] == place);
        let id = found.and_then(|one| one["id"].as_str()).context("no grant")?;
        let path = format!("{grants}/{id}");
        assert_eq!(house.ask(&tina, "DELETE", &path, NOTHING).await?.0, expected, "{place}");
    }
    let rule = json!({ "comment_required": "none" });
    let (status, problem) = house.ask(&tina, "PATCH", "/api/v1/projects/shop", rule.clone()).await?;
    assert_eq!((status, &problem["code"]), (400, &json!("comment_required")), "nobody slips out of it");
    assert_eq!(commented("PATCH", "/api/v1/projects/shop", rule).await?, 200);
    Ok(())
}

#[tokio::test]
async fn a_grant_disturbs_no_stream() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "a" })).await?;
    let before = house.snapshot().await?;
    let grant = json!({ "account": "user@example.com", "role": "developer", "environment": "development" });
    made(&house, &house.admin, "/api/v1/grants", grant).await?;
    let set = json!({ "name": "New" });
    assert_eq!(house.ask(&house.admin, "PATCH", "/api/v1/projects/default", set).await?.0, 200);
    assert_eq!(house.snapshot().await?, before, "the revision included");
    let made = house.create(json!({ "key": "b" })).await?;
    assert_eq!(house.snapshot().await?["revision"], made["version"]);
    Ok(())
}

/// The id of the project that was deleted last.
async fn deleted(burgee: &Burgee, admin: &str) -> Result<String> {
    let log = burgee.get("/api/v1/instance/audit?action=delete_project&limit=1", admin).await?;
    let id = log[0]["entities"][0]["id"].as_str().context("no id")?;
    Ok(id.to_owned())
}

#[tokio::test]
async fn the_log_of_a_deleted_project_is_read_exported_and_redacted() -> Result<()> {
    let (house, tina) = shop().await?;
    made(&house, &tina, "/api/v1/projects/shop/flags", json!({ "key": "sale", "description": "hunter2" }))
        .await?;
    let revision = head(&house).await?;
    let path = "/api/v1/projects/shop";
    assert_eq!(house.ask(&house.admin, "DELETE", &format!("{path}?force=true"), NOTHING).await?.0, 204);
    let id = deleted(&house.burgee, &house.admin).await?;
    let log = format!("/api/v1/instance/audit?deleted_project={id}");
    let entries = house.burgee.get(&log, &house.admin).await?;
    assert_eq!((&entries[0]["action"], &entries[0]["chain"]), (&json!("create_flag"), &json!(id)));
    let of_flag = house.burgee.get(&format!("{log}&flag=sale&limit=1"), &house.admin).await?;
    assert_eq!(of_flag.as_array().map(Vec::len), Some(1));

    let redact = format!("/api/v1/instance/audit/{revision}/redact?deleted_project={id}");
    let texts = json!({ "texts": ["after"] });
    assert_eq!(house.ask(&tina, "POST", &redact, texts.clone()).await?.0, 403);
    assert_eq!(house.ask(&tina, "GET", &log, NOTHING).await?.0, 403);
    assert_eq!(house.ask(&house.admin, "POST", &redact, texts).await?.0, 200);
    let entries = house.burgee.get(&log, &house.admin).await?;
    assert_eq!((&entries[0]["action"], &entries[1]["after"]), (&json!("redact_change"), &NOTHING));
    assert!(!entries.to_string().contains("hunter2"), "{entries}");
    let url = format!("{}/api/v1/instance/audit/export?deleted_project={id}", house.burgee.url);
    let export = house.burgee.http.get(url).bearer_auth(&house.admin).send().await?.text().await?;
    assert_eq!(export.lines().count(), entries.as_array().map_or(0, Vec::len));
    let verified = house.burgee.run(&["audit", "verify"])?;
    let text = String::from_utf8(verified.stdout)?;
    assert!(verified.status.success() && text.contains(&format!("{id}@")), "{text}");

    // One that is there has a log of its own, and what never was has none: in the same words.
    let default = house.burgee.get("/api/v1/projects/default", &house.admin).await?;
    let there = default["id"].as_str().context("no id")?;
    for id in [there, "00000000-0000-7000-8000-000000000000", "00000000-0000-0000-0000-000000000000", "x"] {
        let path = format!("/api/v1/instance/audit?deleted_project={id}");
        let (status, problem) = house.ask(&house.admin, "GET", &path, NOTHING).await?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 404 && detail.starts_with("deleted project not found"), "{id}: {problem}");
    }
    Ok(())
}

#[tokio::test]
async fn the_log_of_a_deleted_project_expires() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let admin = burgee.admin().await?;
    burgee.post("/api/v1/projects", Some(&admin), &json!({ "key": "shop" })).await?;
    burgee.post("/api/v1/projects/shop/flags", Some(&admin), &json!({ "key": "sale" })).await?;
    let (status, _) = burgee.ask("DELETE", "/api/v1/projects/shop?force=true", Some(&admin), None).await?;
    assert_eq!(status, 204);
    let log = format!("/api/v1/instance/audit?deleted_project={}", deleted(&burgee, &admin).await?);
    assert_eq!(burgee.get(&log, &admin).await?.as_array().map(Vec::len), Some(2));
    burgee.stop().await?;
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    let burgee = Start { env: &[("BURGEE__AUDIT__RETENTION", "1s")], ..start }.start().await?;
    let mut left = NOTHING;
    for _ in 0..100 {
        left = burgee.get(&log, &admin).await?;
        if left[0]["action"] == "expire_changes" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!((left.as_array().map(Vec::len), &left[0]["revision"]), (Some(1), &json!(3)), "{left}");
    assert_eq!(left[0]["after"]["checkpoint"]["revision"], 2, "{left}");
    let verified = burgee.run(&["audit", "verify"])?;
    let text = String::from_utf8(verified.stdout)?;
    assert!(verified.status.success() && text.contains("(from 3 on)"), "{text}");
    Ok(())
}
