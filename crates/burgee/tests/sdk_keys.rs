//! Keys for applications, against the real program: who may make one, how it changes, and how it ends. What each
//! opens: `sdk_key_use.rs`.

mod made_keys;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use made_keys::{KEYS, Made, end_of, get, make, status};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

fn time(value: &Value) -> Result<jiff::Timestamp> {
    Ok(value.as_str().context("no time")?.parse()?)
}

#[tokio::test]
async fn a_key_is_rotated_with_an_overlap() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let new = json!({ "name": "shop", "description": "the shop's", "kind": "server" });
    let old = make(&house, "staging", new).await?;
    let rotate = async |made: &Made, body: Value| {
        house.ask(&house.developer, "POST", &format!("{}/rotate", made.path()), body).await
    };
    let (code, rotated) = rotate(&old, json!({ "overlap": "2s" })).await?;
    assert_eq!(code, 201, "{rotated}");
    let successor = Made::of(rotated.clone())?;
    assert_ne!((&successor.id, &successor.key), (&old.id, &old.key));
    for member in ["name", "description", "kind", "environments", "origins", "expires_at"] {
        assert_eq!(rotated[member], old.document[member], "{member}");
    }
    assert_eq!(rotated["replaces"]["id"], old.id.as_str());
    assert_eq!(rotated["replaces"]["replaced_by"], successor.id.as_str());
    assert_eq!(rotated["replaces"]["state"], "in_force");
    for key in [&old.key, &successor.key] {
        assert_eq!(status(burgee, "/sdk/v1/snapshot", key).await?, 200, "both hold during the overlap");
    }
    let (code, problem) = rotate(&old, Value::Null).await?;
    assert_eq!((code, &problem["code"]), (409, &json!("key_replaced")));
    let stream = get(burgee, "/sdk/v1/stream", &[("x-sdk-key", &old.key)]).await?;
    assert_eq!(stream.status(), 200);
    assert!(end_of(stream).await? < Duration::from_secs(3), "an expired key ends its streams");
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &old.key).await?, 401);
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &successor.key).await?, 200);
    assert_eq!(house.get(&old.path()).await?["state"], "expired");

    let (code, rotated) = rotate(&successor, json!({ "overlap": "0s" })).await?;
    assert_eq!(code, 201, "{rotated}");
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &successor.key).await?, 401, "at once");
    let last = Made::of(rotated)?;
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &last.key).await?, 200);
    let (code, rotated) = rotate(&last, json!({ "overlap": "PT1H" })).await?;
    assert_eq!(code, 201, "{rotated}");
    let last = Made::of(rotated)?;
    for overlap in [json!("31d"), json!("1"), json!("-1h"), json!(3), json!("")] {
        let (code, problem) = rotate(&last, json!({ "overlap": overlap })).await?;
        assert_eq!((code, &problem["violations"][0]["path"]), (400, &json!("overlap")), "{overlap}");
    }

    let log = house.get("/api/v1/audit?limit=10").await?;
    let entries: Vec<_> =
        log.as_array().into_iter().flatten().filter(|entry| entry["action"] == "rotate_sdk_key").collect();
    assert_eq!(entries.len(), 3);
    let ids: Vec<_> = entries[2]["entities"].as_array().into_iter().flatten().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!(old.id), &json!(successor.id)]);
    for key in [&old.key, &successor.key, &last.key] {
        assert!(!log.to_string().contains(key.as_str()), "the log has a secret");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_expires_by_itself_and_ends_its_streams() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let made = make(&house, "development", json!({ "name": "ci", "kind": "server" })).await?;
    let stream = get(burgee, "/sdk/v1/stream", &[("x-sdk-key", &made.key)]).await?;
    let patch = async |body: Value| house.ask(&house.developer, "PATCH", &made.path(), body).await;
    let now = time(&patch(json!({ "name": "nightly" })).await?.1["updated_at"])?;
    let end = now + jiff::SignedDuration::from_millis(1_500);
    let (code, changed) = patch(json!({ "expires_at": end.to_string() })).await?;
    assert_eq!((code, &changed["state"]), (200, &json!("in_force")), "{changed}");
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &made.key).await?, 200);
    let lived = end_of(stream).await?;
    assert!(lived > Duration::from_secs(1) && lived < Duration::from_millis(2_500), "{lived:?}");
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &made.key).await?, 401);
    let shown = house.get(&made.path()).await?;
    assert_eq!(shown["state"], "expired");
    for wrong in [json!("2020-01-01T00:00:00Z"), json!("tomorrow"), json!("2999-01-01T00:00:00Z"), json!(7)] {
        let (code, problem) = patch(json!({ "expires_at": wrong })).await?;
        assert_eq!((code, &problem["violations"][0]["path"]), (400, &json!("expires_at")), "{wrong}");
    }
    // What is shown can be sent back; and time can be given again.
    assert_eq!(patch(shown).await?.0, 200);
    assert_eq!(patch(json!({ "expires_at": null })).await?.1["state"], "in_force");
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &made.key).await?, 200);
    Ok(())
}

#[tokio::test]
async fn the_last_use_of_a_key_is_known_to_the_minute() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let used = make(&house, "development", json!({ "name": "used", "kind": "server" })).await?;
    let unused = make(&house, "development", json!({ "name": "unused", "kind": "server" })).await?;
    let before = house.head().await?;
    for _ in 0..20 {
        assert_eq!(status(burgee, "/sdk/v1/snapshot", &used.key).await?, 200);
    }
    let deadline = Instant::now() + Duration::from_secs(15);
    let shown = loop {
        let shown = house.get(&used.path()).await?;
        if shown["last_used_at"].is_string() {
            break shown;
        }
        ensure!(Instant::now() < deadline, "it was never written down");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let (at, made_at) = (time(&shown["last_used_at"])?, time(&shown["created_at"])?);
    assert_eq!(at.as_second() % 60, 0);
    assert!(at.duration_since(made_at).as_secs().abs() <= 60, "{shown}");
    assert_eq!(shown["version"], used.document["version"]);
    assert!(house.get(&unused.path()).await?["last_used_at"].is_null());
    assert_eq!(house.head().await?, before, "a use is no change");
    Ok(())
}

#[tokio::test]
async fn keys_are_listed_in_pages_and_found() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let mut ids = Vec::new();
    for number in 0..5 {
        let kind = if number % 2 == 0 { "server" } else { "edge" };
        let new = json!({ "name": format!("key {number}"), "kind": kind });
        ids.insert(0, make(&house, "staging", new).await?.id);
    }
    let mut seen = Vec::new();
    let mut next = Some(format!("{KEYS}?environment=staging&limit=2"));
    while let Some(path) = next {
        let request = burgee.http.get(format!("{}{path}", burgee.url)).bearer_auth(&house.user);
        let answer = request.send().await?;
        assert_eq!((answer.status().as_u16(), &answer.headers()["x-total-count"]), (200, &"5".parse()?));
        let link = answer.headers().get("link").map(|link| link.to_str().map(str::to_owned)).transpose()?;
        next = link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned()));
        let page: Vec<Value> = answer.json().await?;
        assert!(page.iter().all(|key| key.get("key").is_none() && key.get("hash").is_none()));
        seen.extend(page.iter().filter_map(|key| key["id"].as_str().map(str::to_owned)));
    }
    assert_eq!(seen, ids, "newest first, each once");
    let count = async |query: &str| {
        let listed = house.get(&format!("{KEYS}?{query}")).await?;
        Ok::<_, anyhow::Error>(listed.as_array().map_or(0, Vec::len))
    };
    house.ask(&house.developer, "DELETE", &format!("{KEYS}/{}", ids[0]), Value::Null).await?;
    assert_eq!(count("environment=staging&kind=server").await?, 3);
    assert_eq!(count("environment=staging&state=in_force").await?, 4);
    assert_eq!(count("state=revoked").await?, 1);
    assert_eq!(count("state=expired").await?, 0);
    assert_eq!(count("kind=client").await?, 1, "the first one");
    for wrong in ["kind=root", "state=gone", "cursor=x", "limit=0", "sort=name"] {
        let (code, _) = house.ask(&house.user, "GET", &format!("{KEYS}?{wrong}"), Value::Null).await?;
        assert_eq!(code, 400, "{wrong}");
    }
    let (code, _) = house.ask(&house.user, "GET", &format!("{KEYS}?environment=none"), Value::Null).await?;
    assert_eq!(code, 404);
    Ok(())
}

#[tokio::test]
async fn who_may_give_out_a_key_may_change_what_it_opens() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let server = json!({ "name": "s", "kind": "server" });
    let edge = |environments: Value| json!({ "name": "e", "kind": "edge", "environments": environments });
    let cases = [
        ("production", server.clone(), "protected_environment"),
        ("development", edge(json!(["development", "production"])), "protected_environment"),
        ("development", edge(json!(["*"])), "protected_environment"),
    ];
    for (environment, new, code) in cases {
        let path = format!("{KEYS}?environment={environment}");
        let (status, problem) = house.ask(&house.developer, "POST", &path, new.clone()).await?;
        assert_eq!((status, &problem["code"]), (403, &json!(code)), "{new}");
        let (status, problem) = house.ask(&house.user, "POST", &path, new.clone()).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("not_permitted")), "{new}");
        let made = make(&house, environment, new).await?;
        let rotate = format!("{}/rotate", made.path());
        for (method, path, body) in [
            ("PATCH", &made.path(), json!({ "name": "mine" })),
            ("POST", &rotate, Value::Null),
            ("DELETE", &made.path(), Value::Null),
        ] {
            let (status, problem) = house.ask(&house.developer, method, path, body).await?;
            assert_eq!((status, &problem["code"]), (403, &json!(code)), "{method} {path}");
        }
    }
    // Nor may who has a key for some give it more.
    let (_, own) = house.ask(&house.developer, "POST", KEYS, edge(json!(["development"]))).await?;
    let own = Made::of(own)?;
    let widened = json!({ "environments": ["*"] });
    assert_eq!(house.ask(&house.developer, "PATCH", &own.path(), widened).await?.0, 403);
    assert_eq!(house.get(&own.path()).await?["environments"], json!(["development"]));
    let widened = json!({ "environments": ["staging", "development"] });
    assert_eq!(house.ask(&house.developer, "PATCH", &own.path(), widened).await?.0, 200);
    let other = "0190a6e0-0000-7000-8000-000000000001";
    for (method, path) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")]
        .map(|(m, p)| (m, format!("{KEYS}/{other}{p}")))
    {
        let body = if method == "PATCH" { json!({}) } else { Value::Null };
        assert_eq!(house.ask(&house.developer, method, &path, body).await?.0, 404, "{method}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_changes_as_it_is_told() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let made = make(&house, "development", json!({ "name": "page", "kind": "client" })).await?;
    let patch = async |body: Value| house.ask(&house.developer, "PATCH", &made.path(), body).await;
    let changed =
        json!({ "name": "the page", "description": "of the shop", "origins": ["https://shop.example"] });
    let (code, changed) = patch(changed).await?;
    assert_eq!(
        (code, &changed["name"], &changed["description"]),
        (200, &json!("the page"), &json!("of the shop"))
    );
    assert_eq!(changed["environments"], json!(["development"]), "what was not named stays");
    assert!(changed["version"].as_u64() > made.document["version"].as_u64());
    // What GET answers can be sent back, and changes nothing.
    let (code, same) = patch(house.get(&made.path()).await?).await?;
    assert_eq!((code, &same["version"]), (200, &changed["version"]));
    let faults = [
        (json!({ "kind": "server" }), "kind"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a\nb" }), "name"),
        (json!({ "name": "n".repeat(257) }), "name"),
        (json!({ "description": "d".repeat(5_000) }), "description"),
        (json!({ "environments": ["staging"] }), "environments"),
        (json!({ "origins": ["https://shop.example/path"] }), "origins[0]"),
        (json!({ "origins": ["https://a.example", "*"] }), "origins"),
        (json!({ "origins": vec!["https://a.example"; 51] }), "origins"),
        (json!({ "origins": "*" }), "origins"),
        (json!({ "origin": [] }), "origin"),
    ];
    for (body, path) in faults {
        let (code, problem) = patch(body.clone()).await?;
        assert_eq!((code, &problem["violations"][0]["path"]), (400, &json!(path)), "{body} {problem}");
    }
    let new = json!({ "name": "", "kind": "root", "origins": 7, "environments": [], "expires_at": "x", "key": "k" });
    let (code, problem) = house.ask(&house.developer, "POST", KEYS, new).await?;
    assert_eq!(code, 400);
    let told: Vec<_> =
        problem["violations"].as_array().into_iter().flatten().map(|one| &one["path"]).collect();
    for path in ["name", "kind", "environments", "expires_at", "key"] {
        assert!(told.contains(&&json!(path)), "{path} in {told:?}");
    }
    let server = json!({ "name": "s", "kind": "server", "origins": ["*"], "environments": ["*"] });
    let (code, problem) = house.ask(&house.developer, "POST", KEYS, server).await?;
    assert_eq!((code, problem["violations"].as_array().map(Vec::len)), (400, Some(2)), "{problem}");

    let stale = house.burgee.http.patch(format!("{}{}", house.burgee.url, made.path()));
    let stale = stale.bearer_auth(&house.developer).header("if-match", "\"1\"").json(&json!({ "name": "x" }));
    assert_eq!(stale.send().await?.status(), 412);
    house.ask(&house.developer, "DELETE", &made.path(), Value::Null).await?;
    let (code, problem) = patch(json!({ "name": "x" })).await?;
    assert_eq!((code, &problem["code"]), (409, &json!("key_revoked")));
    Ok(())
}

#[tokio::test]
async fn a_key_is_made_while_its_environment_changes() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let renamed = (0..30).map(|number| {
        let name = json!({ "name": format!("name {number}") });
        house.ask(&house.admin, "PATCH", "/api/v1/environments/development", name)
    });
    let made = (0..30).map(|number| {
        let key = json!({ "name": format!("key {number}"), "kind": "server" });
        house.ask(&house.admin, "POST", "/api/v1/sdk-keys", key)
    });
    let (renamed, made) = futures_util::future::join(
        futures_util::future::join_all(renamed),
        futures_util::future::join_all(made),
    )
    .await;
    for answer in renamed {
        assert_eq!(answer?.0, 200);
    }
    for answer in made {
        let (code, answer) = answer?;
        assert_eq!(code, 201, "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_given_key_that_nobody_could_use_stops_the_start() -> Result<()> {
    let mistyped = format!("bgs_{}", "0".repeat(56));
    for key in [mistyped, "k".repeat(513), "schlüssel-schlüssel".to_owned(), "with a space in it".to_owned()]
    {
        let folder = tempfile::tempdir()?;
        let env = [("SDK_API_KEY", key.as_str())];
        let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
        let output = start.command().arg("start").output()?;
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("SDK_API_KEY") && !told.contains(&key), "{told}");
    }
    Ok(())
}
