//! One evaluation over OFREP, beside the bare handler: interleaved rounds of one run, so that the machine's
//! moods touch both alike.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::process::Start;

use crate::load;

const ROUNDS: usize = 5;
const CONNECTIONS: usize = 64;
const ROUND: Duration = Duration::from_secs(3);
const PATH: &str = "/ofrep/v1/evaluate/flags/new-checkout";

/// Measures both and prints the medians and their ratio.
pub(crate) async fn run(program: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program, folder: folder.path(), env: &[] }.start().await?;
    let admin = burgee.admin().await?;
    let rule = json!({ "attribute": "country", "operator": "in", "value": "DE, AT", "variant": true });
    let flag = json!({ "key": "new-checkout", "enabled": true, "rollout_percentage": 25, "rules": [rule] });
    burgee.post("/api/v1/flags", Some(&admin), &flag).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let body = json!({ "context": { "targetingKey": "user-42", "country": "AT", "plan": "gold" } });
    compare_answers(&burgee.http, &burgee.url, &burgee.banner.server_key, &body).await?;

    let mut bare = Command::new(std::env::current_exe()?).arg("bare").stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(bare.stdout.take().context("no output")?).read_line(&mut line)?;
    let bare_port: u16 = line.trim().parse()?;
    let burgee_port: u16 = burgee.url.rsplit(':').next().context("no port")?.parse()?;
    let request = request(&burgee.banner.server_key, &body.to_string());

    let (mut floor, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floor.push(load::run(bare_port, request.clone(), CONNECTIONS, ROUND).await?.per_second());
        ours.push(load::run(burgee_port, request.clone(), CONNECTIONS, ROUND).await?.per_second());
    }
    bare.kill()?;
    bare.wait()?;
    let ratios: Vec<_> = ours.iter().zip(&floor).map(|(ours, floor)| ours / floor * 100.0).collect();
    println!("bare handler, {CONNECTIONS} connections:            {:.0} req/s", median(floor));
    println!("OFREP single, {CONNECTIONS} connections:            {:.0} req/s", median(ours));
    println!("OFREP single beside the bare handler:    {:.1} % (median of {ROUNDS} pairs)", median(ratios));
    Ok(())
}

/// The bare handler must answer as much as Burgee does: the same JSON but for ids and numbers.
async fn compare_answers(http: &reqwest::Client, url: &str, key: &str, body: &Value) -> Result<()> {
    let answer: Value =
        http.post(format!("{url}{PATH}")).header("x-sdk-key", key).json(body).send().await?.json().await?;
    let bare: Value = serde_json::from_str(include_str!("answer.json"))?;
    let (ours, floor) = (answer.to_string().len(), bare.to_string().len());
    ensure!(ours.abs_diff(floor) <= 8, "answer.json has {floor} bytes, the real answer {ours}: {answer}");
    Ok(())
}

pub(crate) fn request(key: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nx-sdk-key: {key}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
