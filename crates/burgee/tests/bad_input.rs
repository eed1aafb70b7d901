//! What is wrong is refused with its path and what to do, and nothing is written.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

#[tokio::test]
async fn names_of_any_length_are_not_sent_back() -> Result<()> {
    let house = house().await?;
    let mut flag = json!({ "key": "x" });
    flag["y".repeat(1_000_000)] = json!(1);
    let (status, problem) = house.refused("POST", "/api/v1/flags", flag.to_string()).await?;
    assert_eq!(status, 400);
    assert!(problem.to_string().len() < 2_000);
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_may_be_meant() -> Result<()> {
    let house = house().await?;
    house.create(json!({ "key": "x" })).await?;
    let flags = "GET /api/v1/flags lists them";
    for (path, expected) in [
        ("/flags/y", format!("flag not found: there is no \"y\"; {flags}")),
        ("/flags/a%20b%22", format!("flag not found: there is no \"a b\\\"\"; {flags}")),
        ("/flags/y/variants", format!("flag not found: there is no \"y\"; {flags}")),
        ("/flags/x/variants/om", variant("om", "did you mean \"on\"? ")),
        ("/flags/x/variants/maybe", variant("maybe", "")),
        ("/segments/s", "segment not found: there is no \"s\"; GET /api/v1/segments lists them".to_owned()),
        (
            "/segments/s/included",
            "segment not found: there is no \"s\"; GET /api/v1/segments lists them".to_owned(),
        ),
        (
            "/context-fields/plan",
            "context field not found: there is no \"plan\"; GET /api/v1/context-fields lists them".to_owned(),
        ),
        ("/environments/stagging", environment("stagging", "did you mean \"staging\"? ")),
        ("/flags?environment=nowhere", environment("nowhere", "")),
    ] {
        let (status, problem) = house.refused("GET", &format!("/api/v1{path}"), "").await?;
        assert_eq!((status, problem["detail"].as_str()), (404, Some(expected.as_str())), "{path}");
    }
    let (status, problem) = house.refused("DELETE", "/api/v1/sdk-keys/7", "").await?;
    let expected = "SDK key not found: there is no \"7\"; GET /api/v1/sdk-keys lists their ids";
    assert_eq!((status, &problem["detail"]), (404, &json!(expected)));
    let (status, problem) = house.refused("GET", &format!("/api/v1/flags/{}", "y".repeat(5_000)), "").await?;
    assert!(status == 404 && problem.to_string().len() < 1_500, "{problem}");
    Ok(())
}

fn variant(key: &str, meant: &str) -> String {
    format!("variant not found: there is no {key:?}; {meant}The flag has on, off")
}

fn environment(key: &str, meant: &str) -> String {
    format!("there is no environment {key:?}; {meant}GET /api/v1/environments lists them")
}

#[tokio::test]
async fn what_does_not_read_does_not_count_as_absent() -> Result<()> {
    let house = house().await?;
    house.burgee.post("/api/v1/flags", Some(&house.developer), &json!({ "key": "x" })).await?;
    let latin = reqwest::header::HeaderValue::from_bytes(b"\"caf\xe9\"")?;
    let toggle = house.burgee.http.post(format!("{}/api/v1/flags/x/toggle", house.burgee.url));
    let answer = toggle.bearer_auth(&house.developer).header("if-match", latin).send().await?;
    assert_eq!(answer.status(), 400);
    assert_eq!(house.burgee.get("/api/v1/flags/x", &house.developer).await?["enabled"], json!(false));

    let (status, problem) = house.refused("GET", "/api/v1/flags/%ff", "").await?;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_path")));
    Ok(())
}

#[tokio::test]
async fn malformed_and_oversized_bodies() -> Result<()> {
    let house = house().await?;
    let (status, problem) = house.refused("POST", "/api/v1/flags", "{\"key\": \"x\",\n oops}").await?;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed_json")));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("line 2")), "{problem}");
    let twice = "{\"key\": \"x\", \"rules\": [{\"when\": {},\n\"when\": {}}]}";
    let (status, problem) = house.refused("POST", "/api/v1/flags", twice).await?;
    assert_eq!((status, &problem["code"]), (400, &json!("repeated_member")));
    let expected = "\"when\" is given twice, again at line 2, column 6; keep one of them";
    assert_eq!(problem["violations"], json!([{ "path": "rules[0].when", "message": expected }]));
    let (status, problem) = house.refused("POST", "/api/v1/flags", "").await?;
    assert_eq!((status, &problem["code"]), (400, &json!("missing_body")));
    let (status, problem) = house.refused("POST", "/api/v1/flags", vec![b' '; (1 << 20) + 1]).await?;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")));
    let (status, problem) = house.refused("GET", "/api/v1/flags?search=a%00b", "").await?;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_parameter")));
    let deep = "[".repeat(100_000);
    let (status, problem) = house.refused("POST", "/api/v1/flags", deep).await?;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed_json")));
    Ok(())
}

#[tokio::test]
async fn a_message_says_what_was_given_and_what_may_be() -> Result<()> {
    let house = house().await?;
    let variants: Vec<_> =
        (1..=12).map(|number| json!({ "key": format!("v{number}"), "value": number })).collect();
    let rules = json!([
        { "priority": 2.5, "when": { "all": [] }, "serve": null },
        { "priority": "7", "when": { "all": [] }, "serve": null },
        { "priority": [1], "when": { "all": [] }, "serve": null },
        { "when": { "all": [] }, "serve": { "variant": "purple" } },
        { "when": { "all": [] }, "serve": { "variant": "V12" } },
        { "when": { "all": [] }, "serve": { "split": [{ "variant": "v1", "weight": 0.5 }] } },
    ]);
    let flag = json!({ "key": "x", "kind": "number", "variants": variants, "default": { "variant": "v1" }, "rules": rules });
    let (status, problem) =
        house.burgee.ask("POST", "/api/v1/flags", Some(&house.developer), Some(&flag)).await?;
    assert_eq!(status, 400);
    let told: Vec<_> = problem["violations"].as_array().into_iter().flatten().collect();
    let has = "which has v1, v2, v3, v4, v5, v6, v7, v8, v9, v10 and 2 more";
    for (path, message) in [
        ("rules[0].priority", "must be a whole number (-2147483648 to 2147483647), not 2.5".to_owned()),
        ("rules[1].priority", "must be a whole number (-2147483648 to 2147483647), not \"7\"".to_owned()),
        ("rules[2].priority", "must be a whole number (-2147483648 to 2147483647), not a list".to_owned()),
        ("rules[3].serve.variant", format!("\"purple\" is not a variant of this flag, {has}")),
        (
            "rules[4].serve.variant",
            format!("\"V12\" is not a variant of this flag, {has}; did you mean v12?"),
        ),
    ] {
        assert!(told.contains(&&json!({ "path": path, "message": message })), "{path}: {message}: {problem}");
    }
    let weight =
        told.iter().find(|one| one["path"] == "rules[5].serve.split[0].weight").context("no weight")?;
    assert!(weight["message"].as_str().is_some_and(|why| why.ends_with("not 0.5")), "{weight}");
    Ok(())
}

#[tokio::test]
async fn tokens_that_are_bad_expired_or_too_weak() -> Result<()> {
    let house = house().await?;
    let burgee = &house.burgee;
    let code = async |token: Option<&str>, method: &str, path: &str| {
        let (status, problem) = burgee.ask(method, path, token, None).await?;
        Ok::<_, anyhow::Error>((status, problem["code"].as_str().unwrap_or_default().to_owned()))
    };
    let unauthenticated = |code: &str| (401, code.to_owned());
    assert_eq!(code(None, "GET", "/api/v1/flags").await?, unauthenticated("missing_token"));
    assert_eq!(code(Some("nonsense"), "GET", "/api/v1/flags").await?, unauthenticated("invalid_token"));
    assert_eq!(code(Some("a.b.c"), "GET", "/api/v1/flags").await?, unauthenticated("invalid_token"));
    let (body, _signature) = house.developer.rsplit_once('.').context("no token")?;
    let forged = format!("{body}.{}", "A".repeat(43));
    assert_eq!(code(Some(&forged), "GET", "/api/v1/flags").await?, unauthenticated("invalid_token"));
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", body.split('.').nth(1).context("no claims")?);
    assert_eq!(code(Some(&unsigned), "GET", "/api/v1/flags").await?, unauthenticated("invalid_token"));

    let viewer = burgee.register("view@example.com", "viewer").await?;
    assert_eq!(code(Some(&viewer), "GET", "/api/v1/flags").await?.0, 200);
    let flag = json!({ "key": "x" });
    let refused = async |token: &str, path: &str| {
        let (status, problem) = burgee.ask("POST", path, Some(token), Some(&flag)).await?;
        Ok::<_, anyhow::Error>((status, problem["code"].clone()))
    };
    assert_eq!(refused(&viewer, "/api/v1/flags").await?, (403, json!("not_permitted")));
    let production = "/api/v1/flags?environment=production";
    assert_eq!(refused(&house.developer, production).await?, (403, json!("protected_environment")));
    assert_eq!(
        refused(&house.developer, "/api/v1/flags?environment=nowhere").await?,
        (404, json!("no_such_environment"))
    );
    assert_eq!(refused(&house.admin, production).await?.0, 201);
    assert_eq!(
        code(Some(&house.developer), "DELETE", "/api/v1/flags/x").await?,
        (403, "not_permitted".to_owned())
    );

    let boss = json!({ "email": "boss@example.com", "password": "secret", "role": "admin" });
    let (status, answer) = burgee.ask("POST", "/auth/register", None, Some(&boss)).await?;
    assert_eq!((status, &answer["role"]), (201, &json!("viewer")), "nobody makes themselves an admin");
    Ok(())
}

#[tokio::test]
async fn an_expired_token_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE__IAM__TOKEN_TTL", "1s")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let (status, problem) = burgee.ask("GET", "/auth/me", Some(&token), None).await?;
        if status == 401 {
            assert_eq!(problem["code"], "token_expired");
            return Ok(());
        }
        assert!(std::time::Instant::now() < deadline, "it never expired");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second() -> Result<()> {
    let house = house().await?;
    let burgee = &house.burgee;
    let made = burgee
        .post("/api/v1/sdk-keys", Some(&house.developer), &json!({ "name": "shop", "kind": "server" }))
        .await?;
    let (id, key) = (made["id"].as_str().context("no id")?, made["key"].as_str().context("no key")?);
    let status = async || {
        let answer = burgee
            .http
            .get(format!("{}/sdk/v1/snapshot", burgee.url))
            .header("x-sdk-key", key)
            .send()
            .await?;
        Ok::<_, anyhow::Error>(answer.status().as_u16())
    };
    eventually(async || Ok(status().await? == 200)).await?;
    let stream =
        burgee.http.get(format!("{}/sdk/v1/stream", burgee.url)).header("x-sdk-key", key).send().await?;
    let (code, _) =
        burgee.ask("DELETE", &format!("/api/v1/sdk-keys/{id}"), Some(&house.developer), None).await?;
    assert_eq!(code, 204);
    eventually(async || Ok(status().await? == 401)).await?;
    tokio::time::timeout(std::time::Duration::from_secs(1), stream.bytes())
        .await
        .context("its stream did not end")??;
    let listed = burgee.get("/api/v1/sdk-keys", &house.developer).await?;
    let revoked = listed
        .as_array()
        .context("no list")?
        .iter()
        .find(|one| one["id"] == id)
        .context("not listed")?
        .clone();
    assert!(
        revoked["revoked_at"].is_string() && revoked.get("key").is_none() && revoked.get("hash").is_none()
    );
    Ok(())
}

/// Within a second.
async fn eventually(mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(1);
    while !holds().await? {
        anyhow::ensure!(std::time::Instant::now() < deadline, "it did not come about within a second");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_page_from_elsewhere_cannot_reach_a_local_server() -> Result<()> {
    let house = house().await?;
    let get = |header: &'static str, value: &'static str| {
        house.burgee.http.get(format!("{}/health", house.burgee.url)).header(header, value).send()
    };
    assert_eq!(get("host", "localhost:8080").await?.status(), 200);
    assert_eq!(get("origin", "http://localhost:3000").await?.status(), 200);
    for (header, value) in [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")]
    {
        let answer = get(header, value).await?;
        assert_eq!(answer.status(), 403, "{header}: {value}");
        assert_eq!(answer.json::<Value>().await?["code"], "not_loopback");
    }
    Ok(())
}

#[tokio::test]
async fn several_authorization_headers_are_refused_on_both_planes() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let key = &house.burgee.banner.server_key;
    for (path, good) in [("/api/v1/flags", &house.admin), ("/sdk/v1/snapshot", key)] {
        for (one, other) in [(good.as_str(), "nonsense"), ("nonsense", good), (good, good)] {
            let request = house.burgee.http.get(format!("{}{path}", house.burgee.url));
            let answer = request.bearer_auth(one).bearer_auth(other).send().await?;
            let status = answer.status();
            let problem: Value = answer.json().await?;
            assert_eq!(
                (status.as_u16(), &problem["code"]),
                (401, &json!("several_credentials")),
                "{path}: {problem}"
            );
        }
    }
    Ok(())
}
