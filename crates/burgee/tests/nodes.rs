//! Two nodes on one PostgreSQL: what is taken away on one is gone on the other, and what may happen once happens once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
/// The longest that a node may not know of a change (`house.md`): it looks every two seconds, here on a busy machine.
const PATIENCE: Duration = Duration::from_secs(6);

struct Nodes {
    here: Burgee,
    there: Burgee,
    /// A session of the first admin.
    admin: String,
    database: String,
    _folders: [TempDir; 2],
}

impl Nodes {
    async fn open() -> Result<Self> {
        let database = testkit::postgres::database().await?;
        let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
        let env = [("DATABASE_URL", database.as_str()), ("BURGEE_ADMIN_PASSWORD", "secret")];
        let start = |folder| Start { program: PROGRAM, folder, env: &env };
        let here = start(folders[0].path()).start().await?;
        let there = start(folders[1].path()).start().await?;
        let admin = here.login("admin@burgee.local", "secret").await?;
        Ok(Self { here, there, admin, database, _folders: folders })
    }

    /// Asks the first node as the admin; fails unless it is done.
    async fn done(&self, method: &str, path: &str, body: Value) -> Result<Value> {
        let body = Some(&body).filter(|body| !body.is_null());
        let (status, answer) = self.here.ask(method, path, Some(&self.admin), body).await?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    /// What the other node answers to who asks for all accounts, or for themselves.
    async fn there(&self, path: &str, token: &str) -> Result<u16> {
        Ok(self.there.ask("GET", path, Some(token), None).await?.0)
    }

    /// An account that may do everything: its id, and a session.
    async fn person(&self, email: &str) -> Result<(String, String)> {
        let document = json!({ "email": email, "password": "secret", "role": "admin" });
        let account = self.done("POST", "/auth/users", document).await?;
        Ok((text(&account, "id")?, self.here.login(email, "secret").await?))
    }
}

fn text(document: &Value, member: &str) -> Result<String> {
    document[member].as_str().map(str::to_owned).with_context(|| format!("no {member} in {document}"))
}

const USERS: &str = "/auth/users";
const ME: &str = "/auth/me";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_loses_is_lost_on_every_node_with_the_next_request() -> Result<()> {
    let nodes = Nodes::open().await?;
    let viewer = json!({ "role": "viewer" });
    let inactive = json!({ "active": false });
    let ways =
        [("PUT", "/role", viewer, 403), ("PATCH", "", inactive, 401), ("DELETE", "", Value::Null, 401)];
    for (place, (method, path, body, status)) in ways.into_iter().enumerate() {
        let (id, session) = nodes.person(&format!("p{place}@example.com")).await?;
        let token = json!({ "name": "t", "scopes": ["account.manage"] });
        let made = nodes.here.post("/auth/tokens", Some(&session), &token).await?;
        let token = text(&made, "token")?;
        for credential in [&session, &token] {
            assert_eq!(nodes.there(USERS, credential).await?, 200, "{method} {path}");
        }
        nodes.done(method, &format!("/auth/users/{id}{path}"), body).await?;
        for credential in [&session, &token] {
            assert_eq!(nodes.there(USERS, credential).await?, status, "{method} {path}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_on_one_node_ends_on_every_one() -> Result<()> {
    let nodes = Nodes::open().await?;
    let sign_in = json!({ "email": "admin@burgee.local", "password": "secret" });
    for path in ["/auth/logout", "/auth/logout-everywhere"] {
        let session = nodes.there.login("admin@burgee.local", "secret").await?;
        assert_eq!(nodes.there(ME, &session).await?, 200);
        assert_eq!(nodes.here.ask("POST", path, Some(&session), None).await?.0, 204);
        assert_eq!(nodes.there(ME, &session).await?, 401, "{path}");
    }
    let session = nodes.here.post("/auth/login", None, &sign_in).await?;
    let first = json!({ "refresh_token": text(&session, "refresh_token")? });
    let (one, two) = tokio::try_join!(
        nodes.here.ask("POST", "/auth/refresh", None, Some(&first)),
        nodes.there.ask("POST", "/auth/refresh", None, Some(&first)),
    )?;
    assert_eq!(one.0.min(two.0), 200, "{one:?} {two:?}");
    assert_eq!(one.0.max(two.0), 401, "a refresh token was good twice: {one:?} {two:?}");
    let next = if one.0 == 200 { one.1 } else { two.1 };
    assert_eq!(nodes.there(ME, &text(&next, "token")?).await?, 401, "the reuse ended the session");

    let admin = nodes.here.login("admin@burgee.local", "secret").await?;
    let (status, _) = nodes.here.ask("POST", "/api/v1/signing-keys", Some(&admin), None).await?;
    assert_eq!(status, 201);
    assert_eq!(nodes.there(ME, &admin).await?, 200, "what the key before signed holds");
    let newer = nodes.there.login("admin@burgee.local", "secret").await?;
    let (status, _) = nodes.here.ask("POST", "/api/v1/signing-keys/revoke-old", Some(&newer), None).await?;
    assert_eq!(status, 204);
    assert_eq!((nodes.there(ME, &admin).await?, nodes.there(ME, &newer).await?), (401, 200));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_and_a_key_reach_the_other_node_within_its_next_look() -> Result<()> {
    let nodes = Nodes::open().await?;
    let key = json!({ "name": "app", "kind": "server" });
    let made = nodes.done("POST", "/api/v1/sdk-keys?environment=development", key).await?;
    let (secret, id) = (text(&made, "key")?, text(&made, "id")?);
    let snapshot = || nodes.there.ask("GET", "/sdk/v1/snapshot", Some(&secret), None);
    let begun = Instant::now();
    while snapshot().await?.0 != 200 {
        ensure!(begun.elapsed() < PATIENCE, "the other node does not know the key");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    nodes.done("POST", "/api/v1/flags", json!({ "key": "new", "enabled": true })).await?;
    let begun = Instant::now();
    while snapshot().await?.1["flags"]["new"].is_null() {
        ensure!(begun.elapsed() < PATIENCE, "the other node does not know the flag");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    nodes.done("DELETE", &format!("/api/v1/sdk-keys/{id}"), Value::Null).await?;
    let begun = Instant::now();
    while snapshot().await?.0 != 401 {
        ensure!(begun.elapsed() < PATIENCE, "the other node lets a revoked key in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_on_two_nodes_cannot_take_each_other_away() -> Result<()> {
    let nodes = Nodes::open().await?;
    let first = nodes.here.get(ME, &nodes.admin).await?;
    for round in 0..5 {
        let (id, session) = nodes.person(&format!("a{round}@example.com")).await?;
        let (mine, theirs) =
            (format!("/auth/users/{}/role", text(&first, "id")?), format!("/auth/users/{id}/role"));
        let viewer = json!({ "role": "viewer" });
        let (one, two) = tokio::try_join!(
            nodes.here.ask("PUT", &theirs, Some(&nodes.admin), Some(&viewer)),
            nodes.there.ask("PUT", &mine, Some(&session), Some(&viewer)),
        )?;
        let done = [one.0, two.0].into_iter().filter(|status| *status == 200).count();
        assert_eq!(done, 1, "round {round}: {one:?} {two:?}");
        if two.0 == 200 {
            let admin = json!({ "role": "admin" });
            assert_eq!(nodes.there.ask("PUT", &mine, Some(&session), Some(&admin)).await?.0, 200);
            nodes.done("PUT", &theirs, viewer).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_write_at_once_into_one_log_and_a_key_makes_it_once() -> Result<()> {
    let nodes = Nodes::open().await?;
    let write = |node: &'static str, number: u32| {
        let burgee = if node == "here" { &nodes.here } else { &nodes.there };
        let (path, admin) = ("/api/v1/flags", &nodes.admin);
        async move {
            burgee.post(path, Some(admin), &json!({ "key": format!("{node}-{number}") })).await.map(|_| ())
        }
    };
    for number in 0..25 {
        tokio::try_join!(write("here", number), write("there", number))?;
    }
    let once = |burgee: &Burgee| {
        let request = burgee.http.post(format!("{}/api/v1/flags", burgee.url)).bearer_auth(&nodes.admin);
        request.header("idempotency-key", "one").json(&json!({ "key": "once" })).send()
    };
    let (one, two) = tokio::try_join!(once(&nodes.here), once(&nodes.there))?;
    let statuses = [one.status().as_u16(), two.status().as_u16()];
    assert!(statuses.contains(&201), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    let again = once(&nodes.there).await?;
    assert_eq!(again.status(), 201, "the same answer, on either node");

    let flags = nodes.there.get("/api/v1/flags?limit=100", &nodes.admin).await?;
    assert_eq!(flags.as_array().map(Vec::len), Some(51));
    let folder = tempfile::tempdir()?;
    let env = [("DATABASE_URL", nodes.database.as_str())];
    let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let verified = start.command().args(["audit", "verify"]).output()?;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_by_one_node_is_given_the_change_by_the_other() -> Result<()> {
    let nodes = Nodes::open().await?;
    let key = &nodes.here.banner.server_key;
    nodes.done("POST", "/api/v1/flags", json!({ "key": "f", "enabled": true })).await?;
    let deadline = Instant::now() + PATIENCE;
    while nodes.there.get("/sdk/v1/snapshot", key).await?["flags"]["f"].is_null() {
        ensure!(Instant::now() < deadline, "the flag never came to the other node");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Each time right after the change, and so at any place between two looks of the other node: without the tag it would
    // answer most of them by what was before.
    for round in 0..6 {
        nodes.done("POST", "/api/v1/flags/f/toggle", Value::Null).await?;
        let told =
            nodes.here.http.get(format!("{}/sdk/v1/snapshot", nodes.here.url)).header("x-sdk-key", key);
        let told = told.send().await?;
        let tag = told.headers()["etag"].to_str()?.replace('"', "%22");
        let revision = told.json::<Value>().await?["revision"].clone();
        let path = format!("/ofrep/v1/evaluate/flags?flagConfigEtag={tag}");
        let answer = nodes.there.post(&path, Some(key), &json!({})).await?;
        assert_eq!(answer["metadata"]["revision"], revision, "round {round}");
        assert_eq!(answer["flags"][0]["value"], round % 2 == 1, "round {round}: {answer}");
    }
    Ok(())
}
