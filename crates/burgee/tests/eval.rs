//! `burgee eval`: from a file, from standard input, and from a server.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::house::House;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// A snapshot with a few flags, as a server would answer it.
fn snapshot() -> Value {
    let variants = json!([{ "key": "on", "value": true }, { "key": "off", "value": false }]);
    let split = json!([{ "variant": "on", "weight": 50_000 }, { "variant": "off", "weight": 50_000 }]);
    let germany = json!({ "attribute": "country", "operator": "in", "values": ["DE"] });
    json!({
        "schema": 1, "epoch": "c0ffee", "revision": 42, "project": "default", "environment": "production",
        "flags": {
            "new-checkout": {
                "kind": "boolean", "version": 7, "enabled": true, "variants": variants,
                "rules": [{ "id": "r1", "when": germany, "serve": { "variant": "on" } }],
                "default": { "split": split, "sticky": true },
            },
            "broken": { "kind": "colour", "version": 8, "enabled": true, "variants": [], "default": null },
            "nothing": { "kind": "boolean", "version": 9, "enabled": true, "variants": variants, "default": null },
        },
    })
}

/// Runs the program on input, with no environment but this.
fn run(arguments: &[&str], input: &str, env: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(PROGRAM);
    command.env_clear().envs(env.iter().copied()).arg("eval").args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Who does not read its input closes it.
    let _ = child.stdin.take().context("no input")?.write_all(input.as_bytes());
    Ok(child.wait_with_output()?)
}

fn eval(arguments: &[&str], input: &str) -> Result<(Option<i32>, String, String)> {
    let output = run(arguments, input, &[])?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

#[test]
fn an_answer_is_printed_line_by_line() -> Result<()> {
    let snapshot = snapshot().to_string();
    let (code, printed, _) =
        eval(&["new-checkout", "-s", "-", "--context", r#"{"country": "DE"}"#], &snapshot)?;
    assert_eq!(
        (code, printed.as_str()),
        (Some(0), "value    true\nvariant  on\nreason   TARGETING_MATCH\nrule     r1\n")
    );
    let (code, printed, _) = eval(&["nothing", "--snapshot", "-"], &snapshot)?;
    assert_eq!((code, printed.as_str()), (Some(0), "reason   DEFAULT\n"));
    Ok(())
}

#[test]
fn exit_codes_say_what_came_of_it() -> Result<()> {
    let snapshot = snapshot().to_string();
    for (arguments, code) in [
        (vec!["new-checkout", "-s", "-", "-t", "ann"], 0),
        (vec!["new-checkout", "-s", "-"], 4),
        (vec!["broken", "-s", "-"], 4),
        (vec!["no-such-flag", "-s", "-"], 3),
        (vec!["no-such-flag", "-s", "-", "--explain"], 3),
        (vec!["new-checkout"], 2),
        (vec!["new-checkout", "-s", "-", "--url", "http://127.0.0.1:1", "--key", "k"], 2),
        (vec!["new-checkout", "--url", "http://127.0.0.1:1"], 2),
        (vec!["new-checkout", "-s", "-", "--assign", "on"], 2),
        (vec!["new-checkout", "-s", "-", "-c", "[]"], 1),
        (vec!["new-checkout", "-s", "-", "-c", "@/no/such/file"], 1),
        (vec!["new-checkout", "-s", "-", "-c", "-"], 1),
        (vec!["new-checkout", "-s", "/no/such/file"], 1),
        (vec!["new-checkout", "--url", "http://127.0.0.1:1", "--key", "k"], 1),
        (vec!["new-checkout", "--url", "https://127.0.0.1:1", "--key", "k"], 1),
    ] {
        let (ended, printed, complaint) = eval(&arguments, &snapshot)?;
        assert_eq!(ended, Some(code), "{arguments:?} {printed} {complaint}");
        assert_eq!(printed.is_empty(), code == 1 || code == 2, "{arguments:?} {printed}");
        assert_ne!(complaint.is_empty(), printed.is_empty(), "{arguments:?} {complaint}");
    }
    Ok(())
}

#[test]
fn a_context_comes_from_where_it_is_said_to() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_str().map(str::to_owned).context("no text");
    let (snapshot_file, context_file) = (path("snapshot.json")?, path("context.json")?);
    std::fs::write(&snapshot_file, snapshot().to_string())?;
    let context = json!({ "country": "FR", "targetingKey": "user-1" }).to_string();
    std::fs::write(&context_file, &context)?;
    let at_file = format!("@{context_file}");
    let ask = |more: &[&str], input: &str| {
        eval(&[&["new-checkout", "--json", "-s", snapshot_file.as_str()], more].concat(), input)
    };
    let from_file = ask(&["-c", &at_file], "")?.1;
    assert_eq!(ask(&["-c", "-"], &context)?.1, from_file);
    assert_eq!(ask(&["-c", &context], "")?.1, from_file);
    let keys = (2..40).map(|n| format!("user-{n}"));
    let others = keys.map(|key| Ok(ask(&["-c", &at_file, "-t", &key], "")?.1 == from_file));
    let same = others.collect::<Result<Vec<_>>>()?;
    assert!(
        same.contains(&true) && same.contains(&false),
        "the targeting key takes the place of the context's"
    );

    let unit: Value = serde_json::from_str(&from_file)?;
    let other = if unit["variant"] == "on" { "off" } else { "on" };
    let given = format!("new-checkout={other}");
    let kept: Value = serde_json::from_str(&ask(&["-c", &context, "--assign", &given], "")?.1)?;
    assert_eq!(kept["variant"], other, "a sticky split keeps to what was given");
    Ok(())
}

#[test]
fn what_is_not_a_snapshot_is_refused_in_words() -> Result<()> {
    let mut newer = snapshot();
    newer["schema"] = 2.into();
    let mut large = snapshot();
    large["segments"] =
        json!({ "beta": { "included": { "sha256": "0".repeat(64), "count": 20_000 }, "excluded": [] } });
    for (input, says) in [
        ("{".to_owned(), "is not a snapshot"),
        (newer.to_string(), "has the schema 2"),
        (large.to_string(), "--key-lists"),
    ] {
        let (code, _, complaint) = eval(&["new-checkout", "-s", "-"], &input)?;
        assert_eq!(code, Some(1));
        assert!(complaint.starts_with("burgee: ") && complaint.contains(says), "{complaint}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_is_asked_for_its_rules() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house
        .create(json!({
            "key": "new-checkout", "enabled": true, "rollout_percentage": 50,
            "rules": [{ "attribute": "country", "operator": "in", "value": "DE", "variant": true }],
        }))
        .await?;
    let (url, key) = (house.burgee.url.clone(), house.burgee.banner.server_key.clone());
    let context = json!({ "targetingKey": "user-1", "country": "FR" });
    let text = context.to_string();
    let ask = |more: &[&str]| {
        let arguments = [&["new-checkout", "--url", &url, "-c", &text], more].concat();
        run(&arguments, "", &[("BURGEE_SDK_KEY", &key)])
    };
    let request = house.burgee.http.post(format!("{url}/ofrep/v1/evaluate/flags/new-checkout"));
    let answer = request.header("X-API-Key", &key).json(&json!({ "context": context })).send().await?;
    let expected: Value = answer.json().await?;
    let output = ask(&["--json"])?;
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout)?, expected);

    let body = json!({ "flag": "new-checkout", "context": context });
    let expected = house.burgee.post("/api/v1/evaluate/explain", Some(&house.user), &body).await?;
    let output = ask(&["--explain", "--json"])?;
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout)?, expected);
    let output = ask(&["--explain"])?;
    assert_eq!(String::from_utf8(output.stdout)?, expected["text"].as_str().context("no text")?);

    let refused = ask(&["--key", "bgs_wrong"])?;
    assert_eq!(refused.status.code(), Some(1));
    let complaint = String::from_utf8(refused.stderr)?;
    assert!(complaint.contains("401") && complaint.contains("unknown, expired or revoked"), "{complaint}");
    assert!(!complaint.contains("bgs_wrong"), "a key is not for terminals: {complaint}");
    Ok(())
}

#[tokio::test]
async fn large_key_lists_are_fetched_or_read() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (burgee, developer) = (&house.burgee, Some(house.developer.as_str()));
    burgee.post("/api/v1/segments", developer, &json!({ "key": "beta" })).await?;
    let keys = (0..20_000).map(|n| format!("user-{n}")).collect::<Vec<_>>().join("\n");
    let upload = burgee.http.put(format!("{}/api/v1/segments/beta/included", burgee.url));
    let uploaded =
        upload.bearer_auth(&house.developer).header("Content-Type", "text/plain").body(keys).send().await?;
    assert_eq!(uploaded.status(), 200);
    house
        .create(json!({
            "key": "f", "enabled": true, "default_value": false,
            "rules": [{ "when": { "segment": "beta" }, "serve": { "variant": "on" } }],
        }))
        .await?;

    let (url, key) = (burgee.url.clone(), burgee.banner.server_key.clone());
    let get = |path: String| burgee.http.get(format!("{url}{path}")).header("X-SDK-Key", &key).send();
    let snapshot = get("/sdk/v1/snapshot".to_owned()).await?.text().await?;
    let document: Value = serde_json::from_str(&snapshot)?;
    let sha256 = document["segments"]["beta"]["included"]["sha256"].as_str().context("the list is inside")?;
    let blob = get(format!("/sdk/v1/segments/{sha256}")).await?.bytes().await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join(sha256), &blob)?;
    let lists = folder.path().to_str().context("no text")?;

    for (user, value) in [("user-19999", "value    true\n"), ("user-20000", "value    false\n")] {
        let (code, fetched, complaint) = eval(&["f", "--url", &url, "--key", &key, "-t", user], "")?;
        assert_eq!(code, Some(0), "{complaint}");
        let (_, read, _) = eval(&["f", "-s", "-", "--key-lists", lists, "-t", user], &snapshot)?;
        assert_eq!(fetched, read);
        assert!(read.starts_with(value), "{read}");
    }
    std::fs::write(folder.path().join(sha256), blob.slice(..blob.len() - 1))?;
    let (code, _, complaint) = eval(&["f", "-s", "-", "--key-lists", lists, "-t", "user-1"], &snapshot)?;
    assert!(code == Some(1) && complaint.contains("damaged"), "{complaint}");
    Ok(())
}

#[test]
fn a_lone_surrogate_in_the_context_counts_as_a_replacement_character() -> Result<()> {
    let mut snapshot = snapshot();
    snapshot["flags"]["new-checkout"]["rules"][0]["when"]["values"] = json!(["\u{fffd}"]);
    let context = r#"{"country": "\ud800"}"#;
    let (code, printed, complaint) =
        eval(&["new-checkout", "-s", "-", "--context", context], &snapshot.to_string())?;
    assert!(printed.contains("TARGETING_MATCH"), "{code:?} {printed} {complaint}");
    Ok(())
}
