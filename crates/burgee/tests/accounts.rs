//! Accounts: signing up, in and out, what admins do with them, and what nobody may.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use anyhow::Result;
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

async fn id_of(house: &House, token: &str) -> Result<String> {
    Ok(house.burgee.get("/auth/me", token).await?["id"].as_str().unwrap().to_owned())
}

/// An account that an admin makes, with a password.
async fn made(house: &House, email: &str, role: &str) -> Result<(String, String)> {
    let document = json!({ "email": email, "password": "secret", "role": role });
    let (status, answer) = house.ask(&house.admin, "POST", "/auth/users", document).await?;
    assert_eq!((status, &answer["reset"]), (201, &Value::Null), "{answer}");
    Ok((answer["id"].as_str().unwrap().to_owned(), house.burgee.login(email, "secret").await?))
}

#[tokio::test]
async fn b2_row_3_nobody_registers_as_admin() -> Result<()> {
    let house = house().await?;
    let token = house.burgee.register("eve@example.com", "admin").await?;
    let me = house.burgee.get("/auth/me", &token).await?;
    assert_eq!(me["role"], "viewer");
    let (status, answer) = house.ask(&token, "GET", "/auth/users", Value::Null).await?;
    assert_eq!((status, &answer["code"]), (403, &json!("not_permitted")));
    let (status, _) = house
        .ask(
            &token,
            "PUT",
            &format!("/auth/users/{}/role?new_role=admin", me["id"].as_str().unwrap()),
            Value::Null,
        )
        .await?;
    assert_eq!(status, 403);
    Ok(())
}

#[tokio::test]
async fn b4_row_19_passwords_are_kept_as_argon2id() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let document = json!({ "email": "dev@example.com", "password": "a password of note" });
    burgee.post("/auth/register", None, &document).await?;
    burgee.login("dev@example.com", "a password of note").await?;
    burgee.stop().await?;
    let database = std::fs::read(folder.path().join("burgee.db"))?;
    let holds = |text: &[u8]| database.windows(text.len()).any(|part| part == text);
    assert!(holds(b"$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(!holds(b"a password of note"), "a password lies about");
    Ok(())
}

#[tokio::test]
async fn s11_row_6_unknown_wrong_and_inactive_answer_alike_and_as_late() -> Result<()> {
    let house = house().await?;
    let (id, _) = made(&house, "idle@example.com", "viewer").await?;
    house.ask(&house.admin, "PATCH", &format!("/auth/users/{id}"), json!({ "active": false })).await?;
    let mut answers = Vec::new();
    let mut times = Vec::new();
    for (email, password) in [
        ("nobody@example.com", "secret"),
        ("dev@example.com", "wrong-secret"),
        ("idle@example.com", "secret"),
    ] {
        let mut fastest = std::time::Duration::MAX;
        for _ in 0..5 {
            let begun = std::time::Instant::now();
            let document = json!({ "email": email, "password": password });
            let (status, answer) = house.burgee.ask("POST", "/auth/login", None, Some(&document)).await?;
            fastest = fastest.min(begun.elapsed());
            assert_eq!(status, 401);
            answers.push(answer);
        }
        times.push(fastest);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0]["error"].is_string() && answers[0]["detail"].is_string());
    // Without the same work an unknown account would answer ten times as fast.
    let (fastest, slowest) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*slowest < *fastest * 3, "{times:?}");
    Ok(())
}

#[tokio::test]
async fn row_30_twenty_bad_logins_are_slowed_down_and_the_owner_is_not_locked_out() -> Result<()> {
    let house = house().await?;
    let mut throttled = 0;
    for _ in 0..20 {
        let bad = json!({ "email": "dev@example.com", "password": "wrong-secret" });
        let answer =
            house.burgee.http.post(format!("{}/auth/login", house.burgee.url)).json(&bad).send().await?;
        if answer.status() == 429 {
            throttled += 1;
            let wait: u32 = answer.headers()["retry-after"].to_str()?.parse()?;
            assert!((1..=30).contains(&wait), "{wait}");
        } else {
            assert_eq!(answer.status(), 401);
        }
    }
    assert_eq!(throttled, 10);
    // Others at the same address, and what is signed in already, go on.
    house.burgee.login("user@example.com", "secret").await?;
    house.burgee.get("/auth/me", &house.developer).await?;
    Ok(())
}

#[tokio::test]
async fn row_8_row_9_admins_list_people_and_give_roles() -> Result<()> {
    let house = house().await?;
    let first =
        house.burgee.http.get(format!("{}/auth/users?limit=2", house.burgee.url)).bearer_auth(&house.admin);
    let first = first.send().await?;
    assert_eq!((first.status().as_u16(), &first.headers()["x-total-count"]), (200, &"3".parse()?));
    let link = first.headers()["link"].to_str()?.to_owned();
    let next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    let emails = |users: &Value| {
        let users = users.as_array().unwrap().iter();
        users.map(|user| user["email"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(emails(&first.json().await?), ["admin@burgee.local", "dev@example.com"]);
    let rest = house.burgee.get(&next, &house.admin).await?;
    assert_eq!(emails(&rest), ["user@example.com"]);
    assert!(rest[0].get("password_hash").is_none() && rest[0]["active"] == json!(true), "{rest}");
    let (status, _) = house.ask(&house.user, "GET", "/auth/users", Value::Null).await?;
    assert_eq!(status, 403);

    let user = id_of(&house, &house.user).await?;
    let role = format!("/auth/users/{user}/role");
    let (status, answer) =
        house.ask(&house.admin, "PUT", &format!("{role}?new_role=developer"), Value::Null).await?;
    assert_eq!((status, &answer["role"]), (200, &json!("developer")));
    let (status, answer) = house.ask(&house.admin, "PUT", &role, json!({ "role": "user" })).await?;
    assert_eq!((status, &answer["role"]), (200, &json!("viewer")));
    for (query, body) in [
        ("", Value::Null),
        ("?new_role=king", Value::Null),
        ("?new_role=viewer", json!({ "role": "admin" })),
        ("", json!({ "role": "king" })),
        ("", json!({ "rôle": "admin" })),
    ] {
        let (status, answer) = house.ask(&house.admin, "PUT", &format!("{role}{query}"), body).await?;
        assert_eq!(status, 400, "{answer}");
    }
    let (status, answer) =
        house.ask(&house.admin, "PUT", "/auth/users/nobody/role?new_role=viewer", Value::Null).await?;
    assert_eq!((status, &answer["code"]), (404, &json!("not_found")));
    Ok(())
}

#[tokio::test]
async fn row_10_nobody_drops_their_own_admin_role() -> Result<()> {
    let house = house().await?;
    made(&house, "second@example.com", "admin").await?;
    let own = id_of(&house, &house.admin).await?;
    let path = format!("/auth/users/{own}");
    for (method, path, body) in [
        ("PUT", format!("{path}/role?new_role=viewer"), Value::Null),
        ("PATCH", path.clone(), json!({ "active": false })),
        ("PATCH", path.clone(), json!({ "role": "member" })),
        ("DELETE", path.clone(), Value::Null),
    ] {
        let (status, answer) = house.ask(&house.admin, method, &path, body).await?;
        assert_eq!((status, &answer["error"]), (400, &json!("Cannot remove your own admin role")));
    }
    let (status, _) = house.ask(&house.admin, "PATCH", &path, json!({ "name": "Root" })).await?;
    assert_eq!(status, 200);
    Ok(())
}

#[tokio::test]
async fn two_admins_cannot_take_each_other_away_at_once() -> Result<()> {
    let house = house().await?;
    let first = id_of(&house, &house.admin).await?;
    for round in 0..5 {
        let (second, token) = made(&house, &format!("second{round}@example.com"), "admin").await?;
        let second = format!("/auth/users/{second}");
        let demotion = format!("/auth/users/{first}/role?new_role=viewer");
        let (one, two) = tokio::join!(
            house.ask(&house.admin, "DELETE", &second, Value::Null),
            house.ask(&token, "PUT", &demotion, Value::Null),
        );
        let (one, two) = (one?.0, two?.0);
        assert!((one == 204) != (two == 200), "{one} {two}");
        if two == 200 {
            // The other one is in charge now; both go on from where they were.
            assert!([401, 403, 409].contains(&one), "{one}");
            let back = format!("/auth/users/{first}/role?new_role=admin");
            assert_eq!(house.ask(&token, "PUT", &back, Value::Null).await?.0, 200);
            house.ask(&house.admin, "DELETE", &second, Value::Null).await?;
        }
    }
    // An admin who is no person can take away the last one as little.
    let bot = json!({ "name": "bot", "role": "admin" });
    let (_, bot) = house.ask(&house.admin, "POST", "/api/v1/service-accounts", bot).await?;
    let tokens = format!("/api/v1/service-accounts/{}/tokens", bot["id"].as_str().unwrap());
    let (_, made) = house.ask(&house.admin, "POST", &tokens, json!({ "name": "one" })).await?;
    let token = made["token"].as_str().unwrap();
    for (method, body) in [("DELETE", Value::Null), ("PATCH", json!({ "active": false }))] {
        let (status, answer) = house.ask(token, method, &format!("/auth/users/{first}"), body).await?;
        assert_eq!((status, &answer["code"]), (409, &json!("last_admin")));
    }
    Ok(())
}

#[tokio::test]
async fn row_18_demoted_idle_and_deleted_accounts_lose_their_rights_at_once() -> Result<()> {
    let house = house().await?;
    let (id, token) = made(&house, "second@example.com", "admin").await?;
    let path = format!("/auth/users/{id}");
    house.burgee.get("/auth/users", &token).await?;
    house.ask(&house.admin, "PUT", &format!("{path}/role?new_role=viewer"), Value::Null).await?;
    assert_eq!(house.ask(&token, "GET", "/auth/users", Value::Null).await?.0, 403);

    let (status, own) = house.ask(&token, "POST", "/auth/tokens", json!({ "name": "script" })).await?;
    assert_eq!(status, 201);
    let own = own["token"].as_str().unwrap();
    house.burgee.get("/auth/me", own).await?;
    house.ask(&house.admin, "PATCH", &path, json!({ "active": false })).await?;
    for token in [token.as_str(), own] {
        let (status, answer) = house.ask(token, "GET", "/auth/me", Value::Null).await?;
        assert_eq!((status, &answer["code"]), (401, &json!("invalid_token")));
    }
    house.ask(&house.admin, "PATCH", &path, json!({ "active": true })).await?;
    assert_eq!(house.ask(&token, "GET", "/auth/me", Value::Null).await?.0, 401, "its sessions ended");
    let token = house.burgee.login("second@example.com", "secret").await?;
    let before = house.burgee.run(&["audit", "verify"])?;
    let (status, _) = house.ask(&house.admin, "DELETE", &path, Value::Null).await?;
    assert_eq!(status, 204);
    for token in [token.as_str(), own] {
        assert_eq!(house.ask(token, "GET", "/auth/me", Value::Null).await?.0, 401);
    }
    assert_eq!(house.ask(&house.admin, "DELETE", &path, Value::Null).await?.0, 404);
    // What the log says of it stays, and the chain with it.
    let head = String::from_utf8(before.stdout)?;
    let head = head.lines().find_map(|line| line.strip_prefix("ok      instance")).unwrap().to_owned();
    let after = house.burgee.run(&["audit", "verify", "--expect", &format!("instance{head}")])?;
    assert!(after.status.success());
    Ok(())
}

#[tokio::test]
async fn a_link_sets_a_password_once() -> Result<()> {
    let house = house().await?;
    let document = json!({ "email": "New@Example.com", "name": "New" });
    let (status, answer) = house.ask(&house.admin, "POST", "/auth/users", document).await?;
    assert_eq!(
        (status, &answer["role"], &answer["email"]),
        (201, &json!("member"), &json!("new@example.com"))
    );
    let first = answer["reset"]["token"].as_str().unwrap().to_owned();
    assert!(first.starts_with("bgw_"));
    let path = format!("/auth/users/{}/reset-link", answer["id"].as_str().unwrap());
    let (status, link) = house.ask(&house.admin, "POST", &path, Value::Null).await?;
    assert_eq!(status, 201);
    let second = link["token"].as_str().unwrap().to_owned();
    let set = async |token: &str, password: &str| {
        let document = json!({ "token": token, "password": password });
        house.burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await
    };
    for gone in [first.as_str(), "bgw_", "", "nonsense", &"x".repeat(16 << 10)] {
        assert_eq!(set(gone, "secret").await?.1["code"], "invalid_reset_token", "{gone:.20}");
    }
    assert_eq!(set(&second, "short").await?.0, 400, "a slip of the hand does not use it up");
    let (one, two) = tokio::join!(set(&second, "first choice"), set(&second, "second choice"));
    let statuses = [one?.0, two?.0];
    assert!(statuses.contains(&204) && statuses.contains(&401), "{statuses:?}");
    let mut chosen = 0;
    for password in ["first choice", "second choice"] {
        chosen += u8::from(house.burgee.login("new@example.com", password).await.is_ok());
    }
    assert_eq!(chosen, 1);
    assert_eq!(house.ask(&house.user, "POST", &path, Value::Null).await?.0, 403);
    Ok(())
}

#[tokio::test]
async fn people_change_their_own_name_and_password() -> Result<()> {
    let house = house().await?;
    let (status, me) = house.ask(&house.user, "PATCH", "/auth/me", json!({ "name": "Ursula" })).await?;
    assert_eq!((status, &me["name"]), (200, &json!("Ursula")));
    let (status, again) = house.ask(&house.user, "PATCH", "/auth/me", me.clone()).await?;
    assert_eq!((status, &again), (200, &me), "what it answers can be sent back");
    let promoted = json!({ "role": "admin", "email": "admin@burgee.local" });
    let (_, me) = house.ask(&house.user, "PATCH", "/auth/me", promoted).await?;
    assert_eq!((&me["role"], &me["email"]), (&json!("viewer"), &json!("user@example.com")));

    let other = house.burgee.login("user@example.com", "secret").await?;
    let change = |old: &str| json!({ "old_password": old, "new_password": "another secret" });
    let (status, answer) = house.ask(&house.user, "PUT", "/auth/password", change("guess")).await?;
    assert_eq!((status, &answer["violations"][0]["path"]), (400, &json!("old_password")));
    let (status, answer) = house.ask(&house.user, "PUT", "/auth/password", change("secret")).await?;
    assert_eq!(status, 204, "{answer}");
    assert_eq!(house.ask(&other, "GET", "/auth/me", Value::Null).await?.0, 401, "other sessions end");
    house.burgee.get("/auth/me", &house.user).await?;
    assert!(house.burgee.login("user@example.com", "secret").await.is_err());
    house.burgee.login("user@example.com", "another secret").await?;
    Ok(())
}

#[tokio::test]
async fn what_is_too_long_or_odd_is_refused_with_its_place() -> Result<()> {
    let house = house().await?;
    let long = "x".repeat(16 << 10);
    for (path, body, place) in [
        ("/auth/login", json!({ "email": format!("{long}@example.com"), "password": "secret" }), "email"),
        ("/auth/login", json!({ "email": "dev@example.com", "password": long }), "password"),
        ("/auth/login", json!({ "email": "dev\u{7}@example.com", "password": "secret" }), "email"),
        ("/auth/register", json!({ "email": "a@example.com", "password": long }), "password"),
        ("/auth/register", json!({ "email": "a@example.com", "password": "secret", "name": "a\nb" }), "name"),
        (
            "/auth/register",
            json!({ "email": "a@example.com", "password": "secret", "isAdmin": true }),
            "isAdmin",
        ),
    ] {
        let (status, answer) = house.burgee.ask("POST", path, None, Some(&body)).await?;
        assert_eq!((status, &answer["violations"][0]["path"]), (400, &json!(place)), "{path}");
    }
    let (status, _) = house.burgee.ask("POST", "/auth/login", None, Some(&json!(["a"]))).await?;
    assert_eq!(status, 400);
    Ok(())
}
