//! Who loses a right while they use it does not take it back by what was under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use reqwest::Body;
use serde_json::{Value, json};
use testkit::house::House;
use tokio::sync::mpsc;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;
/// So many requests of theirs are under way at any time.
const AT_ONCE: usize = 6;

/// Asks over and over, as whose token it is, until told to stop.
async fn insist(house: &House, token: &str, (method, path, body): (&str, &str, &Value), stop: &AtomicBool) {
    let one = async || {
        while !stop.load(Ordering::Relaxed) {
            let _ = house.ask(token, method, path, body.clone()).await;
        }
    };
    join_all((0..AT_ONCE).map(|_| one())).await;
}

/// What is left of them when something was taken from somebody who insists on having it.
async fn takes(
    house: &House,
    token: &str,
    insisting: (&str, &str, &Value),
    (method, path, body): (&str, &str, Value),
) -> Result<u16> {
    let stop = AtomicBool::new(false);
    let take = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let taken = house.ask(&house.admin, method, path, body).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.store(true, Ordering::Relaxed);
        taken
    };
    let (taken, ()) = tokio::join!(take, insist(house, token, insisting, &stop));
    Ok(taken?.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_is_demoted_or_deactivated_stays_so() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let role = json!({ "role": "admin" });
    for round in 0..6 {
        let email = format!("mallory{round}@example.com");
        let token = house.person(&email, "admin").await?;
        let own = house.burgee.get("/auth/me", &token).await?;
        let path = format!("/auth/users/{}", own["id"].as_str().context("no id")?);
        let (role_path, insisting) = (format!("{path}/role"), &role);
        let taking = match round % 2 {
            0 => ("PUT", role_path.as_str(), json!({ "role": "viewer" })),
            _ => ("PATCH", path.as_str(), json!({ "active": false })),
        };
        let status = takes(&house, &token, ("PUT", &role_path, insisting), taking).await?;
        ensure!(status == 200, "round {round}: {status}");
        let after = house.burgee.get(&path, &house.admin).await?;
        let lost = if round % 2 == 0 { after["role"] == "viewer" } else { after["active"] == false };
        ensure!(lost, "round {round}: they took it back: {after}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_taken_back_is_not_given_anew_by_who_had_it() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.ask(&house.admin, "POST", "/api/v1/projects", json!({ "key": "shop" })).await?;
    let grants = "/api/v1/projects/shop/grants";
    for round in 0..4 {
        let email = format!("mallory{round}@example.com");
        let token = house.person(&email, "member").await?;
        let given = json!({ "account": email, "role": "team_admin" });
        let (status, grant) = house.ask(&house.admin, "POST", grants, given.clone()).await?;
        ensure!(status == 201, "{grant}");
        let path = format!("{grants}/{}", grant["id"].as_str().context("no id")?);
        // Refused as given already until it is taken.
        let status = takes(&house, &token, ("POST", grants, &given), ("DELETE", &path, NOTHING)).await?;
        ensure!(status == 204, "round {round}: {status}");
        let before = house.burgee.get("/api/v1/projects/shop/audit?limit=50", &house.admin).await?;
        let log = before.as_array().context("no log")?;
        let taken = log.iter().position(|entry| entry["action"] == "delete_grant").context("not taken")?;
        let later = log[..taken].iter().filter(|entry| entry["action"] == "create_grant").count();
        ensure!(later == 0, "round {round}: something was given by who had lost the right: {before}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_with_the_rights_it_began_with() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.ask(&house.admin, "POST", "/api/v1/segments", json!({ "key": "beta" })).await?;
    let ways = [("PATCH", json!({ "active": false })), ("DELETE", NOTHING)];
    for (place, (method, body)) in ways.into_iter().enumerate() {
        let token = house.person(&format!("mallory{place}@example.com"), "developer").await?;
        let own = house.burgee.get("/auth/me", &token).await?;
        let (lines, received) = mpsc::channel::<Result<String, std::io::Error>>(1);
        let received = futures_util::stream::unfold(received, |mut received| async {
            received.recv().await.map(|line| (line, received))
        });
        let url = format!("{}/api/v1/segments/beta/included", house.burgee.url);
        let upload = house.burgee.http.put(url).bearer_auth(&token).body(Body::wrap_stream(received)).send();
        let rest = async {
            lines.send(Ok("user-1\n".to_owned())).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let path = format!("/auth/users/{}", own["id"].as_str().context("no id")?);
            let (status, answer) = house.ask(&house.admin, method, &path, body).await?;
            ensure!((200..300).contains(&status), "{answer}");
            lines.send(Ok("user-2\n".to_owned())).await?;
            drop(lines);
            Ok(())
        };
        let (upload, rest) = tokio::join!(upload, rest);
        rest?;
        let upload = upload?;
        assert_eq!(upload.status(), 403, "{method}");
        assert_eq!(upload.json::<Value>().await?["code"], "rights_changed");
        let (_, segment) = house.ask(&house.admin, "GET", "/api/v1/segments/beta", NOTHING).await?;
        assert_eq!(segment["included_count"], 0, "{segment}");
    }
    Ok(())
}
