//! Many at once: one key has one owner, no toggle is lost, and who insists on a version is told of a newer one.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn house(folder: &tempfile::TempDir) -> Result<(Arc<Burgee>, String)> {
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    Ok((Arc::new(burgee), token))
}

/// The statuses of so many equal requests at once.
async fn at_once(
    burgee: &Arc<Burgee>,
    token: &str,
    times: usize,
    path: &str,
    body: Option<Value>,
) -> Result<Vec<u16>> {
    let tasks: Vec<_> = (0..times)
        .map(|_| {
            let (burgee, token, path, body) =
                (burgee.clone(), token.to_owned(), path.to_owned(), body.clone());
            tokio::spawn(async move { burgee.ask("POST", &path, Some(&token), body.as_ref()).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await??.0);
    }
    statuses.sort_unstable();
    Ok(statuses)
}

#[tokio::test(flavor = "multi_thread")]
async fn b25_k8_twenty_creates_of_one_key_make_one_flag() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (burgee, token) = house(&folder).await?;
    let statuses = at_once(&burgee, &token, 20, "/api/v1/flags", Some(json!({ "key": "one" }))).await?;
    assert_eq!(statuses, [vec![201], vec![409; 19]].concat());
    let log = burgee.get("/api/v1/audit?flag=one", &token).await?;
    assert_eq!(log.as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn k8_fifty_toggles_at_once_are_fifty_changes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (burgee, token) = house(&folder).await?;
    burgee.post("/api/v1/flags", Some(&token), &json!({ "key": "switch", "enabled": true })).await?;
    let statuses = at_once(&burgee, &token, 50, "/api/v1/flags/switch/toggle", None).await?;
    assert_eq!(statuses, vec![200; 50]);
    assert_eq!(
        burgee.get("/api/v1/flags/switch", &token).await?["enabled"],
        json!(true),
        "an even number of flips"
    );
    let log = burgee.get("/api/v1/audit?flag=switch", &token).await?;
    let toggles = log.as_array().context("no list")?.iter().filter(|entry| entry["action"] == "toggle_flag");
    assert_eq!(toggles.count(), 50);
    let verified = burgee.run(&["audit", "verify"])?;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    Ok(())
}

#[tokio::test]
async fn k10_who_insists_on_a_version_is_told_of_a_newer_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (burgee, token) = house(&folder).await?;
    burgee.post("/api/v1/flags", Some(&token), &json!({ "key": "one" })).await?;
    let url = format!("{}/api/v1/flags/one", burgee.url);
    let read = burgee.http.get(&url).bearer_auth(&token).send().await?;
    let tag = read.headers()["etag"].to_str()?.to_owned();
    let patch = |tag: &str, name: &str| {
        burgee
            .http
            .patch(&url)
            .bearer_auth(&token)
            .header("if-match", tag)
            .json(&json!({ "name": name }))
            .send()
    };
    let first = patch(&tag, "mine").await?;
    assert_eq!(first.status(), 200);
    let newer = first.headers()["etag"].to_str()?.to_owned();
    assert_ne!(newer, tag);

    let second = patch(&tag, "yours").await?;
    assert_eq!(second.status(), 412);
    assert_eq!(second.headers()["etag"].to_str()?, newer, "the current version is named");
    let problem: Value = second.json().await?;
    assert_eq!(problem["code"], "stale");
    assert_eq!(burgee.get("/api/v1/flags/one", &token).await?["name"], "mine");
    assert_eq!(patch(&format!("\"0.0\", W/{newer}"), "ours").await?.status(), 200);
    assert_eq!(patch("*", "anyone's").await?.status(), 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_revocations_of_one_key_are_one_change() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (burgee, token) = house(&folder).await?;
    let made =
        burgee.post("/api/v1/sdk-keys", Some(&token), &json!({ "name": "shop", "kind": "server" })).await?;
    let path = format!("/api/v1/sdk-keys/{}", made["id"].as_str().context("no id")?);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (burgee, token, path) = (burgee.clone(), token.clone(), path.clone());
            tokio::spawn(async move { burgee.ask("DELETE", &path, Some(&token), None).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await??.0, 204);
        let key = made["key"].as_str().context("no key")?;
        let snapshot = burgee.http.get(format!("{}/sdk/v1/snapshot", burgee.url)).header("x-sdk-key", key);
        assert_eq!(snapshot.send().await?.status(), 401, "who revoked it sees it refused");
    }
    let log = burgee.get("/api/v1/audit", &token).await?;
    let entries =
        log.as_array().context("no list")?.iter().filter(|entry| entry["action"] == "revoke_sdk_key");
    assert_eq!(entries.count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_who_want_a_password_hashed_at_once_are_bounded() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (burgee, token) = house(&folder).await?;
    let wrong = json!({ "email": "dev@example.com", "password": "not it" });
    let statuses = at_once(&burgee, &token, 200, "/auth/login", Some(wrong)).await?;
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert!(count(401) == 10 && count(429) == 190, "nobody guesses faster for asking at once: {statuses:?}");

    // Whoever registers is not guessing; the e-mail is found to be taken after the password was hashed.
    let again = json!({ "email": "dev@example.com", "password": "not it" });
    let statuses = at_once(&burgee, &token, 200, "/auth/register", Some(again.clone())).await?;
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert!(count(409) >= 64 && count(429) > 0 && count(409) + count(429) == 200, "{statuses:?}");

    // Who hangs up in the middle leaves no more work behind than who waits.
    for _ in 0..200 {
        let register = burgee.http.post(format!("{}/auth/register", burgee.url)).json(&again);
        let hung_up = tokio::time::timeout(std::time::Duration::from_millis(1), register.send()).await;
        drop(hung_up);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", burgee.pid()))?;
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).context("no threads")?;
    assert!(threads.trim().parse::<u32>()? < 24, "{threads} threads");
    Ok(())
}

/// What somebody was told is there does not go with what was deleted because it was empty.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_while_its_place_is_deleted_stays_or_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (burgee, _) = house(&folder).await?;
    let admin = burgee.admin().await?;
    let ask = async |method: &str, path: &str, body: Option<Value>| {
        anyhow::Ok(burgee.ask(method, path, Some(&admin), body.as_ref()).await?.0)
    };
    burgee.post("/api/v1/flags", Some(&admin), &json!({ "key": "sale" })).await?;
    let (mut gone, mut stayed) = (0, 0);
    for round in 0..40_u64 {
        let (place, inside) = if round % 2 == 0 {
            burgee.post("/api/v1/projects", Some(&admin), &json!({ "key": "shop" })).await?;
            ("/api/v1/projects/shop", ("/api/v1/projects/shop/flags", Some(json!({ "key": "new" })), 201))
        } else {
            burgee.post("/api/v1/environments", Some(&admin), &json!({ "key": "trial" })).await?;
            ("/api/v1/environments/trial", ("/api/v1/flags/sale/toggle?environment=trial", None, 200))
        };
        let (path, body, made) = inside;
        let make = async {
            tokio::time::sleep(std::time::Duration::from_millis(round / 2)).await;
            ask("POST", path, body).await
        };
        let (deleted, inside) = tokio::try_join!(ask("DELETE", place, None), make)?;
        assert!(
            matches!((deleted, inside == made), (204, false) | (409, true)),
            "{place}: deleted {deleted}, made {inside}"
        );
        (gone, stayed) = if deleted == 204 { (gone + 1, stayed) } else { (gone, stayed + 1) };
        if deleted == 409 {
            assert_eq!(ask("DELETE", &format!("{place}?force=true"), None).await?, 204);
        }
    }
    println!("{gone} gone, {stayed} stayed");
    Ok(())
}
