//! Projects: what is in one is in no other.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;

/// A server with a second project, `shop`.
async fn two_projects() -> Result<House> {
    let house = House::open(PROGRAM).await?;
    let shop = json!({ "key": "shop", "name": "The shop" });
    let (status, made) = house.ask(&house.admin, "POST", "/api/v1/projects", shop).await?;
    ensure!(status == 201, "{status} {made}");
    Ok(house)
}

#[tokio::test]
async fn a_project_has_what_the_default_one_has() -> Result<()> {
    let house = two_projects().await?;
    let environments = house.get("/api/v1/projects/shop/environments").await?;
    let keys: Vec<_> = environments.as_array().context("no list")?.iter().map(|one| &one["key"]).collect();
    assert_eq!(json!(keys), json!(["development", "staging", "production"]));
    let flag = json!({ "key": "sale", "enabled": true });
    let (status, made) = house.ask(&house.developer, "POST", "/api/v1/projects/shop/flags", flag).await?;
    assert_eq!(status, 201, "{made}");

    let (status, missing) = house.ask(&house.developer, "GET", "/api/v1/flags/sale", NOTHING).await?;
    assert_eq!(status, 404, "{missing}");
    assert_eq!(house.get("/api/v1/projects/shop/flags").await?[0]["key"], "sale");
    assert_eq!(house.get("/api/v1/projects/default/flags").await?, house.get("/api/v1/flags").await?);
    // The same key again, in another project.
    house.create(json!({ "key": "sale" })).await?;
    let log = house.get("/api/v1/projects/shop/audit").await?;
    assert_eq!(log[0]["action"], "create_flag");
    assert_eq!(log[1]["action"], "found_project");
    assert_eq!(house.get("/api/v1/projects/shop/flags/sale/evaluate").await?["value"], true);
    Ok(())
}

#[tokio::test]
async fn links_lead_on_within_the_project() -> Result<()> {
    let house = two_projects().await?;
    let flags = format!("{}/api/v1/projects/shop/flags", house.burgee.url);
    for key in ["a", "b"] {
        let request = house.burgee.http.post(&flags).bearer_auth(&house.developer);
        let answer = request.json(&json!({ "key": key })).send().await?;
        assert_eq!(answer.headers()["location"], format!("/api/v1/projects/shop/flags/{key}").as_str());
    }
    let page = house.burgee.http.get(format!("{flags}?limit=1")).bearer_auth(&house.developer).send().await?;
    let link = page.headers()["link"].to_str()?.to_owned();
    assert_eq!(link, "</api/v1/projects/shop/flags?cursor=a&limit=1>; rel=\"next\"");
    Ok(())
}

#[tokio::test]
async fn a_key_of_one_project_opens_no_other() -> Result<()> {
    let house = two_projects().await?;
    let path = "/api/v1/projects/shop/sdk-keys";
    let new = json!({ "name": "shop", "kind": "server" });
    let (status, made) = house.ask(&house.developer, "POST", path, new).await?;
    assert_eq!(status, 201, "{made}");
    let key = made["key"].as_str().context("no key")?;
    house.ask(&house.developer, "POST", "/api/v1/projects/shop/flags", json!({ "key": "sale" })).await?;
    house.create(json!({ "key": "own" })).await?;

    let snapshot = house.burgee.get("/sdk/v1/snapshot", key).await?;
    assert_eq!(snapshot["project"], "shop");
    let flags: Vec<_> = snapshot["flags"].as_object().context("no flags")?.keys().collect();
    assert_eq!(flags, ["sale"]);
    let flags = house.snapshot().await?;
    let flags: Vec<_> = flags["flags"].as_object().context("no flags")?.keys().collect();
    assert_eq!(flags, ["own"]);

    // By its id from another project it is not there.
    let id = made["id"].as_str().context("no id")?;
    let (status, _) = house.ask(&house.admin, "DELETE", &format!("/api/v1/sdk-keys/{id}"), NOTHING).await?;
    assert_eq!(status, 404);
    Ok(())
}

#[tokio::test]
async fn a_project_changes_and_goes() -> Result<()> {
    let house = two_projects().await?;
    let path = "/api/v1/projects/shop";
    let before = house.get(path).await?;
    let (status, after) =
        house.ask(&house.admin, "PATCH", path, json!({ "description": "All of it" })).await?;
    assert_eq!(
        (status, &after["description"], &after["name"]),
        (200, &json!("All of it"), &json!("The shop"))
    );
    assert_ne!(before["version"], after["version"]);
    let (status, same) = house.ask(&house.admin, "PUT", path, after.clone()).await?;
    assert_eq!((status, &same["version"]), (200, &after["version"]), "nothing changed");
    let (status, problem) = house.ask(&house.admin, "PATCH", path, json!({ "key": "x", "nmae": 1 })).await?;
    assert_eq!(status, 400);
    assert_eq!(problem["violations"].as_array().map(Vec::len), Some(2), "{problem}");
    let (status, problem) = house.ask(&house.admin, "PATCH", path, json!({ "team": "nobody" })).await?;
    assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!("team")));

    let flags = "/api/v1/projects/shop/flags";
    house.ask(&house.developer, "POST", flags, json!({ "key": "sale", "enabled": true })).await?;
    let new = json!({ "name": "shop", "kind": "server" });
    let (_, made) = house.ask(&house.developer, "POST", "/api/v1/projects/shop/sdk-keys", new).await?;
    let key = made["key"].as_str().context("no key")?.to_owned();
    house.burgee.get("/sdk/v1/snapshot", &key).await?;
    for (who, expected) in [(&house.user, 403), (&house.developer, 403), (&house.admin, 409)] {
        let (status, problem) = house.ask(who, "DELETE", path, NOTHING).await?;
        assert_eq!(status, expected, "{problem}");
    }
    let (status, problem) = house.ask(&house.admin, "DELETE", "/api/v1/projects/default", NOTHING).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("default_project")));
    let forced = format!("{path}?force=true");
    assert_eq!(house.ask(&house.admin, "DELETE", &forced, NOTHING).await?.0, 204);
    assert_eq!(house.ask(&house.admin, "GET", path, NOTHING).await?.0, 404);
    assert_eq!(house.ask(&house.admin, "GET", flags, NOTHING).await?.0, 404);
    let refused = house.burgee.http.get(format!("{}/sdk/v1/snapshot", house.burgee.url)).bearer_auth(&key);
    assert_eq!(refused.send().await?.status(), 401, "its keys go with it");
    let (status, again) =
        house.ask(&house.admin, "POST", "/api/v1/projects", json!({ "key": "shop" })).await?;
    assert_eq!(status, 201);
    assert_ne!(again["id"], before["id"]);
    assert_eq!(house.get(flags).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn a_project_is_made_at_once_and_says_its_team() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let projects = "/api/v1/projects";
    assert_eq!(house.ask(&house.admin, "POST", "/api/v1/teams", json!({ "key": "payments" })).await?.0, 201);
    let head = async || house.burgee.get("/api/v1/instance/audit?limit=1", &house.admin).await;
    // That its changes must say why holds for those to come.
    let shop = json!({ "key": "shop", "team": "payments", "comment_required": "all" });
    let (status, made) = house.ask(&house.admin, "POST", projects, shop).await?;
    assert_eq!((status, &made["team"]), (201, &json!("payments")), "{made}");
    assert!(made.get("team_id").is_none(), "{made}");
    assert_eq!(
        house.burgee.get("/api/v1/projects/shop/environments", &house.admin).await?[2]["key"],
        "production"
    );
    let path = "/api/v1/projects/shop";
    let shown = house.burgee.get(path, &house.admin).await?;
    assert_eq!(shown["team"], "payments");
    let listed = house.burgee.get("/api/v1/projects?search=shop", &house.admin).await?;
    assert_eq!(listed[0], shown);

    let before = head().await?;
    for (body, expected, code) in [
        (json!({ "key": "shop" }), 409, "key_taken"),
        (json!({ "key": "other", "team": "nobody" }), 400, "invalid"),
        (json!({ "key": "other", "team_id": shown["id"] }), 400, "invalid"),
    ] {
        let (status, problem) = house.ask(&house.admin, "POST", projects, body).await?;
        assert_eq!((status, &problem["code"]), (expected, &json!(code)), "{problem}");
    }
    assert_eq!(head().await?, before, "nothing of it was made");

    let (status, same) = house.ask(&house.admin, "PUT", path, shown.clone()).await?;
    assert_eq!((status, &same), (200, &shown), "what it answers can be sent back");
    let url = format!("{}{path}", house.burgee.url);
    let free =
        house.burgee.http.patch(url).bearer_auth(&house.admin).header("burgee-comment", "they moved on");
    let free = free.json(&json!({ "team": null })).send().await?.error_for_status()?.json::<Value>().await?;
    assert_eq!(free["team"], Value::Null, "{free}");
    Ok(())
}

#[tokio::test]
async fn projects_come_in_pages() -> Result<()> {
    let house = two_projects().await?;
    for key in ["a", "b"] {
        let (status, _) = house.ask(&house.admin, "POST", "/api/v1/projects", json!({ "key": key })).await?;
        assert_eq!(status, 201);
    }
    let (status, taken) = house.ask(&house.admin, "POST", "/api/v1/projects", json!({ "key": "a" })).await?;
    assert_eq!((status, &taken["code"]), (409, &json!("key_taken")));
    let first = house.get("/api/v1/projects?limit=3").await?;
    let keys: Vec<_> = first.as_array().context("no list")?.iter().map(|one| &one["key"]).collect();
    assert_eq!(json!(keys), json!(["a", "b", "default"]));
    let rest = house.get("/api/v1/projects?limit=3&cursor=default").await?;
    assert_eq!(rest[0]["key"], "shop");
    assert_eq!(house.get("/api/v1/projects?search=SHOP").await?[0]["key"], "shop");
    Ok(())
}
