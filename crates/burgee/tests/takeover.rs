//! One-time links: what is left to whoever took over an account, or made a link for one, when it is used.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use anyhow::Result;
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// The id of whose token it is.
async fn id_of(house: &House, token: &str) -> Result<String> {
    Ok(house.burgee.get("/auth/me", token).await?["id"].as_str().unwrap().to_owned())
}

/// Makes a link for an account and gives its token.
async fn link(house: &House, maker: &str, id: &str, document: Value) -> Result<String> {
    let (status, link) = house.ask(maker, "POST", &format!("/auth/users/{id}/reset-link"), document).await?;
    assert_eq!(status, 201, "{link}");
    Ok(link["token"].as_str().unwrap().to_owned())
}

async fn uses(house: &House, token: &str) -> Result<(u16, Value)> {
    let document = json!({ "token": token, "password": "a new password" });
    house.burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await
}

async fn personal_token(house: &House, session: &str) -> Result<String> {
    let (status, made) = house.ask(session, "POST", "/auth/tokens", json!({ "name": "script" })).await?;
    assert_eq!(status, 201, "{made}");
    Ok(made["token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_link_holds_as_long_as_its_maker_may_make_it() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let target = id_of(&house, &house.user).await?;
    let mut makers = Vec::new();
    for (email, taken) in [
        ("demoted@example.com", json!({ "role": "viewer" })),
        ("idle@example.com", json!({ "active": false })),
        ("unchanged@example.com", json!({ "name": "Still an admin" })),
    ] {
        let maker = house.person(email, "admin").await?;
        makers.push((id_of(&house, &maker).await?, maker, taken));
    }
    for (id, maker, taken) in &makers {
        let token = link(&house, maker, &target, Value::Null).await?;
        let (status, answer) =
            house.ask(&house.admin, "PATCH", &format!("/auth/users/{id}"), taken.clone()).await?;
        assert_eq!(status, 200, "{answer}");
        let (status, answer) = uses(&house, &token).await?;
        let expected = if taken.get("name").is_some() { 204 } else { 401 };
        assert_eq!(status, expected, "{taken}: {answer}");
    }
    let gone = house.person("gone@example.com", "admin").await?;
    let token = link(&house, &gone, &target, Value::Null).await?;
    let path = format!("/auth/users/{}", id_of(&house, &gone).await?);
    assert_eq!(house.ask(&house.admin, "DELETE", &path, Value::Null).await?.0, 204);
    assert_eq!(uses(&house, &token).await?.1["code"], "invalid_reset_token");
    // Written within a second.
    for _ in 0..50 {
        let events = house.burgee.get("/api/v1/security-log?kind=sign_in_failed", &house.admin).await?;
        if events.to_string().contains("reset link whose maker may not make it any more") {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("it stands in no log")
}

#[tokio::test]
async fn a_link_does_not_reach_what_the_account_was_given_since() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let helper =
        json!({ "key": "helpdesk", "permissions": ["account.manage", "people.read", "project.read"] });
    assert_eq!(house.ask(&house.admin, "POST", "/api/v1/roles", helper).await?.0, 201);
    let maker = house.person("desk@example.com", "member").await?;
    house.person("new@example.com", "member").await?;
    let target = house.burgee.login("new@example.com", "secret").await?;
    let target = id_of(&house, &target).await?;
    let grant = async |account: &str, role: &str| {
        let grant = json!({ "account": account, "role": role });
        house.ask(&house.admin, "POST", "/api/v1/instance/grants", grant).await
    };
    assert_eq!(grant("desk@example.com", "helpdesk").await?.0, 201);
    let token = link(&house, &maker, &target, Value::Null).await?;
    let (status, given) = grant("new@example.com", "admin").await?;
    assert_eq!(status, 201, "{given}");
    assert_eq!(uses(&house, &token).await?.1["code"], "invalid_reset_token", "they have become more");
    let path = format!("/api/v1/instance/grants/{}", given["id"].as_str().unwrap());
    assert_eq!(house.ask(&house.admin, "DELETE", &path, Value::Null).await?.0, 204);
    assert_eq!(uses(&house, &token).await?.0, 204, "and less again");
    Ok(())
}

#[tokio::test]
async fn a_link_revokes_tokens_if_it_was_made_to() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let target = id_of(&house, &house.developer).await?;
    let session = &house.developer;
    let (first, others) =
        (personal_token(&house, session).await?, personal_token(&house, &house.user).await?);
    let token = link(&house, &house.admin, &target, json!({ "revoke_tokens": false })).await?;
    assert_eq!(uses(&house, &token).await?.0, 204);
    assert_eq!(house.ask(session, "GET", "/auth/me", Value::Null).await?.0, 401, "sessions end in any case");
    assert_eq!(house.ask(&first, "GET", "/auth/me", Value::Null).await?.0, 200, "scripts go on");

    let token = link(&house, &house.admin, &target, json!({ "revoke_tokens": true })).await?;
    assert_eq!(house.ask(&first, "GET", "/auth/me", Value::Null).await?.0, 200, "not before it is used");
    assert_eq!(uses(&house, &token).await?.0, 204);
    assert_eq!(house.ask(&first, "GET", "/auth/me", Value::Null).await?.0, 401);
    assert_eq!(house.ask(&others, "GET", "/auth/me", Value::Null).await?.0, 200, "nobody else's");
    for wrong in [json!({ "revoke_tokens": "yes" }), json!({ "revoke": true }), json!([])] {
        let path = format!("/auth/users/{target}/reset-link");
        assert_eq!(house.ask(&house.admin, "POST", &path, wrong).await?.0, 400);
    }
    // At the machine as well.
    let again = house.burgee.login("dev@example.com", "a new password").await?;
    let second = personal_token(&house, &again).await?;
    let output = house.burgee.run(&["admin", "reset-password", "dev@example.com", "--revoke-tokens"])?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let token = told.split_whitespace().find(|word| word.starts_with("bgw_")).unwrap();
    assert_eq!(uses(&house, token).await?.0, 204, "{told}");
    assert_eq!(house.ask(&second, "GET", "/auth/me", Value::Null).await?.0, 401);
    Ok(())
}
