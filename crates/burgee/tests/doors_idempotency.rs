//! A change that is asked for again under the same key is made once, and answered alike.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const FLAGS: &str = "/api/v1/flags";

/// An answer, all of it that counts.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    replayed: bool,
    etag: Option<String>,
    location: Option<String>,
    content_type: Option<String>,
    body: Value,
}

impl Answer {
    async fn of(answer: Response) -> Result<Self> {
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let (etag, location, content_type) = (header("etag"), header("location"), header("content-type"));
        let (status, replayed) = (answer.status().as_u16(), header("idempotency-replayed").is_some());
        let text = answer.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
        Ok(Self { status, replayed, etag, location, content_type, body })
    }

    fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

async fn ask(
    burgee: &Burgee,
    token: &str,
    method: Method,
    path: &str,
    key: &str,
    body: Value,
) -> Result<Answer> {
    let request = burgee.http.request(method, format!("{}{path}", burgee.url)).bearer_auth(token);
    let request = request.header("idempotency-key", key);
    let request = if body.is_null() { request } else { request.json(&body) };
    Answer::of(request.send().await?).await
}

#[tokio::test]
async fn the_same_request_again_is_the_same_answer_again() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (burgee, dev) = (&house.burgee, &house.developer);
    let flag = json!({ "key": "a", "enabled": true });
    let first = ask(burgee, dev, Method::POST, FLAGS, "k1", flag.clone()).await?;
    ensure!(first.status == 201 && !first.replayed && first.etag.is_some(), "{first:?}");
    ensure!(first.location.as_deref() == Some("/api/v1/flags/a"), "{first:?}");
    let again = ask(burgee, dev, Method::POST, FLAGS, "k1", flag.clone()).await?;
    assert_eq!(again, Answer { replayed: true, ..first });

    // A flip that is asked for twice is one flip.
    let toggle = "/api/v1/flags/a/toggle";
    let off = ask(burgee, dev, Method::POST, toggle, "k2", Value::Null).await?;
    assert_eq!(off.body["enabled"], json!(false));
    let head = house.head().await?;
    let again = ask(burgee, dev, Method::POST, toggle, "k2", Value::Null).await?;
    assert_eq!(again, Answer { replayed: true, ..off });
    assert_eq!(house.head().await?, head, "nothing was written");

    // What was refused is refused alike, without a body nothing comes back, and reading takes no key.
    let refused = ask(burgee, dev, Method::POST, FLAGS, "k3", flag.clone()).await?;
    assert_eq!(refused.code(), (409, "key_taken"));
    let (status, _) = house.ask(&house.admin, "DELETE", "/api/v1/flags/a", Value::Null).await?;
    assert_eq!(status, 204);
    let again = ask(burgee, dev, Method::POST, FLAGS, "k3", flag.clone()).await?;
    assert_eq!(again.code(), (409, "key_taken"));
    ensure!(again.replayed);
    let key = burgee.post("/api/v1/sdk-keys", Some(dev), &json!({ "name": "x", "kind": "server" })).await?;
    let path = format!("/api/v1/sdk-keys/{}", key["id"].as_str().context("no id")?);
    let gone = ask(burgee, dev, Method::DELETE, &path, "k4", Value::Null).await?;
    assert_eq!((gone.status, &gone.body), (204, &Value::Null));
    let again = ask(burgee, dev, Method::DELETE, &path, "k4", Value::Null).await?;
    assert_eq!((again.status, again.replayed), (204, true));
    ensure!(!ask(burgee, dev, Method::GET, FLAGS, "k1", Value::Null).await?.replayed);
    Ok(())
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_caller() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (burgee, dev) = (&house.burgee, &house.developer);
    let flag = |key: &str| json!({ "key": key });
    assert_eq!(ask(burgee, dev, Method::POST, FLAGS, "k1", flag("a")).await?.status, 201);
    for (method, path, body) in [
        (Method::POST, FLAGS, flag("b")),
        (Method::POST, "/api/v1/flags?environment=staging", flag("a")),
        (Method::POST, "/api/v1/flags/a/toggle", Value::Null),
        (Method::PATCH, "/api/v1/flags/a", flag("a")),
    ] {
        let refused = ask(burgee, dev, method, path, "k1", body).await?;
        assert_eq!(refused.code(), (422, "idempotency_key_reused"), "{path}");
    }
    let admin = ask(burgee, &house.admin, Method::POST, FLAGS, "k1", flag("b")).await?;
    assert_eq!((admin.status, admin.replayed), (201, false), "another's keys are their own");
    // Who signs in anew is the same caller. Where there may be a secret in it, only the token that saw the answer sees it
    // again; but nothing is done twice.
    let (path, made) = ("/api/v1/sdk-keys", json!({ "name": "ci", "kind": "server" }));
    assert_eq!(ask(burgee, dev, Method::POST, path, "k2", made.clone()).await?.status, 201);
    sleep(Duration::from_millis(1_100)).await;
    let anew = burgee.login("dev@example.com", "secret").await?;
    ensure!(anew != *dev, "the same token");
    let again = ask(burgee, &anew, Method::POST, FLAGS, "k1", flag("a")).await?;
    assert_eq!((again.status, again.replayed, &again.body["key"]), (201, true, &json!("a")));
    let refused = ask(burgee, &anew, Method::POST, path, "k2", made).await?;
    assert_eq!(refused.code(), (409, "idempotency_not_replayable"));
    let refused = ask(burgee, &anew, Method::POST, FLAGS, "k2", flag("a")).await?;
    assert_eq!(refused.code(), (422, "idempotency_key_reused"));

    for bad in ["", "a b", &"x".repeat(65), "é"] {
        let refused = ask(burgee, dev, Method::POST, FLAGS, bad, flag("c")).await?;
        assert_eq!(refused.code(), (400, "invalid"), "{bad:?}");
        ensure!(refused.body["violations"][0]["path"] == "header Idempotency-Key", "{refused:?}");
    }
    let longest = "~".repeat(64);
    assert_eq!(ask(burgee, dev, Method::POST, FLAGS, &longest, flag("c")).await?.status, 201);
    burgee.post("/api/v1/segments", Some(dev), &json!({ "key": "beta" })).await?;
    let upload = ask(burgee, dev, Method::PUT, "/api/v1/segments/beta/included", "k9", json!("u1")).await?;
    assert_eq!(upload.code(), (400, "idempotency_key_on_upload"));
    let nobody = ask(burgee, "forged", Method::POST, FLAGS, "k1", flag("d")).await?;
    assert_eq!(nobody.code(), (401, "invalid_token"));
    Ok(())
}

#[tokio::test]
async fn a_secret_is_shown_again_to_whom_it_was_shown_and_kept_nowhere_in_clear() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let dev = burgee.register("dev@example.com", "developer").await?;
    let (path, body) = ("/api/v1/sdk-keys", json!({ "name": "ci", "kind": "server" }));
    let made = ask(&burgee, &dev, Method::POST, path, "k1", body.clone()).await?;
    assert_eq!(made.status, 201, "{made:?}");
    let again = ask(&burgee, &dev, Method::POST, path, "k1", body.clone()).await?;
    let secret = made.body.to_string();
    let secret = &secret[secret.find("bgs_").context("no secret")?..][..60];
    ensure!(again.replayed && again.body.to_string().contains(secret), "{again:?}");
    let keys = burgee.get(path, &dev).await?;
    assert_eq!(keys.as_array().map(Vec::len), Some(3), "two of the first start, and one: {keys}");
    burgee.stop().await?;
    for file in std::fs::read_dir(folder.path())? {
        let (path, bytes) = {
            let path = file?.path();
            (path.clone(), std::fs::read(path).unwrap_or_default())
        };
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        ensure!(!holds(secret) && !holds(&dev), "{} shows it", path.display());
    }
    Ok(())
}

#[tokio::test]
async fn of_many_at_once_one_is_done_and_the_others_hear_of_it() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (burgee, dev) = (&house.burgee, &house.developer);
    house.create(json!({ "key": "a", "enabled": false })).await?;
    let head = house.head().await?;
    let asked = (0..20).map(|_| ask(burgee, dev, Method::POST, "/api/v1/flags/a/toggle", "k1", Value::Null));
    let answers = join_all(asked).await.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(house.head().await?, head + 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200 && !answer.replayed).count(), 1);
    for answer in &answers {
        ensure!(answer.status == 200 || answer.code() == (409, "idempotency_in_progress"), "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn who_hangs_up_finds_it_done() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (burgee, dev) = (&house.burgee, &house.developer);
    for round in 0..20_u64 {
        let flag = json!({ "key": format!("f{round}") });
        let body = flag.to_string();
        let authority = burgee.url.strip_prefix("http://").context("no address")?;
        let mut stream = TcpStream::connect(authority).await?;
        let head = format!(
            "POST {FLAGS} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {dev}\r\nidempotency-key: k{round}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        // Somewhere on the way: before it is noted, while it is done, or after.
        sleep(Duration::from_millis(round)).await;
        drop(stream);
        let deadline = Instant::now() + Duration::from_secs(10);
        let answer = loop {
            let answer = ask(burgee, dev, Method::POST, FLAGS, &format!("k{round}"), flag.clone()).await?;
            if answer.code() != (409, "idempotency_in_progress") {
                break answer;
            }
            ensure!(Instant::now() < deadline, "it never ends");
            sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(answer.status, 201, "round {round}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn after_a_kill_nothing_is_done_twice() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start =
        Start { program: PROGRAM, folder: folder.path(), env: &[("JWT_SECRET_KEY", "0123456789abcdef")] };
    let mut burgee = start.start().await?;
    let dev = burgee.register("dev@example.com", "developer").await?;
    burgee.post(FLAGS, Some(&dev), &json!({ "key": "a", "enabled": false })).await?;
    let toggle = "/api/v1/flags/a/toggle";
    for round in 0..5_u64 {
        let key = format!("k{round}");
        let before = burgee.get("/api/v1/audit?limit=1", &dev).await?[0]["revision"].clone();
        let request = burgee.http.post(format!("{}{toggle}", burgee.url)).bearer_auth(&dev);
        let asked = tokio::spawn(request.header("idempotency-key", &key).send());
        sleep(Duration::from_millis(round * 3)).await;
        burgee.kill()?;
        let _ = asked.await?;
        burgee = start.start().await?;
        let again = ask(&burgee, &dev, Method::POST, toggle, &key, Value::Null).await?;
        let cut_off = again.code() == (409, "idempotency_in_progress");
        ensure!(again.status == 200 || cut_off, "{again:?}");
        let after = burgee.get("/api/v1/audit?limit=1", &dev).await?[0]["revision"].clone();
        let changes = after.as_u64().context("no revision")? - before.as_u64().context("no revision")?;
        ensure!(changes <= 1 && (cut_off || changes == 1), "round {round}: {changes} changes, {again:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_retry_may_change_is_not_kept_and_reading_takes_no_key() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let (path, flag) = ("/api/v1/flags", json!({ "key": "a" }));
    assert_eq!(ask(burgee, &house.user, Method::POST, path, "k1", flag.clone()).await?.status, 403);
    let users = burgee.get("/auth/users", &house.admin).await?;
    let user = users.as_array().context("no list")?.iter().find(|user| user["email"] == "user@example.com");
    let id = user.and_then(|user| user["id"].as_str()).context("no such user")?;
    let role = format!("/auth/users/{id}/role?new_role=developer");
    assert_eq!(house.ask(&house.admin, "PUT", &role, Value::Null).await?.0, 200);
    let made = ask(burgee, &house.user, Method::POST, path, "k1", flag).await?;
    assert_eq!((made.status, made.replayed), (201, false), "{made:?}");

    let question = json!({ "flag": "a", "context": { "targetingKey": "u" } });
    for _ in 0..2 {
        let explained =
            ask(burgee, &house.developer, Method::POST, "/api/v1/evaluate/explain", "k1", question.clone())
                .await?;
        ensure!(!explained.replayed && explained.status != 409 && explained.status != 422, "{explained:?}");
    }
    Ok(())
}
