//! Settings: the defaults in `default.yaml`, a file, the environment, the command line; each over the one before.
//!
//! Read and checked once, before a port opens. Everything else is handed plain values.

mod doors;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use domain::audit::Retention;
use domain::founding::Given;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized};
use jiff::SignedDuration;
use serde::Deserialize;

pub(crate) use doors::TlsFiles;

/// The defaults, which are also their documentation.
const DEFAULTS: &str = include_str!("default.yaml");
/// A given secret is at least this long, in characters.
const SHORTEST_SECRET: usize = 16;
/// No session and no signing key lasts longer, in seconds.
const LONGEST_TTL: i64 = 365 * 24 * 60 * 60;
/// No log is kept for a number of seconds beyond this; for ever is another word.
const LONGEST_RETENTION: i64 = 36_500 * 24 * 60 * 60;
/// Secrets that stand in somebody's documentation: everyone knows them.
const KNOWN_SECRETS: [&str; 4] = [
    "change-me-in-production",
    "admin-secret-key",
    "sdk-secret-key",
    "your-super-secret-key-change-in-production",
];

/// A setting that cannot be, with where it came from.
#[derive(Debug)]
pub(crate) struct ConfigError(String);

impl ConfigError {
    /// In one line: which setting, what is wrong with it, and what it must be.
    pub(crate) fn new(fault: String) -> Self {
        Self(fault)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// How careful Burgee is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// This machine only, and easy to begin with.
    Local,
    /// In front of others.
    Production,
}

/// All settings, checked.
pub(crate) struct Config {
    /// How careful.
    pub profile: Profile,
    /// Where to listen.
    pub server: Server,
    /// The certificate and its key, if connections are to be secure.
    pub tls: Option<TlsFiles>,
    /// What stands before every handler.
    pub doors: server::doors::Settings,
    /// Where everything is kept: a URL that the store understands.
    pub database: String,
    /// How long a session token holds, in seconds.
    pub token_ttl: i64,
    /// How long a session lasts, in seconds; at least as long as its tokens.
    pub session_ttl: i64,
    /// How old a signing key becomes, in seconds; `None` if only people replace it.
    pub rotate_signing_keys: Option<i64>,
    /// How long logs are kept.
    pub retention: Retention,
    /// Folder for what is kept beside the database.
    pub base_path: PathBuf,
    /// Open streams at most.
    pub max_streams: usize,
    /// What to log.
    pub log: Log,
    /// Secrets that this start was told.
    pub given: Given,
}

/// Where to listen, and how to stop.
pub(crate) struct Server {
    /// An address or `localhost`.
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
    /// How long to go on after being told to stop.
    pub shutdown_delay: Duration,
}

/// What to log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// The least important level that is written.
    pub level: LogLevel,
    /// For whom.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// Its name in settings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// For whom the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// People.
    Text,
    /// Machines.
    Json,
}

/// The file's shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    server: doors::Server,
    limits: doors::Limits,
    database: Database,
    iam: Iam,
    audit: Kept,
    security: Kept,
    storage: Storage,
    #[expect(dead_code, reason = "checked like every other section; nothing needs it yet")]
    events: Events,
    delivery: Delivery,
    log: Log,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    path: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Iam {
    jwt_secret: String,
    token_ttl: String,
    session_ttl: String,
    rotate_signing_keys: String,
}

/// A log, and how long it is kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    retention: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Storage {
    base_path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    #[expect(dead_code, reason = "see `Document::events`")]
    nats_port: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delivery {
    max_streams: usize,
}

/// YAML for figment, whose own reader stands on a library that is no longer kept.
struct Yaml;

impl Format for Yaml {
    type Error = serde_norway::Error;
    const NAME: &'static str = "YAML";

    fn from_str<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Self::Error> {
        serde_norway::from_str(text)
    }
}

impl Config {
    /// Reads and checks all settings.
    pub(crate) fn load(file: Option<&Path>, log_level: Option<LogLevel>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Yaml::string(DEFAULTS));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError(format!("there is no configuration file {}", file.display())));
            }
            figment = figment.merge(Yaml::file_exact(file));
        }
        figment = figment
            .merge(Env::raw().only(&["PORT"]).map(|_| "server.port".into()))
            .merge(Env::raw().only(&["DATABASE_URL"]).map(|_| "database.url".into()))
            // The secret is read as it is, below: figment would take 0123 for a number.
            .merge(Env::prefixed("BURGEE__").ignore(&["iam__jwt_secret"]).split("__"));
        if let Some(level) = log_level {
            figment = figment.merge(Serialized::global("log.level", level.name()));
        }
        check_variables()?;
        let document: Document = figment.extract().map_err(|error| ConfigError(explain(error)))?;
        Self::check(document)
    }

    /// The shortest password, in characters.
    pub(crate) fn shortest_password(&self) -> usize {
        if self.profile == Profile::Local { 6 } else { 8 }
    }

    /// The database, without a password that may be in its address.
    pub(crate) fn place(&self) -> &str {
        self.database.rsplit_once('@').map_or(&self.database, |(_, place)| place)
    }

    fn check(document: Document) -> Result<Self, ConfigError> {
        let profile = profile(&document.server.host)?;
        let doors::Server { host, port, .. } = &document.server;
        let shutdown_delay = document.server.shutdown_delay()?;
        let server = Server { host: host.clone(), port: *port, shutdown_delay };
        let tls = document.server.tls()?;
        let doors = document.server.doors(&document.limits, profile, tls.is_some())?;
        let Iam { jwt_secret, token_ttl, session_ttl, rotate_signing_keys } = document.iam;
        let token_ttl = seconds("iam.token_ttl", &token_ttl)?;
        let session_ttl = seconds("iam.session_ttl", &session_ttl)?.max(token_ttl);
        let rotate_signing_keys = match rotate_signing_keys.as_str() {
            "0" | "off" => None,
            every => Some(seconds("iam.rotate_signing_keys", every)?),
        };
        let in_file = Some(jwt_secret).filter(|text| !text.is_empty());
        let jwt_secret =
            variable("BURGEE__IAM__JWT_SECRET").or_else(|| variable("JWT_SECRET_KEY")).or(in_file);
        let given = Given {
            admin_email: variable("BURGEE_ADMIN_EMAIL"),
            admin_password: variable("BURGEE_ADMIN_PASSWORD"),
            admin_api_key: secret("ADMIN_API_KEY", variable("ADMIN_API_KEY"), profile)?,
            sdk_api_key: secret("SDK_API_KEY", variable("SDK_API_KEY"), profile)?,
            jwt_secret: secret("iam.jwt_secret", jwt_secret, profile)?,
        };
        let database = match document.database {
            Database { path, url } if url.is_empty() => format!("sqlite:{path}"),
            Database { url, .. } => url,
        };
        Ok(Self {
            profile,
            server,
            tls,
            doors,
            database,
            token_ttl,
            session_ttl,
            // A given one is replaced by whoever gives it.
            rotate_signing_keys: rotate_signing_keys.filter(|_| given.jwt_secret.is_none()),
            retention: Retention {
                changes: retention("audit.retention", &document.audit.retention)?,
                security: retention("security.retention", &document.security.retention)?,
            },
            base_path: document.storage.base_path,
            max_streams: document.delivery.max_streams,
            log: document.log,
            given,
        })
    }
}

/// Each fault on one line: what is wrong, the key, and the source it came from. Never a value: it may be a secret.
fn explain(error: figment::Error) -> String {
    let explain = |fault: figment::Error| {
        let what = match &fault.kind {
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                format!("it must be {expected}")
            }
            kind => kind.to_string(),
        };
        let source = fault.metadata.as_ref().map(|metadata| match &metadata.source {
            Some(source) => format!(" in {source}"),
            None => format!(" in {}", metadata.name),
        });
        format!("{}: {what}{}", fault.path.join("."), source.unwrap_or_default())
    };
    let faults: Vec<_> = error.into_iter().map(explain).collect();
    format!("the configuration cannot be used: {}", faults.join("; "))
}

fn profile(host: &str) -> Result<Profile, ConfigError> {
    let loopback =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match variable("BURGEE_PROFILE").as_deref() {
        Some("production") => Ok(Profile::Production),
        Some("local") if !loopback => Err(ConfigError(format!(
            "BURGEE_PROFILE=local serves this machine only, but server.host is {host}; \
             use a loopback address or BURGEE_PROFILE=production"
        ))),
        Some("local") => Ok(Profile::Local),
        Some(other) => {
            Err(ConfigError(format!("BURGEE_PROFILE is {other:?}; it can be local or production")))
        }
        None if loopback => Ok(Profile::Local),
        None => Ok(Profile::Production),
    }
}

/// A secret that was given: long enough, and in production nobody else's.
fn secret(name: &str, value: Option<String>, profile: Profile) -> Result<Option<String>, ConfigError> {
    let Some(value) = value else { return Ok(None) };
    if profile == Profile::Production && KNOWN_SECRETS.contains(&value.as_str()) {
        return Err(ConfigError(format!(
            "{name} is a secret that everyone knows; give one of your own, or none"
        )));
    }
    if value.chars().count() < SHORTEST_SECRET {
        return Err(ConfigError(format!("{name} must have {SHORTEST_SECRET} characters or more")));
    }
    Ok(Some(value))
}

/// A length of time.
fn seconds(name: &str, text: &str) -> Result<i64, ConfigError> {
    let seconds = text.parse::<SignedDuration>().map(|duration| duration.as_secs());
    seconds.ok().filter(|seconds| (1..=LONGEST_TTL).contains(seconds)).ok_or_else(|| {
        ConfigError(format!(
            "{name} is {text:?}; it must be a number and a unit, such as 30m, 24h or 7d, at most 365d"
        ))
    })
}

/// In milliseconds; nothing is for ever.
fn retention(name: &str, text: &str) -> Result<Option<i64>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    // A day is 24 hours here, which the library does not take for granted.
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()?.checked_mul(24 * 60 * 60));
    let seconds = days.or_else(|| Some(text.parse::<SignedDuration>().ok()?.as_secs()));
    let seconds = seconds.filter(|seconds| (1..=LONGEST_RETENTION).contains(seconds));
    seconds.map(|seconds| Some(seconds * 1_000)).ok_or_else(|| {
        ConfigError(format!(
            "{name} is {text:?}; it must be a number and a unit, such as 8760h or 400d, at most 36500d, or empty for \
             ever"
        ))
    })
}

/// A variable that is ours by its name and means nothing is a slip of the hand that would go unnoticed.
fn check_variables() -> Result<(), ConfigError> {
    const KNOWN: [&str; 3] = ["BURGEE_PROFILE", "BURGEE_ADMIN_EMAIL", "BURGEE_ADMIN_PASSWORD"];
    let ours = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("BURGEE_"));
    match ours.into_iter().find(|name| !name.starts_with("BURGEE__") && !KNOWN.contains(&name.as_str())) {
        Some(name) => Err(ConfigError(format!(
            "the environment variable {name} is not known; there are {}, and BURGEE__SECTION__KEY for settings",
            KNOWN.join(", ")
        ))),
        None => Ok(()),
    }
}

/// A variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "this is where settings are read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
