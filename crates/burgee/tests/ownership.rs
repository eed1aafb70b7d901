//! Teams look after projects and flags; and what goes with what is deleted, the log keeps.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;

async fn made(house: &House, token: &str, path: &str, document: Value) -> Result<Value> {
    let (status, made) = house.ask(token, "POST", path, document).await?;
    ensure!(status == 201, "{path}: {status} {made}");
    Ok(made)
}

/// A server with a second project, `shop`, and the team `payments`.
async fn house() -> Result<House> {
    let house = House::open(PROGRAM).await?;
    made(&house, &house.admin, "/api/v1/projects", json!({ "key": "shop" })).await?;
    made(&house, &house.admin, "/api/v1/teams", json!({ "key": "payments" })).await?;
    Ok(house)
}

/// The last entry of the instance's log.
async fn last(house: &House) -> Result<Value> {
    let log = house.burgee.get("/api/v1/instance/audit?limit=1", &house.admin).await?;
    Ok(log[0].clone())
}

#[tokio::test]
async fn a_team_owns_flags_and_says_which() -> Result<()> {
    let house = house().await?;
    let flag = house.create(json!({ "key": "a", "owner": "team:payments" })).await?;
    assert_eq!(flag["owner"], "team:payments");
    house.create(json!({ "key": "b", "owner": "Jo, of the payments people" })).await?;
    house.create(json!({ "key": "c" })).await?;
    let given = house.patch(&house.developer, "c", json!({ "owner": "team:payments" })).await?;
    assert_eq!(given.0, 200, "{}", given.1);
    made(
        &house,
        &house.admin,
        "/api/v1/projects/shop/flags",
        json!({ "key": "sale", "owner": "team:payments" }),
    )
    .await?;
    let listed = house.get("/api/v1/flags?owner=team:payments").await?;
    let keys: Vec<_> = listed.as_array().context("no list")?.iter().map(|one| &one["key"]).collect();
    assert_eq!(json!(keys), json!(["a", "c"]));
    let owns = json!({ "team": "payments" });
    assert_eq!(house.ask(&house.admin, "PATCH", "/api/v1/projects/shop", owns).await?.0, 200);
    let team = house.get("/api/v1/teams/payments").await?;
    let flags = json!([{ "project": "default", "count": 2 }, { "project": "shop", "count": 1 }]);
    assert_eq!(team["owns"], json!({ "projects": ["shop"], "flags": flags }));
    let (status, answer) = house.ask(&house.admin, "PUT", "/api/v1/teams/payments", team).await?;
    assert_eq!(status, 200, "what GET answers can be sent back: {answer}");

    // Nobody is told of projects that they may not see.
    let permissions = json!(["people.read", "team.manage"]);
    made(&house, &house.admin, "/api/v1/roles", json!({ "key": "clerk", "permissions": permissions }))
        .await?;
    let clerk = house.person("clerk@example.com", "member").await?;
    let grant = json!({ "account": "clerk@example.com", "role": "clerk" });
    made(&house, &house.admin, "/api/v1/instance/grants", grant).await?;
    let seen = house.burgee.get("/api/v1/teams/payments", &clerk).await?;
    assert_eq!(seen["owns"], json!({ "projects": [], "flags": [] }));
    let (status, problem) = house.ask(&clerk, "DELETE", "/api/v1/teams/payments", NOTHING).await?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert_eq!((status, &problem["code"]), (409, &json!("team_in_use")));
    assert!(detail.contains("4 projects and flags that you may not see"), "{detail}");
    assert!(problem["in_use_by"].as_array().is_none_or(Vec::is_empty), "{problem}");
    Ok(())
}

#[tokio::test]
async fn an_owner_that_is_no_team_is_refused_with_all_else() -> Result<()> {
    let house = house().await?;
    let wrong = json!({ "key": "a", "owner": "team:paymens", "tags": [""] });
    let (status, problem) = house.ask(&house.developer, "POST", "/api/v1/flags", wrong).await?;
    let violations = problem["violations"].as_array().context("none")?;
    let paths: Vec<_> = violations.iter().map(|one| &one["path"]).collect();
    assert_eq!(status, 400);
    assert!(paths.contains(&&json!("owner")) && paths.contains(&&json!("tags[0]")), "{problem}");
    assert!(problem.to_string().contains("did you mean team:payments?"), "{problem}");
    house.create(json!({ "key": "a" })).await?;
    for owner in ["team:", "team: payments", "team:nobody", "team:a/b"] {
        let (status, problem) = house.patch(&house.developer, "a", json!({ "owner": owner })).await?;
        assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!("owner")), "{owner}: {problem}");
    }
    let both = json!({ "owner": "team:nobody", "rollout_percentage": 101 });
    let (_, problem) = house.patch(&house.developer, "a", both).await?;
    assert_eq!(problem["violations"].as_array().map(Vec::len), Some(2), "{problem}");
    assert_eq!(house.patch(&house.developer, "a", json!({ "owner": null })).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_team_that_owns_something_stays() -> Result<()> {
    let house = house().await?;
    house.create(json!({ "key": "a", "owner": "team:payments" })).await?;
    let owns = json!({ "team": "payments" });
    assert_eq!(house.ask(&house.admin, "PATCH", "/api/v1/projects/shop", owns).await?.0, 200);
    let path = "/api/v1/teams/payments";
    let (status, problem) = house.ask(&house.admin, "DELETE", path, NOTHING).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("team_in_use")));
    let places = json!([
        { "kind": "project", "key": "shop", "path": "team", "names": "payments" },
        { "kind": "flag", "key": "a", "project": "default", "path": "owner", "names": "payments" },
    ]);
    assert_eq!(problem["in_use_by"], places, "{problem}");
    let free = json!({ "team": null });
    assert_eq!(house.ask(&house.admin, "PATCH", "/api/v1/projects/shop", free).await?.0, 200);
    assert_eq!(house.ask(&house.admin, "DELETE", "/api/v1/flags/a", NOTHING).await?.0, 204);
    let deleted = house.head().await?;
    assert_eq!(house.ask(&house.admin, "DELETE", path, NOTHING).await?.0, 204);

    // What it owned comes back when it does.
    let revert = format!("/api/v1/audit/{deleted}/revert");
    let (status, problem) = house.ask(&house.admin, "POST", &revert, NOTHING).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("team:payments")), "{problem}");
    made(&house, &house.admin, "/api/v1/teams", json!({ "key": "payments" })).await?;
    assert_eq!(house.ask(&house.admin, "POST", &revert, NOTHING).await?.0, 200);
    assert_eq!(house.get("/api/v1/flags/a").await?["owner"], "team:payments");
    assert_eq!(house.ask(&house.admin, "DELETE", path, NOTHING).await?.0, 409);
    Ok(())
}

#[tokio::test]
async fn what_goes_with_what_is_deleted_is_logged() -> Result<()> {
    let house = house().await?;
    let admin = &house.admin;
    let robot = json!({ "name": "robot", "role": "viewer" });
    let robot = made(&house, admin, "/api/v1/service-accounts", robot).await?;
    let robot = robot["id"].as_str().context("no id")?.to_owned();
    let tokens = format!("/api/v1/service-accounts/{robot}/tokens");
    let token = made(&house, admin, &tokens, json!({ "name": "ci" })).await?;
    let join = format!("/api/v1/teams/payments/members/{robot}");
    assert_eq!(house.ask(admin, "PUT", &join, NOTHING).await?.0, 204);
    let grants = "/api/v1/projects/shop/grants";
    let of_robot = json!({ "account": "robot", "role": "viewer", "environment": "staging" });
    let of_robot = made(&house, admin, grants, of_robot).await?;
    let of_team = made(&house, admin, grants, json!({ "team": "payments", "role": "developer" })).await?;

    // A service account: its teams, tokens and grants.
    let path = format!("/api/v1/service-accounts/{robot}");
    assert_eq!(house.ask(admin, "DELETE", &path, NOTHING).await?.0, 204);
    let lost = last(&house).await?["before"].clone();
    assert_eq!((&lost["teams"][0]["key"], &lost["email"]), (&json!("payments"), &json!("robot")), "{lost}");
    assert_eq!(lost["access_tokens"][0]["id"], token["id"], "{lost}");
    assert_eq!(
        (&lost["grants"][0]["id"], &lost["grants"][0]["project"], &lost["grants"][0]["environment"]),
        (&of_robot["id"], &json!("shop"), &json!("staging")),
        "{lost}"
    );
    assert!(!lost.to_string().contains(token["token"].as_str().context("no token")?));

    // A team: who was in it, and what it had.
    let join = "/api/v1/teams/payments/members/dev@example.com";
    assert_eq!(house.ask(admin, "PUT", join, NOTHING).await?.0, 204);
    assert_eq!(house.ask(admin, "DELETE", "/api/v1/teams/payments", NOTHING).await?.0, 204);
    let lost = last(&house).await?["before"].clone();
    assert_eq!(lost["team"]["key"], "payments");
    assert_eq!(lost["members"][0]["email"], "dev@example.com", "{lost}");
    assert_eq!(lost["grants"][0]["id"], of_team["id"], "{lost}");
    assert_eq!(lost["grants_left_out"], 0);

    // An environment: what held in it alone.
    let held = json!({ "account": "user@example.com", "role": "developer", "environment": "staging" });
    let held = made(&house, admin, grants, held).await?;
    let path = "/api/v1/projects/shop/environments/staging?force=true";
    assert_eq!(house.ask(admin, "DELETE", path, NOTHING).await?.0, 204);
    let log = house.get("/api/v1/projects/shop/audit?limit=1").await?;
    assert_eq!(log[0]["before"]["contents"]["grants"][0]["id"], held["id"], "{log}");

    // A project: its environments, flags, keys and grants.
    made(&house, admin, "/api/v1/projects/shop/flags", json!({ "key": "sale" })).await?;
    made(&house, admin, "/api/v1/projects/shop/segments", json!({ "key": "beta" })).await?;
    let key = json!({ "name": "web", "kind": "server" });
    let key = made(&house, admin, "/api/v1/projects/shop/sdk-keys", key).await?;
    let grant =
        made(&house, admin, grants, json!({ "account": "user@example.com", "role": "admin" })).await?;
    assert_eq!(house.ask(admin, "DELETE", "/api/v1/projects/shop?force=true", NOTHING).await?.0, 204);
    let lost = last(&house).await?["before"].clone();
    assert_eq!((&lost["project"]["key"], &lost["flags"]), (&json!("shop"), &json!(["sale"])), "{lost}");
    assert_eq!((&lost["segments"], &lost["contents"]["flags"]), (&json!(["beta"]), &json!(1)), "{lost}");
    assert_eq!(lost["environments"].as_array().map(Vec::len), Some(2), "{lost}");
    assert_eq!(lost["sdk_keys"][0]["id"], key["id"], "{lost}");
    assert_eq!(lost["grants"][0]["id"], grant["id"], "{lost}");

    // A role says what it allowed; an account that had nothing says so.
    made(&house, admin, "/api/v1/roles", json!({ "key": "r", "permissions": ["log.read"] })).await?;
    assert_eq!(house.ask(admin, "DELETE", "/api/v1/roles/r", NOTHING).await?.0, 204);
    assert_eq!(last(&house).await?["before"]["role"]["permissions"], json!(["log.read"]));
    Ok(())
}
