//! Settings: the defaults in `default.yaml`, a file, the environment, the command line; each over the one before.
//!
//! Read and checked once, before a port opens. Everything else is handed plain values.

mod document;
mod doors;
mod environment;
mod log;
mod oidc;
mod secret;
mod span;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::audit::Retention;
use domain::founding::Given;
use domain::usage::UsageRetention;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized};

use document::{Database, Document, Iam};
use environment::{check_variables, profile, variable};
use secret::secret;
use span::{retention, seconds};

pub(crate) use doors::{Connections, TlsFiles};
pub(crate) use log::{Log, LogFormat, LogLevel};
pub(crate) use oidc::Oidc;

/// The defaults, which are also their documentation.
const DEFAULTS: &str = include_str!("default.yaml");
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
    /// How many connections there may be.
    pub connections: Connections,
    /// What stands before every handler.
    pub doors: server::doors::Settings,
    /// Signing in with providers of identities.
    pub oidc: Oidc,
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
    /// Whether users' ids are kept that come with events.
    pub keep_units: bool,
    /// How long what comes with events is kept.
    pub usage: UsageRetention,
    /// Folder for what is kept beside the database.
    pub base_path: PathBuf,
    /// How many streams there may be.
    pub streams: Streams,
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

/// YAML for figment, whose own reader stands on a library that is no longer kept.
struct Yaml;

impl Format for Yaml {
    type Error = serde_norway::Error;
    const NAME: &'static str = "YAML";

    fn from_str<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Self::Error> {
        serde_norway::from_str(text)
    }
}

/// How many streams there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    /// In all, if that is not left to the system.
    pub most: Option<usize>,
    /// With one key, if an operator says so.
    pub most_of_key: Option<usize>,
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
            // Secrets are read as they are, below: figment would take 0123 for a number.
            .merge(
                Env::prefixed("BURGEE__")
                    .filter(|key| *key != "iam__jwt_secret" && !oidc::is_secret(key.as_str()))
                    .split("__"),
            );
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
        let connections = document.server.connections()?;
        let oidc = document.oidc.read(document.server.public_url()?, profile, tls.is_some())?;
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
            connections,
            doors,
            oidc,
            database,
            token_ttl,
            session_ttl,
            // A given one is replaced by whoever gives it.
            rotate_signing_keys: rotate_signing_keys.filter(|_| given.jwt_secret.is_none()),
            retention: Retention {
                changes: retention("audit.retention", &document.audit.retention)?,
                security: retention("security.retention", &document.security.retention)?,
                security_entries: document.security.max_entries,
            },
            keep_units: document.usage.keep_units,
            usage: UsageRetention {
                counts: retention("usage.counts_retention", &document.usage.counts_retention)?,
                exposures: retention("usage.exposures_retention", &document.usage.exposures_retention)?,
                metrics: retention("usage.metrics_retention", &document.usage.metrics_retention)?,
                most_rows: document.usage.max_rows,
            },
            base_path: document.storage.base_path,
            streams: Streams {
                most: Some(document.delivery.max_streams).filter(|most| *most > 0),
                most_of_key: Some(document.delivery.max_streams_per_key).filter(|most| *most > 0),
            },
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
