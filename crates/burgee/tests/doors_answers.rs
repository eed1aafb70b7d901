//! What every answer says besides, and what no request may make it say.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
/// What is to happen at once has happened by then, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Sends bytes as they are and gives all that comes back.
async fn said(burgee: &Burgee, bytes: &[u8]) -> Result<String> {
    let authority = burgee.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).await?;
    // It may stop reading before the end.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.context("it stays open")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn b20_s7_every_answer_keeps_browsers_from_running_it() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let paths = [
        "/health",
        "/ready",
        "/nowhere",
        "/api/v1/flags",
        "/auth/me",
        "/openapi.json",
        "/sdk/v1/snapshot",
        "/ofrep/v1/evaluate/flags",
        "/docs/",
    ];
    for path in paths {
        for token in [None, Some(&house.developer)] {
            let request = house.burgee.http.get(format!("{}{path}", house.burgee.url));
            let answer = token.into_iter().fold(request, RequestBuilder::bearer_auth).send().await?;
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header(&answer, "referrer-policy"), "no-referrer", "{path}");
            assert_eq!(header(&answer, "x-frame-options"), "DENY", "{path}");
            let policy = header(&answer, "content-security-policy");
            assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
            assert!(
                policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
                "{path}: {policy}"
            );
            assert!(!header(&answer, "x-request-id").is_empty(), "{path}");
            assert_eq!(header(&answer, "strict-transport-security"), "", "{path} did not come by HTTPS");
            let kept_nowhere = path.starts_with("/auth/");
            assert_eq!(header(&answer, "cache-control") == "no-store", kept_nowhere, "{path}");
        }
    }
    let request = house.burgee.http.post(format!("{}/ofrep/v1/evaluate/flags", house.burgee.url));
    let answer = request.header("x-sdk-key", &house.burgee.banner.server_key).send().await?;
    assert_eq!((answer.status().as_u16(), header(&answer, "x-content-type-options")), (200, "nosniff"));
    let key = json!({ "name": "ci", "kind": "server" });
    let request = house.burgee.http.post(format!("{}/api/v1/sdk-keys", house.burgee.url));
    let answer = request.bearer_auth(&house.developer).json(&key).send().await?;
    assert_eq!((answer.status().as_u16(), header(&answer, "cache-control")), (201, "no-store"));
    Ok(())
}

#[tokio::test]
async fn documents_are_served_only_if_they_are_to_be() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE__SERVER__DOCS", "false")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    for path in ["/docs", "/docs/", "/openapi.json"] {
        let (status, problem) = burgee.ask("GET", path, None, None).await?;
        assert_eq!((status, &problem["code"]), (404, &json!("no_such_route")), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_keeps_the_name_that_it_brings_if_that_is_harmless() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let named = async |name: &str| -> Result<String> {
        let request = burgee.http.get(format!("{}/nowhere", burgee.url)).header("x-request-id", name);
        Ok(header(&request.send().await?, "x-request-id").to_owned())
    };
    assert_eq!(named("Trace_7.a-b").await?, "Trace_7.a-b");
    let longest = "x".repeat(128);
    assert_eq!(named(&longest).await?, longest);
    for forged in ["a b", "a\tb", "id=\"x\" status=200", &"x".repeat(129), "<script>", "é"] {
        let given = named(forged).await?;
        let is_ours = given.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        assert!(is_ours && given.len() > 16 && given != forged, "{forged}: {given}");
    }
    assert_ne!(named("").await?, named("").await?);
    Ok(())
}

#[tokio::test]
async fn a_log_line_says_of_which_request_it_is_and_never_a_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let env = [("BURGEE__LOG__LEVEL", "debug"), ("BURGEE__LOG__FORMAT", "json")];
    let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let burgee = start.start_logging_to(&log).await?;
    let (client, server) = (burgee.banner.client_key.clone(), burgee.banner.server_key.clone());
    for path in [format!("/sdk/v1/stream?key={server}"), format!("/api/v1/flags/secret-name?key={client}")] {
        let request = burgee.http.get(format!("{}{path}", burgee.url)).header("x-request-id", "find-me");
        assert!(request.send().await?.status().is_client_error());
    }
    let (code, _) = burgee.stop().await?;
    assert_eq!(code, Some(0));
    let text = std::fs::read_to_string(&log)?;
    let lines = text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    let answered: Vec<_> = lines
        .iter()
        .filter(|line| line["span"]["id"] == "find-me" && line["fields"]["status"].is_u64())
        .collect();
    let routes: Vec<_> = answered.iter().filter_map(|line| line["span"]["route"].as_str()).collect();
    assert_eq!(routes, ["/sdk/v1/stream", "/api/v1/flags/{key}"], "{text}");
    assert!(
        answered.iter().all(|line| line["fields"]["status"].is_u64() && line["fields"]["micros"].is_u64())
    );
    let secrets = [server.as_str(), client.as_str(), "secret-name"];
    assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    Ok(())
}

#[tokio::test]
async fn row_192_pages_of_origins_that_are_named_may_ask_and_no_others() -> Result<()> {
    const FRIEND: &str = "http://localhost:3000";
    const STRANGER: &str = "http://localhost:3001";
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE__SERVER__CORS__ORIGINS", r#"["http://localhost:3000"]"#)];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let flags = format!("{}/api/v1/flags", burgee.url);
    let preflight = async |origin: &str| -> Result<Response> {
        let request = burgee.http.request(Method::OPTIONS, &flags).header("origin", origin);
        let wanted = "authorization,content-type,if-match,burgee-comment,idempotency-key";
        let request = request.header("access-control-request-method", "PATCH");
        Ok(request.header("access-control-request-headers", wanted).send().await?)
    };
    let answer = preflight(FRIEND).await?;
    assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (200, FRIEND));
    assert!(header(&answer, "access-control-allow-methods").contains("PATCH"));
    let allowed = header(&answer, "access-control-allow-headers").to_owned();
    for name in ["authorization", "if-match", "idempotency-key", "burgee-comment"] {
        assert!(allowed.contains(name), "{name} is not in {allowed}");
    }
    assert!(header(&answer, "vary").to_lowercase().contains("origin"));
    assert_eq!(header(&answer, "access-control-allow-credentials"), "", "no cookie counts here");
    let answer = preflight(STRANGER).await?;
    assert_eq!(header(&answer, "access-control-allow-origin"), "");

    let get = async |origin: &str| burgee.http.get(&flags).header("origin", origin).send().await;
    let answer = get(FRIEND).await?;
    assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (401, FRIEND));
    let exposed = header(&answer, "access-control-expose-headers");
    for name in ["etag", "link", "x-total-count", "retry-after", "x-request-id", "location"] {
        assert!(exposed.contains(name), "{name} is not in {exposed}");
    }
    assert_eq!(header(&get(STRANGER).await?, "access-control-allow-origin"), "");
    Ok(())
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_the_connection_of_others_is_not() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (status, problem) =
        house.refused("GET", &format!("/api/v1/flags?search={}", "x".repeat(9_000)), "").await?;
    assert_eq!((status, &problem["code"]), (414, &json!("uri_too_long")));
    let head = |headers: &str| {
        format!("GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n")
    };
    for (headers, status) in [
        ("x: y\r\n".repeat(90), "200"),
        ("x: y\r\n".repeat(200), "431"),
        (format!("x: {}\r\n", "y".repeat(70_000)), "431"),
        ("x: a\rb\r\n".to_owned(), "400"),
        ("x: a\0b\r\n".to_owned(), "400"),
        ("content-length: 1\r\ncontent-length: 2\r\n".to_owned(), "400"),
    ] {
        let answer = said(&house.burgee, head(&headers).as_bytes()).await?;
        let shown: String = headers.chars().take(40).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer}");
    }
    assert_eq!(house.ask(&house.developer, "GET", "/api/v1/flags", Value::Null).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn line_ends_in_what_is_said_end_no_line_of_an_answer_or_of_the_log() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let flag = json!({ "key": "a\r\nset-cookie: x=y", "enabled": true });
    let (status, _) = house.ask(&house.developer, "POST", "/api/v1/flags", flag).await?;
    assert_eq!(status, 400, "a key goes into Location");
    let create =
        house.burgee.http.post(format!("{}/api/v1/flags", house.burgee.url)).bearer_auth(&house.developer);
    let comment = "why%0D%0Aset-cookie:%20x=y";
    let answer = create.header("burgee-comment", comment).json(&json!({ "key": "a" })).send().await?;
    assert_eq!(answer.status(), 201);
    assert!(answer.headers().get("set-cookie").is_none());
    let log = house.get("/api/v1/audit?limit=1").await?;
    assert_eq!(log[0]["comment"], "why\r\nset-cookie: x=y", "it is a text like any other");
    for path in ["/api/v1/flags/%0D%0Aset-cookie:%20x=y", "/api/v1/flags?search=%0D%0Aset-cookie:%20x=y"] {
        let request =
            house.burgee.http.get(format!("{}{path}", house.burgee.url)).bearer_auth(&house.developer);
        assert!(request.send().await?.headers().get("set-cookie").is_none(), "{path}");
    }
    Ok(())
}

/// Where the last change came from, as it was asked for with this said by a proxy.
async fn source(burgee: &Burgee, token: &str, said: &[(&str, &str)]) -> Result<String> {
    let request = burgee.http.post(format!("{}/api/v1/flags/a/toggle", burgee.url)).bearer_auth(token);
    let request = said.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = request.send().await?;
    ensure!(answer.status() == 200, "{}", answer.text().await?);
    let log = burgee.get("/api/v1/audit?limit=1", token).await?;
    Ok(log[0]["address"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn b16_nobody_writes_their_own_address_into_the_log() -> Result<()> {
    let said =
        [("x-forwarded-for", "203.0.113.7"), ("x-real-ip", "203.0.113.8"), ("forwarded", "for=203.0.113.9")];
    for (trusted, expected) in [("[]", "127.0.0.1"), (r#"["127.0.0.0/8"]"#, "203.0.113.7")] {
        let folder = tempfile::tempdir()?;
        let env = [("BURGEE__SERVER__TRUSTED_PROXIES", trusted)];
        let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
        let token = burgee.register("dev@example.com", "developer").await?;
        burgee.post("/api/v1/flags", Some(&token), &json!({ "key": "a" })).await?;
        assert_eq!(source(&burgee, &token, &said).await?, expected);
        assert_eq!(source(&burgee, &token, &said[1..]).await?, "127.0.0.1", "no header is believed but one");
        let nested = [("x-forwarded-for", "198.51.100.1, 203.0.113.7, 127.0.0.2")];
        assert_eq!(source(&burgee, &token, &nested).await?, expected, "the rightmost of strangers");
    }
    Ok(())
}

#[test]
fn settings_that_cannot_be_are_named() {
    for (name, value, named) in [
        ("BURGEE__SERVER__TRUSTED_PROXIES", r#"["10.0.0.0/8", "10.0.0.0/33"]"#, "server.trusted_proxies[1]"),
        ("BURGEE__SERVER__PROXY_HEADER", "X-Real-IP", "server.proxy_header"),
        ("BURGEE__SERVER__CORS__ORIGINS", r#"["*"]"#, "server.cors.origins[0]"),
        ("BURGEE__SERVER__CORS__ORIGINS", r#"["https://a.example/"]"#, "server.cors.origins[0]"),
        ("BURGEE__SERVER__SHUTDOWN_DELAY", "11m", "server.shutdown_delay"),
        ("BURGEE__SERVER__SHUTDOWN_DELAY", "-1s", "server.shutdown_delay"),
        ("BURGEE__LIMITS__CONTROL__PER_ADDRESS", "{rate=5, burst=0}", "limits.control.per_address"),
        ("BURGEE__LIMITS__DELIVERY__PER_CREDENTIAL__RATE", "1000001", "limits.delivery.per_credential"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let env = [(name, value)];
        let output = Start { program: PROGRAM, folder: folder.path(), env: &env }
            .command()
            .arg("start")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(64), 1), "{said}");
        assert!(said.contains(named), "{named} is not in {said}");
    }
}
