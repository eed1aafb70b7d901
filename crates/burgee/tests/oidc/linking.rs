//! What becomes of an account that is linked to a provider, and of its other ways in.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::problem::detail;

use crate::fake_issuer::Plan;
use crate::world::{World, claim};

#[tokio::test]
async fn the_last_admin_with_a_password_stays_one() -> Result<()> {
    let world = World::open(&[
        ("BURGEE__OIDC__PROVIDERS__FAKE__LINK_BY_EMAIL", "true"),
        ("BURGEE__OIDC__PROVIDERS__FAKE__ROLES__ADMINS", "admin"),
    ])
    .await?;
    let nobody = || claim("email", json!("admin@burgee.local"));
    let (status, problem) = world.sign_in(nobody()).await?;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("last_admin")),
        "linking takes the password: {problem}"
    );
    let admin = world.burgee.admin().await?;
    let other = json!({ "email": "other@example.org", "password": "long enough", "role": "admin" });
    let other = world.burgee.post("/auth/users", Some(&admin), &other).await?;
    let (status, session) = world.sign_in(nobody()).await?;
    assert_eq!((status, &session["role"]), (200, &json!("member")), "{session}");

    // Linked, and the last one again: what the provider says of groups takes nothing from them.
    let second = world.burgee.login("other@example.org", "long enough").await?;
    let user = format!("/auth/users/{}", session["id"].as_str().unwrap());
    let role = json!({ "role": "admin" });
    assert_eq!(world.burgee.ask("PATCH", &user, Some(&second), Some(&role)).await?.0, 200);
    let link = world.burgee.post(&format!("{user}/reset-link"), Some(&second), &Value::Null).await?;
    let document = json!({ "token": link["token"], "password": "long enough" });
    assert_eq!(world.burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await?.0, 204);
    let first = world.burgee.login("admin@burgee.local", "long enough").await?;
    let other = format!("/auth/users/{}", other["id"].as_str().unwrap());
    assert_eq!(world.burgee.ask("DELETE", &other, Some(&first), None).await?.0, 204);
    let (status, session) = world.sign_in(nobody()).await?;
    assert_eq!((status, &session["role"]), (200, &json!("admin")), "{session}");
    Ok(())
}

#[tokio::test]
async fn linking_by_email_leaves_nothing_to_whoever_registered_the_address() -> Result<()> {
    let world = World::open(&[("BURGEE__OIDC__PROVIDERS__FAKE__LINK_BY_EMAIL", "true")]).await?;
    let burgee = &world.burgee;
    let registered = json!({ "email": "ada@example.org", "password": "mallory's", "role": "developer" });
    let mallory = burgee.post("/auth/register", None, &registered).await?;
    let session = mallory["token"].as_str().unwrap();
    let token = burgee.post("/auth/tokens", Some(session), &json!({ "name": "back door" })).await?;
    let admin = burgee.admin().await?;
    let user = format!("/auth/users/{}", mallory["id"].as_str().unwrap());
    let link = burgee.post(&format!("{user}/reset-link"), Some(&admin), &Value::Null).await?;

    let (status, ada) = world.sign_in(Plan::default()).await?;
    assert_eq!((status, &ada["id"]), (200, &mallory["id"]), "{ada}");
    for secret in [session, token["token"].as_str().unwrap()] {
        assert_eq!(burgee.ask("GET", "/auth/me", Some(secret), None).await?.0, 401);
    }
    let refresh = json!({ "refresh_token": mallory["refresh_token"] });
    let link = json!({ "token": link["token"], "password": "mallory's" });
    let password = json!({ "email": "ada@example.org", "password": "mallory's" });
    for (path, proof) in
        [("/auth/refresh", refresh), ("/auth/reset-password", link), ("/auth/login", password)]
    {
        assert_eq!(burgee.ask("POST", path, None, Some(&proof)).await?.0, 401, "{path}");
    }
    let own = ada["token"].as_str().unwrap();
    assert_eq!(burgee.get("/auth/tokens", own).await?, json!([]));
    assert_eq!(burgee.get("/auth/me/identities", own).await?[0]["subject"], "248289761001");
    let log = burgee.get("/api/v1/instance/audit?action=link_identity", &admin).await?;
    let before = &log[0]["before"];
    assert_eq!(
        (&before["password"], &before["access_tokens"][0]["name"]),
        (&json!(true), &json!("back door")),
        "{log}"
    );
    Ok(())
}

#[tokio::test]
async fn linking_by_email_leaves_nothing_to_whoever_came_by_another_provider() -> Result<()> {
    let world = World::open(&[("BURGEE__OIDC__PROVIDERS__FAKE__LINK_BY_EMAIL", "true")]).await?;
    let burgee = &world.burgee;
    let (status, mallory) = world.finish(&world.begin("other").await?, Plan::default()).await?;
    assert_eq!((status, &mallory["email"]), (200, &json!("ada@example.org")), "{mallory}");
    let (status, ada) = world.sign_in(Plan::default()).await?;
    assert_eq!((status, &ada["id"]), (200, &mallory["id"]), "{ada}");

    let again = world.finish(&world.begin("other").await?, claim("email", json!("m@example.org"))).await?;
    assert_eq!((again.0, again.1["id"] == ada["id"]), (200, false), "somebody new: {}", again.1);
    let own = burgee.get("/auth/me/identities", ada["token"].as_str().unwrap()).await?;
    assert_eq!(own.as_array().map(Vec::len), Some(1), "{own}");
    assert_eq!(own[0]["issuer"], json!(world.issuer.url));

    // The log says which went, and none of it comes back.
    let admin = burgee.admin().await?;
    let log = burgee.get("/api/v1/instance/audit?action=link_identity", &admin).await?;
    assert_eq!(log[0]["before"]["identities"][0]["issuer"], json!(world.other.url), "{log}");
    for query in ["", "?force=true", "?force=true&dry_run=true"] {
        let path = format!("/api/v1/instance/audit/{}/revert{query}", log[0]["revision"]);
        let (status, problem) = burgee.ask("POST", &path, Some(&admin), None).await?;
        assert_eq!((status, &problem["code"]), (409, &json!("not_revertible")), "{query}: {problem}");
    }
    Ok(())
}

#[tokio::test]
async fn where_passwords_are_off_the_last_identity_stays() -> Result<()> {
    let key = "an-admin-key-of-ours";
    let world = World::open(&[("BURGEE__OIDC__PASSWORD_LOGIN", "false"), ("ADMIN_API_KEY", key)]).await?;
    let burgee = &world.burgee;
    let (_, ada) = world.sign_in(Plan::default()).await?;
    let user = format!("/auth/users/{}", ada["id"].as_str().unwrap());
    let link = burgee.post(&format!("{user}/reset-link"), Some(key), &Value::Null).await?;
    let document = json!({ "token": link["token"], "password": "long enough" });
    assert_eq!(burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await?.0, 204);

    let (_, ada) = world.sign_in(Plan::default()).await?;
    let session = ada["token"].as_str().unwrap();
    let own = burgee.get("/auth/me/identities", session).await?;
    let path = format!("/auth/me/identities/{}", own[0]["id"].as_str().unwrap());
    let (status, problem) = burgee.ask("DELETE", &path, Some(session), None).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("last_identity")), "{problem}");
    assert!(detail(&problem).contains("oidc.password_login"), "{problem}");
    Ok(())
}

#[tokio::test]
async fn identities_are_unlinked_but_for_the_only_way_in() -> Result<()> {
    let world = World::open(&[]).await?;
    let burgee = &world.burgee;
    let (_, ada) = world.sign_in(Plan::default()).await?;
    let session = ada["token"].as_str().unwrap();
    let own = burgee.get("/auth/me/identities", session).await?;
    assert_eq!(
        (own.as_array().map(Vec::len), &own[0]["issuer"]),
        (Some(1), &json!(world.issuer.url)),
        "{own}"
    );
    let path = format!("/auth/me/identities/{}", own[0]["id"].as_str().unwrap());
    let (status, problem) = burgee.ask("DELETE", &path, Some(session), None).await?;
    assert_eq!((status, &problem["code"]), (409, &json!("last_identity")), "{problem}");

    let admin = burgee.admin().await?;
    let user = format!("/auth/users/{}", ada["id"].as_str().unwrap());
    let link = burgee.post(&format!("{user}/reset-link"), Some(&admin), &Value::Null).await?;
    let document = json!({ "token": link["token"], "password": "long enough" });
    assert_eq!(burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await?.0, 204);
    let (_, by_provider) = world.sign_in(Plan::default()).await?;
    let by_provider = by_provider["token"].as_str().unwrap();
    let by_password = burgee.login("ada@example.org", "long enough").await?;
    assert_eq!(burgee.ask("DELETE", &path, Some(&by_password), None).await?.0, 204);
    assert_eq!(burgee.ask("DELETE", &path, Some(&by_password), None).await?.0, 404);
    assert_eq!(
        burgee.ask("GET", "/auth/me", Some(by_provider), None).await?.0,
        401,
        "it came by the identity"
    );
    assert_eq!(burgee.get("/auth/me/identities", &by_password).await?, json!([]));
    assert_eq!(
        world.sign_in(Plan::default()).await?.1["code"],
        "email_taken",
        "somebody new, of that address"
    );

    // An admin may take the last one as well; nobody else may look.
    let (_, eve) = world
        .sign_in(Plan {
            claims: vec![("sub", json!("2")), ("email", json!("eve@example.org"))],
            ..Plan::default()
        })
        .await?;
    let user = format!("/auth/users/{}/identities", eve["id"].as_str().unwrap());
    assert_eq!(burgee.ask("GET", &user, Some(&by_password), None).await?.0, 403);
    let listed = burgee.get(&user, &admin).await?;
    let path = format!("{user}/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(burgee.ask("DELETE", &path, Some(&by_password), None).await?.0, 403);
    assert_eq!(burgee.ask("DELETE", &path, Some(&admin), None).await?.0, 204);
    assert_eq!(burgee.ask("GET", "/auth/me", eve["token"].as_str(), None).await?.0, 401);
    Ok(())
}
