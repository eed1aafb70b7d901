//! What older systems promise of accounts, roles and keys, each by the number of its row in their acceptance table, in
//! the words of our own API. Other rows are proved beside what they are about: `rg 'row_\d+'` finds each.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NOTHING: Value = Value::Null;

/// All rows that are about people and keys have a test that names them, here or beside what it is about.
#[test]
fn each_row_has_a_test() -> Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut tests = String::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            tests.push_str(&std::fs::read_to_string(path)?);
        }
    }
    let names: Vec<_> = tests
        .split("fn ")
        .skip(1)
        .map(|rest| format!("_{}", rest.split('(').next().unwrap_or_default()))
        .collect();
    let rows = (1..=25).chain([27, 28, 30]);
    let missing: Vec<_> =
        rows.filter(|row| !names.iter().any(|name| name.contains(&format!("_row_{row}_")))).collect();
    assert_eq!(missing, [0; 0]);
    Ok(())
}

async fn house() -> Result<House> {
    House::open(PROGRAM).await
}

async fn post(burgee: &Burgee, path: &str, document: Value) -> Result<(u16, Value)> {
    burgee.ask("POST", path, None, Some(&document)).await
}

#[tokio::test]
async fn row_1_register_with_a_role() -> Result<()> {
    let house = house().await?;
    let new = json!({ "email": "new@example.com", "password": "secret", "role": "developer" });
    let (status, answer) = post(&house.burgee, "/auth/register", new).await?;
    assert_eq!(status, 201, "{answer}");
    assert!(answer["id"].is_string(), "{answer}");
    assert_eq!((&answer["email"], &answer["role"]), (&json!("new@example.com"), &json!("developer")));
    Ok(())
}

#[tokio::test]
async fn row_2_register_with_a_name_and_be_signed_in() -> Result<()> {
    let house = house().await?;
    let new = json!({ "email": "a@example.com", "password": "password1", "name": "A" });
    let (status, answer) = post(&house.burgee, "/auth/register", new).await?;
    assert_eq!((status, &answer["token_type"]), (201, &json!("bearer")), "{answer}");
    assert_eq!((&answer["user"]["role"], &answer["user"]["name"]), (&json!("viewer"), &json!("A")));
    let token = answer["access_token"].as_str().context("no token")?;
    assert_eq!(house.burgee.get("/auth/me", token).await?["email"], "a@example.com");
    Ok(())
}

#[tokio::test]
async fn row_4_an_e_mail_is_one_accounts() -> Result<()> {
    let house = house().await?;
    for email in ["dev@example.com", "DEV@Example.com"] {
        let again = json!({ "email": email, "password": "another", "role": "viewer" });
        let (status, answer) = post(&house.burgee, "/auth/register", again).await?;
        assert_eq!((status, &answer["code"]), (409, &json!("email_taken")), "{email}: {answer}");
    }
    house.burgee.login("dev@example.com", "secret").await?;
    Ok(())
}

#[tokio::test]
async fn row_5_login_gives_one_token_under_both_names() -> Result<()> {
    let house = house().await?;
    let login = json!({ "email": "dev@example.com", "password": "secret" });
    let (status, answer) = post(&house.burgee, "/auth/login", login).await?;
    assert_eq!(status, 200, "{answer}");
    assert!(answer["token"].is_string());
    assert_eq!(answer["token"], answer["access_token"]);
    Ok(())
}

#[tokio::test]
async fn row_7_the_current_user() -> Result<()> {
    let house = house().await?;
    assert_eq!(house.burgee.get("/auth/me", &house.admin).await?["email"], "admin@burgee.local");
    let (status, answer) = house.burgee.ask("GET", "/auth/me", None, None).await?;
    assert_eq!((status, &answer["code"]), (401, &json!("missing_token")));
    Ok(())
}

#[tokio::test]
async fn row_11_a_viewer_reads_flags() -> Result<()> {
    let house = house().await?;
    house.create(json!({ "key": "one" })).await?;
    for path in ["/api/v1/flags", "/api/v1/flags/one", "/api/v1/flags/one?environment=production"] {
        assert_eq!(house.ask(&house.user, "GET", path, NOTHING).await?.0, 200, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn row_12_a_viewer_changes_nothing() -> Result<()> {
    let house = house().await?;
    house.create(json!({ "key": "one" })).await?;
    for (method, path, body) in [
        ("POST", "/api/v1/flags", json!({ "key": "two" })),
        ("PUT", "/api/v1/flags/one", json!({ "enabled": true })),
        ("PATCH", "/api/v1/flags/one", json!({ "enabled": true })),
        ("POST", "/api/v1/flags/one/toggle", NOTHING),
        ("POST", "/api/v1/flags/one/archive", NOTHING),
        ("DELETE", "/api/v1/flags/one", NOTHING),
        ("POST", "/api/v1/segments", json!({ "key": "s" })),
    ] {
        let (status, problem) = house.ask(&house.user, method, path, body).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("not_permitted")), "{method} {path}");
        let told = problem["error"].as_str().context("no words")?;
        assert!(told.contains("admin"), "which roles may: {told}");
    }
    let flags = house.get("/api/v1/flags").await?;
    assert_eq!((flags.as_array().map(Vec::len), &flags[0]["enabled"]), (Some(1), &json!(false)));
    Ok(())
}

#[tokio::test]
async fn row_13_a_developer_changes_development_and_staging() -> Result<()> {
    let house = house().await?;
    for place in ["development", "staging"] {
        let new = json!({ "key": format!("in-{place}"), "enabled": true });
        let path = format!("/api/v1/flags?environment={place}");
        let (status, made) = house.ask(&house.developer, "POST", &path, new).await?;
        assert_eq!((status, &made["enabled"]), (201, &json!(true)), "{made}");
        let path = format!("/api/v1/flags/in-{place}?environment={place}");
        let half = json!({ "rollout_percentage": 50 });
        assert_eq!(house.ask(&house.developer, "PATCH", &path, half).await?.0, 200, "{place}");
    }
    Ok(())
}

#[tokio::test]
async fn row_14_a_developer_does_not_change_production() -> Result<()> {
    let house = house().await?;
    house.create(json!({ "key": "one" })).await?;
    for (method, path, body) in [
        ("POST", "/api/v1/flags?environment=production", json!({ "key": "two" })),
        ("PATCH", "/api/v1/flags/one?environment=production", json!({ "enabled": true })),
        ("POST", "/api/v1/flags/one/toggle?environment=production", NOTHING),
        ("POST", "/api/v1/segments?environment=production", json!({ "key": "s" })),
        ("POST", "/api/v1/sdk-keys?environment=production", json!({ "name": "k", "kind": "server" })),
    ] {
        let (status, problem) = house.ask(&house.developer, method, path, body.clone()).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("protected_environment")), "{method} {path}");
        let (status, answer) = house.ask(&house.admin, method, path, body).await?;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn row_15_an_admin_alone_deletes_flags() -> Result<()> {
    let house = house().await?;
    house.create(json!({ "key": "one" })).await?;
    let (status, problem) = house.ask(&house.developer, "DELETE", "/api/v1/flags/one", NOTHING).await?;
    assert_eq!((status, &problem["code"]), (403, &json!("not_permitted")));
    assert_eq!(house.ask(&house.admin, "DELETE", "/api/v1/flags/one", NOTHING).await?.0, 204);
    assert_eq!(house.ask(&house.admin, "GET", "/api/v1/flags/one", NOTHING).await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn row_24_a_script_has_a_key_that_needs_no_sign_in() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = "an-admin-key-of-ours";
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[("ADMIN_API_KEY", key)] };
    let burgee = start.start().await?;
    let ask = async |name: &str, value: &str| {
        let request = burgee.http.get(format!("{}/api/v1/flags", burgee.url)).header(name, value);
        let answer = request.send().await?;
        Ok::<_, anyhow::Error>((answer.status().as_u16(), answer.json::<Value>().await?))
    };
    let (status, problem) = burgee.ask("GET", "/api/v1/flags", None, None).await?;
    assert_eq!((status, &problem["code"]), (401, &json!("missing_token")));
    for wrong in ["an-admin-key-of-others", "admin-secret-key", "", "AN-ADMIN-KEY-OF-OURS"] {
        assert_eq!(ask("x-admin-api-key", wrong).await?.0, 401, "{wrong}");
    }
    assert_eq!(ask("x-admin-api-key", key).await?, (200, json!([])));
    assert_eq!(ask("authorization", &format!("Bearer {key}")).await?.0, 200);

    // One of our own making has a name, an end and no more rights than it needs.
    let bot = json!({ "name": "deploy-bot", "role": "viewer" });
    let bot = burgee.post("/api/v1/service-accounts", Some(key), &bot).await?;
    let tokens = format!("/api/v1/service-accounts/{}/tokens", bot["id"].as_str().context("no id")?);
    let made = burgee.post(&tokens, Some(key), &json!({ "name": "ci" })).await?;
    let token = made["token"].as_str().context("no token")?;
    assert_eq!(burgee.get("/api/v1/flags", token).await?, json!([]));
    let new = json!({ "key": "one" });
    assert_eq!(burgee.ask("POST", "/api/v1/flags", Some(token), Some(&new)).await?.0, 403);
    Ok(())
}
