//! `burgee eval`: asks one flag of a snapshot, here, as an application that evaluates itself would.

mod snapshot;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use engine::{Assignments, Context, Resolution, Ruleset};
use serde_json::{Map, Value};
use wire::ofrep::{Answer, FlagSet};
use wire::without_lone_surrogates;

/// There is no such flag.
const NO_FLAG: u8 = 3;
/// The flag answers with an error.
const ERROR: u8 = 4;

/// What the exit codes mean, for `--help`.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 an answer (a value, or none where the application's own default \
    holds); 1 it could not be asked; 2 wrong usage; 3 there is no such flag; 4 the flag answers with an error.";

/// The question.
#[derive(Args)]
pub(crate) struct Eval {
    /// Key of the flag.
    flag: String,
    /// The context: a JSON object, or @FILE, or - for standard input.
    #[arg(short, long, value_name = "JSON")]
    context: Option<String>,
    /// Who is asking; takes the place of the context's own targetingKey.
    #[arg(short, long, value_name = "KEY")]
    targeting_key: Option<String>,
    /// A snapshot as GET /sdk/v1/snapshot answers it: a file, or - for standard input.
    #[arg(short, long, value_name = "FILE", required_unless_present = "url", conflicts_with = "url")]
    snapshot: Option<String>,
    /// A folder with the key lists that the snapshot names, each in a file that is named by its SHA-256.
    #[arg(long, value_name = "FOLDER", conflicts_with = "url")]
    key_lists: Option<PathBuf>,
    /// A server to fetch snapshot and key lists from.
    #[arg(short, long, requires = "key")]
    url: Option<String>,
    /// A server-kind SDK key of the environment that is meant.
    #[arg(short, long, value_name = "SDK_KEY", env = "BURGEE_SDK_KEY", hide_env_values = true)]
    key: Option<String>,
    /// An earlier assignment, which sticky splits keep to. Repeatable.
    #[arg(short, long, value_name = "FLAG=VARIANT", value_parser = assignment)]
    assign: Vec<(String, String)>,
    /// Say why.
    #[arg(short, long)]
    explain: bool,
    /// Answer as POST /ofrep/v1/evaluate/flags/{key} does, or with --explain as POST /api/v1/evaluate/explain does.
    #[arg(short, long)]
    json: bool,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (flag, variant) = text.split_once('=').ok_or("write FLAG=VARIANT")?;
    Ok((flag.to_owned(), variant.to_owned()))
}

/// Asks, and prints the answer.
pub(crate) async fn eval(question: Eval) -> anyhow::Result<ExitCode> {
    let is_from_input = |source: &Option<String>| source.as_deref() == Some("-");
    if is_from_input(&question.context) && is_from_input(&question.snapshot) {
        bail!("--context and --snapshot cannot both come from standard input; give one of them as a file");
    }
    let context = question.context()?;
    let ruleset = match (&question.url, &question.key, &question.snapshot) {
        (Some(url), Some(key), _) => snapshot::fetch(url, key).await?,
        (_, _, Some(source)) => snapshot::read(source, question.key_lists.as_deref())?,
        _ => bail!("name a --snapshot, or a --url with its --key"),
    };
    let assignments: BTreeMap<_, _> = question.assign.iter().cloned().collect();
    let (text, code) = question.answer(&ruleset, &context, &assignments)?;
    std::io::stdout().write_all(text.as_bytes()).context("the answer cannot be written")?;
    Ok(code)
}

impl Eval {
    fn context(&self) -> anyhow::Result<Context> {
        let mut attributes = match self.context.as_deref() {
            None => Map::new(),
            Some("-") => read_context(&read_input()?, "standard input")?,
            Some(source) => match source.strip_prefix('@') {
                Some(path) => {
                    let bytes =
                        std::fs::read(path).with_context(|| format!("--context: {path} cannot be read"))?;
                    read_context(&bytes, path)?
                }
                None => read_context(source.as_bytes(), "what was given")?,
            },
        };
        if let Some(key) = &self.targeting_key {
            attributes.insert("targetingKey".to_owned(), key.as_str().into());
        }
        Ok(Context::new(attributes))
    }

    /// What to print, and the exit code.
    fn answer(
        &self,
        ruleset: &Ruleset,
        context: &Context,
        assignments: &BTreeMap<String, String>,
    ) -> anyhow::Result<(String, ExitCode)> {
        let resolution = if assignments.is_empty() {
            ruleset.evaluate(&self.flag, context)
        } else {
            ruleset.evaluate_assigned(&self.flag, context, assignments)
        };
        let code = match resolution.error() {
            None => ExitCode::SUCCESS,
            Some(_) if ruleset.flag(&self.flag).is_none() => ExitCode::from(NO_FLAG),
            Some(_) => ExitCode::from(ERROR),
        };
        let given = (!assignments.is_empty()).then_some(assignments as &dyn Assignments);
        let explanation = if self.explain { ruleset.explain(&self.flag, context, given) } else { None };
        let text = match (explanation, self.json) {
            (Some(explanation), false) => explanation.to_string(),
            (Some(explanation), true) => {
                let mut document = serde_json::to_value(&explanation)?;
                document["environment"] = ruleset.environment().into();
                document["revision"] = ruleset.revision().into();
                document["text"] = explanation.to_string().into();
                format!("{document}\n")
            }
            (None, true) => {
                let flag_set = FlagSet { project: ruleset.project(), environment: ruleset.environment() };
                let answer = Answer { key: &self.flag, flag_set, resolution: resolution.into() };
                format!("{}\n", String::from_utf8(answer.to_json())?)
            }
            (None, false) => lines(&resolution),
        };
        Ok((text, code))
    }
}

/// An answer for people, a line for each thing.
fn lines(resolution: &Resolution<'_>) -> String {
    let error = resolution.error();
    let lines = [
        ("value", resolution.value().map(Value::to_string)),
        ("variant", resolution.variant().map(str::to_owned)),
        ("reason", Some(resolution.reason().as_str().to_owned())),
        ("rule", resolution.rule().map(str::to_owned)),
        ("error", error.map(|error| format!("{}: {}", error.code.as_str(), error.details))),
    ];
    let line = |(name, text): (&str, Option<String>)| text.map(|text| format!("{name:<8} {text}\n"));
    lines.into_iter().filter_map(line).collect()
}

fn read_input() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).context("standard input cannot be read")?;
    Ok(bytes)
}

fn read_context(bytes: &[u8], source: &str) -> anyhow::Result<Map<String, Value>> {
    let most = Context::MOST_BYTES;
    ensure!(bytes.len() <= most, "--context: {source} has {} bytes; at most {most} are allowed", bytes.len());
    let read = serde_json::from_slice(bytes).or_else(|error| {
        without_lone_surrogates(bytes).map_or(Err(error), |bytes| serde_json::from_slice(&bytes))
    });
    read.with_context(|| format!("--context: {source} is not a JSON object"))
}
