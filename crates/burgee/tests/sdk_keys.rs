//! Keys for applications, against the real program: what each kind opens, who may make one, and how one ends.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Response;
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const KEYS: &str = "/api/v1/sdk-keys";
const FLAGS: &str = "/ofrep/v1/evaluate/flags";

/// A key that was made, and its secret.
struct Made {
    id: String,
    key: String,
    document: Value,
}

impl Made {
    fn of(document: Value) -> Result<Self> {
        let text = |member: &str| {
            document[member].as_str().map(str::to_owned).with_context(|| format!("no {member}: {document}"))
        };
        let (id, key) = (text("id")?, text("key")?);
        Ok(Self { id, key, document })
    }

    fn path(&self) -> String {
        format!("{KEYS}/{}", self.id)
    }
}

async fn make(house: &House, environment: &str, document: Value) -> Result<Made> {
    let path = format!("{KEYS}?environment={environment}");
    Made::of(house.burgee.post(&path, Some(&house.admin), &document).await?)
}

/// GETs a path with a key, as a program does.
async fn get(burgee: &Burgee, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
    let mut request = burgee.http.get(format!("{}{path}", burgee.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.send().await?)
}

async fn status(burgee: &Burgee, path: &str, key: &str) -> Result<u16> {
    Ok(get(burgee, path, &[("x-sdk-key", key)]).await?.status().as_u16())
}

async fn evaluate(burgee: &Burgee, path: &str, headers: &[(&str, &str)]) -> Result<(u16, Value)> {
    let mut request = burgee.http.post(format!("{}{path}", burgee.url)).body("{}");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

fn time(value: &Value) -> Result<jiff::Timestamp> {
    Ok(value.as_str().context("no time")?.parse()?)
}

/// How long a stream takes to end.
async fn end_of(stream: Response) -> Result<Duration> {
    let since = Instant::now();
    tokio::time::timeout(Duration::from_secs(8), stream.bytes())
        .await
        .context("the stream does not end")??;
    Ok(since.elapsed())
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
