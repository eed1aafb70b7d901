//! Who was refused is written down, however often, and within bounds.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// The entries of a kind, when there are so many: they are written within a second.
async fn events(house: &House, kind: &str, count: usize) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for _ in 0..100 {
        let log = house.burgee.get(&format!("/api/v1/security-log?kind={kind}"), &house.admin).await?;
        found = log.as_array().context("no list")?.clone();
        if found.len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(found.len(), count, "{kind}: {found:?}");
    Ok(found)
}

#[tokio::test]
async fn refusals_are_written_down_and_repeats_are_counted() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    assert_eq!(house.ask(&house.user, "POST", "/api/v1/flags", json!({ "key": "a" })).await?.0, 403);
    for number in 0..20 {
        let path = format!("/api/v1/flags/flag-{number}");
        assert_eq!(house.ask("not-a-token", "GET", &path, Value::Null).await?.0, 401);
    }
    let client = house.burgee.banner.client_key.clone();
    assert_eq!(house.ask(&client, "GET", "/sdk/v1/snapshot", Value::Null).await?.0, 403);
    let unknown = "bgs_0000000000000000000000000000000000000000000000002c19d441";
    for _ in 0..50 {
        assert_eq!(house.ask(unknown, "GET", "/sdk/v1/snapshot", Value::Null).await?.0, 401);
    }

    let forbidden = &events(&house, "forbidden", 1).await?[0];
    assert_eq!(forbidden["actor"]["name"], "user@example.com", "{forbidden}");
    assert_eq!((&forbidden["address"], &forbidden["count"]), (&json!("127.0.0.1"), &json!(1)));
    assert_eq!(forbidden["detail"], "403 POST /api/v1/flags");
    let refused = events(&house, "key_refused", 2).await?;
    let subjects: Vec<_> = refused.iter().filter_map(|event| event["subject"].as_str()).collect();
    let hint = format!("{}…", &client[..12]);
    assert!(subjects.contains(&hint.as_str()) && subjects.contains(&"bgs_00000000…"), "{subjects:?}");
    let tokens = events(&house, "token_refused", 1).await?;
    assert!(tokens.iter().all(|event| event["detail"] == "401 GET /api/v1/flags/{key}"), "{tokens:?}");
    let text = house.burgee.get("/api/v1/security-log", &house.admin).await?.to_string();
    assert!(!text.contains(&client) && !text.contains(unknown) && !text.contains("not-a-token"), "{text}");

    let admin = &house.admin;
    let of_user =
        house.burgee.get("/api/v1/security-log?actor=user@example.com&address=127.0.0.1", admin).await?;
    assert_eq!(of_user.as_array().map(Vec::len), Some(1), "{of_user}");
    assert_eq!(house.burgee.get("/api/v1/security-log?address=192.0.2.1", admin).await?, json!([]));
    assert_eq!(house.burgee.get("/api/v1/security-log?to=2001-01-01", admin).await?, json!([]));
    for (query, status) in [
        ("kind=nothing", 400),
        ("address=here", 400),
        ("from=x", 400),
        ("actor=no@example.com", 404),
        ("x=1", 400),
    ] {
        let path = format!("/api/v1/security-log?{query}");
        assert_eq!(house.ask(admin, "GET", &path, Value::Null).await?.0, status, "{query}");
    }
    for path in ["/api/v1/security-log", "/api/v1/security-log/export"] {
        assert_eq!(house.ask(&house.developer, "GET", path, Value::Null).await?.0, 403, "{path}");
    }
    let url = format!("{}/api/v1/security-log/export?format=csv&kind=forbidden", house.burgee.url);
    let csv = house.burgee.http.get(url).bearer_auth(admin).send().await?.error_for_status()?.text().await?;
    assert!(csv.starts_with("revision,at,last_at,count,kind,") && csv.contains("user@example.com"), "{csv}");
    assert_eq!(house.head().await?, 1, "none of it is a change");
    Ok(())
}

#[tokio::test]
async fn what_is_held_back_is_written_at_shutdown_and_edits_are_found() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = testkit::process::Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let burgee = start.start().await?;
    let ask = async || burgee.ask("GET", "/api/v1/flags", Some("not-a-token"), None).await;
    ask().await?;
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    for _ in 0..9 {
        assert_eq!(ask().await?.0, 401);
    }
    burgee.stop().await?;
    let verify = || -> Result<(bool, String)> {
        let output = start.command().args(["audit", "verify"]).output()?;
        Ok((output.status.success(), String::from_utf8(output.stdout)?))
    };
    let (sound, text) = verify()?;
    assert!(sound && text.contains("ok      security@2:"), "{text}");
    let file = folder.path().join("burgee.db");
    let rows =
        testkit::sqlite::execute(&file, "UPDATE security_events SET count = 9 WHERE count = 9").await?;
    assert_eq!(rows, 1, "those of the quiet minute, in one entry");
    testkit::sqlite::execute(&file, "UPDATE security_events SET count = 1 WHERE count = 9").await?;
    let (sound, text) = verify()?;
    assert!(!sound && text.contains("BROKEN  security: 2:"), "{text}");
    testkit::sqlite::execute(&file, "DELETE FROM security_events WHERE revision = 2").await?;
    let (sound, text) = verify()?;
    assert!(!sound && text.contains("ends at 1, but 2 were made"), "{text}");
    Ok(())
}

/// What an attacker did: the log was full of keys that never were when one that is was misused.
#[tokio::test]
async fn a_flood_of_keys_that_never_were_hides_no_misuse_of_one_that_is() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let url = format!("{}/sdk/v1/snapshot", house.burgee.url);
    // One of a key that was revoked, which is how a leak is noticed, comes from where the flood does.
    let new = json!({ "name": "leaked", "kind": "server" });
    let (_, leaked) = house.ask(&house.admin, "POST", "/api/v1/sdk-keys", new).await?;
    let path = format!("/api/v1/sdk-keys/{}", leaked["id"].as_str().context("no id")?);
    assert_eq!(house.ask(&house.admin, "DELETE", &path, Value::Null).await?.0, 204);
    let leaked = leaked["key"].as_str().context("no key")?.to_owned();
    let flood = (1..6_u8).map(|last| {
        let url = url.clone();
        async move {
            let http = reqwest::Client::builder().local_address(IpAddr::from([127, 0, 0, last]));
            let http = http.tls_certs_only([]).build()?;
            for number in 0..2_000_u32 {
                let key = well_formed(u32::from(last) << 16 | number);
                let answer = http.get(&url).header("x-sdk-key", key).send().await?;
                assert_eq!(answer.status(), 401);
            }
            anyhow::Ok(())
        }
    });
    for flooded in join_all(flood).await {
        flooded?;
    }
    let client = house.burgee.banner.client_key.clone();
    assert_eq!(house.ask(&client, "GET", "/sdk/v1/snapshot", Value::Null).await?.0, 403);
    assert_eq!(house.ask(&leaked, "GET", "/sdk/v1/snapshot", Value::Null).await?.0, 401);
    let hints = [client, leaked].map(|key| format!("{}…", &key[..12]));
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let log = house.burgee.get("/api/v1/security-log?kind=key_refused&limit=500", &house.admin).await?;
        let log = log.as_array().context("no list")?;
        let counted: u64 = log.iter().filter_map(|entry| entry["count"].as_u64()).sum();
        if hints.iter().all(|hint| log.iter().any(|entry| entry["subject"] == hint.as_str())) {
            // Fifty of each address, what is beyond in one entry a minute, and the two that count.
            assert!(log.len() <= 5 * 50 + 4, "{}", log.len());
            let is_rest = |entry: &&Value| {
                entry["detail"]
                    .as_str()
                    .is_some_and(|detail| detail.starts_with("more than are told one by one"))
            };
            assert_eq!(log.iter().filter(is_rest).count(), 1, "{log:?}");
            return Ok(());
        }
        assert!(Instant::now() < deadline, "{} entries, {counted} events", log.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The same of access tokens: after 50 forged ones from an address, one that was somebody's is told.
#[tokio::test]
async fn forged_tokens_hide_no_use_of_one_that_has_ended() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let mut tokens = Vec::new();
    for document in [json!({ "name": "used" }), json!({ "name": "never used" })] {
        let (status, made) = house.ask(&house.developer, "POST", "/auth/tokens", document).await?;
        assert_eq!(status, 201, "{made}");
        let token = made["token"].as_str().context("no token")?.to_owned();
        if made["name"] == "used" {
            house.burgee.get("/api/v1/flags", &token).await?;
        }
        let path = format!("/auth/tokens/{}", made["id"].as_str().context("no id")?);
        assert_eq!(house.ask(&house.developer, "DELETE", &path, Value::Null).await?.0, 204);
        tokens.push(token);
    }
    for number in 0..60 {
        let forged = forged("bgp_", number);
        assert_eq!(house.ask(&forged, "GET", "/api/v1/flags", Value::Null).await?.0, 401);
    }
    for token in &tokens {
        assert_eq!(house.ask(token, "GET", "/api/v1/flags", Value::Null).await?.0, 401);
    }
    // Fifty, the rest in one, and these two.
    let refused = events(&house, "token_refused", 53).await?;
    for token in tokens {
        let hint = format!("{}…", &token[..12]);
        let told = refused.iter().find(|entry| entry["subject"] == hint.as_str()).context("it is hidden")?;
        assert_eq!(told["actor"]["name"], "dev@example.com", "whose it was: {told}");
    }
    Ok(())
}

/// A server key that tells itself to be whole, and is nobody's.
fn well_formed(number: u32) -> String {
    forged("bgs_", number)
}

/// A secret that tells itself to be whole.
fn forged(prefix: &str, number: u32) -> String {
    let body = format!("{prefix}{number:08x}{:040}", 0);
    let sum = domain::secret::hash_secret(&body);
    format!("{body}{}", &sum[..8])
}

#[tokio::test]
async fn of_too_many_entries_the_oldest_go_and_the_rest_is_proved() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let password = ("BURGEE_ADMIN_PASSWORD", "a-password-of-ours");
    let start = testkit::process::Start { program: PROGRAM, folder: folder.path(), env: &[password] };
    let burgee = start.start().await?;
    for number in 0..30 {
        burgee.ask("GET", "/sdk/v1/snapshot", Some(&well_formed(number)), None).await?;
    }
    burgee.stop().await?;
    let env = [password, ("BURGEE__SECURITY__MAX_ENTRIES", "10"), ("BURGEE__SECURITY__RETENTION", "")];
    let start = testkit::process::Start { env: &env, ..start };
    let burgee = start.start().await?;
    let admin = burgee.admin().await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let log = loop {
        let log = burgee.get("/api/v1/security-log", &admin).await?;
        let log = log.as_array().context("no list")?.clone();
        if log.iter().any(|entry| entry["kind"] == "entries_expired") {
            break log;
        }
        assert!(Instant::now() < deadline, "{} entries", log.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!((10..15).contains(&log.len()), "{log:?}");
    burgee.stop().await?;
    let output = start.command().args(["audit", "verify"]).output()?;
    assert!(output.status.success(), "{}", String::from_utf8(output.stdout)?);
    Ok(())
}
