//! What cannot be understood says why where people look at it, and the rest lives.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// A program whose database is edited by hand between two starts, as another version of it might have left it.
struct Edited {
    folder: tempfile::TempDir,
    burgee: Burgee,
    token: String,
    server_key: String,
}

impl Edited {
    async fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
        let token = burgee.register("dev@example.com", "developer").await?;
        let server_key = burgee.banner.server_key.clone();
        Ok(Self { folder, burgee, token, server_key })
    }

    async fn make(&self, path: &str, document: Value) -> Result<Value> {
        self.burgee.post(path, Some(&self.token), &document).await
    }

    /// Runs one statement, which must touch something, while the program is stopped.
    async fn edit(self, statement: &'static str) -> Result<Self> {
        let Self { folder, burgee, token, server_key } = self;
        burgee.stop().await?;
        let rows = testkit::sqlite::execute(&folder.path().join("burgee.db"), statement).await?;
        ensure!(rows > 0, "{statement} touched nothing");
        let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
        Ok(Self { folder, burgee, token, server_key })
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
        let body = Some(&body).filter(|body| !body.is_null());
        self.burgee.ask(method, path, Some(&self.token), body).await
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.burgee.get(path, &self.token).await
    }

    /// The tag of what a path shows.
    async fn tag(&self, path: &str) -> Result<String> {
        let request = self.burgee.http.get(format!("{}{path}", self.burgee.url)).bearer_auth(&self.token);
        let answer = request.send().await?;
        Ok(answer.headers()["etag"].to_str()?.to_owned())
    }

    /// What applications are answered for a flag.
    async fn answer(&self, flag: &str) -> Result<Value> {
        let url = format!("{}/ofrep/v1/evaluate/flags/{flag}", self.burgee.url);
        let request = self.burgee.http.post(url).header("x-api-key", &self.server_key);
        Ok(request.json(&json!({ "context": { "targetingKey": "u1" } })).send().await?.json().await?)
    }
}

fn color() -> Value {
    let variants = json!([{ "key": "red", "value": "#f00" }, { "key": "green", "value": "#0f0" }]);
    json!({
        "key": "color", "kind": "string", "enabled": true, "variants": variants,
        "default": { "variant": "red" },
    })
}

#[tokio::test]
async fn a_flag_that_does_not_compile_says_why() -> Result<()> {
    let house = Edited::open().await?;
    let rule = json!({ "id": "r", "attribute": "version", "operator": "semver", "value": ">=1.0.0", "variant": true });
    house.make("/api/v1/flags", json!({ "key": "ruled", "enabled": true, "rules": [rule] })).await?;
    house.make("/api/v1/flags", color()).await?;
    let sound = house.make("/api/v1/flags", json!({ "key": "sound", "enabled": true })).await?;
    assert_eq!(sound.get("problems"), None, "{sound}");

    let house = house
        .edit("UPDATE flag_configs SET document = replace(replace(document, '>=1.0.0', '1.x.3'), '\"variant\":\"red\"', '\"variant\":\"rde\"')")
        .await?;
    let color = house.get("/api/v1/flags/color").await?;
    assert_eq!(color["problems"][0]["path"], "default.variant", "{color}");
    let why = color["problems"][0]["message"].as_str().unwrap_or_default();
    assert!(why.starts_with("\"rde\" is not a variant of this flag"), "{why}");
    assert_eq!(house.answer("color").await?["errorCode"], "PARSE_ERROR");
    let ruled = house.get("/api/v1/flags/ruled").await?;
    assert_eq!(ruled["problems"][0]["path"], "rules[0].when.values[0]", "{ruled}");
    assert_eq!(house.answer("ruled").await?["value"], true, "a rule that is lost leaves the flag");
    assert_eq!(house.answer("sound").await?["value"], true);

    let listed = house.get("/api/v1/flags").await?;
    assert_eq!(listed, json!([&color, &ruled, &sound]), "a list says the same");
    assert_eq!(house.get("/api/v1/flags/sound").await?, sound);

    let mut other = color;
    other["off_variant"] = json!("green");
    let (status, refused) = house.ask("PUT", "/api/v1/flags/color", other).await?;
    let path = &refused["violations"][0]["path"];
    assert_eq!((status, path), (400, &json!("default.variant")), "it is mended or left alone: {refused}");
    // What is wrong may pass without a change of the flag, so the tag is a weak one; it still guards a write.
    let tag = house.tag("/api/v1/flags/color").await?;
    assert!(tag.starts_with("W/"), "{tag}");
    let url = format!("{}/api/v1/flags/color", house.burgee.url);
    let write = house.burgee.http.patch(url).bearer_auth(&house.token).header("if-match", &tag);
    let mended = write.json(&json!({ "default": { "variant": "red" } })).send().await?;
    assert_eq!(mended.status(), 200);
    let mended: Value = mended.json().await?;
    assert_eq!(mended.get("problems"), None, "{mended}");
    assert!(house.tag("/api/v1/flags/color").await?.starts_with('"'));
    let (status, same) =
        house.ask("PUT", "/api/v1/flags/ruled", json!({ "problems": [], "name": "R" })).await?;
    assert_eq!((status, same["problems"].as_array().map(Vec::len)), (200, Some(1)), "{same}");
    Ok(())
}

#[tokio::test]
async fn a_segment_that_is_not_understood_says_why_and_so_do_its_flags() -> Result<()> {
    let house = Edited::open().await?;
    let when = json!({ "attribute": "version", "operator": "semver", "values": [">=1.0.0"] });
    house.make("/api/v1/segments", json!({ "key": "recent", "when": when })).await?;
    house.make("/api/v1/segments", json!({ "key": "sound" })).await?;
    let rule = json!({ "id": "r", "when": { "segment": "recent" }, "serve": { "variant": "off" } });
    house.make("/api/v1/flags", json!({ "key": "new", "enabled": true, "rules": [rule] })).await?;

    let house =
        house.edit("UPDATE segment_configs SET condition = replace(condition, '>=1.0.0', '1.x.3')").await?;
    let segment = house.get("/api/v1/segments/recent").await?;
    assert_eq!(segment["problems"][0]["path"], "when.values[0]", "{segment}");
    let listed = house.get("/api/v1/segments").await?;
    assert_eq!((&listed[0]["problems"], listed[1].get("problems")), (&segment["problems"], None));
    let flag = house.get("/api/v1/flags/new").await?;
    assert_eq!(flag["problems"][0]["path"], "rules[0].when.segment", "{flag}");

    let when = json!({ "attribute": "version", "operator": "semver", "value": ">=2" });
    let (status, mended) =
        house.ask("PUT", "/api/v1/segments/recent", json!({ "problems": [], "when": when })).await?;
    assert_eq!((status, mended.get("problems")), (200, None), "{mended}");
    assert_eq!(house.get("/api/v1/flags/new").await?.get("problems"), None);
    Ok(())
}

#[tokio::test]
async fn a_list_that_was_lost_is_missed_and_comes_back() -> Result<()> {
    let house = Edited::open().await?;
    house.make("/api/v1/segments", json!({ "key": "many" })).await?;
    let keys: String = (0..10_001).fold(String::new(), |keys, number| keys + &format!("u{number}\n"));
    let upload = async |house: &Edited| -> Result<(u16, Value)> {
        let url = format!("{}/api/v1/segments/many/included", house.burgee.url);
        let answer = house.burgee.http.put(url).bearer_auth(&house.token).body(keys.clone()).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    };
    let (status, whole) = upload(&house).await?;
    assert_eq!((status, whole.get("problems")), (200, None), "{whole}");

    let house = house.edit("DELETE FROM key_lists").await?;
    let (_, problem) = house.ask("GET", "/api/v1/segments/many", Value::Null).await?;
    assert_eq!(problem["problems"][0]["path"], "included", "{problem}");
    let why = problem["problems"][0]["message"].as_str().unwrap_or_default();
    let sha256 = whole["included"]["sha256"].as_str().unwrap_or_default();
    assert!(why.contains(sha256) && why.contains("PUT /api/v1/segments/many/included"), "{why}");
    let (status, again) = upload(&house).await?;
    assert_eq!((status, &again), (200, &whole), "the same keys: nothing has changed");
    assert_eq!(house.get("/api/v1/segments/many").await?, whole);
    let deadline = Instant::now() + Duration::from_secs(10);
    while house.burgee.get("/sdk/v1/snapshot", &house.server_key).await.is_err() {
        ensure!(Instant::now() < deadline, "the environment was not taken up again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_kept_and_passed_on() -> Result<()> {
    let house = Edited::open().await?;
    let rule =
        json!({ "id": "r", "attribute": "plan", "operator": "contains", "value": "x", "variant": false });
    house.make("/api/v1/flags", json!({ "key": "rule", "enabled": true, "rules": [rule] })).await?;
    house.make("/api/v1/flags", json!({ "key": "split", "enabled": true, "rollout_percentage": 25 })).await?;
    let house = house
        .edit("UPDATE flag_configs SET document = replace(replace(document, '\"contains\"', '\"resembles\"'), '25000', '26000')")
        .await?;
    let listed = house.get("/api/v1/flags").await?;
    let newer = house.get("/api/v1/flags/rule").await?;
    assert_eq!(newer["rules"][0]["when"]["operator"], "resembles", "{newer}");
    let why = newer["problems"][0].to_string();
    assert!(why.contains("rules[0]") && why.contains("\\\"resembles\\\" is not an operator"), "{why}");
    let split = house.get("/api/v1/flags/split").await?;
    assert_eq!(split["default"]["split"][0]["weight"], 26_000, "{split}");
    let why = split["problems"][0].to_string();
    assert!(why.contains("default") && why.contains("weights add up to 101000"), "{why}");
    assert_eq!(listed, json!([&newer, &split]));
    assert_eq!(house.answer("rule").await?["value"], true, "a rule that does not read never holds");
    assert_eq!(house.answer("split").await?["errorCode"], "PARSE_ERROR");

    let (status, renamed) =
        house.ask("PATCH", "/api/v1/flags/rule", json!({ "name": "Newer", "problems": [] })).await?;
    assert_eq!((status, &renamed["rules"]), (200, &newer["rules"]));
    let (status, lowered) =
        house.ask("POST", "/api/v1/flags/rule/toggle", json!({ "enabled": false })).await?;
    assert_eq!((status, &lowered["rules"]), (200, &newer["rules"]), "who raises and lowers loses nothing");
    let snapshot = house.burgee.get("/sdk/v1/snapshot", &house.server_key).await?;
    assert_eq!(snapshot["flags"]["rule"]["rules"], newer["rules"], "readers may know more");
    let (status, refused) =
        house.ask("PATCH", "/api/v1/flags/rule", json!({ "default": { "variant": "off" } })).await?;
    assert_eq!(status, 400);
    assert!(refused["detail"].as_str().is_some_and(|why| why.contains("resembles")), "{refused}");
    let targeted = json!({ "targeted_users": ["u1"] });
    assert_eq!(
        house.ask("PATCH", "/api/v1/flags/rule", targeted).await?.0,
        400,
        "nor beside a rule that is lost"
    );
    let (status, mended) = house.ask("PATCH", "/api/v1/flags/rule", json!({ "rules": [] })).await?;
    assert_eq!((status, mended.get("problems")), (200, None), "{mended}");
    let (status, mended) =
        house.ask("PATCH", "/api/v1/flags/split", json!({ "rollout_percentage": 30 })).await?;
    assert_eq!((status, mended.get("problems")), (200, None), "{mended}");
    Ok(())
}

#[tokio::test]
async fn so_is_the_condition_of_a_segment() -> Result<()> {
    let house = Edited::open().await?;
    let when = json!({ "attribute": "plan", "operator": "contains", "values": ["x"] });
    house.make("/api/v1/segments", json!({ "key": "newer", "when": when, "included": ["u1"] })).await?;
    house.make("/api/v1/segments", json!({ "key": "sound" })).await?;
    let house = house
        .edit("UPDATE segment_configs SET condition = replace(condition, '\"contains\"', '\"resembles\"')")
        .await?;
    let newer = house.get("/api/v1/segments/newer").await?;
    assert_eq!((&newer["when"]["operator"], &newer["included"]), (&json!("resembles"), &json!(["u1"])));
    let why = newer["problems"][0]["message"].as_str().unwrap_or_default();
    assert!(why.starts_with("when: ") && why.contains("resembles"), "{newer}");
    let listed = house.get("/api/v1/segments").await?;
    assert_eq!((&listed[0]["when"], &listed[0]["problems"]), (&newer["when"], &newer["problems"]));
    let snapshot = house.burgee.get("/sdk/v1/snapshot", &house.server_key).await?;
    let expected = json!({ "included": ["u1"], "excluded": [], "when": newer["when"] });
    assert_eq!(snapshot["segments"]["newer"], expected, "readers may know more");

    let included = json!({ "included": ["u1", "u2"], "name": "Newer" });
    let (status, changed) = house.ask("PATCH", "/api/v1/segments/newer", included).await?;
    assert_eq!((status, &changed["when"], &changed["included_count"]), (200, &newer["when"], &json!(2)));
    let (status, refused) = house.ask("PUT", "/api/v1/segments/newer", newer).await?;
    assert_eq!((status, &refused["violations"][0]["path"]), (400, &json!("when.operator")), "{refused}");
    let (status, mended) = house.ask("PATCH", "/api/v1/segments/newer", json!({ "when": null })).await?;
    assert_eq!((status, mended.get("problems")), (200, None), "{mended}");
    Ok(())
}

#[tokio::test]
async fn what_does_not_read_at_all_says_why() -> Result<()> {
    let house = Edited::open().await?;
    house.make("/api/v1/flags", json!({ "key": "newer", "enabled": true })).await?;
    house.make("/api/v1/flags", json!({ "key": "sound", "enabled": true })).await?;
    let house = house
        .edit(
            "UPDATE flags SET document = replace(document, '\"boolean\"', '\"colour\"') WHERE key = 'newer'",
        )
        .await?;
    assert_eq!(house.answer("newer").await?["errorCode"], "PARSE_ERROR");
    assert_eq!(house.answer("sound").await?["value"], true);
    let (status, problem) = house.ask("GET", "/api/v1/flags/newer", Value::Null).await?;
    assert_eq!((status, &problem["code"]), (500, &json!("unreadable")), "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("colour")), "{problem}");
    assert_eq!(house.ask("GET", "/api/v1/flags/sound", Value::Null).await?.0, 200);
    let (status, problem) = house.ask("GET", "/api/v1/flags", Value::Null).await?;
    assert_eq!((status, &problem["code"]), (500, &json!("unreadable")), "{problem}");
    assert_eq!(problem["violations"][0]["path"], "flag newer", "it says which: {problem}");
    Ok(())
}
