//! What is wrong is refused with its path and what to do, and nothing is written.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

/// So many lists in one another.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| if inner.is_null() { json!([]) } else { json!([inner]) })
}

/// What is wrong with a new flag, and the path that the answer must name.
fn faulty_flags() -> Vec<(Value, &'static str)> {
    let variants = json!([{ "key": "a", "value": "A" }, { "key": "b", "value": "B" }]);
    let string = |more: Value| {
        let mut flag =
            json!({ "key": "x", "kind": "string", "variants": variants, "default": { "variant": "a" } });
        if let (Some(flag), Some(more)) = (flag.as_object_mut(), more.as_object()) {
            flag.extend(more.clone());
        }
        flag
    };
    let split = |weights: [i64; 2]| json!({ "default": { "split": [{ "variant": "a", "weight": weights[0] }, { "variant": "b", "weight": weights[1] }] } });
    vec![
        (json!([]), ""),
        (json!({}), "key"),
        (json!({ "key": "" }), "key"),
        (json!({ "key": "a b" }), "key"),
        (json!({ "key": ".." }), "key"),
        (json!({ "key": "x".repeat(257) }), "key"),
        (json!({ "key": 7 }), "key"),
        (json!({ "key": "x", "colour": "red" }), "colour"),
        (json!({ "key": "x", "enabled": "yes" }), "enabled"),
        (json!({ "key": "x", "name": "a\0b" }), "name"),
        (json!({ "key": "x", "kind": "colour" }), "kind"),
        (json!({ "key": "x", "kind": "string" }), ""),
        (
            json!({ "key": "x", "kind": "number", "default_value": 9_007_199_254_740_993_i64 }),
            "variants[0].value",
        ),
        (json!({ "key": "x", "kind": "object", "default_value": nested(33) }), "variants[0].value"),
        (json!({ "key": "x", "default_value": "on" }), "default_value"),
        (json!({ "key": "x", "default_value": true, "rollout_percentage": 5 }), ""),
        (json!({ "key": "x", "rollout_percentage": 101 }), "rollout_percentage"),
        (json!({ "key": "x", "rollout_percentage": 0.0001 }), "rollout_percentage"),
        (json!({ "key": "x", "default": { "variant": "maybe" } }), "default.variant"),
        (json!({ "key": "x", "default": { "variant": "on", "weight": 3 } }), "default.weight"),
        (json!({ "key": "x", "off_variant": "maybe" }), "off_variant"),
        (json!({ "key": "x", "tags": [""] }), "tags[0]"),
        (
            json!({ "key": "x", "prerequisites": [{ "flag": "y", "variants": ["on"] }] }),
            "prerequisites[0].flag",
        ),
        (json!({ "key": "x", "prerequisites": [{ "flag": "x", "variants": ["on"] }] }), "prerequisites"),
        (json!({ "key": "x", "prerequisites": [{ "flag": "y" }] }), "prerequisites[0].variants"),
        (json!({ "key": "x", "prerequisites": ["y"] }), "prerequisites[0]"),
        (json!({ "key": "x", "lifecycle": "asleep" }), "lifecycle"),
        (json!({ "key": "x", "owner": ["me"] }), "owner"),
        (json!({ "key": "x", "expected_end": "soon" }), "expected_end"),
        (json!({ "key": "x", "expected_end": "2026-02-30" }), "expected_end"),
        (json!({ "key": "x", "temporary": false, "expected_end": "2026-12-31" }), "expected_end"),
        (
            json!({ "key": "x", "kind": "object", "default_value": { "a": [9_007_199_254_740_993_i64] } }),
            "default_value.a[0]",
        ),
        (
            string(json!({ "variants": [{ "key": "a", "value": "A" }, { "key": 7, "value": "B" }] })),
            "variants[1].key",
        ),
        (string(split([1, 2])), "default.split"),
        (string(split([-1, 100_001])), "default.split[0].weight"),
        (string(json!({ "variants": [{ "key": "a", "value": 1 }] })), "variants[0].value"),
        (
            string(json!({ "variants": [{ "key": "a", "value": "A" }, { "key": "a", "value": "B" }] })),
            "variants[1].key",
        ),
        (string(json!({ "targets": [{ "variant": "c", "keys": ["u"] }] })), "targets[0].variant"),
        (
            string(
                json!({ "targets": [{ "variant": "a", "keys": ["u"] }, { "variant": "b", "keys": ["u"] }] }),
            ),
            "targets[1].keys[0]",
        ),
    ]
}

/// What is wrong with a rule of a new flag, and the path that the answer must name.
fn faulty_rules() -> Vec<(Value, &'static str)> {
    let rule = |rule: Value| json!({ "key": "x", "rules": [rule] });
    vec![
        (rule(json!({ "serve": { "variant": "maybe" } })), "rules[0].serve.variant"),
        (rule(json!({ "when": { "all": [] } })), "rules[0].serve"),
        (
            rule(json!({ "attribute": "a", "operator": "resembles", "value": "b", "variant": true })),
            "rules[0].operator",
        ),
        (
            rule(json!({ "attribute": "a", "operator": "equals", "value": "b", "variant": "maybe" })),
            "rules[0].variant",
        ),
        (
            rule(json!({ "attribute": "a", "operator": "equals", "value": {}, "variant": true })),
            "rules[0].value",
        ),
        (rule(json!({ "attribute": "a", "operator": "equals", "variant": true })), "rules[0].value"),
        (rule(json!({ "priority": 3_000_000_000_i64, "serve": { "variant": "on" } })), "rules[0].priority"),
        (
            rule(
                json!({ "when": { "any": [{ "attribute": "a", "operator": "contains", "values": ["b", ""] }] }, "serve": null }),
            ),
            "rules[0].when.any[0].values[1]",
        ),
        (rule(json!({ "when": { "segment": "beta" }, "serve": null })), "rules[0].when.segment"),
        (
            rule(json!({ "attribute": "version", "operator": "semver", "value": "1.x.3", "variant": true })),
            "rules[0].value",
        ),
        (
            rule(json!({ "when": { "attribute": "a", "operator": "in", "list": "tiers" }, "serve": null })),
            "rules[0].when.list",
        ),
        (
            rule(json!({ "when": { "attribute": "a", "operator": "gt", "value": "many" }, "serve": null })),
            "rules[0].when.value",
        ),
        (
            rule(
                json!({ "when": { "attribute": "a", "operator": "equals", "values": [-9_007_199_254_740_993_i64] }, "serve": null }),
            ),
            "rules[0].when.values[0]",
        ),
        (rule(json!({ "when": { "bucket": { "to": 100_001 } }, "serve": null })), "rules[0].when.bucket.to"),
    ]
}

#[tokio::test]
async fn a_faulty_flag_is_refused_with_the_path_of_its_fault() -> Result<()> {
    let house = house().await?;
    let head = house.head().await?;
    for (flag, path) in faulty_flags().into_iter().chain(faulty_rules()) {
        let (status, problem) = house.refused("POST", "/api/v1/flags", flag.to_string()).await?;
        assert_eq!(
            (status, &problem["code"], &problem["status"]),
            (400, &json!("invalid"), &json!(400)),
            "{flag}: {problem}"
        );
        let violations = problem["violations"].as_array().context("no violations")?;
        let named =
            violations.iter().any(|violation| violation["path"] == path && violation["message"] != "");
        assert!(named, "{flag} should name {path:?}, not {violations:?}");
        assert!(problem["error"].as_str().is_some_and(|error| !error.is_empty()));
    }
    assert_eq!(house.head().await?, head, "something was written");
    assert_eq!(house.burgee.get("/api/v1/flags", &house.developer).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn the_deepest_value_that_is_taken_is_read_by_everyone() -> Result<()> {
    let house = house().await?;
    let flag = json!({ "key": "deep", "kind": "object", "default_value": nested(32), "enabled": true });
    house.burgee.post("/api/v1/flags", Some(&house.developer), &flag).await?;
    assert_eq!(
        house.burgee.get("/api/v1/flags/deep", &house.developer).await?["variants"][0]["value"],
        nested(32)
    );
    let snapshot = house.burgee.get("/sdk/v1/snapshot", &house.burgee.banner.server_key).await?;
    assert_eq!(snapshot["flags"]["deep"]["variants"][0]["value"], nested(32));
    Ok(())
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
async fn all_faults_of_a_document_are_told_at_once() -> Result<()> {
    let house = house().await?;
    let flag = json!({ "key": "a b", "enabled": 1, "colour": "red", "tags": [3] });
    let (_, problem) = house.refused("POST", "/api/v1/flags", flag.to_string()).await?;
    let paths: Vec<_> = problem["violations"]
        .as_array()
        .context("no violations")?
        .iter()
        .map(|one| one["path"].clone())
        .collect();
    for path in ["key", "enabled", "colour", "tags[0]"] {
        assert!(paths.contains(&json!(path)), "{path} is missing in {paths:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_did_not_read_does_not_hide_what_makes_no_sense() -> Result<()> {
    let house = house().await?;
    let flag = json!({
        "key": "a b", "kind": "string", "colour": "red",
        "variants": [{ "key": "a", "value": "A" }, { "key": "b", "value": 2 }, { "value": "C" }],
        "default": { "split": [{ "variant": "a", "weight": 1 }] },
        "off_variant": 7,
        "prerequisites": [{ "flag": "none", "variants": ["on"] }, { "flag": "other" }],
        "rules": [
            { "when": { "any": [
                { "attribute": "v", "operator": "contains", "values": ["1.2.3", ""] },
                { "attribute": "v", "operator": "resembles", "values": [1] },
                { "attribute": "ip", "operator": "cidr", "value": "10.0.0.0/64" },
            ] }, "serve": { "variant": "a" } },
            { "attribute": "a", "operator": "matches", "value": "(", "variant": "a" },
            { "when": { "segment": "nobody" }, "serve": { "variant": "b", "weight": 2 } },
            { "id": "r", "serve": null }, { "id": "r", "serve": null },
        ],
    });
    let (status, problem) = house.refused("POST", "/api/v1/flags", flag.to_string()).await?;
    assert_eq!(status, 400);
    let violations = problem["violations"].as_array().context("no violations")?;
    let mut paths: Vec<_> = violations.iter().filter_map(|one| one["path"].as_str()).collect();
    paths.sort_unstable();
    let expected = [
        "colour",
        "default.split",
        "key",
        "off_variant",
        "prerequisites[0].flag",
        "prerequisites[1].variants",
        "rules[0].when.any[0].values[1]",
        "rules[0].when.any[1].operator",
        "rules[0].when.any[2].value",
        "rules[1].value",
        "rules[2].serve.weight",
        "rules[2].when.segment",
        "rules[4].id",
        "variants[1].value",
        "variants[2].key",
    ];
    assert_eq!(paths, expected, "{problem:#}");
    Ok(())
}

#[tokio::test]
async fn what_never_changes_is_not_changed() -> Result<()> {
    let house = house().await?;
    let made = house.create(json!({ "key": "x", "temporary": true, "expected_end": "2026-12-31" })).await?;
    for (change, path) in [
        (json!({ "key": "y" }), "key"),
        (json!({ "kind": "string" }), "kind"),
        (json!({ "temporary": false }), "temporary"),
    ] {
        let (status, problem) = house.patch(&house.developer, "x", change).await?;
        assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!(path)), "{problem}");
    }
    assert_eq!(house.get("/api/v1/flags/x").await?, made);
    let (status, changed) =
        house.patch(&house.developer, "x", json!({ "temporary": false, "expected_end": null })).await?;
    assert_eq!((status, &changed["temporary"], &changed["expected_end"]), (200, &json!(false), &Value::Null));
    Ok(())
}

#[tokio::test]
async fn malformed_and_oversized_bodies() -> Result<()> {
    let house = house().await?;
    let (status, problem) = house.refused("POST", "/api/v1/flags", "{\"key\": \"x\",\n oops}").await?;
    assert_eq!((status, &problem["code"]), (400, &json!("malformed_json")));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("line 2")), "{problem}");
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
    assert_eq!(refused(&viewer, "/api/v1/flags").await?, (403, json!("role_too_low")));
    let production = "/api/v1/flags?environment=production";
    assert_eq!(refused(&house.developer, production).await?, (403, json!("protected_environment")));
    assert_eq!(
        refused(&house.developer, "/api/v1/flags?environment=nowhere").await?,
        (404, json!("no_such_environment"))
    );
    assert_eq!(refused(&house.admin, production).await?.0, 201);
    assert_eq!(
        code(Some(&house.developer), "DELETE", "/api/v1/flags/x").await?,
        (403, "role_too_low".to_owned())
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
