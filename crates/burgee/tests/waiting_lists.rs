//! A segment whose new key list is not here yet is asked as it was; whoever looks at it, or at what asks it, is told.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// A program whose key lists are taken away as soon as a change names them.
struct Taken {
    folder: tempfile::TempDir,
    burgee: Burgee,
    token: String,
}

impl Taken {
    /// With a segment `beta` that holds `ann`, another that names it, a flag for that one and a flag that requires
    /// this flag.
    async fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
        let token = burgee.register("dev@example.com", "developer").await?;
        let house = Self { folder, burgee, token };
        house.make("segments", json!({ "key": "beta", "included": ["ann"] })).await?;
        house.make("segments", json!({ "key": "outer", "when": { "any": [{ "segment": "beta" }] } })).await?;
        let rule = |segment: &str| json!({ "when": { "not": { "segment": segment } }, "serve": { "variant": "off" } });
        let flag = json!({ "key": "inner", "enabled": true, "rules": [rule("outer")] });
        house.make("flags", flag).await?;
        let required = json!([{ "flag": "inner", "variants": ["on"] }]);
        house.make("flags", json!({ "key": "top", "enabled": true, "prerequisites": required })).await?;
        house.edit("CREATE TABLE taken AS SELECT * FROM key_list_chunks").await?;
        house
            .edit(
                "CREATE TRIGGER take AFTER INSERT ON changes BEGIN \
                 INSERT INTO taken SELECT * FROM key_list_chunks; DELETE FROM key_list_chunks; END",
            )
            .await?;
        Ok(house)
    }

    async fn edit(&self, statement: &'static str) -> Result<()> {
        testkit::sqlite::execute(&self.folder.path().join("burgee.db"), statement).await?;
        Ok(())
    }

    async fn make(&self, things: &str, document: Value) -> Result<Value> {
        self.burgee.post(&format!("/api/v1/{things}"), Some(&self.token), &document).await
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.burgee.get(&format!("/api/v1/{path}"), &self.token).await
    }

    /// Uploads 20,000 keys, and gives the last line of the answer.
    async fn upload(&self) -> Result<Value> {
        let keys: Vec<_> = (0..20_000).map(|number| format!("user-{number}")).collect();
        let url = format!("{}/api/v1/segments/beta/included", self.burgee.url);
        let request = self.burgee.http.put(url).bearer_auth(&self.token).header("content-type", "text/plain");
        let answer = request.header("accept", "application/x-ndjson").body(keys.join("\n")).send().await?;
        ensure!(answer.status() == 200, "{}", answer.text().await?);
        Ok(serde_json::from_str(answer.text().await?.lines().last().context("no lines")?)?)
    }

    async fn explain(&self, flag: &str) -> Result<Value> {
        let question = json!({ "flag": flag, "context": { "targetingKey": "ann" } });
        self.burgee.post("/api/v1/evaluate/explain", Some(&self.token), &question).await
    }
}

fn problems(shown: &Value) -> Vec<(&str, &str)> {
    let problems = shown["problems"].as_array().into_iter().flatten();
    problems.filter_map(|problem| Some((problem["path"].as_str()?, problem["message"].as_str()?))).collect()
}

#[tokio::test]
async fn what_is_asked_as_it_was_says_so_until_its_list_is_here() -> Result<()> {
    let house = Taken::open().await?;
    let revision = house.get("flags/top").await?["version"].clone();
    assert_eq!(house.explain("top").await?.get("waiting"), None);

    let uploaded = house.upload().await?;
    let segment = &uploaded["segment"];
    let list = segment["included"]["sha256"].as_str().context("no list")?;
    let told = format!("is asked as it was at revision {revision}, until its key list {list} is here");
    assert_eq!(problems(segment), [("included", &*told)], "who uploads is told at once");
    let shown = house.get("segments/beta").await?;
    assert!(problems(&shown).contains(&("included", &told)), "{shown}");
    let named = format!("the segment \"beta\" {told}");
    let outer = house.get("segments/outer").await?;
    assert_eq!(problems(&outer), [("when.any[0].segment", &*named)]);
    let inner = house.get("flags/inner").await?;
    assert_eq!(problems(&inner), [("rules[0].when.not.segment", &*named)]);
    assert_eq!(house.get("flags").await?[0], inner, "a list says the same");

    let waiting = json!([{ "segment": "beta", "revision": revision, "key_lists": [list], "message": named }]);
    for flag in ["inner", "top"] {
        let explained = house.explain(flag).await?;
        assert_eq!((&explained["variant"], &explained["waiting"]), (&json!("on"), &waiting), "{explained}");
        let text = explained["text"].as_str().context("no text")?;
        assert!(text.ends_with(&format!("\n  But {named}.\n")), "{text}");
    }

    house.edit("INSERT INTO key_list_chunks SELECT * FROM taken").await?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while house.explain("top").await?.get("waiting").is_some() {
        ensure!(Instant::now() < deadline, "its list never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(house.explain("inner").await?["variant"], "off", "ann was among its keys no longer");
    for path in ["segments/beta", "segments/outer", "flags/inner"] {
        assert_eq!(house.get(path).await?.get("problems"), None, "{path}");
    }
    Ok(())
}
