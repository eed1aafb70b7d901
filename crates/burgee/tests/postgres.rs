//! The whole program on PostgreSQL.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

#[tokio::test(flavor = "multi_thread")]
async fn it_founds_serves_restarts_and_verifies_on_postgresql() -> Result<()> {
    let database = testkit::postgres::database().await?;
    let folder = tempfile::tempdir()?;
    let env = [("DATABASE_URL", database.as_str())];
    let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let burgee = start.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    let flag = json!({ "key": "switch", "enabled": true, "default_value": true });
    burgee.post("/api/v1/flags", Some(&token), &flag).await?;
    for _ in 0..3 {
        burgee.post("/api/v1/flags/switch/toggle", Some(&token), &Value::Null).await?;
    }
    assert_eq!(burgee.get("/api/v1/flags/switch/evaluate", &token).await?["value"], json!(false));
    burgee.post("/api/v1/segments", Some(&token), &json!({ "key": "beta" })).await?;
    let keys: Vec<_> = (0..20_000).map(|number| format!("user-{number:0>5}\n")).collect();
    let keys = keys.concat();
    let list = format!("{}/api/v1/segments/beta/included", burgee.url);
    let upload = burgee.http.put(list).bearer_auth(&token).body(keys.clone()).send().await?;
    assert_eq!(upload.status(), 200);
    let admin = burgee.admin().await?;
    let preview = json!({ "key": "preview", "copy_from": "development" });
    burgee.post("/api/v1/environments", Some(&admin), &preview).await?;
    let enable = json!({ "action": "enable", "keys": ["switch"] });
    burgee.post("/api/v1/flags/bulk?environment=preview", Some(&token), &enable).await?;
    let here = burgee.get("/api/v1/flags/switch?environment=preview", &token).await?;
    assert_eq!((&here["enabled"], &here["default"]), (&json!(true), &json!({ "variant": "on" })));
    let (status, _) =
        burgee.ask("DELETE", "/api/v1/environments/preview?force=true", Some(&admin), None).await?;
    assert_eq!(status, 204);
    let key = burgee.banner.server_key.clone();
    burgee.kill()?;

    let again = start.start().await?;
    assert!(again.banner.admin_password.is_empty(), "it was founded before: {}", again.banner.text);
    let snapshot = again.get("/sdk/v1/snapshot", &key).await?;
    assert_eq!(snapshot["flags"]["switch"]["enabled"], json!(false));
    assert_eq!(snapshot["segments"]["beta"]["included"]["count"], json!(20_000));
    let list = format!("{}/api/v1/segments/beta/included", again.url);
    assert!(again.http.get(list).bearer_auth(&token).send().await?.text().await? == keys);
    let log = again.get("/api/v1/audit?flag=switch", &token).await?;
    assert_eq!(log.as_array().map(Vec::len), Some(5));
    let verified = start.command().args(["audit", "verify"]).output()?;
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    assert!(!folder.path().join("burgee.db").exists(), "nothing is kept in a file");
    Ok(())
}
