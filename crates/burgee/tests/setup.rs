//! The first admin of an instance, and what someone at the machine does by the command line.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const PRODUCTION: [(&str, &str); 1] = [("BURGEE_PROFILE", "production")];

fn start(folder: &Path) -> Start<'_> {
    Start { program: PROGRAM, folder, env: &PRODUCTION }
}

fn setup_token(burgee: &Burgee) -> Option<String> {
    let words = burgee.banner.text.split_whitespace();
    words.into_iter().find(|word| word.starts_with("bgi_")).map(str::to_owned)
}

async fn set_up(burgee: &Burgee, token: &str, email: &str) -> Result<(u16, Value)> {
    let document = json!({ "token": token, "email": email, "password": "long enough" });
    burgee.ask("POST", "/setup", None, Some(&document)).await
}

async fn needs_setup(burgee: &Burgee) -> Result<Value> {
    Ok(burgee.ask("GET", "/setup/status", None, None).await?.1["needs_setup"].clone())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn g5_row_22_row_23_only_who_reads_the_setup_token_becomes_the_first_admin() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = start(folder.path()).start().await?;
    assert!(burgee.banner.admin_password.is_empty(), "{}", burgee.banner.text);
    let token = setup_token(&burgee).context("no setup token")?;
    assert_eq!(needs_setup(&burgee).await?, true);
    for bad in ["bgi_", "x", &token.replace("bgi_", "bgw_"), &"x".repeat(16 << 10)] {
        let (status, answer) = set_up(&burgee, bad, "eve@example.com").await?;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid or expired setup token")));
    }
    for missing in
        [json!({}), json!({ "token": token }), json!({ "token": token, "email": "", "password": "x" })]
    {
        let (status, answer) = burgee.ask("POST", "/setup", None, Some(&missing)).await?;
        assert_eq!((status, &answer["error"]), (400, &json!("token, email and password are required")));
    }
    let short = json!({ "token": token, "email": "root@example.com", "password": "short" });
    assert_eq!(burgee.ask("POST", "/setup", None, Some(&short)).await?.0, 400);
    let (status, _) = burgee.ask("POST", "/auth/register", None, Some(&short)).await?;
    assert_eq!(status, 403, "registration is closed");

    // A restart makes another one, and the first is worth nothing.
    burgee.stop().await?;
    let burgee = start(folder.path()).start().await?;
    assert_eq!(set_up(&burgee, &token, "eve@example.com").await?.0, 401);
    let token = setup_token(&burgee).context("no setup token")?;
    let (one, two) =
        tokio::join!(set_up(&burgee, &token, "root@example.com"), set_up(&burgee, &token, "eve@example.com"));
    let mut answers = [one?, two?];
    answers.sort_by_key(|(status, _)| *status);
    let [(created, session), (refused, _)] = answers;
    assert_eq!((created, refused), (201, 401), "two at once: one wins");
    let session_token = session["token"].as_str().unwrap();
    assert_eq!(burgee.get("/auth/me", session_token).await?["role"], "admin");
    assert_eq!(burgee.get("/auth/users", session_token).await?.as_array().unwrap().len(), 1);
    assert_eq!(set_up(&burgee, &token, "late@example.com").await?.0, 401);
    assert_eq!(needs_setup(&burgee).await?, false);
    burgee.stop().await?;
    assert!(setup_token(&start(folder.path()).start().await?).is_none());
    Ok(())
}

#[tokio::test]
async fn a_start_that_is_told_an_admin_prints_no_setup_token() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env =
        [PRODUCTION[0], ("BURGEE_ADMIN_EMAIL", "root@example.com"), ("BURGEE_ADMIN_PASSWORD", "long enough")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    assert!(setup_token(&burgee).is_none() && burgee.banner.admin_password.is_empty());
    burgee.login("root@example.com", "long enough").await?;
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    assert!(setup_token(&burgee).is_none(), "the local profile prints a password");
    assert_eq!(needs_setup(&burgee).await?, false);
    burgee.admin().await?;
    Ok(())
}

#[tokio::test]
async fn s15_row_21_make_admin_says_what_it_did_and_fails_when_it_did_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let token = burgee.register("a@example.com", "viewer").await?;
    let output = burgee.run(&["make-admin", "a@example.com"])?;
    assert_eq!(said(&output), "Success! User 'a@example.com' promoted from viewer to admin.\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(burgee.get("/auth/me", &token).await?["role"], "admin", "while the server runs");
    let output = burgee.run(&["make-admin", "A@Example.com"])?;
    assert!(said(&output).ends_with("is already an admin.\n") && output.status.success());
    for command in [&["make-admin"][..], &["admin", "promote"], &["admin", "reset-password"]] {
        let output = burgee.run(&[command, &["nobody@example.com"]].concat())?;
        assert_eq!(said(&output), "User with email 'nobody@example.com' not found.\n");
        assert_eq!(output.status.code(), Some(1), "{command:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_operator_makes_admins_and_links_without_an_account() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = start(folder.path()).start().await?;
    let mut child = start(folder.path())
        .command()
        .args(["admin", "create", "root@example.com", "--password-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().unwrap().write_all(b"long enough\n")?;
    let output = child.wait_with_output()?;
    assert!(
        output.status.success() && said(&output) == "Admin 'root@example.com' made.\n",
        "{}",
        said(&output)
    );
    let token = burgee.login("root@example.com", "long enough").await?;
    assert_eq!(needs_setup(&burgee).await?, false);

    let run = |arguments: &[&str]| start(folder.path()).command().args(arguments).output();
    let output = run(&["admin", "create", "root@example.com"])?;
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("already exists"));
    let output = run(&["admin", "create", "no-address"])?;
    assert!(!output.status.success());
    let output = run(&["admin", "reset-password", "root@example.com"])?;
    let link = said(&output).split_whitespace().find(|word| word.starts_with("bgw_")).unwrap().to_owned();
    let document = json!({ "token": link, "password": "another one" });
    assert_eq!(burgee.ask("POST", "/auth/reset-password", None, Some(&document)).await?.0, 204);
    assert_eq!(burgee.ask("GET", "/auth/me", Some(&token), None).await?.0, 401, "all sessions ended");
    let token = burgee.login("root@example.com", "another one").await?;

    let output = run(&["admin", "rotate-signing-keys"])?;
    assert!(output.status.success());
    assert_eq!(burgee.ask("GET", "/auth/me", Some(&token), None).await?.0, 200);
    let output = run(&["admin", "rotate-signing-keys", "--revoke-old"])?;
    assert!(output.status.success());
    assert_eq!(burgee.ask("GET", "/auth/me", Some(&token), None).await?.0, 401);

    let nowhere = tempfile::tempdir()?;
    let output = start(nowhere.path()).command().args(["make-admin", "a@example.com"]).output()?;
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("there is no database")
    );
    assert!(!nowhere.path().join("burgee.db").exists());
    Ok(())
}
