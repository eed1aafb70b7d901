//! What keeps an account its owner's: links that are void, addresses that look alike, what is written down of who tries,
//! and what nobody takes away by deleting.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const PRODUCTION: (&str, &str) = ("BURGEE_PROFILE", "production");
const NOTHING: Value = Value::Null;

fn text(answer: &Value, member: &str) -> Result<String> {
    answer[member].as_str().map(str::to_owned).with_context(|| format!("no {member} in {answer}"))
}

/// What comes of setting a password by a link.
async fn reset(burgee: &Burgee, token: &str) -> Result<u16> {
    let document = json!({ "token": token, "password": "by the link" });
    Ok(burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await?.0)
}

#[tokio::test]
async fn a_reset_link_is_void_once_something_else_decides_over_its_account() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let owner = house.person("jo@example.com", "viewer").await?;
    let account = format!("/auth/users/{}", text(&house.burgee.get("/auth/me", &owner).await?, "id")?);
    let link = async || {
        let (status, made) =
            house.ask(&house.admin, "POST", &format!("{account}/reset-link"), NOTHING).await?;
        assert_eq!(status, 201, "{made}");
        text(&made, "token")
    };

    let (first, second) = (link().await?, link().await?);
    assert_eq!(reset(&house.burgee, &first).await?, 401, "a newer one voids it");
    let chosen = json!({ "old_password": "secret", "new_password": "of my own" });
    assert_eq!(house.ask(&owner, "PUT", "/auth/password", chosen).await?.0, 204);
    assert_eq!(reset(&house.burgee, &second).await?, 401, "its owner chose a password");

    let third = link().await?;
    for active in [false, true] {
        let changed = json!({ "active": active });
        assert_eq!(house.ask(&house.admin, "PATCH", &account, changed).await?.0, 200);
        assert_eq!(reset(&house.burgee, &third).await?, 401, "the account was put out of use");
    }
    house.burgee.login("jo@example.com", "of my own").await?;

    let fourth = link().await?;
    assert_eq!(house.ask(&house.admin, "DELETE", &account, NOTHING).await?.0, 204);
    assert_eq!(reset(&house.burgee, &fourth).await?, 401, "the account is gone");
    house.person("jo@example.com", "viewer").await?;
    assert_eq!(reset(&house.burgee, &fourth).await?, 401, "another's with the same e-mail");
    Ok(())
}

/// The details of all entries of a kind, once there are so many: they are written within a second.
async fn events(burgee: &Burgee, admin: &str, kind: &str, count: usize) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    for _ in 0..100 {
        let log = burgee.get(&format!("/api/v1/security-log?kind={kind}"), admin).await?;
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
async fn whatever_opens_an_account_is_written_down_and_so_is_who_tried() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[PRODUCTION] }.start().await?;
    let words = burgee.banner.text.split_whitespace();
    let token = words.into_iter().find(|word| word.starts_with("bgi_")).context("no setup token")?;
    let set_up = async |token: &str, email: &str| {
        let document = json!({ "token": token, "email": email, "password": "long enough" });
        burgee.ask("POST", "/setup", None, Some(&document)).await
    };
    assert_eq!(set_up("bgi_guess", "eve@example.com").await?.0, 401);
    let (status, session) = set_up(token, "root@example.com").await?;
    assert_eq!(status, 201, "{session}");
    let admin = text(&session, "token")?;

    let wrong = json!({ "old_password": "a guess", "new_password": "long enough too" });
    assert_eq!(burgee.ask("PUT", "/auth/password", Some(&admin), Some(&wrong)).await?.0, 400);
    assert_eq!(reset(&burgee, "bgw_guess").await?, 401);
    let invited = json!({ "email": "jo@example.com" });
    let invited = burgee.post("/auth/users", Some(&admin), &invited).await?;
    assert_eq!(reset(&burgee, &text(&invited["reset"], "token")?).await?, 204);

    let failed = events(&burgee, &admin, "sign_in_failed", 3).await?;
    let told: Vec<_> = failed.iter().rev().map(|event| (&event["detail"], &event["subject"])).collect();
    let expected =
        [("setup token", "eve@example.com"), ("old password", "root@example.com"), ("reset link", "")]
            .map(|(detail, subject)| (json!(detail), json!(subject)));
    assert_eq!(told, expected.each_ref().map(|(detail, subject)| (detail, subject)), "{failed:?}");
    assert_eq!(failed[1]["actor"]["name"], "root@example.com", "whose session it was");
    for (kind, who) in [("setup_used", "root@example.com"), ("password_reset", "jo@example.com")] {
        let event = &events(&burgee, &admin, kind, 1).await?[0];
        assert_eq!((&event["subject"], &event["address"]), (&json!(who), &json!("127.0.0.1")), "{event}");
    }
    let log = burgee.get("/api/v1/security-log", &admin).await?.to_string();
    for secret in [token, "bgi_guess", "bgw_guess", "a guess", "long enough", "by the link"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    Ok(())
}

/// Each is read as an address that somebody else has.
const ALIKE: [&str; 5] = [
    // The first letter of the Cyrillic alphabet.
    "\u{430}dmin@burgee.local",
    // A full-width letter.
    "\u{ff44}ev@example.com",
    // A Roman numeral.
    "dev@examp\u{217c}e.com",
    // Nothing, in a place of its own.
    "dev\u{200b}@example.com",
    // The sign for kelvin, which is the letter k once it is in lower case.
    "\u{212a}im@example.com",
];

#[tokio::test]
async fn nobody_has_an_address_that_looks_like_anothers() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.person("kim@example.com", "viewer").await?;
    let me = house.burgee.get("/auth/me", &house.user).await?;
    let account = format!("/auth/users/{}", text(&me, "id")?);
    for alike in ALIKE {
        let document = json!({ "email": alike, "password": "long enough" });
        let register = house.burgee.ask("POST", "/auth/register", None, Some(&document)).await?;
        let made = house.ask(&house.admin, "POST", "/auth/users", document.clone()).await?;
        let changed = house.ask(&house.admin, "PATCH", &account, json!({ "email": alike })).await?;
        for (status, problem) in [register, made, changed] {
            assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!("email")), "{alike}");
        }
        let output = house.burgee.run(&["admin", "create", alike])?;
        assert!(!output.status.success() && output.stdout.is_empty(), "{alike}");
    }
    let emails = house.burgee.get("/auth/users?limit=1000", &house.admin).await?;
    assert!(emails.to_string().is_ascii(), "{emails}");
    Ok(())
}

#[tokio::test]
async fn nor_has_the_first_admin() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for alike in ALIKE {
        let env = [PRODUCTION, ("BURGEE_ADMIN_EMAIL", alike), ("BURGEE_ADMIN_PASSWORD", "long enough")];
        let output =
            Start { program: PROGRAM, folder: folder.path(), env: &env }.command().arg("start").output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains("BURGEE_ADMIN_EMAIL"), "{alike}: {told}");
    }
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[PRODUCTION] }.start().await?;
    let words = burgee.banner.text.split_whitespace();
    let token = words.into_iter().find(|word| word.starts_with("bgi_")).context("an admin was made")?;
    for alike in ALIKE {
        let document = json!({ "token": token, "email": alike, "password": "long enough" });
        let (status, problem) = burgee.ask("POST", "/setup", None, Some(&document)).await?;
        assert_eq!((status, &problem["violations"][0]["path"]), (400, &json!("email")), "{alike}");
    }
    Ok(())
}

async fn made(house: &House, path: &str, document: Value) -> Result<Value> {
    house.burgee.post(path, Some(&house.admin), &document).await
}

/// What each way of deleting something answers to whom it would give more than they have.
#[tokio::test]
async fn nobody_takes_away_by_deleting_more_than_they_have() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let words = json!([
        "people.read",
        "role.manage",
        "account.manage",
        "team.manage",
        "grant.manage",
        "project.read",
        "environment.create",
        "environment.delete",
        "flag.update@!protected",
        "sdk_key.manage@!protected"
    ]);
    made(&house, "/api/v1/roles", json!({ "key": "clerk", "permissions": words })).await?;
    made(&house, "/api/v1/roles", json!({ "key": "boss", "permissions": ["*"] })).await?;
    made(&house, "/api/v1/teams", json!({ "key": "bosses" })).await?;
    let team = json!({ "team": "bosses", "role": "boss" });
    let team = text(&made(&house, "/api/v1/instance/grants", team).await?, "id")?;
    // Of its own the robot is nobody; all that it may was granted to it, in one project.
    let robot = made(&house, "/api/v1/service-accounts", json!({ "name": "robot" })).await?;
    let robot = format!("/api/v1/service-accounts/{}", text(&robot, "id")?);
    let token = made(&house, &format!("{robot}/tokens"), json!({ "name": "one" })).await?;
    let token = format!("{robot}/tokens/{}", text(&token, "id")?);
    made(&house, "/api/v1/grants", json!({ "account": "robot", "role": "boss" })).await?;
    let new = json!({ "name": "live", "kind": "server" });
    let key = text(&made(&house, "/api/v1/sdk-keys?environment=production", new).await?, "id")?;
    let root = text(&house.burgee.get("/auth/me", &house.admin).await?, "id")?;

    let clerk = house.person("clerk@example.com", "member").await?;
    let grant = json!({ "account": "clerk@example.com", "role": "clerk" });
    made(&house, "/api/v1/instance/grants", grant).await?;
    for (path, code) in [
        (format!("/api/v1/instance/grants/{team}"), "more_than_own"),
        ("/api/v1/teams/bosses".to_owned(), "more_than_own"),
        ("/api/v1/roles/boss".to_owned(), "more_than_own"),
        (token, "more_than_own"),
        (robot, "more_than_own"),
        (format!("/auth/users/{root}"), "more_than_own"),
        (format!("/api/v1/sdk-keys/{key}"), "protected_environment"),
        ("/api/v1/environments/production?force=true".to_owned(), "protected_environment"),
    ] {
        let (status, problem) = house.ask(&clerk, "DELETE", &path, NOTHING).await?;
        assert_eq!((status, &problem["code"]), (403, &json!(code)), "{path}: {problem}");
    }
    let words = json!({ "permissions": ["project.read"] });
    let (status, problem) = house.ask(&clerk, "PATCH", "/api/v1/roles/boss", words).await?;
    assert_eq!((status, &problem["code"]), (403, &json!("more_than_own")), "words of a role: {problem}");
    // What they have they may take away.
    let path = "/api/v1/environments/staging?force=true";
    assert_eq!(house.ask(&clerk, "DELETE", path, NOTHING).await?.0, 204);
    Ok(())
}
