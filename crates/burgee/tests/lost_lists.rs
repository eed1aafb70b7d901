//! A large list that does not read whole any more, as after a copy of the database that was cut short: it says so, and
//! never stands in the way of replacing it.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const ALL: &str = "DELETE FROM key_list_chunks";
const THE_LAST: &str =
    "DELETE FROM key_list_chunks WHERE position = (SELECT max(position) FROM key_list_chunks)";
const THE_MIDDLE: &str = "DELETE FROM key_list_chunks WHERE position = 1";
const WITH_ITS_NAME: &str = "DELETE FROM key_lists";
/// As long as before, but another key in it.
const ANOTHER_KEY: &str = "UPDATE key_list_chunks SET bytes = cast(replace(cast(bytes AS TEXT), 'user-0000000001', 'user-000000000x') AS BLOB)";
/// What can be seen without reading all of it.
const MISSING: [&str; 4] = [ALL, THE_LAST, THE_MIDDLE, WITH_ITS_NAME];
const DAMAGES: [&str; 5] = [ALL, THE_LAST, THE_MIDDLE, WITH_ITS_NAME, ANOTHER_KEY];

/// Keys in the order of their bytes, each on a line; 30,000 are three pieces.
fn lines(from: u32, to: u32) -> String {
    let mut text = String::new();
    for number in from..to {
        let _ = writeln!(text, "user-{number:0>10}-somewhere");
    }
    text
}

struct House {
    folder: tempfile::TempDir,
    burgee: Burgee,
    token: String,
}

impl House {
    async fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
        let token = burgee.register("dev@example.com", "developer").await?;
        Ok(Self { folder, burgee, token })
    }

    /// A segment whose included keys are damaged, and what it was before.
    async fn damaged(&self, key: &str, damage: &'static str) -> Result<Value> {
        self.burgee.post("/api/v1/segments", Some(&self.token), &json!({ "key": key })).await?;
        let (status, taken) = self.upload(key, "", lines(0, 30_000)).await?;
        ensure!(status == 200, "{taken}");
        let whole = self.served(key).await?;
        let rows = testkit::sqlite::execute(&self.folder.path().join("burgee.db"), damage).await?;
        ensure!(rows > 0, "{damage} touched nothing");
        Ok(whole)
    }

    /// The segment once applications are asked by it: an upload's answer does not wait for long.
    async fn served(&self, key: &str) -> Result<Value> {
        for _ in 0..200 {
            let (_, shown) = self.ask("GET", &format!("/api/v1/segments/{key}"), Value::Null).await?;
            if shown.get("problems").is_none() {
                return Ok(shown);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{key} is not asked by its keys after ten seconds")
    }

    async fn upload(&self, key: &str, query: &str, keys: String) -> Result<(u16, Value)> {
        let url = format!("{}/api/v1/segments/{key}/included{query}", self.burgee.url);
        let answer = self.burgee.http.put(url).bearer_auth(&self.token).body(keys).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
        let body = Some(&body).filter(|body| !body.is_null());
        self.burgee.ask(method, path, Some(&self.token), body).await
    }

    /// The included keys; an error if the body was cut off.
    async fn keys(&self, key: &str) -> Result<String> {
        let url = format!("{}/api/v1/segments/{key}/included", self.burgee.url);
        Ok(self
            .burgee
            .http
            .get(url)
            .bearer_auth(&self.token)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?)
    }

    async fn last_change(&self) -> Result<Value> {
        Ok(self.burgee.get("/api/v1/audit?limit=1", &self.token).await?[0].clone())
    }
}

#[tokio::test]
async fn other_keys_take_its_place_and_the_log_says_so() -> Result<()> {
    let house = House::open().await?;
    for (number, damage) in DAMAGES.into_iter().enumerate() {
        let key = format!("s{number}");
        let whole = house.damaged(&key, damage).await?;
        let (status, replaced) = house.upload(&key, "", lines(5, 20_000)).await?;
        assert_eq!((status, &replaced["included_count"]), (200, &json!(19_995)), "{damage}: {replaced}");
        assert!(house.keys(&key).await? == lines(5, 20_000), "{damage}");
        let entry = house.last_change().await?;
        let [before, after] =
            ["before", "after"].map(|side| &entry[side]["configs"]["development"]["included"]);
        assert_eq!((&before["sha256"], &before["count"]), (&whole["included"]["sha256"], &json!(30_000)));
        let note = before["note"].as_str().unwrap_or_default();
        assert!(note.contains("could not be read"), "{damage}: {before}");
        assert_eq!(*after, replaced["included"], "{damage}: what came and went cannot be known");
    }
    Ok(())
}

#[tokio::test]
async fn the_same_keys_mend_it() -> Result<()> {
    let house = House::open().await?;
    for (number, damage) in DAMAGES.into_iter().enumerate() {
        let key = format!("s{number}");
        let whole = house.damaged(&key, damage).await?;
        let (_, shown) = house.ask("GET", &format!("/api/v1/segments/{key}"), Value::Null).await?;
        let missed = shown["problems"][0]["path"] == "included";
        assert_eq!(missed, MISSING.contains(&damage), "{damage}: {shown}");
        if missed {
            assert!(house.keys(&key).await.is_err(), "{damage}: a part was given for the whole");
        }
        let (status, mended) = house.upload(&key, "", lines(0, 30_000)).await?;
        assert_eq!(status, 200, "{damage}: {mended}");
        assert!(house.keys(&key).await? == lines(0, 30_000), "{damage}");
        assert_eq!(house.served(&key).await?, whole, "{damage}: nothing has changed");
        let (status, added) = house.upload(&key, "?mode=add", lines(30_000, 30_001)).await?;
        assert_eq!((status, &added["included_count"]), (200, &json!(30_001)), "{damage}: {added}");
    }
    Ok(())
}

#[tokio::test]
async fn what_needs_its_keys_says_what_to_do() -> Result<()> {
    let house = House::open().await?;
    for (number, damage) in DAMAGES.into_iter().enumerate() {
        let key = format!("s{number}");
        house.damaged(&key, damage).await?;
        let places = json!({ "from": "development", "to": "staging" });
        let asked = [
            house.upload(&key, "?mode=add", lines(30_000, 30_001)).await?,
            house.upload(&key, "?mode=remove", lines(0, 1)).await?,
            house.ask("POST", &format!("/api/v1/segments/{key}/copy"), places).await?,
        ];
        for (status, problem) in asked {
            assert_eq!((status, &problem["code"]), (409, &json!("key_list_lost")), "{damage}: {problem}");
            let why = problem["detail"].as_str().unwrap_or_default();
            assert!(why.contains("upload all of its keys again"), "{why}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_environment_is_copied_with_all_that_it_lacks() -> Result<()> {
    let house = House::open().await?;
    let admin = house.burgee.admin().await?;
    for (number, damage) in [ALL, WITH_ITS_NAME].into_iter().enumerate() {
        house.damaged(&format!("s{number}"), damage).await?;
        let document = json!({ "key": format!("e{number}"), "copy_from": "development" });
        house.burgee.post("/api/v1/environments", Some(&admin), &document).await?;
        let path = format!("/api/v1/segments/s{number}?environment=e{number}");
        let (_, shown) = house.ask("GET", &path, Value::Null).await?;
        assert_eq!(shown["problems"][0]["path"], "included", "{damage}: {shown}");
        assert_eq!(house.ask("PATCH", &path, json!({ "included": [] })).await?.0, 200, "{damage}");
    }
    Ok(())
}

#[tokio::test]
async fn the_rest_of_its_segment_can_be_changed_and_it_can_be_left() -> Result<()> {
    let house = House::open().await?;
    for (number, damage) in DAMAGES.into_iter().enumerate() {
        let path = format!("/api/v1/segments/s{number}");
        house.damaged(&format!("s{number}"), damage).await?;
        let edits = [
            json!({ "name": "Many" }),
            json!({ "when": { "attribute": "plan", "operator": "exists" } }),
            json!({ "excluded": ["u1"] }),
        ];
        for edit in edits {
            let (status, edited) = house.ask("PATCH", &path, edit.clone()).await?;
            assert_eq!(
                (status, &edited["included_count"]),
                (200, &json!(30_000)),
                "{damage} {edit}: {edited}"
            );
        }
        let back = json!({ "from": "staging", "to": "development" });
        let (status, tried) = house.ask("POST", &format!("{path}/copy?dry_run=true"), back.clone()).await?;
        assert_eq!(status, 200, "{damage}: {tried}");
        let (status, emptied) = if number % 2 == 0 {
            house.ask("PATCH", &path, json!({ "included": [] })).await?
        } else {
            house.ask("POST", &format!("{path}/copy"), back).await?
        };
        assert_eq!(status, 200, "{damage}: {emptied}");
        assert_eq!(house.keys(&format!("s{number}")).await?, "", "{damage}");
    }
    Ok(())
}
