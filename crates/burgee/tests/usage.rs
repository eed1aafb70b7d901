//! What flags were asked for, shown and led to: sent by applications, counted by the doors themselves, read back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::house::House;
use testkit::process::{Burgee, Start};
use testkit::way::way_to;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
/// A clock that is years behind: what is sent counts by the server's all the same.
const SENT: &str = "2020-01-01T00:00:10Z";
const AT: &str = "2020-01-01T00:00:09.5Z";
/// What is counted is written every ten seconds; on a busy machine later.
const PATIENCE: Duration = Duration::from_secs(40);
const MOST: u64 = (1 << 53) - 1;

fn batch(id: &str, events: &[Value]) -> Value {
    json!({ "batch_id": id, "sent_at": SENT, "events": events })
}

fn count(flag: &str, variant: &str, n: u64) -> Value {
    json!({ "type": "count", "flag": flag, "variant": variant, "version": 7, "reason": "SPLIT", "n": n, "from": AT, "to": SENT })
}

fn exposure(unit: &str, version: u64) -> Value {
    json!({ "type": "exposure", "flag": "f", "variant": "on", "version": version, "rule": "r1", "unit": unit, "at": AT })
}

async fn send(burgee: &Burgee, key: &str, body: &Value) -> Result<(u16, Value)> {
    burgee.ask("POST", "/sdk/v1/events", Some(key), Some(body)).await
}

/// The numbers of a receipt: accepted, skipped, rejected, and whether it was a duplicate.
fn told(receipt: &Value) -> Option<(u64, u64, u64, bool)> {
    let number = |name: &str| receipt[name].as_u64();
    Some((number("accepted")?, number("skipped")?, number("rejected")?, receipt["duplicate"].as_bool()?))
}

async fn usage(burgee: &Burgee, token: &str, path: &str) -> Result<Value> {
    burgee.get(&format!("/api/v1/flags/{path}"), token).await
}

/// How often it was evaluated in all.
fn evaluated(usage: &Value) -> u64 {
    let totals = usage["totals"].as_array().into_iter().flatten();
    totals.filter_map(|total| total["n"].as_u64()).sum()
}

/// How many units were shown something.
fn units(usage: &Value) -> u64 {
    usage["exposures"].as_array().into_iter().flatten().filter_map(|shown| shown["units"].as_u64()).sum()
}

async fn evaluate(burgee: &Burgee, flag: &str, user: &str) -> Result<()> {
    let url = format!("{}/ofrep/v1/evaluate/flags/{flag}", burgee.url);
    let body = json!({ "context": { "targetingKey": user } });
    let request = burgee.http.post(url).header("x-sdk-key", &burgee.banner.server_key).json(&body);
    ensure!(request.send().await?.status() == 200);
    Ok(())
}

/// Asks until so many evaluations are told, and gives all of it.
async fn until_evaluated(burgee: &Burgee, token: &str, path: &str, n: u64) -> Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = usage(burgee, token, path).await?;
        if evaluated(&told) >= n || Instant::now() > deadline {
            ensure!(evaluated(&told) == n, "{path}: not {n} in {told}");
            return Ok(told);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// A flag whose default splits by user, and is to be known.
fn tracked(key: &str) -> Value {
    let split = json!([{ "variant": "on", "weight": 50_000 }, { "variant": "off", "weight": 50_000 }]);
    json!({ "key": key, "enabled": true, "default": { "split": split, "track": true } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_taken_once_and_read_back() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "f", "enabled": true })).await?;
    let key = &house.burgee.banner.server_key;
    let first = batch(
        "b1",
        &[
            count("f", "on", 3),
            json!({ "type": "hologram" }),
            exposure("u1", 7),
            json!({ "type": "metric", "name": "revenue", "value": 12.5, "unit": "u1", "flag": "f", "at": AT }),
            count("made-up", "on", 1),
            exposure("u1", 8),
            json!({ "type": "exposure", "flag": "f" }),
        ],
    );
    let (status, receipt) = send(&house.burgee, key, &first).await?;
    assert_eq!((status, told(&receipt)), (200, Some((4, 1, 2, false))), "{receipt}");
    assert_eq!(receipt["violations"][0]["path"], "events[6].variant", "{receipt}");
    let (status, again) = send(&house.burgee, key, &first).await?;
    assert_eq!((status, told(&again)), (200, Some((4, 1, 2, true))), "{again}");

    let second = batch("b2", &[count("f", "off", 1), exposure("u2", 7)]);
    let sent = join_all((0..16).map(|_| send(&house.burgee, key, &second))).await;
    let mut new = 0;
    for sent in sent {
        // Too many at once may be sent away, and come again.
        let (status, receipt) = sent?;
        ensure!(status == 200 || receipt["code"] == "too_many_events", "{receipt}");
        new += usize::from(receipt["duplicate"] == false);
    }
    assert_eq!(new, 1);

    let told = usage(&house.burgee, &house.user, "f/usage").await?;
    let off = json!({ "version": 7, "variant": "off", "reason": "SPLIT", "n": 1 });
    let on = json!({ "version": 7, "variant": "on", "reason": "SPLIT", "n": 3 });
    assert_eq!(told["totals"], json!([on, off]));
    assert_eq!(units(&told), 3, "{told}");
    assert_eq!((&told["has_more"], &told["more_exposures"]), (&json!(false), &json!(false)));
    let by_minute = usage(&house.burgee, &house.user, "f/usage?step=minute").await?;
    let points = by_minute["points"].as_array().context("no points")?;
    ensure!((1..=2).contains(&points.len()), "they happened just now: {by_minute}");
    ensure!(told["last_evaluated_at"] == points[points.len() - 1]["at"], "{told}");
    let path = "f/usage?environment=staging&step=day&from=2026-01-01&to=2026-02-01";
    let elsewhere = usage(&house.burgee, &house.user, path).await?;
    assert_eq!((evaluated(&elsewhere), &elsewhere["last_evaluated_at"]), (0, &json!(null)));
    assert_eq!(
        house.head().await?,
        house.get("/api/v1/flags/f").await?["version"],
        "nothing of it is a change"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_or_too_much_loses_nothing_else() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let key = &burgee.banner.server_key;
    house.create(json!({ "key": "f", "enabled": true })).await?;
    for (id, n) in [("b1", MOST - 1), ("b2", 7), ("b3", MOST)] {
        let (status, receipt) =
            send(burgee, key, &batch(id, &[count("f", "on", n), count("f", "off", 1)])).await?;
        assert_eq!((status, told(&receipt)), (200, Some((2, 0, 0, false))));
    }
    let told = usage(burgee, &house.user, "f/usage").await?;
    let on = json!({ "version": 7, "variant": "on", "reason": "SPLIT", "n": MOST });
    let off = json!({ "version": 7, "variant": "off", "reason": "SPLIT", "n": 3 });
    assert_eq!(told["totals"], json!([on, off]));

    let raw = async |body: Vec<u8>| -> Result<(u16, Value)> {
        let request = burgee.http.post(format!("{}/sdk/v1/events", burgee.url)).header("x-sdk-key", key);
        let answer = request.body(body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    };
    for body in [&b""[..], b"{", b"\xff\xfe", b"[]", b"{\"batch_id\": 1}", "[".repeat(100_000).as_bytes()] {
        let (status, problem) = raw(body.to_vec()).await?;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_batch")), "{problem}");
    }
    let (status, problem) = raw(vec![b' '; (1 << 20) + 1]).await?;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")));
    let many = batch("b4", &vec![json!({ "type": "x" }); 10_001]);
    assert_eq!(send(burgee, key, &many).await?.0, 400);
    let ahead = json!({ "type": "metric", "name": "m", "value": 1, "at": "2020-01-01T01:00:00Z" });
    let old = json!({ "type": "metric", "name": "m", "value": 1, "at": "2019-12-01T00:00:00Z" });
    let (_, receipt) = send(burgee, key, &batch("b5", &[ahead, old])).await?;
    assert_eq!(receipt["rejected"], 2);
    assert_eq!(receipt["violations"][1]["path"], "events[1].at", "{receipt}");
    let full: Vec<_> = (0..8_000).map(|unit| exposure(&unit.to_string(), 7)).collect();
    let (status, receipt) = send(burgee, key, &batch("b6", &full)).await?;
    assert_eq!((status, receipt["accepted"].as_u64()), (200, Some(8_000)), "{receipt}");
    assert_eq!(units(&usage(burgee, &house.user, "f/usage").await?), 8_000);
    for query in
        ["from=yesterday", "step=second", "from=2026-02-01&to=2026-01-01", "step=minute&from=2026-01-01"]
    {
        let path = format!("/api/v1/flags/f/usage?{query}");
        assert_eq!(burgee.ask("GET", &path, Some(&house.user), None).await?.0, 400, "{query}");
    }
    assert_eq!(burgee.ask("GET", "/api/v1/flags/made-up/usage", Some(&house.user), None).await?.0, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_key_speaks_of_what_it_shows_alone() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for (key, visible) in [("f", true), ("hidden", false)] {
        house.create(json!({ "key": key, "enabled": true, "client_visible": visible })).await?;
    }
    let events =
        vec![count("f", "on", 1), count("hidden", "on", 1), count("f", "made-up", 1), count("g", "on", 1)];
    let (status, receipt) =
        send(&house.burgee, &house.burgee.banner.client_key, &batch("b1", &events)).await?;
    assert_eq!((status, told(&receipt)), (200, Some((1, 0, 3, false))), "{receipt}");
    assert_eq!(receipt["violations"][0]["message"], receipt["violations"][2]["message"], "it learns nothing");
    assert_eq!(evaluated(&usage(&house.burgee, &house.user, "hidden/usage").await?), 0);
    let totals = &usage(&house.burgee, &house.user, "f/usage").await?["totals"];
    assert_eq!(totals[0]["version"], 0, "it is not the flag's present version");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doors_count_their_own_and_a_kill_counts_nothing_twice() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[] };
    let mut burgee = start.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    for flag in [tracked("f"), json!({ "key": "off" })] {
        burgee.post("/api/v1/flags", Some(&token), &flag).await?;
    }
    for user in ["u1", "u2", "u1", "u3"] {
        evaluate(&burgee, "f", user).await?;
    }
    // All flags for one more, twice; the second answer is that nothing has changed.
    let bulk = |etag: String| {
        let url = format!("{}/ofrep/v1/evaluate/flags", burgee.url);
        let request = burgee.http.post(url).header("x-sdk-key", &burgee.banner.server_key);
        request.header("if-none-match", etag).json(&json!({ "context": { "targetingKey": "u4" } })).send()
    };
    let all = bulk(String::new()).await?;
    let etag = all.headers()["etag"].to_str()?.to_owned();
    assert_eq!(bulk(etag).await?.status(), 304);
    let counted = until_evaluated(&burgee, &token, "f/usage", 5).await?;
    assert_eq!(units(&counted), 4, "{counted}");
    let off = until_evaluated(&burgee, &token, "off/usage", 1).await?;
    assert_eq!((&off["totals"][0]["reason"], units(&off)), (&json!("DISABLED"), 0));

    let (key, seen) = (burgee.banner.server_key.clone(), ["u1", "u4", "u5"]);
    burgee.kill()?;
    burgee = start.start().await?;
    burgee.banner.server_key = key;
    assert_eq!(evaluated(&usage(&burgee, &token, "f/usage").await?), 5, "written once");
    for user in seen {
        evaluate(&burgee, "f", user).await?;
    }
    // What was counted last is written when it stops in order.
    burgee.stop().await?;
    let burgee = start.start().await?;
    let counted = usage(&burgee, &token, "f/usage").await?;
    assert_eq!((evaluated(&counted), units(&counted)), (8, 5), "{counted}");
    let toggled = burgee.post("/api/v1/flags/f/toggle", Some(&token), &json!({ "enabled": true })).await?;
    ensure!(
        counted["totals"][0]["version"].as_u64()
            <= toggled["flag_version"].as_u64().max(toggled["version"].as_u64())
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_count_together_and_know_each_unit_once() -> Result<()> {
    let database = testkit::postgres::database().await?;
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let env = [("DATABASE_URL", database.as_str()), ("SDK_API_KEY", "a-key-of-sixteen-characters")];
    let start = |number: usize| Start { program: PROGRAM, folder: folders[number].path(), env: &env };
    let mut here = start(0).start().await?;
    let token = here.register("dev@example.com", "developer").await?;
    here.post("/api/v1/flags", Some(&token), &tracked("f")).await?;
    let mut there = start(1).start().await?;
    for node in [&mut here, &mut there] {
        node.banner.server_key = "a-key-of-sixteen-characters".to_owned();
    }
    for user in 0..20 {
        evaluate(&here, "f", &format!("u{user}")).await?;
        evaluate(&there, "f", &format!("u{}", user + 10)).await?;
    }
    let same = batch("one", &[count("f", "on", 1), exposure("u1", 0)]);
    let key = &here.banner.server_key;
    let (one, two) = tokio::try_join!(send(&here, key, &same), send(&there, key, &same))?;
    assert_eq!((one.0, two.0), (200, 200));
    ensure!(one.1["duplicate"] != two.1["duplicate"], "{one:?} {two:?}");
    here.stop().await?;
    let counted = until_evaluated(&there, &token, "f/usage", 41).await?;
    assert_eq!(units(&counted), 31, "thirty of this version, and one of another: {counted}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_nothing_is_half_written_and_what_was_counted_waits() -> Result<()> {
    let database = testkit::postgres::database().await?;
    let (begin, rest) = database.split_once('@').context("no address")?;
    let (server, name) = rest.split_once('/').context("no database")?;
    let (switch, open) = watch::channel(true);
    let url = format!("{begin}@127.0.0.1:{}/{name}", way_to(server.to_owned(), open).await?);
    let folder = tempfile::tempdir()?;
    let start = Start { program: PROGRAM, folder: folder.path(), env: &[("DATABASE_URL", &url)] };
    let burgee = start.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    burgee.post("/api/v1/flags", Some(&token), &tracked("f")).await?;
    let (key, events) = (&burgee.banner.server_key, vec![count("f", "on", 2), exposure("u1", 0)]);

    switch.send(false)?;
    for user in ["u1", "u2", "u3"] {
        evaluate(&burgee, "f", user).await?;
    }
    let request = burgee.http.post(format!("{}/sdk/v1/events", burgee.url)).header("x-sdk-key", key);
    let answer = request.json(&batch("b1", &events)).send().await?;
    assert_eq!(answer.status(), 503);
    ensure!(answer.headers().contains_key("retry-after"));
    assert_eq!(answer.json::<Value>().await?["code"], "events_unavailable");
    // Longer than from one try to write what was counted to the next.
    sleep(Duration::from_secs(11)).await;
    evaluate(&burgee, "f", "u1").await?;

    switch.send(true)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, receipt) = send(&burgee, key, &batch("b1", &events)).await?;
        if status == 200 {
            assert_eq!(told(&receipt), Some((2, 0, 0, false)), "the first try wrote nothing");
            break;
        }
        ensure!(Instant::now() < deadline, "{receipt}");
        sleep(Duration::from_millis(200)).await;
    }
    let counted = until_evaluated(&burgee, &token, "f/usage", 6).await?;
    assert_eq!(units(&counted), 4, "{counted}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_users_ids_gets_none_and_what_goes_with_an_environment_is_gone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE__USAGE__KEEP_UNITS", "false")];
    let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let mut burgee = start.start().await?;
    let token = burgee.register("dev@example.com", "developer").await?;
    burgee.post("/api/v1/flags", Some(&token), &tracked("f")).await?;
    let (key, admin) = (burgee.banner.server_key.clone(), burgee.admin().await?);
    let (_, receipt) = send(&burgee, &key, &batch("b1", &[exposure("u1", 7), count("f", "on", 1)])).await?;
    assert_eq!(told(&receipt), Some((1, 1, 0, false)), "{receipt}");
    evaluate(&burgee, "f", "u1").await?;
    burgee.stop().await?;
    burgee = start.start().await?;
    let counted = usage(&burgee, &token, "f/usage").await?;
    assert_eq!((evaluated(&counted), units(&counted)), (2, 0), "{counted}");
    let path = "/api/v1/sdk-keys?environment=staging";
    let made = burgee.post(path, Some(&admin), &json!({ "name": "shop", "kind": "server" })).await?;
    let key = made["key"].as_str().context("no key")?;
    let (status, receipt) = send(&burgee, key, &batch("b1", &[count("f", "on", 1)])).await?;
    assert_eq!((status, told(&receipt)), (200, Some((1, 0, 0, false))), "{receipt}");
    let gone = burgee.ask("DELETE", "/api/v1/environments/staging?force=true", Some(&admin), None).await?;
    assert_eq!(gone.0, 204, "{}", gone.1);
    let late = send(&burgee, key, &batch("b2", &[count("f", "on", 1)])).await?;
    ensure!(matches!(late.0, 401 | 404), "{late:?}");
    let usage = burgee.ask("GET", "/api/v1/flags/f/usage?environment=staging", Some(&token), None).await?;
    assert_eq!(usage.0, 404);
    Ok(())
}
