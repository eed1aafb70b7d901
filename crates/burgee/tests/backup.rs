//! A backup is whole or not there, and what is restored from it is what it was.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

fn run(start: &Start<'_>, arguments: &[&str]) -> Result<(bool, String)> {
    let Output { status, stdout, stderr } = start.command().args(arguments).output()?;
    Ok((status.success(), String::from_utf8([stdout, stderr].concat())?))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is no text")
}

async fn write_flags(
    url: String,
    http: reqwest::Client,
    token: String,
    stop: Arc<AtomicBool>,
) -> Result<usize> {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        let flag = json!({ "key": format!("flag-{made}") });
        let answer = http.post(format!("{url}/api/v1/flags")).bearer_auth(&token).json(&flag).send().await?;
        ensure!(answer.status() == 201, "a writer was disturbed: {}", answer.text().await?);
        made += 1;
    }
    Ok(made)
}

async fn flags(burgee: &Burgee, token: &str) -> Result<usize> {
    let listed = burgee.get("/api/v1/flags?limit=1000", token).await?;
    Ok(listed.as_array().context("no list")?.len())
}

async fn epoch(burgee: &Burgee, key: &str) -> Result<String> {
    let snapshot = burgee.get("/sdk/v1/snapshot", key).await?;
    Ok(snapshot["epoch"].as_str().context("no epoch")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_writes_is_one_moment_and_comes_back_as_another_history() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let (token, key) =
        (burgee.register("dev@example.com", "developer").await?, burgee.banner.server_key.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let writer = write_flags(burgee.url.clone(), burgee.http.clone(), token.clone(), stop.clone());
    let writer = tokio::spawn(writer);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let file = folder.path().join("backup.db");
    let file = text(&file)?;
    let (done, said) = run(&start, &["store", "backup", file])?;
    assert!(done && said.contains("ok      instance@"), "{said}");
    stop.store(true, Ordering::Relaxed);
    let made = writer.await??;
    assert_eq!(flags(&burgee, &token).await?, made, "nobody was disturbed");
    let first = epoch(&burgee, &key).await?;

    let beside: Vec<_> =
        fs::read_dir(folder.path())?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    assert!(
        !beside.iter().any(|name| name.starts_with("backup.db.")),
        "nothing is left beside it: {beside:?}"
    );
    let (done, said) = run(&start, &["store", "backup", file])?;
    assert!(!done && said.contains("is there already"), "{said}");
    let (done, said) = run(&start, &["store", "restore", file, "--replace"])?;
    assert!(!done && said.contains("is in use by another Burgee"), "a server is running: {said}");
    burgee.stop().await?;
    let (done, said) = run(&start, &["store", "restore", file])?;
    assert!(!done && said.contains("is not empty"), "{said}");
    let (done, said) = run(&start, &["store", "restore", file, "--replace"])?;
    assert!(done && said.contains("kept "), "{said}");

    let again = start.start().await?;
    let new = again.login("dev@example.com", "secret").await?;
    let there = flags(&again, &new).await?;
    assert!(there <= made, "{there} of {made}");
    assert_ne!(epoch(&again, &key).await?, first, "every client takes a full snapshot");
    let verified = again.run(&["audit", "verify"])?;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let admin = again.login("dev@example.com", "secret").await?;
    again.post("/api/v1/flags", Some(&admin), &json!({ "key": "after" })).await?;
    again.stop().await?;
    let kept = fs::read_dir(folder.path())?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let kept: Vec<_> = kept.filter(|name| name.starts_with("burgee.db.replaced-")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let kept = format!("sqlite:{}", text(&folder.path().join(&kept[0]))?);
    let env = [("DATABASE_URL", kept.as_str())];
    let old = Start { env: &env, ..start }.start().await?;
    assert_eq!(flags(&old, &token).await?, made, "the old one is whole");
    Ok(())
}

#[tokio::test]
async fn a_restore_revives_no_session_no_link_and_no_signing_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env =
        [("JWT_SECRET_KEY", "a secret that was given, long enough"), ("BURGEE_ADMIN_PASSWORD", "secret")];
    let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let burgee = start.start().await?;
    let admin = burgee.admin().await?;
    let user = json!({ "email": "new@example.com" });
    let invited = burgee.post("/auth/users", Some(&admin), &user).await?;
    let left = json!({ "email": "admin@burgee.local", "password": "secret" });
    let left = burgee.post("/auth/login", None, &left).await?;
    let script = burgee.post("/auth/tokens", Some(&admin), &json!({ "name": "script" })).await?;
    let file = folder.path().join("backup.db");
    assert!(run(&start, &["store", "backup", text(&file)?])?.0);
    // Ended since the backup, each in its way.
    let session = left["token"].as_str().context("no token")?;
    assert_eq!(burgee.ask("POST", "/auth/logout", Some(session), None).await?.0, 204);
    let link = json!({ "token": invited["reset"]["token"], "password": "of her own" });
    assert_eq!(burgee.ask("POST", "/auth/reset-password", None, Some(&link)).await?.0, 204);
    let path = format!("/auth/tokens/{}", script["id"].as_str().context("no id")?);
    assert_eq!(burgee.ask("DELETE", &path, Some(&admin), None).await?.0, 204);
    assert!(burgee.run(&["admin", "rotate-signing-keys", "--revoke-old"])?.status.success());
    burgee.stop().await?;

    let (done, said) = run(&start, &["store", "restore", text(&file)?, "--replace"])?;
    assert!(done, "{said}");
    for told in
        ["Everyone signs in again", "SDK keys", "access tokens", "accounts and roles", "JWT_SECRET_KEY"]
    {
        assert!(said.contains(told), "{told}: {said}");
    }
    let again = start.start().await?;
    assert!(again.banner.text.contains("signs nothing again"), "{}", again.banner.text);
    for session in [admin.as_str(), session] {
        assert_eq!(again.ask("GET", "/auth/me", Some(session), None).await?.0, 401);
    }
    let refresh = json!({ "refresh_token": left["refresh_token"] });
    assert_eq!(again.ask("POST", "/auth/refresh", None, Some(&refresh)).await?.0, 401);
    assert_eq!(again.ask("POST", "/auth/reset-password", None, Some(&link)).await?.0, 401);
    // What nobody can know, as it says.
    assert_eq!(again.ask("GET", "/auth/me", script["token"].as_str(), None).await?.0, 200);
    let admin = again.admin().await?;
    let keys = again.get("/api/v1/signing-keys", &admin).await?;
    let signing = keys.as_array().into_iter().flatten().filter(|key| key["revoked_at"].is_null());
    assert_eq!(signing.count(), 1, "{keys}");
    let log = again.get("/api/v1/instance/audit?action=restore_backup", &admin).await?;
    assert_eq!(log[0]["after"]["sessions"], "ended", "{log}");
    assert!(again.run(&["audit", "verify"])?.status.success());
    Ok(())
}

#[tokio::test]
async fn what_is_no_backup_or_was_touched_is_refused_and_nothing_is_changed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    for number in 0..200 {
        let flag = json!({ "key": format!("flag-{number}"), "description": "x".repeat(500) });
        burgee.post("/api/v1/flags", Some(&token), &flag).await?;
    }
    burgee.stop().await?;
    let good = folder.path().join("good.db");
    assert!(run(&start, &["store", "backup", text(&good)?])?.0);
    let database = fs::read(folder.path().join("burgee.db"))?;
    let refused = |file: &Path, why: &str| -> Result<()> {
        let (done, said) = run(&start, &["store", "restore", text(file)?, "--replace"])?;
        ensure!(!done && said.contains(why), "{}: {said}", file.display());
        ensure!(fs::read(folder.path().join("burgee.db"))? == database, "{}: it was touched", file.display());
        Ok(())
    };
    let other = folder.path().join("other");
    fs::write(&other, "flags: none")?;
    refused(&other, "is not an SQLite database")?;
    refused(&folder.path().join("nowhere.db"), "nowhere.db")?;
    let bytes = fs::read(&good)?;
    fs::write(&other, &bytes[..bytes.len() / 2])?;
    refused(&other, "is damaged")?;
    let mut torn = bytes.clone();
    let middle = torn.len() / 2;
    torn[middle..middle + 8_192].fill(0x5A);
    fs::write(&other, &torn)?;
    refused(&other, "is damaged")?;
    fs::write(&other, &bytes)?;
    testkit::sqlite::execute(&other, "UPDATE changes SET comment = 'not me' WHERE revision = 9").await?;
    refused(&other, "was edited")?;
    Ok(())
}

#[tokio::test]
async fn a_full_disk_leaves_no_backup_and_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    start.start().await?.stop().await?;
    let file = folder.path().join("backup.db");
    // No file may grow beyond 64 KiB; a write beyond it fails as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 128; exec \"$0\" store backup \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, PROGRAM, text(&file)?]).env_clear();
    let known = start.command();
    command.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Output { status, stderr, .. } = command.output()?;
    assert!(!status.success(), "{}", String::from_utf8_lossy(&stderr));
    assert!(!file.exists() && !folder.path().join("backup.db.partial").exists(), "nothing is left");
    assert!(run(&start, &["store", "backup", text(&file)?])?.0, "and with room there is one");
    Ok(())
}

#[tokio::test]
async fn whoever_pulls_the_plug_leaves_something_to_start_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    for number in 0..50 {
        burgee.post("/api/v1/flags", Some(&token), &json!({ "key": format!("flag-{number}") })).await?;
    }
    burgee.stop().await?;
    let file = folder.path().join("backup.db");
    for round in 0..12 {
        let mut child = start.command().args(["store", "backup", text(&file)?]).spawn()?;
        tokio::time::sleep(Duration::from_millis(round * 7)).await;
        child.kill()?;
        child.wait()?;
        if file.exists() {
            let copy = folder.path().join("looked-through.db");
            fs::copy(&file, &copy)?;
            let address = format!("sqlite:{}", text(&copy)?);
            let env = [("DATABASE_URL", address.as_str())];
            assert!(run(&Start { env: &env, ..start }, &["audit", "verify"])?.0, "half a backup");
            fs::remove_file(&file)?;
        }
    }
    assert!(run(&start, &["store", "backup", text(&file)?])?.0, "what was left is in nobody's way");
    for round in 0..12 {
        let mut child = start.command().args(["store", "restore", text(&file)?, "--replace"]).spawn()?;
        tokio::time::sleep(Duration::from_millis(round * 9)).await;
        child.kill()?;
        child.wait()?;
        let (sound, said) = run(&start, &["audit", "verify"])?;
        assert!(sound, "round {round}: {said}");
    }
    let burgee = start.start().await?;
    let token = burgee.login("dev@example.com", "secret").await?;
    assert_eq!(flags(&burgee, &token).await?, 50);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_either_database_comes_back_in_the_other() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (first, second) = (testkit::postgres::database().await?, testkit::postgres::database().await?);
    let env = [("DATABASE_URL", first.as_str())];
    let on_first = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let burgee = on_first.start().await?;
    let session = burgee.register("dev@example.com", "developer").await?;
    // An access token, which a restore does not end.
    let token = burgee.post("/auth/tokens", Some(&session), &json!({ "name": "script" })).await?;
    let token = token["token"].as_str().context("no token")?.to_owned();
    let rule = json!({ "when": { "attribute": "plan", "operator": "equals", "values": ["ä 🚩"] }, "serve": { "variant": "on" } });
    burgee
        .post("/api/v1/flags", Some(&token), &json!({ "key": "a", "rules": [rule], "tags": ["x"] }))
        .await?;
    burgee.post("/api/v1/segments", Some(&token), &json!({ "key": "s" })).await?;
    let keys: Vec<_> = (0..20_000).map(|number| format!("user-{number:0>5}\n")).collect();
    let list = format!("{}/api/v1/segments/s/included", burgee.url);
    assert_eq!(burgee.http.put(list).bearer_auth(&token).body(keys.concat()).send().await?.status(), 200);
    burgee.ask("GET", "/api/v1/flags", Some("not-a-token"), None).await?;
    let at = "2026-01-01T00:00:00Z";
    let events = json!([
        { "type": "count", "flag": "a", "reason": "DEFAULT", "n": 7, "from": at, "to": at },
        { "type": "exposure", "flag": "a", "variant": "on", "unit": "ä 🚩", "at": at },
        { "type": "metric", "name": "revenue", "value": 12.5, "at": at },
    ]);
    let batch = json!({ "batch_id": "b1", "sent_at": at, "events": events });
    let receipt = burgee.post("/sdk/v1/events", Some(&burgee.banner.server_key), &batch).await?;
    assert_eq!(receipt["accepted"], 3, "{receipt}");
    let shown = async |burgee: &Burgee| -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for path in ["flags/a", "flags/a?environment=production", "segments/s", "environments", "audit"] {
            all.push(burgee.get(&format!("/api/v1/{path}"), &token).await?);
        }
        let usage = burgee.get("/api/v1/flags/a/usage?step=day", &token).await?;
        ensure!(usage["totals"][0]["n"] == 7 && usage["exposures"][0]["units"] == 1, "{usage}");
        all.push(json!([usage["totals"], usage["exposures"]]));
        Ok(all)
    };
    let before = shown(&burgee).await?;
    let file = folder.path().join("backup.db");
    let (done, said) = run(&on_first, &["store", "backup", text(&file)?])?;
    assert!(done, "{said}");
    burgee.stop().await?;

    // To SQLite, and from there to another PostgreSQL.
    let elsewhere = tempfile::tempdir()?;
    let on_file = Start { program: PROGRAM, folder: elsewhere.path(), env: &[] };
    let (done, said) = run(&on_file, &["store", "restore", text(&file)?])?;
    assert!(done, "{said}");
    let burgee = on_file.start().await?;
    assert_eq!(shown(&burgee).await?, before);
    assert!(burgee.run(&["audit", "verify"])?.status.success());
    burgee.stop().await?;
    let next = folder.path().join("next.db");
    assert!(run(&on_file, &["store", "backup", text(&next)?])?.0);
    let env = [("DATABASE_URL", second.as_str())];
    let on_second = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let (done, said) = run(&on_second, &["store", "restore", text(&next)?])?;
    assert!(done, "{said}");
    let burgee = on_second.start().await?;
    assert_eq!(shown(&burgee).await?, before);
    let (sound, said) = run(&on_second, &["audit", "verify"])?;
    assert!(sound && said.contains("security@"), "{said}");
    let (done, said) = run(&on_second, &["store", "restore", text(&next)?, "--replace"])?;
    assert!(!done && said.contains("is not empty"), "{said}");
    Ok(())
}
