//! `run`: one load on one server, whoever's it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::arrivals::Pace;
use crate::fetch::Fetch;
use crate::load::{Load, Outcome, PATIENCE};
use crate::process::Process;
use crate::server::{self, MEASURED, Program, Server};
use crate::target::{Target, Template};

/// Where OFREP evaluates.
pub(crate) const OFREP: &str = "/ofrep/v1/evaluate/flags";

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// OFREP, one flag (--flag).
    OfrepSingle,
    /// OFREP, all flags.
    OfrepBulk,
    /// GET /sdk/v1/snapshot.
    Snapshot,
    /// GET whatever --path says.
    Get,
}

/// One load on one server.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Who is asked: http://HOST:PORT. Without it Burgee is started and filled.
    #[arg(long)]
    target: Option<String>,
    #[arg(long, value_enum, default_value = "ofrep-single")]
    protocol: Protocol,
    /// Instead of the protocol's own path.
    #[arg(long)]
    path: Option<String>,
    #[arg(long, default_value = MEASURED)]
    flag: String,
    /// "NAME: VALUE" of each request; again for more.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// JSON of the context, or of a list of contexts that take turns; #NUMBER# in it is another number in each request.
    #[arg(long)]
    context_file: Option<PathBuf>,
    /// So many contexts, then the first again; 1: always the same.
    #[arg(long, default_value_t = 1_000_000)]
    contexts: u64,
    /// Asks once, and names the answer's tag in every request (with one context).
    #[arg(long)]
    if_none_match: bool,
    /// Requests a second, each measured from when it was due.
    #[arg(long, conflicts_with = "closed")]
    rate: Option<u32>,
    /// As much as the connections carry.
    #[arg(long)]
    closed: bool,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads of the driver.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Addresses 127.0.0.2 and on that connections come from.
    #[arg(long, default_value_t = 1)]
    sources: u8,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// Seconds before these.
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// The server's process, whose CPU time is read.
    #[arg(long)]
    pid: Option<u32>,
    /// Flags to fill a Burgee with that is started here.
    #[arg(long, default_value_t = 100)]
    flags: usize,
    /// Writes the result there as well, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Run {
    pub(crate) fn run(&self, program: impl FnOnce() -> Result<Program>) -> Result<()> {
        ensure!(self.rate.is_some() || self.closed, "say --rate N or --closed");
        let mut started = None;
        let (mut target, process) = if let Some(url) = &self.target {
            (Target::parse(url)?, self.pid.map(Process::new))
        } else {
            let server = started.insert(Server::start(&program()?)?);
            server::fill(&mut server.api, self.flags)?;
            eprintln!("Burgee runs as process {} with {} flags", server.pid()?, self.flags);
            (server.target()?, Some(server.process()?))
        };
        for header in &self.headers {
            target = target.with(header)?;
        }
        let contexts = match &self.context_file {
            Some(file) => read_contexts(file).with_context(|| format!("{}", file.display()))?,
            None => server::contexts(),
        };
        let question =
            Question { protocol: self.protocol, path: self.path.clone(), flag: &self.flag, contexts };
        let contexts = if self.if_none_match { 1 } else { self.contexts };
        let load = Load {
            template: question.template(&target, contexts, self.if_none_match)?,
            target,
            pace: self.rate.map_or(Pace::Closed, Pace::Open),
            connections: self.connections,
            threads: self.threads,
            sources: self.sources,
            warm_up: Duration::try_from_secs_f64(self.warm_up)?,
            lasting: Duration::try_from_secs_f64(self.duration)?,
            patience: PATIENCE,
        };
        let outcome = load.run(process)?;
        print(&load, &outcome);
        if let Some(process) = process {
            println!("memory of the server     {:.1} MB", megabytes(process.resident()?));
        }
        if let Some(file) = &self.json {
            std::fs::write(file, format!("{:#}\n", figures(&outcome)))?;
        }
        Ok(())
    }
}

/// The one context of a file, or those of a list.
fn read_contexts(file: &Path) -> Result<Vec<String>> {
    let contexts = match serde_json::from_str(&std::fs::read_to_string(file)?)? {
        Value::Array(contexts) => contexts,
        context => vec![context],
    };
    ensure!(!contexts.is_empty(), "no context is in the list");
    Ok(contexts.iter().map(Value::to_string).collect())
}

/// What is asked, as a request.
pub(crate) struct Question<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) path: Option<String>,
    pub(crate) flag: &'a str,
    /// JSON of each, in turns; at least one.
    pub(crate) contexts: Vec<String>,
}

impl Question<'_> {
    /// As they are sent to a target, in turns.
    fn requests(&self, target: &Target, contexts: u64) -> Template {
        let (method, path, has_body) = match self.protocol {
            Protocol::OfrepSingle => ("POST", format!("{OFREP}/{}", self.flag), true),
            Protocol::OfrepBulk => ("POST", OFREP.to_owned(), true),
            Protocol::Snapshot => ("GET", "/sdk/v1/snapshot".to_owned(), false),
            Protocol::Get => ("GET", "/".to_owned(), false),
        };
        let path = self.path.as_deref().unwrap_or(&path);
        if !has_body {
            return Template::new(target.request(method, path, None), contexts);
        }
        let bodies = self.contexts.iter().map(|context| format!(r#"{{"context":{context}}}"#));
        Template::in_turns(bodies.map(|body| target.request(method, path, Some(&body))).collect(), contexts)
    }

    /// The request to be sent over and over. It is sent once before, and must be answered; with the tag of that answer from
    /// then on, if that is wanted.
    pub(crate) fn template(&self, target: &Target, contexts: u64, with_tag: bool) -> Result<Template> {
        let mut template = self.requests(target, contexts);
        let answer = Fetch::new(target.clone()).ask(template.stamp(0))?.success()?;
        if !with_tag {
            return Ok(template);
        }
        let tag = answer.head.etag.context("the answer has no ETag")?;
        Ok(self.requests(&target.clone().with(&format!("if-none-match: {tag}"))?, contexts))
    }

    /// The body of the answer to the first of the requests.
    pub(crate) fn answer(&self, target: &Target) -> Result<Vec<u8>> {
        let mut template = self.requests(target, 1);
        Ok(Fetch::new(target.clone()).ask(template.stamp(0))?.success()?.body)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// All that is known of a load's outcome. Times in milliseconds unless they say otherwise.
pub(crate) fn figures(outcome: &Outcome) -> Value {
    let Outcome { tally, .. } = outcome;
    let quantiles = [0.5, 0.9, 0.99, 0.999].map(|share| millis(tally.took.quantile(share)));
    json!({
        "per_second": outcome.per_second(), "seconds": outcome.lasted.as_secs_f64(), "answers": tally.answers(),
        "refusals": tally.refusals(), "failures": tally.failures(), "statuses": tally.statuses,
        "broken": tally.broken, "unanswered": tally.unanswered, "unsent": tally.unsent, "bytes": tally.bytes,
        "sent": tally.sent(), "sent_per_second": outcome.sent_per_second(),
        "p50": quantiles[0], "p90": quantiles[1], "p99": quantiles[2], "p99_9": quantiles[3],
        "most": millis(tally.took.most()),
        "driver_late_p99": millis(tally.late.quantile(0.99)), "driver_late_most": millis(tally.late.most()),
        "server_cpu_us": outcome.server_per_answer().map(micros),
        "server_cpu_seconds": outcome.server.map(|used| used.as_secs_f64()),
        "driver_cpu_seconds": outcome.driver.as_secs_f64(),
    })
}

fn print(load: &Load, outcome: &Outcome) {
    let Outcome { tally, .. } = outcome;
    let wanted = match load.pace {
        Pace::Open(rate) => format!(" of {rate} wanted"),
        Pace::Closed => ", as many as the connections carry".to_owned(),
    };
    println!("good answers             {:.0} a second{wanted}", outcome.per_second());
    println!("sent                     {:.0} a second", outcome.sent_per_second());
    println!("statuses                 {:?}", tally.statuses);
    println!("broken, unanswered       {}, {}", tally.broken, tally.unanswered);
    println!("never sent               {}", tally.unsent);
    println!("body of an answer        {} bytes", tally.bytes / tally.answers().max(1));
    let from = if load.pace == Pace::Closed { "sent" } else { "due" };
    let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|share| millis(tally.took.quantile(share)));
    let most = millis(tally.took.most());
    println!(
        "since it was {from:<11} p50 {p50:.3}, p90 {p90:.3}, p99 {p99:.3}, p99.9 {p999:.3}, most {most:.3} ms"
    );
    let [late, latest] = [tally.late.quantile(0.99), tally.late.most()].map(millis);
    println!("the driver's own delay   p99 {late:.3}, most {latest:.3} ms");
    if let Some(each) = outcome.server_per_answer() {
        println!("server CPU an answer     {:.2} µs", micros(each));
    }
    let cores = outcome.driver.as_secs_f64() / outcome.lasted.as_secs_f64();
    println!("driver CPU               {cores:.2} cores");
}
