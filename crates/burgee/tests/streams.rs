//! A hundred streams, a burst of toggles, half of the streams cut and resumed: each ends with the server's
//! final state, its ids strictly rise, and every state that it was given is the server's at that id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use engine::model::{Delta, Snapshot};
use futures_util::StreamExt;
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};
use tokio::sync::{Barrier, watch};
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const CLIENTS: usize = 100;
const TOGGLES: usize = 200;
const FLAGS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether each flag is enabled: what the toggles change.
type State = BTreeMap<String, bool>;

/// An event of a stream.
struct Event {
    id: String,
    name: String,
    data: String,
}

/// A client that keeps what it was given at each id.
#[derive(Default)]
struct Client {
    last: Option<String>,
    snapshot: Option<Snapshot>,
    given: Vec<(u64, State)>,
}

impl Client {
    fn take(&mut self, event: &Event) -> Result<()> {
        let revision: u64 = event.id.split_once('.').context("an id without a revision")?.1.parse()?;
        match (event.name.as_str(), &mut self.snapshot) {
            ("snapshot", snapshot) => *snapshot = Some(serde_json::from_str(&event.data)?),
            ("delta", Some(snapshot)) => snapshot.apply(&serde_json::from_str::<Delta>(&event.data)?),
            (name, _) => bail!("{name} out of place"),
        }
        let snapshot = self.snapshot.as_ref().context("no snapshot")?;
        ensure!(
            snapshot.revision == revision,
            "the event {} carries revision {}",
            event.id,
            snapshot.revision
        );
        self.given.push((revision, state(snapshot)?));
        self.last = Some(event.id.clone());
        Ok(())
    }

    fn revision(&self) -> u64 {
        self.given.last().map_or(0, |(revision, _)| *revision)
    }
}

fn state(snapshot: &Snapshot) -> Result<State> {
    let enabled = |flag: &engine::model::Read<engine::model::Flag>| {
        Ok::<_, anyhow::Error>(flag.known().context("a flag that does not read")?.enabled)
    };
    snapshot.flags.iter().map(|(key, flag)| Ok((key.clone(), enabled(flag)?))).collect()
}

/// Opens a stream and hands its events over until it ends, `until` is reached, or `cut` fires.
async fn follow(
    burgee: &Burgee,
    client: &mut Client,
    mut until: watch::Receiver<u64>,
    mut cut: watch::Receiver<bool>,
) -> Result<()> {
    let mut request = burgee
        .http
        .get(format!("{}/sdk/v1/stream", burgee.url))
        .header("x-sdk-key", &burgee.banner.server_key);
    if let Some(last) = &client.last {
        request = request.header("last-event-id", last);
    }
    let mut chunks = request.send().await?.error_for_status()?.bytes_stream();
    let mut text = String::new();
    loop {
        while let Some((event, rest)) =
            text.split_once("\n\n").map(|(event, rest)| (event.to_owned(), rest.to_owned()))
        {
            text = rest;
            if let Some(event) = read_event(&event)? {
                client.take(&event)?;
            }
        }
        let goal = *until.borrow();
        if goal > 0 && client.revision() >= goal {
            return Ok(());
        }
        tokio::select! {
            _ = cut.wait_for(|cut| *cut) => return Ok(()),
            _ = until.changed() => {}
            chunk = chunks.next() => text.push_str(std::str::from_utf8(&chunk.context("the stream ended")??)?),
        }
    }
}

/// `None` for comments and hints.
fn read_event(text: &str) -> Result<Option<Event>> {
    let field = |name: &str| {
        text.lines().filter_map(|line| line.strip_prefix(name)).map(str::trim).collect::<Vec<_>>()
    };
    let (ids, data) = (field("id:"), field("data:"));
    if data.is_empty() {
        return Ok(None);
    }
    ensure!(ids.len() == 1 && data.len() == 1, "one id and one line of data, not: {text}");
    let name = field("event:").first().copied().unwrap_or("message").to_owned();
    Ok(Some(Event { id: ids[0].to_owned(), name, data: data[0].to_owned() }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b14_k1_k2_k4_g8_a_hundred_streams_through_a_burst_with_half_of_them_cut() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Arc::new(Start { program: PROGRAM, folder: folder.path(), env: &[] }.start().await?);
    let admin = burgee.admin().await?;
    let mut changes = BTreeMap::new();
    for number in 0..FLAGS {
        let flag =
            burgee.post("/api/v1/flags", Some(&admin), &json!({ "key": format!("flag-{number}") })).await?;
        changes.extend([change(&flag)?]);
    }

    let (goal, until) = watch::channel(0);
    let (cutter, cut) = watch::channel(false);
    let connected = Arc::new(Barrier::new(CLIENTS + 1));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (burgee, until, connected) = (burgee.clone(), until.clone(), connected.clone());
            // Every other one is cut in the middle of the burst, and resumes from where it stands.
            let cut = (number % 2 == 0).then(|| cut.clone());
            tokio::spawn(async move { run(&burgee, until, cut, &connected).await })
        })
        .collect();
    connected.wait().await;

    changes.extend(toggle(&burgee, &admin, &cutter).await?);
    let history = history(changes);
    let last = *history.keys().last().context("nothing was toggled")?;
    goal.send_replace(last);
    for (number, client) in clients.into_iter().enumerate() {
        let client = timeout(PATIENCE, client)
            .await
            .with_context(|| format!("client {number} never saw revision {last}"))???;
        check(&client, &history, last).with_context(|| format!("client {number}"))?;
    }
    let fetched: Snapshot =
        serde_json::from_value(burgee.get("/sdk/v1/snapshot", &burgee.banner.server_key).await?)?;
    assert_eq!((fetched.revision, Some(&state(&fetched)?)), (last, history.get(&last)));
    Ok(())
}

async fn run(
    burgee: &Burgee,
    until: watch::Receiver<u64>,
    cut: Option<watch::Receiver<bool>>,
    connected: &Barrier,
) -> Result<Client> {
    let mut client = Client::default();
    // Channels whose other end says nothing and stays.
    let (_any, any) = watch::channel(1);
    let (_never, never) = watch::channel(false);
    // The first event of all: the client is there before the burst begins.
    follow(burgee, &mut client, any, never.clone()).await?;
    connected.wait().await;
    if let Some(cut) = cut {
        follow(burgee, &mut client, until.clone(), cut).await?;
    }
    follow(burgee, &mut client, until, never).await?;
    Ok(client)
}

/// What an answer says about a change: its revision, the flag, and whether it is enabled from then on.
fn change(flag: &Value) -> Result<(u64, (String, bool))> {
    let key = flag["key"].as_str().context("no key")?.to_owned();
    Ok((flag["version"].as_u64().context("no version")?, (key, flag["enabled"] == json!(true))))
}

/// The server's state at each revision of the environment, as its answers to the changes told it.
fn history(changes: BTreeMap<u64, (String, bool)>) -> BTreeMap<u64, State> {
    let mut now = State::new();
    let states = changes.into_iter().map(|(revision, (key, enabled))| {
        now.insert(key, enabled);
        (revision, now.clone())
    });
    states.collect()
}

/// Toggles in a burst, several at once, and has the streams cut in the middle.
async fn toggle(
    burgee: &Arc<Burgee>,
    admin: &str,
    cutter: &watch::Sender<bool>,
) -> Result<BTreeMap<u64, (String, bool)>> {
    let toggler = |number| {
        let (burgee, admin) = (burgee.clone(), admin.to_owned());
        tokio::spawn(async move {
            let path = format!("/api/v1/flags/flag-{number}/toggle");
            let mut changes = Vec::new();
            for _ in 0..TOGGLES / FLAGS {
                changes.push(change(&burgee.post(&path, Some(&admin), &Value::Null).await?)?);
            }
            Ok::<_, anyhow::Error>(changes)
        })
    };
    let togglers: Vec<_> = (0..FLAGS).map(toggler).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    cutter.send_replace(true);
    let mut changes = BTreeMap::new();
    for toggler in togglers {
        changes.extend(toggler.await??);
    }
    ensure!(changes.len() == TOGGLES, "each toggle has a revision of its own");
    Ok(changes)
}

fn check(client: &Client, history: &BTreeMap<u64, State>, last: u64) -> Result<()> {
    let ids: Vec<_> = client.given.iter().map(|(revision, _)| *revision).collect();
    ensure!(ids.is_sorted_by(|a, b| a < b), "ids do not strictly rise: {ids:?}");
    ensure!(client.revision() == last, "it ended at {} instead of {last}", client.revision());
    for (revision, given) in &client.given {
        ensure!(history.get(revision) == Some(given), "at {revision} it was given {given:?}");
    }
    Ok(())
}
