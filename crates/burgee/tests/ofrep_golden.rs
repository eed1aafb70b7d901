//! OFREP word for word, against the running program: the exchanges that providers are built on, what they really send,
//! and what a page's browser asks before it asks.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const FLAGS: &str = "/ofrep/v1/evaluate/flags";
const PAGE: &str = "http://localhost:3000";
const USER: &str = r#"{"context":{"targetingKey":"user-123","email":"user@example.com"}}"#;

/// A server with the flags of the exchanges, a server key and a client key for pages of [`PAGE`].
struct Golden {
    burgee: Burgee,
    server: String,
    client: String,
    _folder: TempDir,
}

/// What was answered.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Told {
    async fn of(answer: Response) -> Result<Self> {
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Self { status, headers, text: answer.text().await? })
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Golden {
    async fn open(env: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
        let burgee = start.start().await?;
        let (token, server) = (burgee.admin().await?, burgee.banner.server_key.clone());
        let email = json!({"attribute": "email", "operator": "equals", "values": ["user@example.com"]});
        let rule = json!({"when": email, "serve": {"variant": "on"}});
        let halves =
            json!({"split": [{"variant": "on", "weight": 50_000}, {"variant": "off", "weight": 50_000}]});
        for flag in [
            json!({"key": "discount-banner", "enabled": true, "default_value": false, "rules": [rule]}),
            json!({"key": "everyone", "enabled": true}),
            json!({"key": "code-default", "enabled": true, "default": null}),
            json!({"key": "disabled", "enabled": false, "off_variant": null}),
            json!({"key": "split", "enabled": true, "default": halves}),
            json!({"key": "newer", "enabled": true}),
            json!({"key": "unseen", "enabled": true, "client_visible": false}),
        ] {
            burgee.post("/api/v1/flags", Some(&token), &flag).await?;
        }
        let page = json!({"name": "page", "kind": "client", "origins": [PAGE]});
        let page = burgee.post("/api/v1/sdk-keys?environment=development", Some(&token), &page).await?;
        let client = page["key"].as_str().context("no key")?.to_owned();
        burgee.stop().await?;
        // As a later version may write it.
        let newer =
            "UPDATE flags SET document = replace(document, '\"boolean\"', '\"colour\"') WHERE key = 'newer'";
        testkit::sqlite::execute(&folder.path().join("burgee.db"), newer).await?;
        let burgee = Start { env, ..start }.start().await?;
        Ok(Self { burgee, server, client, _folder: folder })
    }

    async fn ask(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Told> {
        let url = format!("{}{FLAGS}{path}", self.burgee.url);
        let mut request = self.burgee.http.post(url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Told::of(request.send().await?).await
    }

    /// With the server key, as JSON.
    async fn post(&self, path: &str, body: &str) -> Result<Told> {
        let headers = [("x-api-key", &*self.server), ("content-type", "application/json; charset=utf-8")];
        self.ask(path, &headers, body).await
    }

    async fn preflight(&self, path: &str, method: &str, wanted: &str) -> Result<Told> {
        let request =
            self.burgee.http.request(reqwest::Method::OPTIONS, format!("{}{path}", self.burgee.url));
        let request = request.header("origin", PAGE).header("access-control-request-method", method);
        Told::of(request.header("access-control-request-headers", wanted).send().await?).await
    }
}

/// The answer without what differs from run to run, which must be there.
fn told(mut answer: Value) -> Result<Value> {
    let metadata = answer["metadata"].as_object_mut().context("no metadata")?;
    ensure!(metadata.remove("revision").is_none_or(|revision| revision.is_u64()), "{metadata:?}");
    for name in ["version", "ruleId"] {
        ensure!(metadata.remove(name).is_none_or(|text| text.is_string()), "{metadata:?}");
    }
    if answer.get("errorCode").is_some() {
        let details = answer.as_object_mut().and_then(|answer| answer.remove("errorDetails"));
        ensure!(details.is_some_and(|text| text.as_str().is_some_and(|text| !text.is_empty())), "{answer}");
    }
    Ok(answer)
}

fn expected(key: &str) -> (u16, Value) {
    let metadata = json!({"flagSetId": "default/development"});
    let success = |value: Option<bool>, reason, variant| {
        let mut answer = json!({"key": key, "reason": reason, "variant": variant, "metadata": metadata});
        if let Some(value) = value {
            answer["value"] = value.into();
        }
        (200, answer)
    };
    let error = |status, code| {
        (
            status,
            json!({"key": key, "reason": "ERROR", "variant": "", "errorCode": code, "metadata": metadata}),
        )
    };
    match key {
        "discount-banner" => success(Some(true), "TARGETING_MATCH", "on"),
        "everyone" | "unseen" => success(Some(true), "STATIC", "on"),
        "code-default" => success(None, "DEFAULT", ""),
        "disabled" => success(None, "DISABLED", ""),
        "newer" => error(400, "PARSE_ERROR"),
        "split" => error(400, "TARGETING_KEY_MISSING"),
        _ => error(404, "FLAG_NOT_FOUND"),
    }
}

#[tokio::test]
async fn each_flag_is_answered_to_the_letter_alone_and_among_all() -> Result<()> {
    let golden = Golden::open(&[]).await?;
    let user = r#"{"context":{"email":"user@example.com"}}"#;
    let keys = ["code-default", "disabled", "discount-banner", "everyone", "newer", "split", "unseen"];
    for key in keys.into_iter().chain(["nope"]) {
        let answer = golden.post(&format!("/{key}"), user).await?;
        assert_eq!((answer.status, told(answer.json())?), expected(key));
        assert_eq!(answer.header("content-type"), "application/json", "{key}");
    }
    let all = golden.post("", user).await?;
    assert_eq!((all.status, all.header("content-type")), (200, "application/json"));
    let mut body = all.json();
    let flags: Result<Vec<_>> =
        body["flags"].as_array().context("no flags")?.iter().cloned().map(told).collect();
    assert_eq!(flags?, keys.map(|key| expected(key).1));
    let streams = body["eventStreams"].take();
    ensure!(streams[0]["type"] == "sse" && streams[0]["inactivityDelaySec"] == 120, "{streams}");
    let uri = streams[0]["endpoint"]["requestUri"].as_str().context("no address")?;
    ensure!(uri.starts_with("/sdk/v1/stream?ticket=") && !uri.contains(&golden.server), "{uri}");
    ensure!(body["metadata"]["version"].is_string(), "{body}");

    let headers = [("x-api-key", &*golden.server), ("if-none-match", all.header("etag"))];
    let known = golden.ask("", &headers, user).await?;
    assert_eq!((known.status, &*known.text, known.header("etag")), (304, "", all.header("etag")));
    assert_eq!(golden.ask("", &headers, USER).await?.status, 200, "another context, another answer");
    Ok(())
}

#[tokio::test]
async fn what_providers_really_send_is_taken() -> Result<()> {
    let golden = Golden::open(&[]).await?;
    for body in ["", "{}", r#"{"context":{}}"#, r#"{"context":null}"#, r#"{"context":{"targetingKey":""}}"#] {
        for path in ["/everyone", "/everyone?a=1&flag[]=x&%ff", "", "/", "?flags=everyone&flagConfigEtag=x"] {
            assert_eq!(golden.post(path, body).await?.status, 200, "{path} {body}");
        }
    }
    for content_type in ["application/json", "application/json;charset=UTF-8", "text/plain", "", "x/y"] {
        let headers = [
            ("authorization", &*format!("Bearer {}", golden.server)),
            ("content-type", content_type),
            ("flagd-selector", "flagSetId=x"),
        ];
        assert_eq!(golden.ask("/everyone", &headers, USER).await?.status, 200, "{content_type}");
    }
    for (path, key) in
        [("/team%2Fa", "team/a"), ("/team/a", "team/a"), ("/a%20b%C3%A9", "a bé"), ("/a+b", "a+b")]
    {
        let answer = golden.post(path, "{}").await?;
        assert_eq!((answer.status, &answer.json()["key"]), (404, &json!(key)), "{path}");
        assert_eq!(told(answer.json())?["errorCode"], "FLAG_NOT_FOUND", "{path}");
    }
    for body in ["{", "[]", "7", r#"{"context":[]}"#, r#"{"context":"user-1"}"#] {
        for path in ["", "/everyone"] {
            let answer = golden.post(path, body).await?;
            assert_eq!(
                (answer.status, &answer.json()["errorCode"]),
                (400, &json!("INVALID_CONTEXT")),
                "{body}"
            );
            ensure!(answer.json()["errorDetails"].is_string() && answer.json()["metadata"].is_object());
        }
    }
    let old = golden.burgee.http.get(format!("{}/ofrep/v1/configuration", golden.burgee.url)).send().await?;
    assert_eq!(old.status(), 404, "it was taken out of the protocol");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_answered_like_http_1() -> Result<()> {
    let golden = Golden::open(&[]).await?;
    let (url, key) =
        (format!("{}{FLAGS}/everyone", golden.burgee.url), format!("X-API-Key: {}", golden.server));
    for (version, number) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let asked = ["-sS", version, "-H", &key, "-d", USER, "-w", " %{http_version}", &url];
        let output = Command::new("curl").args(asked).output().context("curl cannot be run")?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(text.starts_with(r#"{"key":"everyone""#) && text.ends_with(&format!(" {number}")), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_in_words_that_providers_look_for() -> Result<()> {
    let golden = Golden::open(&[]).await?;
    let page = [("x-api-key", &*golden.client), ("origin", "http://localhost:4000")];
    let both = [("x-api-key", &*golden.client), ("x-sdk-key", &*golden.server)];
    for path in ["", "/everyone"] {
        for (headers, status, code) in [
            (&[][..], 401, "missing_key"),
            (&[("x-api-key", "wrong")], 401, "unknown_key"),
            (&page, 403, "origin_not_allowed"),
            (&both, 400, "conflicting_keys"),
        ] {
            let answer = golden.ask(path, headers, USER).await?;
            let body = answer.json();
            assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(
                (&body["errorCode"], &body["errorDetails"]),
                (&json!("GENERAL"), &body["detail"]),
                "{body}"
            );
        }
    }
    let path = format!("?environment=nowhere&{}", "x".repeat(100));
    assert_eq!(golden.post(&path, USER).await?.json()["errorCode"], "GENERAL");
    Ok(())
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back_in_whole_seconds() -> Result<()> {
    let limits =
        [("BURGEE_PROFILE", "production"), ("BURGEE__LIMITS__DELIVERY__PER_CREDENTIAL", "{rate=1, burst=3}")];
    let golden = Golden::open(&limits).await?;
    let page = [("x-api-key", &*golden.client), ("origin", PAGE)];
    for path in ["", "/everyone"] {
        let mut refused = None;
        for _ in 0..8 {
            let answer = golden.ask(path, &page, USER).await?;
            ensure!(matches!(answer.status, 200 | 429), "{answer:?}");
            refused = refused.or_else(|| (answer.status == 429).then_some(answer));
        }
        let refused = refused.context("nobody was refused")?;
        let wait: u32 = refused.header("retry-after").parse()?;
        ensure!((1..=3).contains(&wait), "{wait} s");
        assert_eq!(refused.header("access-control-allow-origin"), "*");
        ensure!(refused.header("access-control-expose-headers").contains("retry-after"));
        assert_eq!(
            (&refused.json()["code"], &refused.json()["errorCode"]),
            (&json!("too_many"), &json!("GENERAL"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_page_may_ask_read_and_listen() -> Result<()> {
    let golden = Golden::open(&[]).await?;
    for (path, method, wanted) in [
        (FLAGS, "POST", "content-type,if-none-match,x-api-key"),
        ("/ofrep/v1/evaluate/flags/everyone", "POST", "authorization,content-type,traceparent"),
        ("/sdk/v1/stream", "GET", "last-event-id"),
    ] {
        let answer = golden.preflight(path, method, wanted).await?;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "*"), "{path}");
        ensure!(answer.header("access-control-allow-methods").split(',').any(|allowed| allowed == method));
        let allowed: Vec<_> = answer.header("access-control-allow-headers").split(',').collect();
        let is_allowed =
            |name: &str| allowed.contains(&name) || name != "authorization" && allowed.contains(&"*");
        ensure!(wanted.split(',').all(is_allowed), "{wanted} of {allowed:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let page = [("x-api-key", &*golden.client), ("origin", PAGE)];
    let all = golden.ask("", &page, USER).await?;
    let etag = all.header("etag");
    let known = [&page[..], &[("if-none-match", etag)]].concat();
    for (answer, status) in [
        (golden.ask("", &known, USER).await?, 304),
        (golden.ask("/nope", &page, USER).await?, 404),
        (golden.ask("/split", &page, "{}").await?, 400),
        (golden.ask("", &page, "{").await?, 400),
        (golden.ask("", &page, &"x".repeat((1 << 20) + 1)).await?, 413),
    ] {
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, PAGE));
        assert_eq!(answer.header("access-control-expose-headers"), "ETag,Retry-After");
    }
    ensure!(!all.text.contains("unseen") && !all.text.contains("ruleId"), "{}", all.text);

    // As it is told: an `EventSource` opens the address as it stands, and sends no header but the origin.
    let uri = all.json()["eventStreams"][0]["endpoint"]["requestUri"].clone();
    let uri = uri.as_str().context("no stream")?;
    let listen = async |origin| {
        let request = golden.burgee.http.get(format!("{}{uri}", golden.burgee.url));
        anyhow::Ok(request.header("origin", origin).send().await?)
    };
    let stream = listen(PAGE).await?;
    let told = |name: &str| stream.headers()[name].to_str().unwrap_or_default().to_owned();
    assert_eq!((stream.status().as_u16(), told("content-type")), (200, "text/event-stream".to_owned()));
    assert_eq!(told("access-control-allow-origin"), PAGE);
    assert_eq!(listen("http://localhost:4000").await?.status(), 403);
    Ok(())
}
