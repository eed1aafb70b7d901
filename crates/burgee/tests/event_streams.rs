//! The streams that OFREP's bulk answers name, with real keys: opened as they stand, and ended with their keys.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Response;
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

/// What a bulk answer for this key says of its stream.
async fn stream_of(burgee: &Burgee, key: &str, query: &str) -> Result<String> {
    let answer = burgee.post(&format!("/ofrep/v1/evaluate/flags{query}"), Some(key), &json!({})).await?;
    let uri = answer["eventStreams"][0]["endpoint"]["requestUri"].as_str();
    uri.map(str::to_owned).with_context(|| format!("no stream in {answer}"))
}

/// Opens it as a provider does, which sends no key.
async fn open(burgee: &Burgee, uri: &str) -> Result<Response> {
    Ok(burgee.http.get(format!("{}{uri}", burgee.url)).send().await?)
}

/// Reads until there is a notice; gives its tag.
async fn notice(stream: &mut Response) -> Result<String> {
    let mut text = String::new();
    let read = async {
        loop {
            let data = text.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(notice) = data.filter(|_| text.ends_with("\n\n")) {
                return anyhow::Ok(serde_json::from_str::<Value>(notice)?);
            }
            let chunk = stream.chunk().await?.context("the stream ended")?;
            text.push_str(std::str::from_utf8(&chunk)?);
        }
    };
    let notice: Value = timeout(Duration::from_secs(10), read).await.context("no notice")??;
    ensure!(notice["type"] == "refetchEvaluation", "rules are not for URLs: {notice}");
    notice["etag"].as_str().map(str::to_owned).context("no tag")
}

async fn make(burgee: &Burgee, token: &str, key: Value) -> Result<(String, String)> {
    let made = burgee.post("/api/v1/sdk-keys?environment=development", Some(token), &key).await?;
    let text = |member: &str| made[member].as_str().map(str::to_owned).context("no key");
    Ok((text("key")?, text("id")?))
}

#[tokio::test]
async fn a_ticket_is_good_on_any_node_and_goes_with_its_key() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (env, log) = ([("BURGEE__LOG__LEVEL", "trace")], folder.path().join("log"));
    let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let burgee = start.start_logging_to(&log).await?;
    let token = burgee.admin().await?;
    burgee.post("/api/v1/flags", Some(&token), &json!({"key": "f", "enabled": true})).await?;
    let (edge, id) = make(
        &burgee,
        &token,
        json!({"name": "e", "kind": "edge", "environments": ["development", "staging"]}),
    )
    .await?;
    let uri = stream_of(&burgee, &edge, "?environment=development").await?;
    ensure!(uri.starts_with(&format!("/sdk/v1/stream?ticket={id}.")), "{uri}");
    ensure!(uri.ends_with("&environment=development") && !uri.contains(&edge), "{uri}");

    // Nothing of it is kept: the next process takes it as well.
    burgee.stop().await?;
    let burgee = start.start_logging_to(&log).await?;
    let mut stream = open(&burgee, &uri).await?;
    ensure!(stream.status() == 200, "{}", stream.text().await?);
    let first = notice(&mut stream).await?;
    burgee.post("/api/v1/flags/f/toggle", Some(&token), &json!({})).await?;
    let second = notice(&mut stream).await?;
    assert_ne!(first, second);
    assert_eq!(open(&burgee, &uri.replace("=development", "=staging")).await?.status(), 401);

    let (status, _) = burgee.ask("DELETE", &format!("/api/v1/sdk-keys/{id}"), Some(&token), None).await?;
    ensure!(status < 300, "{status}");
    timeout(Duration::from_secs(1), stream.bytes()).await.context("the stream outlives its key")??;
    let refused = open(&burgee, &uri).await?;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.json::<Value>().await?["code"], "ticket_not_taken");
    burgee.stop().await?;
    let (log, ticket) = (std::fs::read_to_string(&log)?, uri.split(['=', '&']).nth(1).context("no ticket")?);
    ensure!(log.contains("answered") && !log.contains(ticket), "a ticket is in the log");
    Ok(())
}

#[tokio::test]
async fn a_client_key_opens_its_stream_itself() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?;
    let token = burgee.admin().await?;
    let key = burgee.banner.client_key.clone();
    let uri = stream_of(&burgee, &key, "").await?;
    assert_eq!(uri, format!("/sdk/v1/stream?key={key}"));
    let mut stream = open(&burgee, &uri).await?;
    let first = notice(&mut stream).await?;
    burgee.post("/api/v1/flags", Some(&token), &json!({"key": "f", "enabled": true})).await?;
    let second = notice(&mut stream).await?;
    assert_ne!(first, second);
    // As a provider that is told asks: what it has is named, and what it was told of is what it gets.
    let path = format!("/ofrep/v1/evaluate/flags?flagConfigEtag={}", second.replace('"', "%22"));
    let answer = burgee.post(&path, Some(&key), &json!({})).await?;
    ensure!(second.ends_with(&format!(".{}\"", answer["metadata"]["revision"])), "{second}: {answer}");
    Ok(())
}
