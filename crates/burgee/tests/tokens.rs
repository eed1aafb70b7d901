//! Access tokens: of people, and of service accounts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap()
}

async fn status(house: &House, token: &str, path: &str) -> Result<u16> {
    Ok(house.ask(token, "GET", path, Value::Null).await?.0)
}

#[tokio::test]
async fn people_have_tokens_of_their_own() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let new = json!({ "name": "laptop", "scopes": ["project.read", "flag.update@production"], "expires_at": "2030-01-01T00:00:00Z" });
    let (code, made) = house.ask(&house.developer, "POST", "/auth/tokens", new).await?;
    assert_eq!(code, 201, "{made}");
    let token = text(&made, "token").to_owned();
    assert!(token.starts_with("bgp_") && token.starts_with(text(&made, "hint")));
    assert_eq!(made["scopes"], json!(["flag.update@production", "project.read"]));
    assert_eq!(house.burgee.get("/auth/me", &token).await?["email"], "dev@example.com");
    let listed = house.get("/auth/tokens").await?;
    assert_eq!(listed[0]["name"], "laptop");
    assert!(listed[0].get("token").is_none() && !listed.to_string().contains(&token));
    assert_eq!(house.burgee.get("/auth/tokens", &house.user).await?, json!([]));

    // A token makes no other, changes no password, and is no session.
    for (method, path, body) in [
        ("POST", "/auth/tokens", json!({ "name": "child" })),
        ("PUT", "/auth/password", json!({ "old_password": "secret", "new_password": "another" })),
        ("PATCH", "/auth/me", json!({ "name": "x" })),
        ("POST", "/auth/logout", Value::Null),
        ("POST", "/auth/logout-everywhere", Value::Null),
        ("DELETE", "/auth/tokens/x", Value::Null),
        ("POST", "/auth/tokens/x/rotate", Value::Null),
    ] {
        let (code, answer) = house.ask(&token, method, path, body).await?;
        assert_eq!((code, &answer["code"]), (403, &json!("sign_in_needed")), "{method} {path}");
    }
    let path = format!("/auth/tokens/{}", text(&made, "id"));
    assert_eq!(house.ask(&house.user, "DELETE", &path, Value::Null).await?.0, 404, "another's");
    assert_eq!(house.ask(&house.developer, "DELETE", &path, Value::Null).await?.0, 204);
    assert_eq!(status(&house, &token, "/auth/me").await?, 401);
    Ok(())
}

#[tokio::test]
async fn what_a_token_cannot_be_is_told_with_its_place() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for (new, place) in [
        (json!({}), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "x".repeat(16 << 10) }), "name"),
        (json!({ "name": "a", "scopes": [] }), "scopes"),
        (json!({ "name": "a", "scopes": ["project.read", "everything"] }), "scopes[1]"),
        (json!({ "name": "a", "scopes": ["flag.updaet"] }), "scopes[0]"),
        (json!({ "name": "a", "scopes": vec!["project.read"; 101] }), "scopes"),
        (json!({ "name": "a", "expires_at": "2020-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "name": "a", "expires_at": "tomorrow" }), "expires_at"),
        (json!({ "name": "a", "expires_at": "2099-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "name": "a", "role": "admin" }), "role"),
    ] {
        let (code, answer) = house.ask(&house.developer, "POST", "/auth/tokens", new).await?;
        assert_eq!((code, &answer["violations"][0]["path"]), (400, &json!(place)), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn of_many_who_make_the_last_token_at_once_one_does() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let make = async |number: usize| {
        let new = json!({ "name": format!("token {number}") });
        house.ask(&house.user, "POST", "/auth/tokens", new).await
    };
    for number in 1..100 {
        assert_eq!(make(number).await?.0, 201);
    }
    let at_once = futures_util::future::join_all((100..116).map(&make)).await;
    let mut made = 0;
    for answer in at_once {
        let (code, answer) = answer?;
        made += usize::from(code == 201);
        assert!(code == 201 || answer["code"] == "too_many_tokens", "{code} {answer}");
    }
    assert_eq!(made, 1);
    assert_eq!(house.burgee.get("/auth/tokens", &house.user).await?.as_array().unwrap().len(), 100);
    Ok(())
}

#[tokio::test]
async fn a_token_expires_and_is_rotated_with_overlap() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let make = async |name: &str| {
        house
            .ask(
                &house.developer,
                "POST",
                "/auth/tokens",
                json!({ "name": name, "scopes": ["project.read"] }),
            )
            .await
    };
    let (_, old) = make("one").await?;
    let path = format!("/auth/tokens/{}/rotate", text(&old, "id"));
    let (code, new) = house.ask(&house.developer, "POST", &path, json!({ "overlap": "1s" })).await?;
    assert_eq!((code, &new["scopes"], &new["name"]), (201, &old["scopes"], &old["name"]));
    for token in [&old, &new] {
        assert_eq!(status(&house, text(token, "token"), "/auth/me").await?, 200);
    }
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let (code, answer) = house.ask(text(&old, "token"), "GET", "/auth/me", Value::Null).await?;
    assert_eq!((code, &answer["code"]), (401, &json!("token_expired")));
    assert_eq!(status(&house, text(&new, "token"), "/auth/me").await?, 200);
    let (code, answer) = house.ask(&house.developer, "POST", &path, Value::Null).await?;
    assert_eq!((code, &answer["code"]), (409, &json!("token_replaced")), "it has a successor: {answer}");
    // As SDK keys' overlaps are read.
    for (overlap, expected) in [
        ("0s", 201),
        ("1d", 201),
        ("PT1H", 201),
        ("P30D", 201),
        ("721h", 400),
        ("31d", 400),
        ("-1s", 400),
        ("soon", 400),
        ("", 400),
    ] {
        let (_, old) = make("another").await?;
        let path = format!("/auth/tokens/{}/rotate", text(&old, "id"));
        let (code, _) = house.ask(&house.developer, "POST", &path, json!({ "overlap": overlap })).await?;
        assert_eq!(code, expected, "{overlap}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_rotated_once() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let new = json!({ "name": "one", "expires_at": "2030-01-01T00:00:00Z" });
    let (_, old) = house.ask(&house.developer, "POST", "/auth/tokens", new).await?;
    let path = format!("/auth/tokens/{}/rotate", text(&old, "id"));
    let rotate = || house.ask(&house.developer, "POST", &path, json!({ "overlap": "1h" }));
    let mut made = Vec::new();
    for answer in futures_util::future::join_all((0..8).map(|_| rotate())).await {
        let (code, answer) = answer?;
        assert!(code == 201 || answer["code"] == "token_replaced", "{code} {answer}");
        made.extend((code == 201).then_some(answer));
    }
    assert_eq!(made.len(), 1, "{made:?}");
    let (code, answer) = rotate().await?;
    let successor = text(&made[0], "id");
    assert!(code == 409 && testkit::problem::detail(&answer).contains(successor), "{answer}");
    let listed = house.burgee.get("/auth/tokens", &house.developer).await?;
    assert_eq!((&listed[1]["replaced_by"], &listed[0]["replaced_by"]), (&json!(successor), &Value::Null));

    // The next one goes on from it, and lasts as long.
    let path = format!("/auth/tokens/{successor}/rotate");
    let (code, next) = house.ask(&house.developer, "POST", &path, Value::Null).await?;
    assert_eq!(code, 201, "{next}");
    assert!(text(&next, "expires_at") >= "2030-01-01", "{next}");
    Ok(())
}

#[tokio::test]
async fn a_token_is_made_while_its_owner_changes() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let renamed = (0..30).map(|number| {
        house.ask(&house.user, "PATCH", "/auth/me", json!({ "name": format!("name {number}") }))
    });
    let made = (0..30).map(|number| {
        house.ask(&house.user, "POST", "/auth/tokens", json!({ "name": format!("token {number}") }))
    });
    let (renamed, made) = futures_util::future::join(
        futures_util::future::join_all(renamed),
        futures_util::future::join_all(made),
    )
    .await;
    for answer in renamed {
        assert_eq!(answer?.0, 200);
    }
    for answer in made {
        let (code, answer) = answer?;
        assert_eq!(code, 201, "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn service_accounts_have_a_role_and_tokens() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let base = "/api/v1/service-accounts";
    let new = json!({ "name": "deploy-bot", "description": "rolls out", "role": "developer" });
    let (code, bot) = house.ask(&house.admin, "POST", base, new.clone()).await?;
    assert_eq!((code, &bot["role"]), (201, &json!("developer")), "{bot}");
    let (code, answer) = house.ask(&house.admin, "POST", base, new).await?;
    assert_eq!((code, &answer["code"]), (409, &json!("name_taken")));
    for name in ["", "a b", "dev@example.com", "Bot", &"x".repeat(65)] {
        assert_eq!(house.ask(&house.admin, "POST", base, json!({ "name": name })).await?.0, 400, "{name}");
    }
    let path = format!("{base}/{}", text(&bot, "id"));
    let (code, made) =
        house.ask(&house.admin, "POST", &format!("{path}/tokens"), json!({ "name": "ci" })).await?;
    assert_eq!(code, 201, "{made}");
    let token = text(&made, "token").to_owned();
    assert!(token.starts_with("bga_"));
    let (code, _) = house.ask(&token, "POST", "/api/v1/flags", json!({ "key": "by-bot" })).await?;
    assert_eq!(code, 201);
    assert_eq!(house.get("/api/v1/audit?limit=1").await?[0]["actor"]["name"], "deploy-bot");

    let tokens = format!("{path}/tokens/{}", text(&made, "id"));
    let (code, next) = house.ask(&house.admin, "POST", &format!("{tokens}/rotate"), Value::Null).await?;
    assert_eq!(code, 201);
    let listed = house.burgee.get(&format!("{path}/tokens"), &house.admin).await?;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(listed[1]["expires_at"].is_string() && listed[0]["expires_at"].is_null(), "{listed}");
    assert_eq!(house.ask(&house.admin, "DELETE", &tokens, Value::Null).await?.0, 204);
    assert_eq!(status(&house, &token, "/auth/me").await?, 401);

    let next = text(&next, "token");
    house.ask(&house.admin, "PATCH", &path, json!({ "role": "viewer" })).await?;
    assert_eq!(house.ask(next, "POST", "/api/v1/flags", json!({ "key": "b" })).await?.0, 403);
    house.ask(&house.admin, "PATCH", &path, json!({ "active": false })).await?;
    assert_eq!(status(&house, next, "/auth/me").await?, 401);
    // It is no person, and signs in nowhere.
    let (code, _) = house
        .ask(&house.admin, "POST", &format!("/auth/users/{}/reset-link", text(&bot, "id")), Value::Null)
        .await?;
    assert_eq!(code, 404);
    assert_eq!(house.ask(&house.admin, "DELETE", &path, Value::Null).await?.0, 204);
    assert_eq!(house.ask(&house.admin, "GET", &path, Value::Null).await?.0, 404);
    for (method, path) in [("GET", base), ("POST", base), ("GET", &path), ("DELETE", &path)] {
        let (code, _) = house.ask(&house.developer, method, path, json!({ "name": "x" })).await?;
        assert_eq!(code, 403, "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn when_a_token_was_last_used_is_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start =
        Start { program: PROGRAM, folder: folder.path(), env: &[("BURGEE_ADMIN_PASSWORD", "secret")] };
    let burgee = start.start().await?;
    let admin = burgee.login("admin@burgee.local", "secret").await?;
    let made = burgee.post("/auth/tokens", Some(&admin), &json!({ "name": "script" })).await?;
    burgee.post("/auth/tokens", Some(&admin), &json!({ "name": "idle" })).await?;
    for _ in 0..3 {
        burgee.get("/auth/me", text(&made, "token")).await?;
    }
    burgee.stop().await?;
    let burgee = start.start().await?;
    let listed = burgee.get("/auth/tokens", &admin).await?;
    assert!(listed[0]["last_used_at"].is_null() && listed[1]["last_used_at"].is_string(), "{listed}");
    Ok(())
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say_and_no_more() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "sale" })).await?;
    let new = json!({ "name": "bot", "scopes": ["project.read", "flag.update@staging"] });
    let (_, made) = house.ask(&house.admin, "POST", "/auth/tokens", new).await?;
    let token = text(&made, "token");
    for (method, path, expected) in [
        ("GET", "/api/v1/flags/sale", 200),
        ("POST", "/api/v1/flags/sale/toggle?environment=staging", 200),
        ("POST", "/api/v1/flags/sale/toggle", 403),
        ("POST", "/api/v1/flags/sale/toggle?environment=production", 403),
        ("DELETE", "/api/v1/flags/sale", 403),
        ("GET", "/api/v1/audit", 403),
        ("GET", "/auth/users", 403),
        ("GET", "/api/v1/teams", 403),
        ("POST", "/auth/logout-everywhere", 403),
    ] {
        let (status, answer) = house.ask(token, method, path, Value::Null).await?;
        assert_eq!(status, expected, "{method} {path}: {answer}");
    }
    let log = house.get("/api/v1/audit?limit=1").await?;
    assert_eq!((&log[0]["token"], &log[0]["source"]), (&made["id"], &json!("api")), "by which token: {log}");
    // It is worth no more than its owner, whatever it says.
    let new = json!({ "name": "all", "scopes": ["*"] });
    let (_, made) = house.ask(&house.user, "POST", "/auth/tokens", new).await?;
    let token = text(&made, "token");
    assert_eq!(house.ask(token, "POST", "/api/v1/flags/sale/toggle", Value::Null).await?.0, 403);
    // One without the right to read sees no project at all.
    let new = json!({ "name": "blind", "scopes": ["flag.update"] });
    let (_, made) = house.ask(&house.admin, "POST", "/auth/tokens", new).await?;
    let token = text(&made, "token");
    assert_eq!(house.ask(token, "GET", "/api/v1/flags/sale", Value::Null).await?.0, 404);
    Ok(())
}
