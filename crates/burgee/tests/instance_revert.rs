//! The way back of what is done to the instance: teams, roles, grants, accounts.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;

async fn done(house: &House, method: &str, path: &str, body: Value) -> Result<Value> {
    let (status, answer) = house.ask(&house.admin, method, path, body).await?;
    ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    Ok(answer)
}

/// Reverts the last change of the instance, first as a try.
async fn revert_last(house: &House) -> Result<Value> {
    let log = house.burgee.get("/api/v1/instance/audit?limit=1", &house.admin).await?;
    let revision = log[0]["revision"].as_u64().context("no revision")?;
    let path = format!("/api/v1/instance/audit/{revision}/revert");
    let tried = done(house, "POST", &format!("{path}?dry_run=true"), NOTHING).await?;
    ensure!(tried["revision"].is_null() && tried["changes"] != json!([]), "{tried}");
    let reverted = done(house, "POST", &path, NOTHING).await?;
    ensure!(reverted["changes"] == tried["changes"], "{reverted} is not {tried}");
    ensure!(reverted["revision"] == revision + 1, "{reverted}");
    let log = house.burgee.get("/api/v1/instance/audit?limit=1", &house.admin).await?;
    ensure!(log[0]["action"] == "revert_change" && log[0]["reverts"] == revision, "{log}");
    Ok(reverted)
}

#[tokio::test]
async fn teams_and_who_is_in_them_come_back() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let team = async || house.get("/api/v1/teams/crew").await;
    done(&house, "POST", "/api/v1/teams", json!({ "key": "crew", "name": "Crew" })).await?;
    revert_last(&house).await?;
    assert_eq!(house.ask(&house.admin, "GET", "/api/v1/teams/crew", NOTHING).await?.0, 404);
    revert_last(&house).await?;
    assert_eq!(team().await?["name"], "Crew", "a revert is reverted");
    done(&house, "PATCH", "/api/v1/teams/crew", json!({ "name": "New" })).await?;
    revert_last(&house).await?;
    assert_eq!(team().await?["name"], "Crew");
    done(&house, "PUT", "/api/v1/teams/crew/members/dev@example.com", NOTHING).await?;
    revert_last(&house).await?;
    assert_eq!(team().await?["members"], json!([]));
    revert_last(&house).await?;
    assert_eq!(team().await?["members"][0]["email"], "dev@example.com");

    // One that was deleted comes back with who is still there, and without what was granted to it.
    house.person("gone@example.com", "member").await?;
    done(&house, "PUT", "/api/v1/teams/crew/members/gone@example.com", NOTHING).await?;
    done(&house, "POST", "/api/v1/grants", json!({ "team": "crew", "role": "viewer" })).await?;
    done(&house, "DELETE", "/api/v1/teams/crew", NOTHING).await?;
    let deleted = house.burgee.get("/api/v1/instance/audit?limit=1", &house.admin).await?;
    let found = house.burgee.get("/auth/users?search=gone", &house.admin).await?;
    let id = found[0]["id"].as_str().context("no id")?.to_owned();
    done(&house, "DELETE", &format!("/auth/users/{id}"), NOTHING).await?;
    let path = format!("/api/v1/instance/audit/{}/revert", deleted[0]["revision"]);
    done(&house, "POST", &path, NOTHING).await?;
    let members = team().await?["members"].clone();
    assert_eq!(
        (members.as_array().map(Vec::len), &members[0]["email"]),
        (Some(1), &json!("dev@example.com"))
    );
    assert_eq!(house.get("/api/v1/grants").await?, json!([]));
    let (status, problem) = house.ask(&house.admin, "POST", &path, NOTHING).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "its key is taken: {problem}");
    Ok(())
}

#[tokio::test]
async fn a_team_that_somebody_made_something_of_stays() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    done(&house, "POST", "/api/v1/teams", json!({ "key": "crew" })).await?;
    let log = house.burgee.get("/api/v1/instance/audit?limit=1", &house.admin).await?;
    let path = format!("/api/v1/instance/audit/{}/revert", log[0]["revision"]);
    done(&house, "PUT", "/api/v1/teams/crew/members/dev@example.com", NOTHING).await?;
    let (status, problem) = house.ask(&house.admin, "POST", &path, NOTHING).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("changed_since")), "{problem}");
    house.create(json!({ "key": "a", "owner": "team:crew" })).await?;
    let forced = format!("{path}?force=true");
    let (status, problem) = house.ask(&house.admin, "POST", &forced, NOTHING).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("team_in_use")), "{problem}");
    assert_eq!(house.patch(&house.developer, "a", json!({ "owner": null })).await?.0, 200);
    done(&house, "POST", &forced, NOTHING).await?;
    assert_eq!(house.ask(&house.admin, "GET", "/api/v1/teams/crew", NOTHING).await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn roles_grants_and_accounts_are_set_back() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let words = || json!({ "key": "release", "permissions": ["flag.update@production"] });
    done(&house, "POST", "/api/v1/roles", words()).await?;
    revert_last(&house).await?;
    revert_last(&house).await?;
    let role = house.get("/api/v1/roles/release").await?;
    assert_eq!(role["permissions"], words()["permissions"]);
    done(&house, "PATCH", "/api/v1/roles/release", json!({ "permissions": ["*"] })).await?;
    revert_last(&house).await?;
    assert_eq!(house.get("/api/v1/roles/release").await?["permissions"], words()["permissions"]);

    let given = json!({ "account": "user@example.com", "role": "release" });
    done(&house, "POST", "/api/v1/instance/grants", given).await?;
    revert_last(&house).await?;
    assert_eq!(house.get("/api/v1/instance/grants").await?, json!([]));
    revert_last(&house).await?;
    let grants = house.get("/api/v1/instance/grants").await?;
    assert_eq!(grants[0]["account"]["name"], "user@example.com", "{grants}");

    let me = house.burgee.get("/auth/me", &house.user).await?;
    let id = me["id"].as_str().context("no id")?;
    done(&house, "PUT", &format!("/auth/users/{id}/role?new_role=admin"), NOTHING).await?;
    assert_eq!(revert_last(&house).await?["changes"][0]["path"], "account.role");
    assert_eq!(house.burgee.get("/auth/me", &house.user).await?["role"], me["role"]);
    assert_eq!(house.ask(&house.user, "GET", "/api/v1/instance/audit", NOTHING).await?.0, 403);

    // What cannot come back says so.
    done(&house, "DELETE", &format!("/auth/users/{id}"), NOTHING).await?;
    let log = house.burgee.get("/api/v1/instance/audit?limit=20", &house.admin).await?;
    for action in ["delete_account", "create_account", "found_instance"] {
        let entry = log.as_array().context("no list")?.iter().find(|one| one["action"] == action);
        let revision = &entry.context("no entry")?["revision"];
        let path = format!("/api/v1/instance/audit/{revision}/revert");
        let (status, problem) = house.ask(&house.admin, "POST", &path, NOTHING).await?;
        assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{action}: {problem}");
    }
    assert!(house.burgee.run(&["audit", "verify"])?.status.success());
    Ok(())
}

#[tokio::test]
async fn who_reads_the_instances_log_reverts_no_more_than_they_may_do() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    done(&house, "POST", "/api/v1/roles", json!({ "key": "auditor", "permissions": ["instance_log.read"] }))
        .await?;
    let eve = house.person("eve@example.com", "member").await?;
    let grant = json!({ "account": "eve@example.com", "role": "auditor" });
    done(&house, "POST", "/api/v1/instance/grants", grant).await?;
    done(&house, "POST", "/api/v1/teams", json!({ "key": "crew" })).await?;
    let log = house.burgee.get("/api/v1/instance/audit", &eve).await?;
    for entry in log.as_array().context("no list")? {
        let path = format!("/api/v1/instance/audit/{}/revert", entry["revision"]);
        let (status, problem) = house.ask(&eve, "POST", &path, NOTHING).await?;
        assert!([403, 409].contains(&status), "{}: {status} {problem}", entry["action"]);
        assert_eq!(house.ask(&house.developer, "POST", &path, NOTHING).await?.0, 403);
    }
    Ok(())
}

/// Before projects had grants in their own logs, they stood in the instance's.
#[tokio::test]
async fn an_old_entry_of_a_projects_grant_gives_nothing_on_the_instance() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    burgee.register("dev@example.com", "developer").await?;
    let admin = burgee.admin().await?;
    let grant = json!({ "account": "dev@example.com", "role": "admin" });
    let grant = burgee.post("/api/v1/instance/grants", Some(&admin), &grant).await?;
    let path = format!("/api/v1/instance/grants/{}", grant["id"].as_str().context("no id")?);
    assert_eq!(burgee.ask("DELETE", &path, Some(&admin), None).await?.0, 204);
    burgee.stop().await?;
    let old = "UPDATE changes SET before = replace(before, '\"project\":null', '\"project\":\"default\"')
               WHERE action = 'delete_grant'";
    assert_eq!(testkit::sqlite::execute(&folder.path().join("burgee.db"), old).await?, 1);
    let burgee = start.start().await?;
    let log = burgee.get("/api/v1/instance/audit?action=delete_grant", &admin).await?;
    assert_eq!(log[0]["before"]["grant"]["project"], "default", "{log}");
    let path = format!("/api/v1/instance/audit/{}/revert", log[0]["revision"]);
    let (status, problem) = burgee.ask("POST", &path, Some(&admin), None).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{problem}");
    assert_eq!(burgee.get("/api/v1/instance/grants", &admin).await?, json!([]));
    Ok(())
}
