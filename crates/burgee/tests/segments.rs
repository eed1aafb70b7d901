//! Segments through the program: written, read, copied, and served.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::problem::violations;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const SEGMENTS: &str = "/api/v1/segments";

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

/// Asks as the developer.
async fn ask(house: &House, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
    house.ask(&house.developer, method, &format!("{SEGMENTS}{path}"), body).await
}

async fn make(house: &House, segment: Value) -> Result<Value> {
    house.burgee.post(SEGMENTS, Some(&house.developer), &segment).await
}

#[tokio::test]
async fn a_segment_is_made_everywhere_and_changed_in_one_place() -> Result<()> {
    let house = house().await?;
    let condition = json!({"any": [
        {"attribute": "plan", "operator": "in", "values": ["gold", "platinum"]},
        {"not": {"attribute": "country", "operator": "exists"}},
        {"bucket": {"to": 25_000, "by": ["company.id", "targetingKey"]}},
    ]});
    let document = json!({
        "key": "beta", "name": "Beta testers", "description": "who asked", "when": condition,
        "included": ["u2", "u1", "u2"], "excluded": ["u9"],
    });
    let made = make(&house, document).await?;
    assert_eq!(made["included"], json!(["u1", "u2"]), "sorted, each once");
    assert_eq!((&made["included_count"], &made["excluded_count"]), (&json!(2), &json!(1)));
    assert_eq!((&made["when"], &made["name"]), (&condition, &json!("Beta testers")));
    assert_eq!(made["version"], made["segment_version"]);
    for environment in ["development", "staging", "production"] {
        let there = house.get(&format!("{SEGMENTS}/beta?environment={environment}")).await?;
        assert_eq!(there, made, "{environment}");
    }
    let snapshot = house.snapshot().await?;
    let expected = json!({"when": condition, "included": ["u1", "u2"], "excluded": ["u9"]});
    assert_eq!(snapshot["segments"]["beta"], expected);

    let (status, changed) =
        ask(&house, "PATCH", "/beta?environment=staging", json!({"included": null, "name": "Beta"})).await?;
    assert_eq!(status, 200, "{changed}");
    assert_eq!((&changed["included"], &changed["excluded"]), (&json!([]), &json!(["u9"])));
    let here = house.get(&format!("{SEGMENTS}/beta")).await?;
    assert_eq!((&here["included"], &here["name"]), (&json!(["u1", "u2"]), &json!("Beta")));
    assert_eq!(here["version"], made["version"], "its config here did not change");
    assert_eq!(here["segment_version"], changed["version"], "its definition did");

    let (status, again) = ask(&house, "PUT", "/beta", here.clone()).await?;
    assert_eq!((status, &again), (200, &here), "what GET answers can be sent back and changes nothing");
    let (status, _) = ask(&house, "PUT", "/beta", json!({"when": null})).await?;
    assert_eq!(status, 200);
    assert_eq!(house.snapshot().await?["segments"]["beta"].get("when"), None);
    Ok(())
}

#[tokio::test]
async fn who_may_do_what() -> Result<()> {
    let house = house().await?;
    make(&house, json!({"key": "beta"})).await?;
    let asking = async |token: Option<&str>, method: &str, path: &str| -> Result<u16> {
        let places = json!({"from": "development", "to": "production"});
        let body = if path.ends_with("copy") { places } else { json!({"key": "gamma"}) };
        let (status, _) = house.burgee.ask(method, &format!("{SEGMENTS}{path}"), token, Some(&body)).await?;
        Ok(status)
    };
    let (developer, user, admin) = (Some(&*house.developer), Some(&*house.user), Some(&*house.admin));
    assert_eq!(asking(None, "GET", "/beta").await?, 401);
    assert_eq!(asking(user, "GET", "/beta").await?, 200);
    assert_eq!(asking(user, "POST", "").await?, 403);
    assert_eq!(asking(user, "PATCH", "/beta").await?, 403);
    assert_eq!(asking(user, "PUT", "/beta/included").await?, 403);
    assert_eq!(asking(developer, "PATCH", "/beta?environment=production").await?, 403);
    assert_eq!(asking(developer, "PUT", "/beta/excluded?environment=production").await?, 403);
    assert_eq!(asking(developer, "POST", "/beta/copy").await?, 403, "production is protected");
    assert_eq!(asking(developer, "DELETE", "/beta").await?, 403);
    assert_eq!(asking(developer, "GET", "/beta?environment=nowhere").await?, 404);
    assert_eq!(asking(developer, "GET", "/gamma").await?, 404);
    assert_eq!(asking(developer, "GET", "/beta/everyone").await?, 404);
    assert_eq!(asking(admin, "POST", "/beta/copy").await?, 200);
    assert_eq!(asking(admin, "DELETE", "/beta").await?, 204);
    assert_eq!(asking(admin, "DELETE", "/beta").await?, 404);
    Ok(())
}

#[tokio::test]
async fn an_older_version_is_refused() -> Result<()> {
    let house = house().await?;
    make(&house, json!({"key": "beta"})).await?;
    let url = format!("{}{SEGMENTS}/beta", house.burgee.url);
    let got = house.burgee.http.get(&url).bearer_auth(&house.developer).send().await?;
    let etag = got.headers()["etag"].to_str()?.to_owned();
    let patch = async |tag: &str, name: &str| -> Result<(u16, Option<String>)> {
        let request = house.burgee.http.patch(&url).bearer_auth(&house.developer).header("if-match", tag);
        let answer = request.json(&json!({ "name": name })).send().await?;
        let etag = answer.headers().get("etag").map(|tag| tag.to_str().map(str::to_owned)).transpose()?;
        Ok((answer.status().as_u16(), etag))
    };
    let (status, second) = patch(&etag, "one").await?;
    assert_eq!(status, 200);
    assert_ne!(second.as_deref(), Some(&*etag));
    assert_eq!(patch(&etag, "two").await?, (412, second), "it says what is current");
    let upload = house.burgee.http.put(format!("{url}/included")).bearer_auth(&house.developer);
    let answer = upload.header("if-match", &etag).body("u1\n").send().await?;
    assert_eq!(answer.status(), 412);
    Ok(())
}

#[tokio::test]
async fn segments_are_listed_and_found() -> Result<()> {
    let house = house().await?;
    for (key, name) in [("beta", "Testers"), ("betamax", "Collectors"), ("alpha", "First testers")] {
        make(&house, json!({"key": key, "name": name, "included": ["u1"]})).await?;
    }
    let list = async |query: &str| -> Result<Vec<String>> {
        let list = house.get(&format!("{SEGMENTS}{query}")).await?;
        let keys = list.as_array().context("no list")?.iter().map(|one| one["key"].as_str());
        Ok(keys.flatten().map(str::to_owned).collect())
    };
    assert_eq!(list("").await?, ["alpha", "beta", "betamax"]);
    assert_eq!(list("?search=TESTERS").await?, ["alpha", "beta"]);
    assert_eq!(list("?prefix=beta").await?, ["beta", "betamax"]);
    assert_eq!(list("?limit=2&cursor=alpha&environment=staging").await?, ["beta", "betamax"]);
    let url = format!("{}{SEGMENTS}?limit=2&environment=staging", house.burgee.url);
    let page = house.burgee.http.get(url).bearer_auth(&house.user).send().await?;
    assert_eq!(page.headers()["x-total-count"], "3");
    let next = page.headers()["link"].to_str()?;
    assert!(next.contains("cursor=beta&") && next.contains("environment=staging"), "{next}");
    let first: Value = page.json().await?;
    assert_eq!((&first[0]["included_count"], first[0].get("included")), (&json!(1), None));
    for bad in ["?limit=0", "?limit=1001", "?cursor=%20", "?search=%00"] {
        assert_eq!(ask(&house, "GET", bad, Value::Null).await?.0, 400, "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() -> Result<()> {
    let house = house().await?;
    let document = json!({
        "key": "a/b", "nmae": "x", "name": 1, "description": "x".repeat(5_000),
        "included": ["good", "", "tab\t", 7], "excluded": "u1",
        "when": {"all": [{"attribute": "", "operator": "near", "values": []}]},
    });
    let (status, answer) = ask(&house, "POST", "", document).await?;
    assert_eq!(status, 400, "{answer}");
    let told = violations(&answer);
    let paths = [
        "key: must be 1 to 256",
        "nmae: is not known here; did you mean name?",
        "name: must be a text",
        "description: has 5000 bytes",
        "included[1]: must have 1 to 256 bytes",
        "included[2]: must have",
        "included[3]: must be a text",
        "excluded: must be a list",
        "when.all[0].attribute",
        "when.all[0].operator",
    ];
    for path in paths {
        assert!(told.iter().any(|one| one.starts_with(path)), "{path} is not in {told:#?}");
    }
    let (status, answer) = ask(&house, "POST", "", json!([])).await?;
    assert_eq!((status, violations(&answer).len()), (400, 1));
    let many: Vec<_> = (0..10_001).map(|index| format!("u{index}")).collect();
    let (status, answer) = ask(&house, "POST", "", json!({"key": "many", "included": many})).await?;
    assert_eq!(status, 400);
    assert!(violations(&answer)[0].starts_with("included: has 10001 keys; at most 10000"), "{answer}");
    let named = json!({"key": "named", "excluded": {"sha256": "0".repeat(64), "count": 20_000}});
    let (status, answer) = ask(&house, "POST", "", named).await?;
    assert_eq!(status, 400);
    assert!(
        violations(&answer)[0].starts_with("excluded: names another list than the one it has"),
        "{answer}"
    );
    make(&house, json!({"key": "beta"})).await?;
    let (status, answer) = ask(&house, "POST", "", json!({"key": "beta"})).await?;
    assert_eq!((status, &answer["code"]), (409, &json!("key_taken")));
    let (status, answer) = ask(&house, "PATCH", "/beta", json!({"key": "other"})).await?;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&answer),
        ["key: a segment's key never changes, and this one's is \"beta\"; make another"]
    );
    Ok(())
}

#[tokio::test]
async fn faults_of_shape_and_of_meaning_are_told_together() -> Result<()> {
    let house = house().await?;
    let condition = json!({"all": [
        {"segment": "nowhere"},
        {"attribute": "plan", "operator": "near", "value": "gold"},
        {"attribute": "plan", "operator": "in", "list": "nothing"},
        {"attribute": "age", "operator": "gt", "value": "old"},
    ]});
    let (status, answer) =
        ask(&house, "POST", "", json!({"key": "a", "nmae": "A", "when": condition})).await?;
    assert_eq!(status, 400);
    let told = violations(&answer);
    for path in
        ["nmae:", "when.all[0].segment:", "when.all[1].operator:", "when.all[2].list:", "when.all[3].value"]
    {
        assert!(told.iter().any(|one| one.starts_with(path)), "{path} is not in {told:#?}");
    }
    assert_eq!(told.len(), 5, "each once: {told:#?}");
    let short = json!({"attribute": "plan", "operator": "not_in", "value": " gold, platinum ,"});
    let made = make(&house, json!({"key": "a", "when": {"not": short}})).await?;
    let long = json!({"attribute": "plan", "operator": "not_in", "values": ["gold", "platinum"]});
    assert_eq!(made["when"], json!({ "not": long }));
    Ok(())
}

#[tokio::test]
async fn a_segment_is_copied_after_a_look_at_the_difference() -> Result<()> {
    let house = house().await?;
    make(&house, json!({"key": "beta", "included": ["u1", "u2"]})).await?;
    let condition = json!({"attribute": "plan", "operator": "equals", "values": ["gold"]});
    let changed = json!({"when": condition, "included": ["u2", "u3"], "name": "Beta"});
    assert_eq!(ask(&house, "PATCH", "/beta", changed).await?.0, 200);
    let places = json!({"from": "development", "to": "staging"});
    let before = house.get(&format!("{SEGMENTS}/beta?environment=staging")).await?;
    let (status, tried) = ask(&house, "POST", "/beta/copy?dry_run=true", places.clone()).await?;
    assert_eq!((status, &tried["dry_run"]), (200, &json!(true)), "{tried}");
    let changes = tried["changes"].as_array().context("no changes")?;
    assert_eq!(changes.len(), 2, "{tried}");
    let of = |path: &str| changes.iter().find(|change| change["path"] == path);
    let when = of("when").context("no when")?;
    assert_eq!((&when["before"], &when["after"]), (&Value::Null, &condition));
    let included = of("included").context("no included")?;
    assert_eq!((&included["before"]["count"], &included["after"]["count"]), (&json!(2), &json!(2)));
    assert_eq!(included["after"]["added"], json!(["u3"]));
    assert_eq!(included["after"]["removed"], json!(["u1"]));
    let after = house.get(&format!("{SEGMENTS}/beta?environment=staging")).await?;
    assert_eq!(after, before, "a dry run changes nothing");

    let (status, copied) = ask(&house, "POST", "/beta/copy", places.clone()).await?;
    assert_eq!((status, &copied["dry_run"]), (200, &json!(false)));
    assert_eq!(copied["changes"], tried["changes"]);
    let there = house.get(&format!("{SEGMENTS}/beta?environment=staging")).await?;
    assert_eq!((&there, &there["included"]), (&copied["segment"], &json!(["u2", "u3"])));
    let (_, again) = ask(&house, "POST", "/beta/copy", places).await?;
    assert_eq!(again["changes"], json!([]));
    assert_eq!(again["segment"]["version"], there["version"], "it was the same already");

    let (status, answer) = ask(&house, "POST", "/beta/copy", json!({"from": "here", "too": 1})).await?;
    assert_eq!(status, 400);
    assert_eq!(violations(&answer).len(), 3, "{answer}");
    let same = json!({"from": "staging", "to": "staging"});
    assert_eq!(ask(&house, "POST", "/beta/copy", same).await?.0, 400);
    Ok(())
}

#[tokio::test]
async fn the_log_says_which_keys_came_and_went() -> Result<()> {
    let house = house().await?;
    make(&house, json!({"key": "beta", "included": ["u1", "u2"]})).await?;
    let url = format!("{}{SEGMENTS}/beta", house.burgee.url);
    let patch = house.burgee.http.patch(url).bearer_auth(&house.developer);
    let answer = patch
        .header("burgee-comment", "f%C3%BCr%20alle")
        .json(&json!({"included": ["u2", "u3"], "description": "more"}))
        .send()
        .await?;
    assert_eq!(answer.status(), 200);
    house.burgee.ask("DELETE", &format!("{SEGMENTS}/beta"), Some(&house.admin), None).await?;
    let log = house.get("/api/v1/audit?limit=3").await?;
    let actions = [0, 1, 2].map(|index| log[index]["action"].clone());
    assert_eq!(actions, ["delete_segment", "update_segment", "create_segment"]);
    let update = &log[1];
    assert_eq!(update["comment"], "für alle");
    assert_eq!(
        (&update["entities"][0]["kind"], &update["entities"][0]["key"]),
        (&json!("segment"), &json!("beta"))
    );
    assert_eq!(update["before"]["segment"]["description"], "");
    assert_eq!(update["after"]["segment"]["description"], "more");
    let included = &update["after"]["configs"]["development"]["included"];
    assert_eq!((&included["added"], &included["removed"]), (&json!(["u3"]), &json!(["u1"])));
    assert_eq!(update["before"]["configs"]["development"]["included"]["count"], json!(2));
    assert_eq!(log[2]["after"]["configs"]["production"]["included"]["keys"], json!(["u1", "u2"]));
    assert_eq!(log[0]["before"]["configs"]["development"]["included"]["keys"], json!(["u2", "u3"]));
    assert!(log[0]["after"].is_null());
    Ok(())
}
