//! A large key list on its way through the program: uploaded, evaluated, named in the snapshot, read by SDKs, and
//! there again after a crash.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// The keys `user-FROM` to before `user-TO`, in the order of their bytes, each on a line.
fn lines(from: u32, to: u32) -> String {
    let mut text = String::new();
    for number in from..to {
        let _ = writeln!(text, "user-{number:0>6}");
    }
    text
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A segment `beta` in all environments, and a flag that is on for who is in it.
async fn furnish(burgee: &Burgee, token: &str) -> Result<()> {
    burgee.post("/api/v1/segments", Some(token), &json!({"key": "beta"})).await?;
    let rule = json!({"when": {"segment": "beta"}, "serve": {"variant": "on"}});
    let flag = json!({"key": "checkout", "enabled": true, "default_value": false, "rules": [rule]});
    burgee.post("/api/v1/flags", Some(token), &flag).await?;
    Ok(())
}

/// Uploads the keys to include in `development`; answers how the segment names them.
async fn upload(burgee: &Burgee, token: &str, keys: String) -> Result<Value> {
    let url = format!("{}/api/v1/segments/beta/included", burgee.url);
    let request = burgee.http.put(url).bearer_auth(token).header("content-type", "text/plain").body(keys);
    let answer = request.send().await?;
    ensure!(answer.status() == 200, "{}", answer.text().await?);
    let segment: Value = answer.json().await?;
    Ok(segment["included"].clone())
}

/// Whether the flag is on for a user, over OFREP.
async fn is_on(burgee: &Burgee, key: &str, user: u32) -> Result<bool> {
    let context = json!({"context": {"targetingKey": format!("user-{user:0>6}")}});
    let answer = burgee.post("/ofrep/v1/evaluate/flags/checkout", Some(key), &context).await?;
    answer["value"].as_bool().with_context(|| format!("no value in {answer}"))
}

async fn list(burgee: &Burgee, key: &str, sha256: &str) -> Result<Response> {
    let url = format!("{}/sdk/v1/segments/{sha256}", burgee.url);
    Ok(burgee.http.get(url).header("x-sdk-key", key).send().await?)
}

/// Waits until a key is let in and shown the segment with these keys.
async fn arrive(burgee: &Burgee, key: &str, included: &Value) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, snapshot) = burgee.ask("GET", "/sdk/v1/snapshot", Some(key), None).await?;
        if snapshot["segments"]["beta"]["included"] == *included {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "it never arrived: {snapshot}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Checks that the program evaluates by these keys and shows them to SDKs.
async fn assert_delivered(burgee: &Burgee, key: &str, named: &Value, range: (u32, u32)) -> Result<()> {
    arrive(burgee, key, named).await?;
    let (from, to) = range;
    for (user, expected) in [(from, true), (to - 1, true), (to, false), (to + 7, false)] {
        ensure!(is_on(burgee, key, user).await? == expected, "user {user}");
    }
    let digest = named["sha256"].as_str().with_context(|| format!("no digest in {named}"))?;
    let answer = list(burgee, key, digest).await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    ensure!(answer.headers()["etag"] == format!("\"{digest}\""));
    let bytes = answer.bytes().await?;
    ensure!(sha256(&bytes) == digest, "the bytes are others");
    ensure!(bytes == lines(from, to), "the keys are others");
    Ok(())
}

#[tokio::test]
async fn twenty_thousand_keys_arrive_and_outlive_a_crash() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let (token, key) = (burgee.admin().await?, burgee.banner.server_key.clone());
    let client = burgee.banner.client_key.clone();
    furnish(&burgee, &token).await?;
    assert!(!is_on(&burgee, &key, 1).await?);

    let first = upload(&burgee, &token, lines(0, 20_000)).await?;
    assert_eq!(first, json!({"sha256": sha256(lines(0, 20_000).as_bytes()), "count": 20_000}));
    assert_delivered(&burgee, &key, &first, (0, 20_000)).await?;
    let digest = first["sha256"].as_str().unwrap();
    assert_eq!(list(&burgee, &client, digest).await?.status(), 403);

    burgee.kill()?;
    let burgee = start.start().await?;
    assert_delivered(&burgee, &key, &first, (0, 20_000)).await?;

    let second = upload(&burgee, &token, lines(5_000, 30_000)).await?;
    assert_delivered(&burgee, &key, &second, (5_000, 30_000)).await?;
    assert_eq!(list(&burgee, &key, digest).await?.status(), 404, "nothing names it any more");
    Ok(())
}

#[tokio::test]
async fn a_list_is_shown_to_the_environments_that_name_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let (token, key) = (burgee.admin().await?, burgee.banner.server_key.clone());
    furnish(&burgee, &token).await?;
    let named = upload(&burgee, &token, lines(0, 20_000)).await?;
    let digest = named["sha256"].as_str().unwrap();
    let made = json!({"name": "staging", "kind": "server"});
    let made = burgee.post("/api/v1/sdk-keys?environment=staging", Some(&token), &made).await?;
    let staging = made["key"].as_str().with_context(|| format!("no key in {made}"))?;
    arrive(&burgee, staging, &json!([])).await?;
    assert_eq!(list(&burgee, staging, digest).await?.status(), 404);
    arrive(&burgee, &key, &named).await?;
    assert_eq!(list(&burgee, &key, digest).await?.status(), 200);
    let places = json!({"from": "development", "to": "staging"});
    burgee.post("/api/v1/segments/beta/copy", Some(&token), &places).await?;
    arrive(&burgee, staging, &named).await?;
    assert_eq!(list(&burgee, staging, digest).await?.status(), 200);
    Ok(())
}
