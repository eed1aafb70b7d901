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
    assert_eq!(heads.len(), 2, "the instance and the project: {text}");
    let project = heads.iter().find(|head| !head.starts_with("instance")).context("no project")?;

    let (held, text) = verify(&burgee, &["--expect", project])?;
    assert!(held, "{text}");
    burgee.post("/api/v1/flags/a/toggle", Some(&token), &Value::Null).await?;
    let (held, text) = verify(&burgee, &["--expect", project])?;
    assert!(held, "an earlier head is still part of the log: {text}");
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
