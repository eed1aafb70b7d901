//! Starting and stopping: what cannot be ends with one clear line, and stopping is orderly.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

fn refused(folder: &Path, env: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Start { program: PROGRAM, folder, env }.command();
    let output = command.arg("start").args(arguments).output().unwrap();
    assert!(!output.status.success(), "it started");
    output
}

fn error_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "one line, not: {text}");
    text
}

#[test]
fn g12_an_unknown_key_is_named_with_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("burgee.yaml");
    std::fs::write(&file, "server:\n  prot: 9090\n").unwrap();
    let output = refused(folder.path(), &[], &["--config", file.to_str().unwrap()]);
    let line = error_line(&output);
    assert!(line.contains("prot") && line.contains("burgee.yaml"), "{line}");
    assert_eq!(output.status.code(), Some(64));
    assert!(!folder.path().join("burgee.db").exists(), "bad settings touch nothing");

    let line = error_line(&refused(folder.path(), &[("BURGEE__SERVER__PROT", "1")], &[]));
    assert!(line.contains("prot"), "{line}");
    let line = error_line(&refused(folder.path(), &[("BURGEE_PROFIL", "production")], &[]));
    assert!(line.contains("BURGEE_PROFIL "), "{line}");
    let line = error_line(&refused(folder.path(), &[("BURGEE__LOG__LEVEL", "foo")], &[]));
    assert!(line.contains("log.level"), "{line}");
    let line = error_line(&refused(folder.path(), &[], &["--config", "/nowhere.yaml"]));
    assert!(line.contains("/nowhere.yaml"), "{line}");
}

#[test]
fn b3_k6_row_20_secrets_that_everyone_knows_are_refused_in_production() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in
        [("JWT_SECRET_KEY", "change-me-in-production"), ("ADMIN_API_KEY", "admin-secret-key")]
    {
        let line =
            error_line(&refused(folder.path(), &[("BURGEE_PROFILE", "production"), (name, value)], &[]));
        assert!(line.contains("everyone knows"), "{line}");
    }
    let line = error_line(&refused(folder.path(), &[("SDK_API_KEY", "short")], &[]));
    assert!(line.contains("SDK_API_KEY") && line.contains("16"), "{line}");
    for (name, value) in [("BURGEE_ADMIN_EMAIL", "admin"), ("BURGEE_ADMIN_PASSWORD", "seven77")] {
        let output = refused(folder.path(), &[("BURGEE_PROFILE", "production"), (name, value)], &[]);
        let line = error_line(&output);
        assert!(line.contains(name), "{line}");
    }
    let line = error_line(&refused(folder.path(), &[("BURGEE__SERVER__PORT", "a-secret-by-mistake")], &[]));
    assert!(line.contains("server.port") && !line.contains("by-mistake"), "{line}");
    let line =
        error_line(&refused(folder.path(), &[("BURGEE__IAM__TOKEN_TTL", "9223372036854775807s")], &[]));
    assert!(line.contains("365d"), "{line}");
}

#[test]
fn the_documented_configuration_of_an_older_system_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let text = "server:\n  host: \"0.0.0.0\"\n  port: 8080\ndatabase:\n  path: \"flagbase.db\"\niam:\n  \
                jwt_secret: \"change-me-in-production\"\n  token_ttl: 24h\nstorage:\n  base_path: \"./data/storage\"\n\
                events:\n  nats_port: 4222\n";
    std::fs::write(&file, text).unwrap();
    // Every key is known; the secret is not one to serve others with.
    let line = error_line(&refused(folder.path(), &[], &["--config", file.to_str().unwrap()]));
    assert!(line.contains("iam.jwt_secret") && line.contains("everyone knows"), "{line}");
}

#[test]
fn a_file_that_is_not_ours_and_a_full_disk_are_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("burgee.db"), "these are my holiday notes, not a database").unwrap();
    let line = error_line(&refused(folder.path(), &[], &[]));
    assert!(line.contains("burgee.db"), "{line}");

    let line = error_line(&refused(folder.path(), &[("BURGEE__DATABASE__PATH", "/dev/full")], &[]));
    assert!(line.contains("/dev/full"), "{line}");
}

#[tokio::test]
async fn a_taken_port_is_told_and_founds_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let line = error_line(&refused(folder.path(), &[("BURGEE__SERVER__PORT", &port)], &[]));
    assert!(line.contains(&port), "{line}");
    drop(taken);
    // The credentials that are shown once were not lost to a start that never served.
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    assert!(!burgee.banner.admin_password.is_empty());
    Ok(())
}

#[tokio::test]
async fn told_secrets_are_taken_as_they_are_and_new_ones_are_added() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [
        ("BURGEE_ADMIN_EMAIL", "root@example.com"),
        ("BURGEE_ADMIN_PASSWORD", "correct horse battery"),
        ("ADMIN_API_KEY", "an.admin.key-of-ours"),
        ("SDK_API_KEY", "an-sdk-key-of-ours-1"),
        // Would be a number, or a list, to who takes it for anything but a text.
        ("JWT_SECRET_KEY", "12345678901234567890"),
    ];
    let first = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    assert!(
        first.banner.admin_password.is_empty() && first.banner.server_key.is_empty(),
        "{}",
        first.banner.text
    );
    let token = first.login("root@example.com", "correct horse battery").await?;
    let me = first.get("/auth/me", "an.admin.key-of-ours").await?;
    assert_eq!((&me["email"], &me["role"]), (&json!("admin-key"), &json!("admin")));
    let by_header =
        first.http.get(format!("{}/auth/me", first.url)).header("x-admin-api-key", "an.admin.key-of-ours");
    assert_eq!(by_header.send().await?.status(), 200);
    let snapshot =
        |key: &'static str| first.http.get(format!("{}/sdk/v1/snapshot", first.url)).header("x-sdk-key", key);
    assert_eq!(snapshot("an-sdk-key-of-ours-1").send().await?.status(), 200);
    first.stop().await?;

    let again = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    assert!(!again.banner.text.contains("Note"), "{}", again.banner.text);
    assert_eq!(
        again.get("/auth/me", &token).await?["email"],
        "root@example.com",
        "sessions outlive a restart"
    );
    again.stop().await?;

    let mut newer = env;
    newer[1].1 = "another horse battery";
    newer[2].1 = "another-admin-key-of-ours";
    newer[3].1 = "another-sdk-key-of-ours";
    newer[4].1 = "[another, signing, secret]";
    let later = Start { program: PROGRAM, folder: folder.path(), env: &newer }.start().await?;
    assert_eq!(later.banner.text.matches("Note").count(), 4, "{}", later.banner.text);
    for key in ["an.admin.key-of-ours", "another-admin-key-of-ours", &token] {
        later.get("/auth/me", key).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_given_and_ended_stays_ended() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut env = [
        ("BURGEE_ADMIN_EMAIL", "root@example.com"),
        ("BURGEE_ADMIN_PASSWORD", "long enough"),
        ("ADMIN_API_KEY", "the-first-key-of-ours"),
    ];
    let began =
        async |env: &[(&str, &str)]| Start { program: PROGRAM, folder: folder.path(), env }.start().await;
    let burgee = began(&env).await?;
    let root = burgee.login("root@example.com", "long enough").await?;
    let boss = json!({ "email": "boss@example.com", "password": "long enough", "role": "admin" });
    burgee.post("/auth/users", Some(&root), &boss).await?;
    let boss = burgee.login("boss@example.com", "long enough").await?;
    let of = async |token: &str| -> Result<String> {
        let me = burgee.get("/auth/me", token).await?;
        Ok(me["id"].as_str().unwrap_or_default().to_owned())
    };
    let (root, bot) = (of(&root).await?, of("the-first-key-of-ours").await?);
    let tokens = format!("/api/v1/service-accounts/{bot}/tokens");
    let token = burgee.get(&tokens, &boss).await?[0]["id"].as_str().unwrap_or_default().to_owned();
    for path in [format!("{tokens}/{token}"), format!("/auth/users/{root}")] {
        assert_eq!(burgee.ask("DELETE", &path, Some(&boss), None).await?.0, 204);
    }
    burgee.stop().await?;

    // Neither the token nor the admin.
    let burgee = began(&env).await?;
    assert_eq!(burgee.banner.text.matches("Note").count(), 2, "{}", burgee.banner.text);
    assert_eq!(burgee.ask("GET", "/auth/me", Some("the-first-key-of-ours"), None).await?.0, 401);
    let proof = json!({ "email": "root@example.com", "password": "long enough" });
    assert_eq!(burgee.ask("POST", "/auth/login", None, Some(&proof)).await?.0, 401);
    burgee.stop().await?;

    // Others are new ones.
    (env[0].1, env[2].1) = ("root@example.org", "the-second-key-of-ours");
    let burgee = began(&env).await?;
    burgee.login("root@example.org", "long enough").await?;
    assert_eq!(burgee.get("/auth/me", "the-second-key-of-ours").await?["id"], json!(bot));
    let account = format!("/api/v1/service-accounts/{bot}");
    assert_eq!(burgee.ask("DELETE", &account, Some(&boss), None).await?.0, 204);
    burgee.stop().await?;

    // Nor the account behind the tokens.
    for key in ["the-first-key-of-ours", "the-second-key-of-ours"] {
        env[2].1 = key;
        let burgee = began(&env).await?;
        assert!(burgee.banner.text.contains("ADMIN_API_KEY was deleted"), "{}", burgee.banner.text);
        assert_eq!(burgee.get("/api/v1/service-accounts", &boss).await?, json!([]));
        burgee.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn k15_sigterm_ends_streams_and_requests_within_ten_seconds() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let stream = burgee
        .http
        .get(format!("{}/sdk/v1/stream", burgee.url))
        .header("x-sdk-key", &burgee.banner.server_key);
    let stream = stream.send().await?;
    assert_eq!(stream.status(), 200);
    let reader = tokio::spawn(async move { stream.text().await });
    let (code, took) = burgee.stop().await?;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(reader.await?.is_ok(), "the stream ended in order");
    Ok(())
}

#[tokio::test]
async fn a_database_put_back_from_a_copy_gets_a_new_epoch() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start =
        Start { program: PROGRAM, folder: folder.path(), env: &[("ADMIN_API_KEY", "an-admin-key-of-ours")] };
    let key = "an-admin-key-of-ours";
    let burgee = start.start().await?;
    let sdk_key = burgee.banner.server_key.clone();
    burgee.stop().await?;
    let database = folder.path().join("burgee.db");
    let copy = std::fs::read(&database)?;

    let burgee = start.start().await?;
    burgee.post("/api/v1/flags", Some(key), &json!({ "key": "later" })).await?;
    let epoch = burgee.get("/sdk/v1/snapshot", &sdk_key).await?["epoch"].clone();
    burgee.stop().await?;

    // The second time the copy's epoch is not even the last one seen.
    let mut epochs = vec![epoch];
    for _ in 0..2 {
        std::fs::write(&database, &copy)?;
        let burgee = start.start().await?;
        let epoch = burgee.get("/sdk/v1/snapshot", &sdk_key).await?["epoch"].clone();
        assert!(!epochs.contains(&epoch), "{epoch} was used before");
        epochs.push(epoch);
        burgee.stop().await?;
    }
    Ok(())
}

#[test]
fn versions_are_said_long_and_short() {
    let say = |arguments: &[&str]| {
        let output = std::process::Command::new(PROGRAM).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let number = env!("CARGO_PKG_VERSION");
    assert_eq!(say(&["version"]), format!("burgee {number}\n"));
    assert_eq!(say(&["version", "--short"]), format!("{number}\n"));
}
