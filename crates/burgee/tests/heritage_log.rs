//! The rows of the heritage about environments (85 to 88) and the log (135 to 139), on the API as it is here.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;

async fn status(house: &House, token: &str, method: &str, path: &str, body: Value) -> Result<u16> {
    Ok(house.ask(token, method, path, body).await?.0)
}

#[tokio::test]
async fn row_85_there_are_three_environments_from_the_beginning() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let environments = house.get("/api/v1/environments").await?;
    let keys: Vec<_> = environments.as_array().context("no list")?.iter().map(|one| &one["key"]).collect();
    assert_eq!(json!(keys), json!(["development", "staging", "production"]));
    Ok(())
}

#[tokio::test]
async fn row_86_environments_are_made_shown_listed_and_deleted() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (admin, path) = (&house.admin, "/api/v1/environments");
    let qa = json!({ "key": "qa", "name": "QA" });
    assert_eq!(status(&house, admin, "POST", path, qa.clone()).await?, 201);
    assert_eq!(house.get("/api/v1/environments/qa").await?["name"], "QA");
    assert_eq!(house.get(path).await?.as_array().map(Vec::len), Some(4));
    let (again, problem) = house.ask(admin, "POST", path, qa).await?;
    assert_eq!((again, &problem["code"]), (409, &json!("key_taken")));
    assert_eq!(status(&house, admin, "DELETE", "/api/v1/environments/qa", NOTHING).await?, 204);
    assert_eq!(status(&house, admin, "GET", "/api/v1/environments/qa", NOTHING).await?, 404);
    Ok(())
}

#[tokio::test]
async fn row_87_environments_are_an_admins_and_go_with_what_is_in_them_by_force_alone() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let path = "/api/v1/environments/production";
    let nobody = house.burgee.ask("DELETE", path, None, None).await?.0;
    assert_eq!(nobody, 401);
    for token in [&house.user, &house.developer] {
        for (method, path) in [("DELETE", path), ("PATCH", path), ("POST", "/api/v1/environments")] {
            let body = if method == "DELETE" { NOTHING } else { json!({ "key": "production" }) };
            assert_eq!(status(&house, token, method, path, body).await?, 403, "{method} {path}");
        }
    }
    house.create(json!({ "key": "a" })).await?;
    let flag = "a?environment=production";
    assert_eq!(house.patch(&house.admin, flag, json!({ "enabled": true })).await?.0, 200);
    let (refused, problem) = house.ask(&house.admin, "DELETE", path, NOTHING).await?;
    assert_eq!((refused, &problem["code"]), (409, &json!("environment_in_use")), "{problem}");
    assert_eq!(house.get("/api/v1/flags/a?environment=production").await?["enabled"], true);
    Ok(())
}

#[tokio::test]
async fn row_88_production_is_protected_and_others_can_be() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "a" })).await?;
    let raised = || json!({ "enabled": true });
    let (refused, problem) = house.patch(&house.developer, "a?environment=production", raised()).await?;
    assert_eq!((refused, &problem["code"]), (403, &json!("protected_environment")));
    assert_eq!(house.patch(&house.developer, "a?environment=staging", raised()).await?.0, 200);
    let path = "/api/v1/environments/staging";
    assert_eq!(status(&house, &house.admin, "PATCH", path, json!({ "protected": true })).await?, 200);
    let lowered = json!({ "enabled": false });
    assert_eq!(house.patch(&house.developer, "a?environment=staging", lowered.clone()).await?.0, 403);
    assert_eq!(house.patch(&house.admin, "a?environment=staging", lowered).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn row_135_what_was_made_changed_and_deleted_is_logged_with_old_and_new() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "a", "rollout_percentage": 50 })).await?;
    assert_eq!(house.patch(&house.developer, "a", json!({ "rollout_percentage": 10 })).await?.0, 200);
    let log = house.burgee.get("/api/v1/audit", &house.user).await?;
    assert_eq!(log[0]["action"], "update_flag", "{log}");
    let changes = log[0]["changes"].as_array().context("no changes")?;
    let told = changes.iter().any(|change| change["old"] != change["new"] && !change["old"].is_null());
    assert!(told && !log[0]["before"].is_null() && !log[0]["after"].is_null(), "{log}");
    assert_eq!(status(&house, &house.admin, "DELETE", "/api/v1/flags/a", NOTHING).await?, 204);
    let log = house.get("/api/v1/audit").await?;
    let actions: Vec<_> = log.as_array().context("no list")?.iter().map(|one| &one["action"]).collect();
    assert_eq!(json!(actions[..3]), json!(["delete_flag", "update_flag", "create_flag"]));
    assert_eq!((&log[0]["after"], &log[2]["before"]), (&NOTHING, &NOTHING));
    assert_eq!(log[0]["before"]["flag"]["key"], "a", "{log}");
    Ok(())
}

#[tokio::test]
async fn row_136_who_and_when_is_logged_of_people_and_of_keys() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let made = house.create(json!({ "key": "a" })).await?;
    let log = house.get("/api/v1/audit?limit=1").await?;
    let me = house.burgee.get("/auth/me", &house.developer).await?;
    assert_eq!(log[0]["actor"], json!({ "id": me["id"], "name": "dev@example.com" }), "{log}");
    assert!(made["created_at"].is_string() && log[0]["at"] == made["created_at"], "{log}");

    // A program writes in its own name, and with which of its keys.
    let robot = json!({ "name": "ci", "role": "admin" });
    let robot = house.ask(&house.admin, "POST", "/api/v1/service-accounts", robot).await?.1;
    let path = format!("/api/v1/service-accounts/{}/tokens", robot["id"].as_str().context("no id")?);
    let token = house.ask(&house.admin, "POST", &path, json!({ "name": "deploys" })).await?.1;
    let key = token["token"].as_str().context("no token")?;
    let request = house.burgee.http.post(format!("{}/api/v1/flags", house.burgee.url));
    let made = request.header("x-admin-api-key", key).json(&json!({ "key": "b" })).send().await?;
    assert_eq!(made.status(), 201);
    let log = house.get("/api/v1/audit?limit=1").await?;
    assert_eq!((&log[0]["actor"]["name"], &log[0]["token"]), (&json!("ci"), &token["id"]), "{log}");
    Ok(())
}

#[tokio::test]
async fn row_137_a_flag_has_a_history_of_its_own() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for key in ["a", "b"] {
        house.create(json!({ "key": key })).await?;
    }
    for path in ["a", "a?environment=staging", "b"] {
        assert_eq!(house.patch(&house.developer, path, json!({ "enabled": true })).await?.0, 200);
    }
    let log = house.get("/api/v1/audit?flag=a").await?;
    let entries = log.as_array().context("no list")?;
    assert_eq!(entries.len(), 3, "all environments: {log}");
    let of_a = |entry: &Value| entry["entities"][0]["kind"] == "flag" && entry["entities"][0]["key"] == "a";
    assert!(entries.iter().all(of_a), "{log}");
    for limit in ["0", "1001", "-1", "x"] {
        let path = format!("/api/v1/audit?flag=a&limit={limit}");
        let (refused, problem) = house.ask(&house.user, "GET", &path, NOTHING).await?;
        assert_eq!((refused, &problem["violations"][0]["path"]), (400, &json!("query limit")), "{limit}");
    }
    Ok(())
}

/// Makes flags until the server is gone, and gives how many of them were answered.
async fn write_until_killed(url: String, http: reqwest::Client, token: String, writer: usize) -> usize {
    let mut answered = 0;
    for number in 0..1_000 {
        let flag = json!({ "key": format!("flag-{writer}-{number}") });
        let sent = http.post(format!("{url}/api/v1/flags")).bearer_auth(&token).json(&flag).send().await;
        match sent {
            Ok(answer) if answer.status() == 201 => answered += 1,
            _ => return answered,
        }
    }
    answered
}

/// Every key that a list has, page by page.
async fn keys(burgee: &Burgee, token: &str) -> Result<BTreeSet<String>> {
    let (mut keys, mut path) = (BTreeSet::new(), "/api/v1/flags?limit=1000".to_owned());
    loop {
        let answer = burgee.http.get(format!("{}{path}", burgee.url)).bearer_auth(token).send().await?;
        let next = answer.headers().get("link").map(|link| link.to_str().map(str::to_owned)).transpose()?;
        let page: Value = answer.json().await?;
        let named = page.as_array().context("no list")?.iter().filter_map(|one| one["key"].as_str());
        keys.extend(named.map(str::to_owned));
        let Some(next) = next else { return Ok(keys) };
        let link = next.split_once('<').and_then(|(_, rest)| rest.split_once('>')).context("no link")?;
        link.0.clone_into(&mut path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_138_a_change_and_its_entry_are_one_and_no_entry_is_ever_changed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    let writers = (0..4).map(|writer| {
        let (url, http, token) = (burgee.url.clone(), burgee.http.clone(), token.clone());
        tokio::spawn(write_until_killed(url, http, token, writer))
    });
    let writers: Vec<_> = writers.collect();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    burgee.kill()?;
    let mut answered = 0;
    for writer in writers {
        answered += writer.await?;
    }
    ensure!(answered > 0, "it was killed before it did anything");

    let burgee = start.start().await?;
    let token = burgee.login("dev@example.com", "secret").await?;
    let there = keys(&burgee, &token).await?;
    let url = format!("{}/api/v1/audit/export?action=create_flag", burgee.url);
    let export = burgee.http.get(url).bearer_auth(&token).send().await?.text().await?;
    let mut logged = BTreeSet::new();
    for line in export.lines() {
        let entry: Value = serde_json::from_str(line)?;
        let key = entry["entities"][0]["key"].as_str().context("no key")?;
        ensure!(logged.insert(key.to_owned()), "{key} is logged twice");
    }
    assert_eq!(there, logged, "each change has its entry, and each entry its change");
    assert!(there.len() >= answered, "what was answered is there: {} of {answered}", there.len());
    assert!(burgee.run(&["audit", "verify"])?.status.success());

    // Nothing in the API writes into the log or removes from it, but what leaves a proof.
    let document: Value =
        burgee.http.get(format!("{}/openapi.json", burgee.url)).send().await?.json().await?;
    for (path, operations) in document["paths"].as_object().context("no paths")? {
        let methods: BTreeSet<_> =
            operations.as_object().context("none")?.keys().map(String::as_str).collect();
        let of_log = path.split('/').any(|part| part == "audit" || part == "security-log");
        let proved = ["/revert", "/redact"].iter().any(|end| path.ends_with(end));
        assert!(!of_log || proved || methods == BTreeSet::from(["get"]), "{path}: {methods:?}");
    }
    let (refused, _) = burgee.ask("DELETE", "/api/v1/audit/1", Some(&token), None).await?;
    assert_eq!(refused, 405);
    Ok(())
}

#[tokio::test]
async fn row_139_environments_roles_sign_ins_and_kill_switches_are_logged() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "a", "enabled": true })).await?;
    let jo = house.person("jo@example.com", "member").await?;
    let id = house.burgee.get("/auth/me", &jo).await?["id"].as_str().context("no id")?.to_owned();
    let role = format!("/auth/users/{id}/role?new_role=developer");
    assert_eq!(status(&house, &house.admin, "PUT", &role, NOTHING).await?, 200);
    let log = house.burgee.get("/api/v1/instance/audit?action=set_role", &house.admin).await?;
    assert_eq!(log[0]["entities"][0], json!({ "kind": "account", "id": id, "key": "jo@example.com" }));
    let changes = json!([{ "path": "role", "old": "member", "new": "developer" }]);
    assert_eq!(log[0]["changes"], changes, "{log}");

    let path = "/api/v1/environments/staging";
    assert_eq!(status(&house, &house.admin, "PATCH", path, json!({ "name": "Stage" })).await?, 200);
    assert_eq!(house.get("/api/v1/audit?limit=1").await?[0]["entities"][0]["key"], "staging");
    let off = json!({ "action": "disable", "keys": ["a"] });
    assert_eq!(status(&house, &house.developer, "POST", "/api/v1/flags/bulk", off).await?, 200);
    let log = house.get("/api/v1/audit?limit=1&flag=a").await?;
    assert_eq!(log[0]["changes"][0]["new"], false, "who switched it off: {log}");
    assert_eq!(log[0]["actor"]["name"], "dev@example.com");

    let seen = async |kind: &str| -> Result<bool> {
        let log = house.burgee.get(&format!("/api/v1/security-log?kind={kind}"), &house.admin).await?;
        Ok(log.to_string().contains("jo@example.com"))
    };
    let wrong = json!({ "email": "jo@example.com", "password": "wrong" });
    assert_eq!(house.burgee.ask("POST", "/auth/login", None, Some(&wrong)).await?.0, 401);
    for kind in ["signed_in", "sign_in_failed"] {
        let mut is_logged = false;
        for _ in 0..50 {
            is_logged = seen(kind).await?;
            if is_logged {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(is_logged, "{kind} within a second or so");
    }
    Ok(())
}
