//! A large key list on its way through the program: uploaded, evaluated, named in the snapshot, read by SDKs, and
//! there again after a crash.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
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

/// What curl says of a download: its status, and how many bytes of body came.
fn curl(url: &str, key: &str, to: &Path, options: &[&str]) -> Result<(u16, usize)> {
    let mut command = Command::new("curl");
    command.args(["-sS", "-w", "%{http_code} %{size_download}", "-H", &format!("X-SDK-Key: {key}"), "-o"]);
    let output = command.arg(to).args(options).arg(url).output().context("curl cannot be run")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout)?;
    let (status, size) = told.split_once(' ').with_context(|| told.clone())?;
    Ok((status.parse()?, size.parse()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_broke_off_goes_on_and_curl_can_do_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let (token, key) = (burgee.admin().await?, burgee.banner.server_key.clone());
    furnish(&burgee, &token).await?;
    let keys = lines(0, 300_000);
    let named = upload(&burgee, &token, keys.clone()).await?;
    let digest = named["sha256"].as_str().context("no digest")?;
    arrive(&burgee, &key, &named).await?;

    // The server goes down in the middle, and the rest comes from the next one.
    let answer = list(&burgee, &key, digest).await?;
    ensure!(answer.content_length() == Some(keys.len() as u64), "{:?}", answer.headers());
    let etag = answer.headers()["etag"].clone();
    let mut chunks = answer.bytes_stream();
    let mut got = Vec::new();
    while got.len() < 300_000 {
        got.extend_from_slice(&chunks.next().await.context("it ended")??);
    }
    burgee.kill()?;
    drop(chunks);
    let burgee = start.start().await?;
    let url = format!("{}/sdk/v1/segments/{digest}", burgee.url);
    let request = burgee.http.get(&url).header("x-sdk-key", &key).header("if-range", etag);
    let rest = request.header("range", format!("bytes={}-", got.len())).send().await?;
    assert_eq!(rest.status(), 206);
    let range = format!("bytes {}-{}/{}", got.len(), keys.len() - 1, keys.len());
    assert_eq!(rest.headers()["content-range"], range.as_str());
    got.extend_from_slice(&rest.bytes().await?);
    ensure!(sha256(&got) == digest, "{} bytes of {}", got.len(), keys.len());

    let (file, whole) = (folder.path().join("keys"), keys.len());
    let read = || std::fs::read(&file);
    assert_eq!(curl(&url, &key, &file, &[])?, (200, whole));
    ensure!(sha256(&read()?) == digest);
    std::fs::write(&file, &keys.as_bytes()[..1_000_001])?;
    assert_eq!(curl(&url, &key, &file, &["-C", "-"])?, (206, whole - 1_000_001));
    ensure!(sha256(&read()?) == digest);
    assert_eq!(curl(&url, &key, &file, &["-r", "262140-262149"])?, (206, 10));
    ensure!(read()? == keys.as_bytes()[262_140..262_150]);
    let (status, sent) = curl(&url, &key, &file, &["--compressed"])?;
    ensure!(status == 200 && sent < whole / 4, "{status}: {sent} bytes of {whole}");
    ensure!(sha256(&read()?) == digest);
    assert_eq!(curl(&url, &key, &file, &["-r", "9999999-"])?.0, 416);
    Ok(())
}
