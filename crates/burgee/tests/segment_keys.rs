//! Lists of keys through the program: uploaded by the million, streamed back, and never half there.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Body, RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::house::House;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const NDJSON: &str = "application/x-ndjson";

async fn house() -> Result<House> {
    let house = House::open(PROGRAM).await?;
    house.burgee.post("/api/v1/segments", Some(&house.developer), &json!({"key": "beta"})).await?;
    Ok(house)
}

fn put(house: &House, path: &str) -> RequestBuilder {
    let url = format!("{}/api/v1/segments/beta/{path}", house.burgee.url);
    house.burgee.http.put(url).bearer_auth(&house.developer)
}

async fn upload(house: &House, path: &str, body: impl Into<Body>) -> Result<(u16, Value)> {
    read(put(house, path).header("content-type", "text/plain").body(body).send().await?).await
}

async fn read(answer: Response) -> Result<(u16, Value)> {
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// What the list is, as it streams back.
async fn keys(house: &House, list: &str) -> Result<String> {
    let url = format!("{}/api/v1/segments/beta/{list}", house.burgee.url);
    let answer = house.burgee.http.get(url).bearer_auth(&house.user).send().await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    ensure!(answer.headers()["content-type"] == "text/plain; charset=utf-8");
    let count: usize = answer.headers()["x-total-count"].to_str()?.parse()?;
    let text = answer.text().await?;
    ensure!(text.lines().count() == count, "{count} keys were promised");
    Ok(text)
}

/// The keys from `from` to before `to`, in the order of their bytes, each on a line.
fn lines(from: u32, to: u32) -> String {
    let mut text = String::new();
    for number in from..to {
        let _ = writeln!(text, "user-{number:0>7}");
    }
    text
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[tokio::test]
async fn few_keys_are_held_in_the_segment() -> Result<()> {
    let house = house().await?;
    let (status, segment) = upload(&house, "included", "u2 \r\n\nü 1\n\tu2\nu1").await?;
    assert_eq!((status, &segment["included"]), (200, &json!(["u1", "u2", "ü 1"])), "{segment}");
    assert_eq!(keys(&house, "included").await?, "u1\nu2\nü 1\n");
    let (status, segment) = upload(&house, "included?mode=add", "u3\nu1\n").await?;
    assert_eq!((status, &segment["included"]), (200, &json!(["u1", "u2", "u3", "ü 1"])));
    let (status, segment) = upload(&house, "included?mode=remove", "u1\nu9\n").await?;
    assert_eq!((status, &segment["included"]), (200, &json!(["u2", "u3", "ü 1"])));
    let ndjson = put(&house, "excluded").header("content-type", NDJSON).body("\"a\"\n\"\\u00fc\"\n");
    let (status, segment) = read(ndjson.send().await?).await?;
    assert_eq!((status, &segment["excluded"]), (200, &json!(["a", "ü"])));
    assert_eq!(segment["included"], json!(["u2", "u3", "ü 1"]));
    let (status, same) = upload(&house, "included?mode=add", "u2").await?;
    assert_eq!((status, &same["version"]), (200, &segment["version"]), "nothing changed");
    let (status, refused) = upload(&house, "included", "\r\n\n").await?;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid")), "it may well be a mistake");
    assert_eq!(keys(&house, "included").await?, "u2\nu3\nü 1\n");
    let (status, segment) = upload(&house, "included?mode=replace", "").await?;
    assert_eq!((status, &segment["included"]), (200, &json!([])), "an empty body empties it");
    assert_eq!(keys(&house, "included").await?, "");
    Ok(())
}

#[tokio::test]
async fn too_many_for_a_document_are_sent_to_the_upload() -> Result<()> {
    let house = house().await?;
    let many: Vec<_> = (0..10_001).map(|number| format!("u{number}")).collect();
    let (path, document) = ("/api/v1/segments/beta", json!({ "excluded": many }));
    let (status, answer) = house.burgee.ask("PATCH", path, Some(&house.developer), Some(&document)).await?;
    let violation = &answer["violations"][0];
    assert_eq!((status, &violation["path"]), (400, &json!("excluded")));
    let message = violation["message"].as_str().context("no message")?;
    assert!(message.starts_with("has 10001 keys; at most 10000"), "{message}");
    assert!(message.ends_with("PUT /api/v1/segments/{key}/excluded"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_large_list_is_named_by_its_content() -> Result<()> {
    let house = house().await?;
    let text = lines(0, 60_000);
    let mut shuffled: Vec<_> = text.lines().rev().collect();
    shuffled.rotate_left(12_345);
    let (status, segment) = upload(&house, "included", shuffled.join("\n")).await?;
    let named = |text: &str, count: u32| json!({"sha256": sha256(text), "count": count});
    assert_eq!((status, &segment["included"]), (200, &named(&text, 60_000)), "{segment}");
    assert!(keys(&house, "included").await? == text, "they came back otherwise");
    let snapshot = house.burgee.get("/sdk/v1/snapshot", &house.burgee.banner.server_key).await?;
    assert_eq!(snapshot["segments"]["beta"]["included"], segment["included"]);

    let (status, added) = upload(&house, "included?mode=add", lines(59_990, 60_010)).await?;
    assert_eq!((status, &added["included"]), (200, &named(&lines(0, 60_010), 60_010)));
    let (status, removed) = upload(&house, "included?mode=remove", lines(0, 50_000)).await?;
    let rest = lines(50_000, 60_010);
    assert_eq!((status, &removed["included"]), (200, &named(&rest, 10_010)));
    assert!(keys(&house, "included").await? == rest, "they came back otherwise");
    let (status, few) = upload(&house, "included?mode=remove", lines(50_000, 60_008)).await?;
    assert_eq!((status, &few["included"]), (200, &json!(["user-0060008", "user-0060009"])));

    let log = house.get("/api/v1/audit?limit=4").await?;
    let after = |index: usize| log[index]["after"]["configs"]["development"]["included"].clone();
    assert_eq!(log[3]["action"], "upload_segment_keys");
    let expected =
        json!({"count": 60_000, "sha256": sha256(&text), "added_count": 60_000, "removed_count": 0});
    assert_eq!(after(3), expected, "too many to name");
    let added: Vec<_> = (60_000..60_010).map(|number| format!("user-{number:0>7}")).collect();
    assert_eq!((&after(2)["added"], &after(2)["removed"]), (&json!(added), &json!([])));
    assert_eq!(log[2]["before"]["configs"]["development"]["included"]["sha256"], sha256(&text));
    assert_eq!(after(1)["removed_count"], json!(50_000));
    Ok(())
}

#[tokio::test]
async fn a_large_list_is_copied_and_kept_as_it_is() -> Result<()> {
    let house = house().await?;
    let text = lines(0, 20_000);
    let (_, segment) = upload(&house, "excluded", text.clone()).await?;
    let path = "/api/v1/segments/beta";
    let (status, same) = house.burgee.ask("PUT", path, Some(&house.developer), Some(&segment)).await?;
    assert_eq!((status, &same), (200, &segment), "what GET answers can be sent back");
    let places = json!({"from": "development", "to": "staging"});
    let copied = house.burgee.post(&format!("{path}/copy"), Some(&house.developer), &places).await?;
    assert_eq!(copied["segment"]["excluded"], segment["excluded"]);
    assert_eq!(copied["changes"][0]["after"]["added_count"], json!(20_000));
    let elsewhere = format!("{path}?environment=staging");
    let emptied = json!({"excluded": []});
    assert_eq!(house.burgee.ask("PATCH", &elsewhere, Some(&house.developer), Some(&emptied)).await?.0, 200);
    assert!(keys(&house, "excluded").await? == text, "the other environment's went with it");
    assert_eq!(house.burgee.ask("DELETE", path, Some(&house.admin), None).await?.0, 204);
    let log = house.get("/api/v1/audit?limit=1").await?;
    let excluded = &log[0]["before"]["configs"]["development"]["excluded"];
    assert_eq!(*excluded, json!({"count": 20_000, "sha256": sha256(&text)}));
    Ok(())
}

#[tokio::test]
async fn a_million_keys_are_taken_and_told_of_as_they_come() -> Result<()> {
    let house = house().await?;
    let text = lines(0, 1_000_000);
    let answer = put(&house, "included").header("accept", NDJSON).body(text.clone()).send().await?;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], NDJSON);
    let told = answer.text().await?;
    let told: Vec<Value> = told.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (last, progress) = told.split_last().context("nothing was told")?;
    assert_eq!(last["segment"]["included"], json!({"sha256": sha256(&text), "count": 1_000_000}));
    let counts: Vec<_> = progress.iter().filter_map(|line| line["keys_read"].as_u64()).collect();
    assert!(counts.len() == progress.len() && counts.len() > 5 && counts.is_sorted(), "{counts:?}");
    assert!(keys(&house, "included").await? == text, "they came back otherwise");

    let (status, answer) = upload(&house, "included?mode=add", "one-more\n").await?;
    assert_eq!((status, &answer["code"]), (413, &json!("too_many_keys")));
    let message = "included would have 1000001 keys; a segment's list has at most 1000000";
    assert_eq!(answer["detail"], message);
    let (status, answer) = upload(&house, "excluded", text + "a\nb\n").await?;
    assert_eq!((status, &answer["code"]), (413, &json!("too_many_keys")));
    let detail = answer["detail"].as_str().context("no message")?;
    assert!(detail.starts_with("line 1000001: a segment's list has at most 1000000 keys"), "{detail}");
    assert_eq!(keys(&house, "excluded").await?, "");
    Ok(())
}

#[tokio::test]
async fn faults_are_told_with_their_lines_and_change_nothing() -> Result<()> {
    let house = house().await?;
    upload(&house, "included", "u1\nu2\n").await?;
    let before = house.get("/api/v1/segments/beta").await?;
    let bad = format!("{}a\tb\n{}\ngood\n{}\n", lines(0, 30_000), "x".repeat(257), "\u{85}");
    let (status, answer) = upload(&house, "included", bad.clone()).await?;
    assert_eq!((status, &answer["code"]), (400, &json!("invalid")));
    let paths: Vec<_> =
        answer["violations"].as_array().context("none")?.iter().map(|one| one["path"].clone()).collect();
    assert_eq!(paths, ["line 30001", "line 30002", "line 30004"], "{answer}");
    let early = put(&house, "included").header("accept", NDJSON).body("a\tb\n").send().await?;
    assert_eq!(read(early).await?.0, 400, "nothing was told yet");
    let many = format!("{}a\tb\n", lines(0, 600_000));
    let told = put(&house, "included").header("accept", NDJSON).body(many).send().await?;
    assert_eq!(told.status(), 200, "it was begun before anyone knew");
    let told = told.text().await?;
    let last: Value = serde_json::from_str(told.lines().last().context("nothing was told")?)?;
    assert_eq!(
        (&last["error"]["status"], &last["error"]["violations"]),
        (&json!(400), &json!([{ "path": "line 600001", "message": answer["violations"][0]["message"] }]))
    );
    let (status, answer) = upload(&house, "included", vec![b'u', 0xff, b'\n']).await?;
    assert_eq!((status, &answer["violations"][0]["message"]), (400, &json!("must be UTF-8")));
    let many = "\u{1}\n".repeat(100_000);
    let (status, answer) = upload(&house, "included", many).await?;
    assert_eq!((status, answer["violations"].as_array().map(Vec::len)), (400, Some(100)));
    let (status, answer) = upload(&house, "included?mode=merge", "u3").await?;
    assert_eq!((status, &answer["violations"][0]["path"]), (400, &json!("query mode")));
    let document = put(&house, "included").json(&json!(["u1"])).send().await?;
    assert_eq!(read(document).await?.0, 415);
    assert_eq!(house.get("/api/v1/segments/beta").await?, before);
    Ok(())
}

/// A connection on which half an upload was sent.
async fn begin(house: &House, more: &str, sent: &str) -> Result<TcpStream> {
    let address = house.burgee.url.strip_prefix("http://").context("no address")?;
    let mut connection = TcpStream::connect(address).await?;
    let head = format!(
        "PUT /api/v1/segments/beta/included HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         {more}Content-Length: 1000000\r\n\r\n",
        house.developer
    );
    connection.write_all(head.as_bytes()).await?;
    connection.write_all(sent.as_bytes()).await?;
    Ok(connection)
}

#[tokio::test]
async fn who_waits_to_be_told_to_go_on_is_told() -> Result<()> {
    let house = house().await?;
    for more in ["", "Accept: application/x-ndjson\r\n"] {
        let mut connection = begin(&house, &format!("{more}Expect: 100-continue\r\n"), "").await?;
        let mut answer = [0; 12];
        let reading = connection.read_exact(&mut answer);
        tokio::time::timeout(Duration::from_secs(5), reading).await.context("nobody told")??;
        assert_eq!(&answer, b"HTTP/1.1 100", "{more}");
    }
    Ok(())
}

#[tokio::test]
async fn half_an_upload_changes_nothing_and_few_run_at_a_time() -> Result<()> {
    let house = house().await?;
    upload(&house, "included", "u1\n").await?;
    let head = house.head().await?;
    let mut waiting = vec![begin(&house, "", &lines(0, 20_000)).await?];
    // Until as many are under way as there may be. One of them may itself have met the upload that asks.
    let mut refused = (0, Value::Null);
    for _ in 0..200 {
        waiting.push(begin(&house, "", "u2\n").await?);
        refused = upload(&house, "included?mode=remove", "nobody\n").await?;
        if refused.0 == 429 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((refused.0, &refused.1["code"]), (429, &json!("too_many")));
    for mut connection in waiting {
        connection.shutdown().await?;
        let mut answer = String::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), connection.read_to_string(&mut answer)).await?;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let mut status = 429;
    for _ in 0..200 {
        status = upload(&house, "included?mode=remove", "nobody\n").await?.0;
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status, 200, "the places are free again");
    assert_eq!(keys(&house, "included").await?, "u1\n");
    assert_eq!(house.head().await?, head, "nothing was changed");
    Ok(())
}

/// Each takes what is there and adds to it: none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_at_the_same_time_add_up() -> Result<()> {
    let house = house().await?;
    let one = async |place: u32| -> Result<()> {
        for round in 0..5 {
            loop {
                let from = place * 100_000 + round * 5_000;
                let (status, answer) = upload(&house, "included?mode=add", lines(from, from + 5_000)).await?;
                ensure!(matches!(status, 200 | 429), "{answer}");
                if status == 200 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    };
    tokio::try_join!(one(0), one(1), one(2))?;
    let expected = [lines(0, 25_000), lines(100_000, 125_000), lines(200_000, 225_000)].concat();
    assert!(keys(&house, "included").await? == expected, "some were lost");
    Ok(())
}
