//! `burgee audit verify` finds any row that was changed by hand.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

fn verify(burgee: &Burgee, arguments: &[&str]) -> Result<(bool, String)> {
    let output = burgee.run(&[&["audit", "verify"], arguments].concat())?;
    Ok((output.status.success(), String::from_utf8(output.stdout)?))
}

/// Edits the database behind the program's back.
async fn tamper(folder: &std::path::Path, statement: &'static str) -> Result<()> {
    let rows = testkit::sqlite::execute(&folder.join("burgee.db"), statement).await?;
    ensure!(rows == 1, "{statement} touched {rows} rows");
    Ok(())
}

async fn toggle(url: String, http: reqwest::Client, token: String) -> Result<()> {
    for _ in 0..10 {
        http.post(format!("{url}/api/v1/flags/a/toggle"))
            .bearer_auth(&token)
            .send()
            .await?
            .error_for_status()?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_changed_by_hand_is_found() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    burgee.post("/api/v1/flags", Some(&token), &json!({ "key": "a" })).await?;
    for _ in 0..3 {
        burgee.post("/api/v1/flags/a/toggle", Some(&token), &Value::Null).await?;
    }
    let (sound, text) = verify(&burgee, &[])?;
    assert!(sound, "{text}");
    let heads: Vec<_> =
        text.lines().map(|line| line.split_whitespace().last().unwrap_or_default().to_owned()).collect();
    assert_eq!(heads.len(), 3, "the instance, the project and the security log: {text}");
    assert!(heads[0].starts_with("instance@") && heads[2].starts_with("security@"), "{text}");
    let project = &heads[1];
    let kept = folder.path().join("heads.txt");
    std::fs::write(&kept, &text)?;
    let kept = kept.to_str().context("no text")?;

    let (held, text) = verify(&burgee, &["--expect", project])?;
    assert!(held, "{text}");
    burgee.post("/api/v1/flags/a/toggle", Some(&token), &Value::Null).await?;
    let (held, text) = verify(&burgee, &["--expect", project])?;
    assert!(held, "an earlier head is still part of the log: {text}");
    let (held, text) = verify(&burgee, &["--checkpoint", kept])?;
    assert!(held && text.matches("held").count() == 3, "what was printed can be given back: {text}");
    let (held, text) = verify(&burgee, &["--expect", &project.replace('@', "@9")])?;
    assert!(!held && text.contains("MISSING"), "{text}");

    for _ in 0..10 {
        // A log that grows meanwhile is sound all the same.
        let toggling = tokio::spawn(toggle(burgee.url.clone(), burgee.http.clone(), token.clone()));
        let (sound, text) = verify(&burgee, &[])?;
        assert!(sound, "{text}");
        toggling.await??;
    }
    let (code, _) = burgee.stop().await?;
    assert_eq!(code, Some(0));
    // Revisions of the project: 1 founding, 2 create, 3 to 106 toggles.
    for (statement, found) in [
        (
            "UPDATE changes SET action = 'update_flag' WHERE action = 'toggle_flag' AND revision = 4",
            "revision 4",
        ),
        (
            "UPDATE changes SET after = '{}' WHERE action = 'toggle_flag' AND revision = 4",
            "revision 4: its after",
        ),
        (
            "UPDATE changes SET comment = 'it was not me' WHERE action = 'toggle_flag' AND revision = 4",
            "revision 4: its comment",
        ),
        (
            "UPDATE changes SET before = NULL WHERE action = 'toggle_flag' AND revision = 5",
            "revision 5: its before",
        ),
        ("UPDATE changes SET entities = '[]' WHERE action = 'toggle_flag' AND revision = 5", "revision 5"),
        ("UPDATE changes SET at = at + 1 WHERE action = 'create_flag' AND revision = 2", "revision 2"),
        (
            "UPDATE changes SET hash = before_hash WHERE action = 'toggle_flag' AND revision = 106",
            "revision 106",
        ),
        ("DELETE FROM chains WHERE revision = 106", "its head is gone"),
        ("DELETE FROM changes WHERE action = 'toggle_flag' AND revision = 4", "revision 4 is missing"),
        ("DELETE FROM changes WHERE action = 'toggle_flag' AND revision = 106", "ends at revision 105"),
    ] {
        let copy = tempfile::tempdir()?;
        std::fs::copy(folder.path().join("burgee.db"), copy.path().join("burgee.db"))?;
        tamper(copy.path(), statement).await?;
        let start = Start { program: PROGRAM, folder: copy.path(), env: &[] };
        let output = start.command().args(["audit", "verify"]).output()?;
        let text = String::from_utf8(output.stdout)?;
        assert!(!output.status.success(), "{statement} was not found: {text}");
        assert!(text.contains("BROKEN") && text.contains(found), "{statement}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn the_log_is_asked_for_what_was_touched() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "one" })).await?;
    house.create(json!({ "key": "two" })).await?;
    for path in ["one", "one?environment=staging", "two?environment=staging"] {
        assert_eq!(house.patch(&house.developer, path, json!({ "enabled": true })).await?.0, 200);
    }
    for (path, document) in [
        ("/api/v1/segments?environment=staging", json!({ "key": "one" })),
        ("/api/v1/context-fields", json!({ "key": "plan" })),
    ] {
        house.burgee.post(path, Some(&house.developer), &document).await?;
    }
    let (status, _) = house.burgee.ask("DELETE", "/api/v1/segments/one", Some(&house.admin), None).await?;
    assert_eq!(status, 204);
    let actions = async |query: &str| -> Result<Vec<String>> {
        let log = house.get(&format!("/api/v1/audit?{query}")).await?;
        let actions = log.as_array().context("no list")?.iter().filter_map(|one| one["action"].as_str());
        Ok(actions.map(str::to_owned).collect())
    };
    assert_eq!(actions("flag=one").await?, ["update_flag", "update_flag", "create_flag"]);
    assert_eq!(actions("flag=one&environment=staging").await?, ["update_flag", "create_flag"]);
    assert_eq!(actions("segment=one").await?, ["delete_segment", "create_segment"], "living or not");
    assert_eq!(actions("context_field=plan").await?, ["create_context_field"]);
    let staging = actions("environment=staging").await?;
    let everywhere = ["delete_segment", "create_context_field", "create_segment"];
    let flags = ["update_flag", "update_flag", "create_flag", "create_flag", "found_project"];
    assert_eq!(
        staging,
        [&everywhere[..], &flags[..]].concat(),
        "what affected it, wherever it was asked for"
    );
    assert_eq!(
        house.patch(&house.developer, "one", json!({ "lifecycle": "archived" })).await?.0,
        200,
        "in development"
    );
    assert_eq!(actions("flag=one&environment=staging&limit=1").await?, ["update_flag"]);
    assert_eq!(actions("flag=one&environment=staging").await?.len(), 3, "archived everywhere");
    assert_eq!(actions("flag=one&segment=one").await?, Vec::<String>::new(), "no change touched both");
    let url = format!("{}/api/v1/audit?environment=staging&limit=1", house.burgee.url);
    let page = house.burgee.http.get(url).bearer_auth(&house.user).send().await?;
    let next = page.headers()["link"].to_str()?;
    assert!(next.contains("&environment=staging&limit=1"), "{next}");
    assert_eq!(page.headers()["x-total-count"], "9");
    for query in ["flag=plan", "environment=nowhere", "segment=a%20b"] {
        let path = format!("/api/v1/audit?{query}");
        let (status, problem) = house.burgee.ask("GET", &path, Some(&house.user), None).await?;
        let named = query.split('=').nth(1).unwrap_or_default().replace("%20", " ");
        let why = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 404 && why.contains(&format!("there is no {named:?}")), "{problem}");
    }
    let path = "/api/v1/audit?flag=&segment=%20&environment=staging";
    let (status, problem) = house.burgee.ask("GET", path, Some(&house.user), None).await?;
    let empty = json!({ "path": "query flag", "message": "is empty; give a key, or leave it out" });
    assert_eq!((status, &problem["violations"][0]), (400, &empty), "{problem}");
    assert_eq!(problem["violations"][1]["path"], "query segment", "{problem}");
    Ok(())
}

/// Both are one transaction: fifty killed servers are in `crash.rs`; here each change is found with its entry.
#[tokio::test]
async fn s6_k8_every_write_is_logged_with_what_was_there() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (admin, dev) = (&house.admin, &house.developer);
    let made = house.ask(dev, "POST", "/api/v1/sdk-keys", json!({ "name": "ci", "kind": "server" })).await?.1;
    let key = format!("/api/v1/sdk-keys/{}", made["id"].as_str().unwrap_or_default());
    let values = "/api/v1/context-fields/plan/values";
    for (token, method, path, body, status) in [
        (dev, "POST", "/api/v1/flags", json!({ "key": "a", "enabled": true }), 201),
        (dev, "PATCH", "/api/v1/flags/a", json!({ "name": "A", "rollout_percentage": 10 }), 200),
        (dev, "POST", "/api/v1/flags/a/toggle", Value::Null, 200),
        (dev, "POST", "/api/v1/flags/bulk", json!({ "action": "archive", "keys": ["a"] }), 200),
        (dev, "POST", "/api/v1/flags/bulk", json!({ "action": "restore", "keys": ["a"] }), 200),
        (admin, "DELETE", "/api/v1/flags/a", Value::Null, 204),
        (dev, "POST", "/api/v1/segments", json!({ "key": "s", "included": ["jo"] }), 201),
        (dev, "PATCH", "/api/v1/segments/s", json!({ "included": ["al"] }), 200),
        (admin, "DELETE", "/api/v1/segments/s", Value::Null, 204),
        (dev, "POST", "/api/v1/context-fields", json!({ "key": "plan" }), 201),
        (dev, "POST", values, json!({ "add": ["pro"] }), 200),
        (admin, "DELETE", "/api/v1/context-fields/plan", Value::Null, 204),
        (admin, "POST", "/api/v1/environments", json!({ "key": "qa" }), 201),
        (admin, "PATCH", "/api/v1/environments/qa", json!({ "name": "QA" }), 200),
        (admin, "DELETE", "/api/v1/environments/qa", Value::Null, 200),
        (dev, "DELETE", &key, Value::Null, 204),
        (admin, "PATCH", "/api/v1/projects/default", json!({ "comment_required": "none" }), 200),
        (admin, "PATCH", "/api/v1/projects/default", json!({ "comment_required": "protected" }), 200),
    ] {
        let before = house.head().await?;
        let (given, answer) = house.ask(token, method, path, body).await?;
        assert!(given == status || (status == 200 && given == 204), "{method} {path}: {given} {answer}");
        let entries = house.get("/api/v1/audit?limit=1").await?;
        let entry = &entries[0];
        if path == "/api/v1/projects/default" {
            continue;
        }
        assert_eq!(entry["revision"], before + 1, "{method} {path}");
        let (creates, deletes) = (status == 201, method == "DELETE");
        assert_eq!(entry["before"].is_null(), creates, "{method} {path}: {entry}");
        assert_eq!(entry["after"].is_null(), deletes, "{method} {path}: {entry}");
        assert_ne!(entry["changes"], json!([]), "{method} {path}: {entry}");
        assert!(entry["actor"]["name"].as_str().is_some_and(|name| name.contains('@')), "{entry}");
        assert_eq!((&entry["source"], &entry["address"]), (&json!("api"), &json!("127.0.0.1")));
    }
    let log = house.get("/api/v1/audit?limit=2").await?;
    assert_eq!(log[0]["action"], "update_project", "{log}");
    let changes = json!([{ "path": "project.comment_required", "old": "none", "new": "protected" }]);
    assert_eq!(log[0]["changes"], changes, "a document that changes nothing makes no entry: {log}");
    assert_eq!(log[1]["action"], "revoke_sdk_key", "{log}");
    let log = house.burgee.get("/api/v1/instance/audit", admin).await?;
    assert_eq!(log[0]["action"], "create_account", "{log}");
    Ok(())
}

#[tokio::test]
async fn a_page_of_large_entries_ends_early_and_the_next_goes_on() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "much" })).await?;
    let many = |round: usize| (0..10_000).map(|user| format!("user-{round}-{user}")).collect::<Vec<_>>();
    for round in 0..40 {
        let (status, problem) =
            house.patch(&house.developer, "much", json!({ "targeted_users": many(round) })).await?;
        assert_eq!(status, 200, "{problem}");
    }
    let head = house.head().await?;
    let (mut seen, mut pages) = (Vec::new(), 0);
    let mut next = Some("/api/v1/audit?limit=1000".to_owned());
    while let Some(path) = next {
        let request = house.burgee.http.get(format!("{}{path}", house.burgee.url)).bearer_auth(&house.user);
        let answer = request.send().await?.error_for_status()?;
        assert_eq!(answer.headers()["x-total-count"], head.to_string().as_str());
        let link = answer.headers().get("link").map(|link| link.to_str().map(str::to_owned)).transpose()?;
        next = link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned()));
        let body = answer.bytes().await?;
        ensure!(body.len() < 20 << 20, "a page of {} bytes", body.len());
        let entries: Vec<Value> = serde_json::from_slice(&body)?;
        seen.extend(entries.iter().filter_map(|entry| entry["revision"].as_u64()));
        pages += 1;
    }
    assert_eq!(seen, (1..=head).rev().collect::<Vec<_>>(), "each once");
    ensure!(pages > 1, "all of it came at once");
    Ok(())
}

#[tokio::test]
async fn the_log_is_searched_by_who_what_and_when() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for key in ["one", "two", "three"] {
        house.create(json!({ "key": key })).await?;
    }
    house.ask(&house.admin, "POST", "/api/v1/flags/one/toggle", Value::Null).await?;
    let found = async |query: &str| -> Result<Vec<u64>> {
        let log = house.get(&format!("/api/v1/audit?{query}")).await?;
        let entries = log.as_array().context("no list")?;
        Ok(entries.iter().filter_map(|entry| entry["revision"].as_u64()).collect())
    };
    let me = house.burgee.get("/auth/me", &house.developer).await?;
    let id = me["id"].as_str().context("no id")?;
    assert_eq!(found("actor=dev@example.com").await?, [4, 3, 2]);
    assert_eq!(found("actor=DEV@example.com&limit=2").await?, [4, 3]);
    assert_eq!(found(&format!("actor={id}")).await?, [4, 3, 2]);
    assert_eq!(found("actor=burgee").await?, [1]);
    assert_eq!(found("action=toggle_flag").await?, [5]);
    assert_eq!(found("action=create_flag&flag=two").await?, [3]);
    assert_eq!(found("actor=admin@burgee.local&flag=two").await?, Vec::<u64>::new());
    let third = house.get("/api/v1/audit/3").await?;
    let at = third["at"].as_str().context("no time")?;
    let (before, after) = (found(&format!("to={at}")).await?, found(&format!("from={at}")).await?);
    assert!(before.iter().all(|revision| *revision < 3) && after.contains(&3), "{before:?} {after:?}");
    assert_eq!(before.len() + after.len(), 5);
    assert_eq!(found("to=2001-01-01").await?, Vec::<u64>::new());

    // A page goes on where it ended, whatever came on top meanwhile.
    let url = format!("{}/api/v1/audit?actor=dev@example.com&limit=2", house.burgee.url);
    let page = house.burgee.http.get(url).bearer_auth(&house.user).send().await?;
    assert_eq!(page.headers()["x-total-count"], "3");
    let next = page.headers()["link"].to_str()?.to_owned();
    house.create(json!({ "key": "four" })).await?;
    let next = next.split_once('<').and_then(|(_, rest)| rest.split_once('>')).context("no link")?.0;
    let page = house.get(next).await?;
    assert_eq!((page.as_array().map(Vec::len), &page[0]["revision"]), (Some(1), &json!(2)), "{page}");

    for (query, status) in [
        ("actor=nobody@example.com", 404),
        ("actor=00000000-0000-7000-8000-000000000000", 404),
        ("action=destroy_flag", 404),
        ("actor=", 400),
        ("action=%20", 400),
        ("from=yesterday", 400),
        ("to=2026-02-30", 400),
        ("who=me", 400),
        ("cursor=x", 400),
    ] {
        let path = format!("/api/v1/audit?{query}");
        let (given, problem) = house.ask(&house.user, "GET", &path, Value::Null).await?;
        assert_eq!(given, status, "{query}: {problem}");
    }
    for path in ["/api/v1/audit/0", "/api/v1/audit/999", "/api/v1/audit/x", "/api/v1/audit/-1"] {
        assert_eq!(house.ask(&house.user, "GET", path, Value::Null).await?.0, 404, "{path}");
    }
    assert_eq!(house.ask(&house.developer, "GET", "/api/v1/instance/audit", Value::Null).await?.0, 403);
    Ok(())
}

#[tokio::test]
async fn an_export_can_be_verified_elsewhere_and_opened_in_a_spreadsheet() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for number in 0..130 {
        let comment = if number == 7 { "%3DHYPERLINK(%22x%22)%2C%20%0A1" } else { "because" };
        let request = house.burgee.http.post(format!("{}/api/v1/flags", house.burgee.url));
        let request = request.bearer_auth(&house.developer).header("burgee-comment", comment);
        let made = request.json(&json!({ "key": format!("flag-{number}") })).send().await?;
        assert_eq!(made.status(), 201);
    }
    let export = async |query: &str| -> Result<(String, String)> {
        let url = format!("{}/api/v1/audit/export{query}", house.burgee.url);
        let answer = house.burgee.http.get(url).bearer_auth(&house.user).send().await?.error_for_status()?;
        let kind = answer.headers()["content-type"].to_str()?.to_owned();
        Ok((kind, answer.text().await?))
    };
    let (kind, text) = export("").await?;
    assert_eq!(kind, "application/x-ndjson");
    assert_eq!(text.lines().count(), 131);
    let mut previous = [0_u8; 32];
    for (index, line) in text.lines().enumerate() {
        let entry: Value = serde_json::from_str(line)?;
        assert_eq!(entry["revision"], index + 1);
        previous = link_as_documented(&previous, &entry)?;
        assert_eq!(hex::encode(previous), entry["hash"], "{line}");
    }
    let (_, text) = export("?flag=flag-7").await?;
    assert_eq!(text.lines().count(), 1);
    let (kind, text) = export("?format=csv&flag=flag-7").await?;
    assert!(kind.starts_with("text/csv"), "{kind}");
    let (names, row) = text.split_once("\r\n").context("no row")?;
    assert!(names.starts_with("revision,at,actor_id,actor,"), "{names}");
    assert!(row.contains(",\"'=HYPERLINK(\"\"x\"\"), \n1\",") && row.ends_with("\r\n"), "{row}");
    for (path, status) in [
        ("/api/v1/audit/export?format=xml", 400),
        ("/api/v1/audit/export?flag=nothing", 404),
        ("/api/v1/audit/export?limit=1", 400),
        ("/api/v1/instance/audit/export", 403),
    ] {
        let (given, problem) = house.ask(&house.user, "GET", path, Value::Null).await?;
        assert_eq!(given, status, "{path}: {problem}");
    }
    Ok(())
}

/// What docs/audit-log.md says a link is, made of a line of an export alone.
fn link_as_documented(previous: &[u8; 32], entry: &Value) -> Result<[u8; 32]> {
    use sha2::{Digest, Sha256};
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    let id = |value: &Value| Ok::<_, anyhow::Error>(hex::decode(text(value)?.replace('-', ""))?);
    let source = match entry["address"].as_str() {
        Some(address) => format!("{} {address}", text(&entry["source"])?),
        None => text(&entry["source"])?,
    };
    let entities = entry["entities"].as_array().context("no entities")?;
    let at: jiff::Timestamp = text(&entry["at"])?.parse()?;
    let mut bytes = previous.to_vec();
    bytes.extend(id(&entry["chain"])?);
    bytes.extend(entry["revision"].as_u64().context("no revision")?.to_be_bytes());
    bytes.extend(at.as_millisecond().to_be_bytes());
    bytes.extend(id(&entry["actor"]["id"])?);
    for word in [source, text(&entry["action"])?] {
        bytes.extend(u32::try_from(word.len())?.to_be_bytes());
        bytes.extend(word.as_bytes());
    }
    bytes.extend(u32::try_from(entities.len())?.to_be_bytes());
    for entity in entities {
        bytes.extend(id(&entity["id"])?);
    }
    for name in ["before", "after", "comment"] {
        bytes.extend(hex::decode(text(&entry["text_hashes"][name])?)?);
    }
    Ok(Sha256::digest(bytes).into())
}
