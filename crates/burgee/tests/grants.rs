//! Roles, teams and grants: who may do what where, and that nobody gives more than they have.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;

/// A server with the projects `shop` and `bank`.
async fn house() -> Result<House> {
    let house = House::open(PROGRAM).await?;
    for key in ["shop", "bank"] {
        made(&house, &house.admin, "/api/v1/projects", json!({ "key": key })).await?;
    }
    Ok(house)
}

/// What a POST makes.
async fn made(house: &House, token: &str, path: &str, document: Value) -> Result<Value> {
    let (status, made) = house.ask(token, "POST", path, document).await?;
    ensure!(status == 201, "{path}: {status} {made}");
    Ok(made)
}

/// The status and the code of a POST that is refused.
async fn refusal(house: &House, token: &str, path: &str, document: Value) -> Result<(u16, String)> {
    let (status, problem) = house.ask(token, "POST", path, document).await?;
    Ok((status, problem["code"].as_str().unwrap_or_default().to_owned()))
}

async fn status(house: &House, token: &str, method: &str, path: &str) -> Result<u16> {
    Ok(house.ask(token, method, path, NOTHING).await?.0)
}

#[tokio::test]
async fn a_project_that_one_may_not_see_is_not_there() -> Result<()> {
    let house = house().await?;
    let stranger = house.person("stranger@example.com", "member").await?;
    made(&house, &house.admin, "/api/v1/projects/shop/flags", json!({ "key": "sale" })).await?;
    let hidden = house.ask(&stranger, "GET", "/api/v1/projects/shop/flags/sale", NOTHING).await?;
    let absent = house.ask(&stranger, "GET", "/api/v1/projects/shoq/flags/sale", NOTHING).await?;
    assert_eq!(hidden.0, 404);
    let (hidden, absent) = (hidden.1.to_string(), absent.1.to_string());
    assert_eq!(hidden.replace("shop", "shoq"), absent, "nothing tells them apart");
    assert_eq!(house.ask(&stranger, "GET", "/api/v1/projects", NOTHING).await?, (200, json!([])));
    assert_eq!(status(&house, &stranger, "GET", "/api/v1/flags").await?, 404);

    let grant = json!({ "account": "stranger@example.com", "role": "viewer" });
    made(&house, &house.admin, "/api/v1/projects/shop/grants", grant).await?;
    assert_eq!(status(&house, &stranger, "GET", "/api/v1/projects/shop/flags/sale").await?, 200);
    let seen = house.ask(&stranger, "GET", "/api/v1/projects", NOTHING).await?.1;
    assert_eq!((seen.as_array().map(Vec::len), &seen[0]["key"]), (Some(1), &json!("shop")));
    assert_eq!(status(&house, &stranger, "GET", "/api/v1/projects/bank/flags").await?, 404);
    Ok(())
}

#[tokio::test]
async fn a_role_of_ones_own_says_what_and_where() -> Result<()> {
    let house = house().await?;
    let words = json!(["project.read", "flag.update@production", "segment.create@!protected"]);
    let role = json!({ "key": "release-manager", "permissions": words });
    made(&house, &house.admin, "/api/v1/roles", role).await?;
    let rita = house.person("rita@example.com", "member").await?;
    let grant = json!({ "account": "rita@example.com", "role": "release-manager" });
    let grant = made(&house, &house.admin, "/api/v1/projects/shop/grants", grant).await?;
    made(&house, &house.admin, "/api/v1/projects/shop/flags", json!({ "key": "sale" })).await?;

    let toggle = |place: &str| format!("/api/v1/projects/shop/flags/sale/toggle?environment={place}");
    assert_eq!(status(&house, &rita, "POST", &toggle("production")).await?, 200);
    assert_eq!(status(&house, &rita, "POST", &toggle("staging")).await?, 403);
    let create = "/api/v1/projects/shop/segments";
    let segment = json!({ "key": "beta" });
    assert_eq!(house.ask(&rita, "POST", create, segment.clone()).await?.0, 201);
    let protected = format!("{create}?environment=production");
    assert_eq!(refusal(&house, &rita, &protected, segment).await?, (403, "protected_environment".to_owned()));
    assert_eq!(status(&house, &rita, "DELETE", "/api/v1/projects/shop/flags/sale").await?, 403);

    // What the role allows changes for who has it, with their next request.
    let role = "/api/v1/roles/release-manager";
    let words = json!({ "permissions": ["project.read", "flag.*"] });
    assert_eq!(house.ask(&house.admin, "PATCH", role, words).await?.0, 200);
    assert_eq!(status(&house, &rita, "POST", &toggle("staging")).await?, 200);
    assert_eq!(status(&house, &house.admin, "DELETE", role).await?, 409, "somebody has it");
    let (status_of, emptied) = house.ask(&house.admin, "PATCH", role, json!({ "permissions": null })).await?;
    assert_eq!((status_of, &emptied["permissions"]), (200, &json!([])), "null empties as [] does");
    let id = grant["id"].as_str().context("no id")?;
    let path = format!("/api/v1/projects/shop/grants/{id}");
    assert_eq!(status(&house, &house.admin, "DELETE", &path).await?, 204);
    assert_eq!(status(&house, &rita, "POST", &toggle("staging")).await?, 404, "it is not theirs to see");
    assert_eq!(status(&house, &house.admin, "DELETE", role).await?, 204);
    Ok(())
}

#[tokio::test]
async fn a_role_in_one_environment_holds_there_alone() -> Result<()> {
    let house = house().await?;
    let eve = house.person("eve@example.com", "member").await?;
    let grant = json!({ "account": "eve@example.com", "role": "developer", "environment": "staging" });
    let shown = made(&house, &house.admin, "/api/v1/projects/shop/grants", grant).await?;
    assert_eq!((&shown["project"], &shown["environment"]), (&json!("shop"), &json!("staging")));
    made(&house, &house.admin, "/api/v1/projects/shop/flags", json!({ "key": "sale" })).await?;
    for (place, expected) in [("staging", 200), ("development", 403), ("production", 403)] {
        let path = format!("/api/v1/projects/shop/flags/sale/toggle?environment={place}");
        assert_eq!(status(&house, &eve, "POST", &path).await?, expected, "{place}");
    }
    // What is shared by all environments is not theirs, once others are served it.
    let enabled = "/api/v1/projects/shop/flags/sale/toggle?environment=production";
    assert_eq!(status(&house, &house.admin, "POST", enabled).await?, 200);
    let variants = json!({ "variants": [{ "key": "on", "value": false }, { "key": "off", "value": true }] });
    let path = "/api/v1/projects/shop/flags/sale?environment=staging";
    assert_eq!(house.ask(&eve, "PATCH", path, variants).await?.0, 403);
    Ok(())
}

#[tokio::test]
async fn a_team_gives_what_it_has_to_who_is_in_it() -> Result<()> {
    let house = house().await?;
    let tom = house.person("tom@example.com", "member").await?;
    let team = json!({ "key": "payments", "name": "Payments" });
    made(&house, &house.admin, "/api/v1/teams", team).await?;
    let grant = json!({ "team": "payments", "role": "developer" });
    made(&house, &house.admin, "/api/v1/projects/shop/grants", grant.clone()).await?;
    let again = refusal(&house, &house.admin, "/api/v1/projects/shop/grants", grant).await?;
    assert_eq!(again, (409, "already_granted".to_owned()));
    let flags = "/api/v1/projects/shop/flags";
    assert_eq!(status(&house, &tom, "GET", flags).await?, 404);
    let member = "/api/v1/teams/payments/members/tom@example.com";
    assert_eq!(status(&house, &house.admin, "PUT", member).await?, 204);
    assert_eq!(status(&house, &house.admin, "PUT", member).await?, 204, "they are in it already");
    assert_eq!(house.ask(&tom, "POST", flags, json!({ "key": "sale" })).await?.0, 201);
    let shown = house.get("/api/v1/teams/payments").await?;
    assert_eq!(shown["members"][0]["email"], "tom@example.com");
    assert_eq!(status(&house, &house.admin, "DELETE", member).await?, 204);
    assert_eq!(status(&house, &tom, "GET", flags).await?, 404);

    let owns = json!({ "team": "payments" });
    assert_eq!(house.ask(&house.admin, "PATCH", "/api/v1/projects/shop", owns).await?.0, 200);
    let path = "/api/v1/teams/payments";
    assert_eq!(status(&house, &house.admin, "DELETE", path).await?, 409, "it owns a project");
    let free = json!({ "team": null });
    assert_eq!(house.ask(&house.admin, "PATCH", "/api/v1/projects/shop", free).await?.0, 200);
    assert_eq!(status(&house, &house.admin, "DELETE", path).await?, 204);
    assert_eq!(house.get("/api/v1/projects/shop/grants").await?, json!([]));
    Ok(())
}

/// What each route to more rights than one has answers.
#[tokio::test]
async fn nobody_gives_more_than_they_have() -> Result<()> {
    let house = house().await?;
    let tina = house.person("tina@example.com", "member").await?;
    let owns = "/api/v1/projects/shop/grants";
    let grant = json!({ "account": "tina@example.com", "role": "team_admin" });
    made(&house, &house.admin, owns, grant).await?;
    made(&house, &house.admin, "/api/v1/teams", json!({ "key": "owners" })).await?;
    made(&house, &house.admin, "/api/v1/teams", json!({ "key": "payments" })).await?;
    let all = json!({ "team": "owners", "role": "admin" });
    made(&house, &house.admin, "/api/v1/instance/grants", all).await?;
    let more = || (403, "more_than_own".to_owned());

    // To oneself, to a team that one is in, in one environment, elsewhere, on the instance.
    let me = |role: &str| json!({ "account": "tina@example.com", "role": role });
    assert_eq!(refusal(&house, &tina, owns, me("admin")).await?, more());
    assert_eq!(refusal(&house, &tina, owns, json!({ "team": "payments", "role": "admin" })).await?, more());
    let here = json!({ "account": "tina@example.com", "role": "admin", "environment": "development" });
    assert_eq!(house.ask(&tina, "POST", owns, here).await?.0, 403);
    let protected =
        json!({ "account": "tina@example.com", "role": "developer", "environment": "production" });
    let (status_of, shown) = house.ask(&tina, "POST", owns, protected).await?;
    assert_eq!(status_of, 201, "it gives nothing that counts there: {shown}");
    let toggle = "/api/v1/projects/shop/flags/x/toggle?environment=production";
    assert_eq!(status(&house, &tina, "POST", toggle).await?, 403);
    assert_eq!(refusal(&house, &tina, "/api/v1/projects/bank/grants", me("viewer")).await?.0, 404);
    assert_eq!(refusal(&house, &tina, "/api/v1/instance/grants", me("viewer")).await?.0, 403);
    // By a team, which has more than she has.
    let join = "/api/v1/teams/owners/members/tina@example.com";
    assert_eq!(status(&house, &tina, "PUT", join).await?, 404, "nor is it hers to know");
    let own = json!({ "team": "owners" });
    assert_eq!(
        house.ask(&tina, "PATCH", "/api/v1/projects/shop", own.clone()).await?.0,
        403,
        "not hers to say"
    );
    assert_eq!(house.ask(&house.admin, "PATCH", "/api/v1/projects/shop", own).await?.0, 200);
    assert_eq!(
        status(&house, &house.admin, "PUT", "/api/v1/teams/owners/members/dev@example.com").await?,
        204
    );
    let leave = "/api/v1/teams/owners/members/dev@example.com";
    assert_eq!(status(&house, &tina, "DELETE", leave).await?, 403, "nor does she take it away");
    let (refused, problem) = house.ask(&tina, "PUT", join, NOTHING).await?;
    assert_eq!((refused, &problem["code"]), (403, &json!("more_than_own")));
    // By a role that grows.
    assert_eq!(refusal(&house, &tina, "/api/v1/roles", json!({ "key": "r" })).await?.0, 403);

    // What she has she may give, and take back; of an admin's she takes nothing.
    let given =
        made(&house, &tina, owns, json!({ "account": "dev@example.com", "role": "developer" })).await?;
    let admins = json!({ "account": "dev@example.com", "role": "admin" });
    let admins = made(&house, &house.admin, owns, admins).await?;
    let path = |grant: &Value| format!("{owns}/{}", grant["id"].as_str().unwrap_or_default());
    assert_eq!(status(&house, &tina, "DELETE", &path(&given)).await?, 204);
    assert_eq!(status(&house, &tina, "DELETE", &path(&admins)).await?, 403);
    Ok(())
}

#[tokio::test]
async fn what_roles_are_made_of_is_checked() -> Result<()> {
    let house = house().await?;
    let words = json!({ "key": "r", "permissions": ["flag.updaet", "project.read@staging", 3] });
    let (status, problem) = house.ask(&house.admin, "POST", "/api/v1/roles", words).await?;
    assert_eq!(status, 400);
    let paths: Vec<_> =
        problem["violations"].as_array().context("none")?.iter().map(|one| &one["path"]).collect();
    assert_eq!(json!(paths), json!(["permissions[0]", "permissions[1]", "permissions[2]"]), "{problem}");
    let (status, problem) =
        house.ask(&house.admin, "POST", "/api/v1/roles", json!({ "key": "admin" })).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("key_taken")));
    let (status, problem) =
        house.ask(&house.admin, "PATCH", "/api/v1/roles/viewer", json!({ "permissions": ["*"] })).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("role_built_in")));
    let nobody = json!({ "account": "nobody@example.com", "role": "nothing", "environment": "x" });
    let (status, problem) = house.ask(&house.admin, "POST", "/api/v1/grants", nobody).await?;
    assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!("environment")));
    let both = json!({ "account": "dev@example.com", "team": "t", "role": "viewer" });
    assert_eq!(house.ask(&house.admin, "POST", "/api/v1/grants", both).await?.0, 400);
    let roles = house.get("/api/v1/roles").await?;
    let keys: Vec<_> = roles.as_array().context("no list")?.iter().map(|role| &role["key"]).collect();
    let built_in = ["member", "viewer", "developer", "requester", "approver", "team_admin", "admin"];
    assert_eq!(json!(keys), json!(built_in));
    Ok(())
}

#[tokio::test]
async fn nobody_takes_away_what_they_have_not() -> Result<()> {
    let house = house().await?;
    let permissions = json!(["people.read", "role.manage", "account.manage", "team.manage", "grant.manage"]);
    made(&house, &house.admin, "/api/v1/roles", json!({ "key": "clerk", "permissions": permissions }))
        .await?;
    made(&house, &house.admin, "/api/v1/roles", json!({ "key": "boss", "permissions": ["*"] })).await?;
    made(&house, &house.admin, "/api/v1/teams", json!({ "key": "bosses" })).await?;
    let grants = "/api/v1/instance/grants";
    let boss = made(&house, &house.admin, grants, json!({ "team": "bosses", "role": "boss" })).await?;
    let robot = json!({ "name": "robot", "role": "admin" });
    let robot = made(&house, &house.admin, "/api/v1/service-accounts", robot).await?;
    let robot = format!("/api/v1/service-accounts/{}", robot["id"].as_str().context("no id")?);
    let token = json!({ "name": "one" });
    let token = made(&house, &house.admin, &format!("{robot}/tokens"), token).await?;
    let token = format!("{robot}/tokens/{}", token["id"].as_str().context("no id")?);
    let clerk = house.person("clerk@example.com", "member").await?;
    made(&house, &house.admin, grants, json!({ "account": "clerk@example.com", "role": "clerk" })).await?;

    let grant = format!("{grants}/{}", boss["id"].as_str().context("no id")?);
    for path in [grant.as_str(), "/api/v1/teams/bosses", &robot, &token] {
        let (status, problem) = house.ask(&clerk, "DELETE", path, NOTHING).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("more_than_own")), "{path}");
    }
    let nothing = json!({ "permissions": [] });
    assert_eq!(house.ask(&clerk, "PATCH", "/api/v1/roles/boss", nothing).await?.0, 403);
    assert_eq!(house.ask(&clerk, "PATCH", &robot, json!({ "active": false })).await?.0, 403);
    Ok(())
}

#[tokio::test]
async fn protection_is_taken_away_by_who_may_change_flags_there() -> Result<()> {
    let house = house().await?;
    let permissions = json!(["project.read", "environment.update", "flag.update@!protected"]);
    made(&house, &house.admin, "/api/v1/roles", json!({ "key": "keeper", "permissions": permissions }))
        .await?;
    let kim = house.person("kim@example.com", "member").await?;
    let grant = json!({ "account": "kim@example.com", "role": "keeper" });
    made(&house, &house.admin, "/api/v1/projects/shop/grants", grant).await?;
    let path = "/api/v1/projects/shop/environments/production";
    let (status, problem) = house.ask(&kim, "PATCH", path, json!({ "protected": false })).await?;
    assert_eq!((status, &problem["code"]), (403, &json!("protected_environment")));
    assert_eq!(house.ask(&kim, "PATCH", path, json!({ "name": "Live" })).await?.0, 200);
    assert_eq!(house.ask(&house.admin, "PATCH", path, json!({ "protected": false })).await?.0, 200);
    Ok(())
}
