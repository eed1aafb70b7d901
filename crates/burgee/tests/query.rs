//! Query parameters: those that the API's document names are taken, and a slip of the hand is refused.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// What is said of query parameters that are not known.
fn unknown(problem: &Value) -> Vec<&str> {
    let violations = problem["violations"].as_array().into_iter().flatten();
    let unknown = violations
        .filter(|one| one["message"].as_str().is_some_and(|why| why.starts_with("is not a query parameter")));
    unknown.filter_map(|one| one["path"].as_str()).collect()
}

#[tokio::test]
async fn a_slip_of_the_hand_writes_nothing() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "switch", "rollout_percentage": 25 })).await?;
    let head = house.head().await?;
    let places = json!({ "from": "development", "to": "staging" });
    let copy = async |query: &str| {
        let path = format!("/api/v1/flags/switch/copy?{query}");
        house.burgee.ask("POST", &path, Some(&house.developer), Some(&places)).await
    };
    let (status, problem) = copy("dryrun=true&%F0%9F%8F%81").await?;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid")), "{problem}");
    assert_eq!(unknown(&problem), ["query dryrun", "query 🏁"], "{problem}");
    let why = "is not a query parameter here; did you mean dry_run? Known: dry_run";
    assert_eq!(problem["violations"][0]["message"], why);
    let (status, _) = copy("dry_run=true").await?;
    assert_eq!((status, house.head().await?), (200, head));
    let (status, problem) = copy("dry_run=true&dry_run=false").await?;
    assert_eq!((status, house.head().await?), (400, head), "{problem}");
    let twice =
        json!({ "path": "query dry_run", "message": "is given more than once; which of them is meant?" });
    assert_eq!(problem["violations"], json!([twice]), "{problem}");
    let (status, problem) =
        house.refused("GET", "/api/v1/flags?environment=a&environment=b&colour=1", "").await?;
    let paths: Vec<_> =
        problem["violations"].as_array().context("no list")?.iter().map(|one| &one["path"]).collect();
    assert_eq!(
        (status, paths),
        (400, vec![&json!("query environment"), &json!("query colour")]),
        "{problem}"
    );
    let (status, problem) =
        house.burgee.ask("DELETE", "/api/v1/sdk-keys/x?force=1", Some(&house.admin), None).await?;
    let why = "is not a query parameter here; there are none";
    assert_eq!((status, &problem["violations"][0]["message"]), (400, &json!(why)));
    let (status, problem) =
        house.refused("GET", &format!("/api/v1/flags?{}=1", "x".repeat(5_000)), "").await?;
    assert!(status == 400 && problem.to_string().len() < 2_000, "{problem}");
    Ok(())
}

#[tokio::test]
async fn every_route_takes_what_is_documented_and_nothing_else() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let document: Value = house.get("/openapi.json").await?;
    let paths = document["paths"].as_object().context("no paths")?;
    let mut asked = 0;
    for (path, operations) in
        paths.iter().filter(|(path, _)| path.starts_with("/api/") || path.starts_with("/auth/"))
    {
        // What a provider of identities adds there is its own affair.
        if path.ends_with("/callback") {
            continue;
        }
        let place =
            path.replace("{key}", "nothing").replace("{variant}", "nothing").replace("{id}", "nothing");
        let place = place.replace("{list}", "included");
        for (method, operation) in operations.as_object().context("no operations")? {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let known = parameters.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str());
            let query: Vec<_> = known.map(|name| format!("{name}=x")).collect();
            let query = query.join("&");
            let method = method.to_uppercase();
            let ask = async |query: &str| {
                house.burgee.ask(&method, &format!("{place}?{query}"), Some(&house.user), None).await
            };
            let (_, problem) = ask(&query).await?;
            assert!(unknown(&problem).is_empty(), "{method} {path}?{query}: {problem}");
            let (status, problem) = ask(&format!("{query}&surely=1")).await?;
            assert_eq!(
                (status, unknown(&problem)),
                (400, vec!["query surely"]),
                "{method} {path}: {problem}"
            );
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
    Ok(())
}

#[tokio::test]
async fn s8_names_that_are_paths_take_what_other_names_do() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "bulk" })).await?;
    let (status, changed) =
        house.patch(&house.developer, "bulk?environment=staging", json!({ "enabled": true })).await?;
    assert_eq!((status, &changed["enabled"]), (200, &json!(true)));
    let (_, problem) = house.patch(&house.developer, "bulk?dry_run=true", json!({ "enabled": true })).await?;
    assert_eq!(unknown(&problem), ["query dry_run"], "that is the bulk change's own");
    let order = json!({ "key": "order" });
    house.burgee.post("/api/v1/environments", Some(&house.admin), &order).await?;
    let (status, _) =
        house.burgee.ask("DELETE", "/api/v1/environments/order?force=true", Some(&house.admin), None).await?;
    assert_eq!(status, 204);
    Ok(())
}
