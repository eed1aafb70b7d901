//! Keys for applications, against the real program: what each kind opens, and to whom. How they are made and end:
//! `sdk_keys.rs`.

mod made_keys;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use made_keys::{KEYS, Made, end_of, get, make, status};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const FLAGS: &str = "/ofrep/v1/evaluate/flags";

async fn evaluate(burgee: &Burgee, path: &str, headers: &[(&str, &str)]) -> Result<(u16, Value)> {
    let mut request = burgee.http.post(format!("{}{path}", burgee.url)).body("{}");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

#[tokio::test]
async fn row_27_an_edge_has_an_id_and_a_secret_for_its_environments() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    house.create(json!({ "key": "f", "enabled": true })).await?;
    let named = json!({ "name": "edge", "kind": "edge", "environments": ["development", "staging"] });
    let edge = make(&house, "development", named).await?;
    assert!(edge.key.starts_with("bge_") && edge.key.len() == 60, "{}", edge.key);
    assert_eq!(edge.document["environments"], json!(["development", "staging"]));
    for environment in ["development", "staging"] {
        let path = format!("/sdk/v1/snapshot?environment={environment}");
        let request = burgee.http.get(format!("{}{path}", burgee.url)).bearer_auth(&edge.key);
        let snapshot: Value = request.send().await?.json().await?;
        assert_eq!(snapshot["environment"], environment);
        assert!(snapshot["flags"]["f"]["default"].is_object(), "an edge reads rules");
    }
    assert_eq!(status(burgee, "/sdk/v1/snapshot?environment=production", &edge.key).await?, 404);
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &edge.key).await?, 400);
    let (code, answer) = evaluate(burgee, FLAGS, &[("authorization", "Bearer bge_wrong")]).await?;
    assert_eq!((code, &answer["code"]), (401, &json!("unknown_key")));

    let all = json!({ "name": "edge", "kind": "edge", "environments": ["*"] });
    let all = make(&house, "development", all).await?;
    let qa = json!({ "key": "qa", "copy_from": "development" });
    burgee.post("/api/v1/environments", Some(&house.admin), &qa).await?;
    for environment in ["production", "qa"] {
        let path = format!("/sdk/v1/snapshot?environment={environment}");
        let deadline = Instant::now() + Duration::from_secs(3);
        while status(burgee, &path, &all.key).await? != 200 {
            ensure!(Instant::now() < deadline, "an edge for all environments is not let into {environment}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

#[tokio::test]
async fn g3_a_client_id_alone_opens_nothing() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let new = json!({ "name": "edge", "kind": "edge", "environments": ["development"] });
    let edge = make(&house, "development", new).await?;
    let ask = async |user: &str, password: &str| {
        let request = burgee.http.get(format!("{}/sdk/v1/snapshot", burgee.url));
        let answer = request.basic_auth(user, Some(password)).send().await?;
        Ok::<_, anyhow::Error>(answer.status().as_u16())
    };
    assert_eq!(ask(&edge.id, &edge.key).await?, 200);
    let other = house.burgee.get(KEYS, &house.admin).await?;
    let other = other.as_array().and_then(|keys| keys.last()).context("no other key")?["id"].clone();
    for (user, password) in [
        (&*edge.id, ""),
        (&edge.id, &*edge.id),
        (&edge.id, "bge_wrong"),
        (other.as_str().context("no id")?, &edge.key),
        (&edge.key, &edge.id),
    ] {
        assert_eq!(ask(user, password).await?, 401, "{user} {password}");
    }
    let bearer = format!("Bearer {}", edge.id);
    for (name, value) in [("authorization", &*bearer), ("x-sdk-key", &edge.id), ("x-api-key", &edge.id)] {
        assert_eq!(get(burgee, "/sdk/v1/snapshot", &[(name, value)]).await?.status(), 401, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn row_25_a_key_comes_in_a_header_or_for_pages_in_the_url() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let (server, client) = (&*burgee.banner.server_key, &*burgee.banner.client_key);
    assert_eq!(evaluate(burgee, FLAGS, &[]).await?.0, 401);
    let bearer = format!("Bearer {client}");
    for header in [("x-sdk-key", client), ("x-api-key", client), ("authorization", &*bearer)] {
        assert_eq!(evaluate(burgee, FLAGS, &[header]).await?.0, 200, "{}", header.0);
    }
    let stream = get(burgee, &format!("/sdk/v1/stream?key={client}"), &[]).await?;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    // K7: what must stay secret is not taken from a URL, which logs and histories keep.
    let refused = get(burgee, &format!("/sdk/v1/stream?key={server}"), &[]).await?;
    assert_eq!(refused.status(), 401);
    assert!(!refused.text().await?.contains(server));
    Ok(())
}

#[tokio::test]
async fn k5_k13_s16_a_page_learns_results_of_visible_flags_alone() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let secret = json!({ "key": "secret-launch", "client_visible": false, "enabled": true });
    house.create(secret).await?;
    let targeted = json!({ "key": "seen", "client_visible": true, "enabled": true, "name": "internal name",
        "description": "internal words", "targeted_users": ["jane@example.com"] });
    house.create(targeted).await?;
    let client = [("x-sdk-key", &*burgee.banner.client_key)];
    let (code, answer) = evaluate(burgee, FLAGS, &client).await?;
    let text = answer.to_string();
    assert_eq!((code, answer["flags"].as_array().map(Vec::len)), (200, Some(1)), "{text}");
    for untold in ["jane", "internal", "secret-launch", "\"rule"] {
        assert!(!text.contains(untold), "{untold} in {text}");
    }
    // One that a page may not see is like one that is not there.
    let hidden = evaluate(burgee, &format!("{FLAGS}/secret-launch"), &client).await?;
    let absent = evaluate(burgee, &format!("{FLAGS}/no-such-flag"), &client).await?;
    assert_eq!(hidden.0, 404);
    assert_eq!(hidden.1.to_string().replace("secret-launch", "no-such-flag"), absent.1.to_string());
    for path in ["/sdk/v1/snapshot", "/sdk/v1/segments/00"] {
        let answer = get(burgee, path, &client).await?;
        assert_eq!(answer.status(), 403);
        assert!(!answer.text().await?.contains("jane"));
    }
    // S16: without a key nobody is told of any flag, nor whether there is one.
    for path in [FLAGS.to_owned(), format!("{FLAGS}/seen"), format!("{FLAGS}/no-such-flag")] {
        let (code, answer) = evaluate(burgee, &path, &[]).await?;
        assert_eq!((code, &answer["code"]), (401, &json!("missing_key")), "{path}");
    }
    // A page's key is no person's, and a person's token no page's.
    let (code, _) = burgee.ask("GET", "/api/v1/flags", Some(&burgee.banner.client_key), None).await?;
    assert_eq!(code, 401);
    let (code, _) = burgee.ask("GET", "/api/v1/flags", Some(&burgee.banner.server_key), None).await?;
    assert_eq!(code, 401);
    assert_eq!(status(burgee, "/sdk/v1/snapshot", &house.admin).await?, 401);
    Ok(())
}

#[tokio::test]
async fn k6_no_two_installations_share_a_key() -> Result<()> {
    let (one, two) = (House::open(PROGRAM).await?, House::open(PROGRAM).await?);
    let keys =
        |house: &House| [house.burgee.banner.server_key.clone(), house.burgee.banner.client_key.clone()];
    for key in keys(&one) {
        assert!(!keys(&two).contains(&key));
        assert_eq!(evaluate(&two.burgee, FLAGS, &[("x-sdk-key", &key)]).await?.0, 401);
        assert_eq!(evaluate(&one.burgee, FLAGS, &[("x-sdk-key", &key)]).await?.0, 200);
    }
    for known in ["sdk-secret-key", "admin-secret-key", "change-me-in-production", "default", ""] {
        assert_eq!(evaluate(&one.burgee, FLAGS, &[("x-sdk-key", known)]).await?.0, 401, "{known:?}");
    }
    Ok(())
}

#[tokio::test]
async fn g4_pages_of_other_origins_may_not_use_a_key() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    // The local profile lets no page in but this machine's, so that the origins here differ by their ports.
    let (ours, other) = ("http://localhost:3000", "http://localhost:4000");
    let new = json!({ "name": "page", "kind": "client", "origins": ["HTTP://localhost:3000"] });
    let page = make(&house, "development", new).await?;
    assert_eq!(page.document["origins"], json!([ours]));
    let ask = async |key: &str, origin: &str| {
        let request = burgee.http.post(format!("{}{FLAGS}", burgee.url)).body("{}");
        Ok::<_, anyhow::Error>(request.header("x-sdk-key", key).header("origin", origin).send().await?)
    };
    let answer = ask(&page.key, ours).await?;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["access-control-allow-origin"]),
        (200, &ours.parse()?)
    );
    assert_eq!(answer.headers()["access-control-expose-headers"], "ETag,Retry-After");
    let refused = ask(&page.key, other).await?;
    assert!(refused.headers().get("access-control-allow-origin").is_none());
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.json::<Value>().await?["code"], "origin_not_allowed");
    let secret = ask(&burgee.banner.server_key, ours).await?;
    assert_eq!(secret.status(), 200);
    assert!(secret.headers().get("access-control-allow-origin").is_none(), "a page could read it");

    // An origin that is taken away ends its streams.
    let path = format!("/sdk/v1/stream?key={}", page.key);
    let stream = get(burgee, &path, &[("origin", ours)]).await?;
    assert_eq!(stream.status(), 200);
    let narrowed = json!({ "origins": [other] });
    house.ask(&house.developer, "PATCH", &page.path(), narrowed).await?;
    assert!(end_of(stream).await? < Duration::from_secs(1));
    assert_eq!(ask(&page.key, ours).await?.status(), 403);
    assert_eq!(ask(&page.key, other).await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn in_production_a_page_key_says_which_pages() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE_PROFILE", "production"), ("BURGEE_ADMIN_PASSWORD", "long enough")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let admin = burgee.admin().await?;
    let new = |more: Value| {
        let mut document = json!({ "name": "page", "kind": "client" });
        if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
            document.extend(more);
        }
        document
    };
    for unsaid in [json!({}), json!({ "origins": [] }), json!({ "origins": null })] {
        let (code, problem) = burgee.ask("POST", KEYS, Some(&admin), Some(&new(unsaid))).await?;
        assert_eq!(code, 400);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("[\"*\"]")), "{problem}");
    }
    for said in [json!(["*"]), json!(["https://shop.example"])] {
        let made = Made::of(burgee.post(KEYS, Some(&admin), &new(json!({ "origins": said }))).await?)?;
        let (code, _) =
            burgee.ask("PATCH", &made.path(), Some(&admin), Some(&json!({ "origins": [] }))).await?;
        assert_eq!(code, 400, "it cannot be unsaid");
        let origin = [("x-sdk-key", &*made.key), ("origin", "https://shop.example")];
        assert_eq!(evaluate(&burgee, FLAGS, &origin).await?.0, 200);
    }
    let listed = burgee.get(&format!("{KEYS}?kind=client&limit=1000"), &admin).await?;
    let first = listed.as_array().and_then(|keys| keys.last()).context("no first key")?;
    assert_eq!(first["origins"], json!(["*"]), "what the first start made says so");
    Ok(())
}

#[tokio::test]
async fn what_is_no_key_is_refused_before_anything_else() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let key = &*burgee.banner.server_key;
    let last = if key.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", &key[..key.len() - 1]);
    let long = "k".repeat(513);
    let very_long = "k".repeat(30_000);
    let another_kind = key.replace("bgs_", "bgc_");
    for wrong in
        [&*mistyped, &another_kind, &key[..30], &key.to_uppercase(), &long, &very_long, "bgs_", "' OR 1=1"]
    {
        let answer = get(burgee, "/sdk/v1/snapshot", &[("x-sdk-key", wrong)]).await?;
        let shown: String = wrong.chars().take(70).collect();
        assert_eq!(answer.status(), 401, "{shown}");
        assert!(!answer.text().await?.contains(wrong), "{shown}");
    }
    let (code, problem) =
        evaluate(burgee, FLAGS, &[("x-sdk-key", key), ("x-api-key", &burgee.banner.client_key)]).await?;
    assert_eq!((code, &problem["code"]), (400, &json!("conflicting_keys")));
    let bytes = reqwest::header::HeaderValue::from_bytes(b"bgs_\xff\xfe")?;
    let request = burgee.http.get(format!("{}/sdk/v1/snapshot", burgee.url)).header("x-sdk-key", bytes);
    assert_eq!(request.send().await?.status(), 401);
    assert_eq!(status(burgee, "/sdk/v1/snapshot", key).await?, 200, "the server lives");
    Ok(())
}

#[tokio::test]
async fn a_key_for_all_environments_reaches_no_protected_one_to_come_unless_its_maker_may() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let edge = |environments: Value| json!({ "name": "edge", "kind": "edge", "environments": environments });
    let production = "/api/v1/environments/production";
    let open = json!({ "protected": false });
    assert_eq!(house.ask(&house.admin, "PATCH", production, open).await?.0, 200);

    // Now the developer may change every environment that there is, but none that will be protected.
    let (code, own) = house.ask(&house.developer, "POST", KEYS, edge(json!(["production"]))).await?;
    assert_eq!(code, 201, "{own}");
    let own = Made::of(own)?;
    let refused = (403, json!("more_than_own"));
    let (code, problem) = house.ask(&house.developer, "POST", KEYS, edge(json!(["*"]))).await?;
    assert_eq!((code, problem["code"].clone()), refused, "{problem}");
    let widened = json!({ "environments": ["*"] });
    let (code, problem) = house.ask(&house.developer, "PATCH", &own.path(), widened).await?;
    assert_eq!((code, problem["code"].clone()), refused, "{problem}");
    let all = make(&house, "development", edge(json!(["*"]))).await?;
    for (method, path, body) in [
        ("POST", format!("{}/rotate", all.path()), Value::Null),
        ("PATCH", all.path(), json!({ "name": "mine" })),
        ("DELETE", all.path(), Value::Null),
    ] {
        let (code, problem) = house.ask(&house.developer, method, &path, body).await?;
        assert_eq!((code, problem["code"].clone()), refused, "{method}: {problem}");
    }

    let vault = json!({ "key": "vault", "protected": true });
    burgee.post("/api/v1/environments", Some(&house.admin), &vault).await?;
    let path = "/sdk/v1/snapshot?environment=vault";
    let deadline = Instant::now() + Duration::from_secs(3);
    while status(burgee, path, &all.key).await? != 200 {
        ensure!(Instant::now() < deadline, "the admin's key is not let in");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status(burgee, path, &own.key).await?, 404, "the developer's is not");
    Ok(())
}
