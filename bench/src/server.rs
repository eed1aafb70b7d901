//! The real program, started with a data folder of its own and filled with flags.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::process::{Banner, Burgee, Start};
use tokio::runtime::Runtime;

use crate::fetch::Fetch;
use crate::process::Process;
use crate::target::Target;

/// A file of the program, and settings that it is started with.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) file: String,
    /// Names and values of environment variables.
    pub(crate) settings: Vec<(String, String)>,
}

impl Program {
    /// Beside this one, as `cargo build --release` puts it.
    pub(crate) fn beside() -> Result<String> {
        let path = std::env::current_exe()?.with_file_name("burgee");
        ensure!(path.is_file(), "{} is not there: cargo build --release --bin burgee", path.display());
        path.into_os_string().into_string().ok().context("the program's path is no text")
    }
}

/// A running server, and what is needed to ask it. Ends with this value.
pub(crate) struct Server {
    program: Program,
    runtime: Runtime,
    burgee: Option<Burgee>,
    folder: TempDir,
    /// Of the first start, which showed the keys.
    pub(crate) banner: Banner,
    token: String,
    port: u16,
    pub(crate) api: Fetch,
}

impl Server {
    pub(crate) fn start(program: &Program) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let folder = tempfile::tempdir()?;
        let burgee = start(&runtime, program, &folder, 0)?;
        let token = runtime.block_on(burgee.admin())?;
        let target = Target::parse(&burgee.url)?;
        let api = Fetch::new(target.clone().with(&format!("authorization: Bearer {token}"))?);
        let (banner, port) = (burgee.banner.clone(), target.address.port());
        let program = program.clone();
        Ok(Self { program, runtime, burgee: Some(burgee), folder, banner, token, port, api })
    }

    fn burgee(&self) -> Result<&Burgee> {
        self.burgee.as_ref().context("the server is not running")
    }

    pub(crate) fn process(&self) -> Result<Process> {
        Ok(Process::new(self.burgee()?.pid()))
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(self.burgee()?.pid())
    }

    /// For applications with the server-kind key.
    pub(crate) fn target(&self) -> Result<Target> {
        Target::parse(&self.burgee()?.url)?.with(&format!("x-sdk-key: {}", self.banner.server_key))
    }

    /// For the admin.
    pub(crate) fn control(&self) -> Result<Target> {
        Target::parse(&self.burgee()?.url)?.with(&format!("authorization: Bearer {}", self.token))
    }

    /// The revision of the last change.
    pub(crate) fn head(&mut self) -> Result<u64> {
        let answer = self.api.get("/api/v1/audit?limit=1")?;
        let log: Value = serde_json::from_slice(&answer.body)?;
        log[0]["revision"].as_u64().context("the log is empty")
    }

    /// Kills it as `kill -9` does, or asks it to stop and waits until it has; gives how long that took.
    pub(crate) fn stop(&mut self, is_killed: bool) -> Result<Duration> {
        let burgee = self.burgee.take().context("the server is not running")?;
        if is_killed {
            let begun = crate::moment::Moment::now();
            burgee.kill()?;
            return Ok(begun.elapsed());
        }
        let (code, took) = self.runtime.block_on(burgee.stop())?;
        ensure!(code == Some(0), "it stopped with {code:?}");
        Ok(took)
    }

    /// Starts it again where it was, and returns when it answers.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.burgee = Some(start(&self.runtime, &self.program, &self.folder, self.port)?);
        Ok(())
    }

    /// A file for what belongs to a measurement; gone with the server.
    pub(crate) fn keep(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }
}

fn start(runtime: &Runtime, program: &Program, folder: &TempDir, port: u16) -> Result<Burgee> {
    let port = port.to_string();
    let mut env: Vec<(&str, &str)> = vec![("BURGEE__SERVER__PORT", &port)];
    env.extend(program.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let start = Start { program: &program.file, folder: folder.path(), env: &env };
    let log = folder.path().join("log");
    runtime.block_on(start.start_logging_to(&log)).map_err(|error| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        error.context(format!("the program does not start; its log:\n{log}"))
    })
}

/// The flag that single questions are about: one rule, one rollout.
pub(crate) const MEASURED: &str = "new-checkout";
/// A flag whose split is tracked: who was given what is kept.
pub(crate) const TRACKED: &str = "tracked-checkout";

/// What is asked with, in turns: who it is changes with each question. The measured flag's rule holds in every second one,
/// and the others are left to its rollout.
pub(crate) fn contexts() -> Vec<String> {
    let key = format!("user-{}", crate::target::NUMBER);
    let context = |(country, plan)| {
        json!({ "targetingKey": key, "country": country, "plan": plan, "email": "someone@example.com", "version": "3.4.1" })
            .to_string()
    };
    [("AT", "gold"), ("AT", "free"), ("FR", "gold"), ("FR", "free")].map(context).into()
}

/// Makes flags of a usual mixture, the measured one among them: of ten, four are rolled out, two have rules and targets,
/// two are on or off for all, one asks a segment and one has several texts.
pub(crate) fn fill(api: &mut Fetch, flags: usize) -> Result<()> {
    let segment = json!({ "key": "beta", "included": ["user-1", "user-2", "user-3"],
        "when": { "attribute": "plan", "operator": "in", "values": ["gold", "platinum"] } });
    api.post("/api/v1/segments", &segment)?;
    let rule = json!({ "attribute": "country", "operator": "in", "value": "DE, AT", "variant": true });
    let measured = json!({ "key": MEASURED, "enabled": true, "rollout_percentage": 25, "rules": [rule] });
    api.post("/api/v1/flags", &measured)?;
    for number in 1..flags {
        api.post("/api/v1/flags", &flag(number))?;
    }
    Ok(())
}

/// Makes the tracked flag.
pub(crate) fn make_tracked(api: &mut Fetch) -> Result<()> {
    let halves = json!([{ "variant": "on", "weight": 50_000 }, { "variant": "off", "weight": 50_000 }]);
    let flag = json!({ "key": TRACKED, "enabled": true, "default": { "split": halves, "track": true } });
    api.post("/api/v1/flags", &flag)?;
    Ok(())
}

fn flag(number: usize) -> Value {
    let key = format!("flag-{number:08}");
    // Of the flags with this rule it holds for every second one, whoever asks.
    let countries = if (number / 10).is_multiple_of(2) { "DE, AT, CH" } else { "FR, IT, ES" };
    match number % 10 {
        0..=3 => json!({ "key": key, "enabled": true, "rollout_percentage": number % 100 }),
        4 | 5 => json!({
            "key": key, "enabled": true, "rollout_percentage": number % 100,
            "targeted_users": ["user-1", "user-2", "user-3"],
            "rules": [
                { "attribute": "country", "operator": "in", "value": countries, "variant": true, "priority": 1 },
                { "attribute": "plan", "operator": "equals", "value": "gold", "variant": false, "priority": 2 },
            ],
        }),
        6 | 7 => json!({ "key": key, "enabled": number.is_multiple_of(2) }),
        8 => json!({
            "key": key, "enabled": true,
            "rules": [{ "when": { "segment": "beta" }, "serve": { "variant": "on" } }],
        }),
        _ => json!({
            "key": key, "kind": "string", "enabled": true,
            "variants": [
                { "key": "calm", "value": "Pay now" }, { "key": "loud", "value": "Buy it today!" },
                { "key": "plain", "value": "Continue" },
            ],
            "default": { "split": [
                { "variant": "calm", "weight": 60_000 }, { "variant": "loud", "weight": 20_000 },
                { "variant": "plain", "weight": 20_000 },
            ] },
        }),
    }
}
