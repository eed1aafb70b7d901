//! The shape of the file, section by section. Sections that need reading have a file of their own.

use std::path::PathBuf;

use serde::Deserialize;

use super::log::Log;
use super::{doors, oidc};

/// The file's shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub server: doors::Server,
    pub limits: doors::Limits,
    pub database: Database,
    pub iam: Iam,
    pub oidc: oidc::Section,
    pub audit: Kept,
    pub security: Security,
    pub storage: Storage,
    #[expect(dead_code, reason = "checked like every other section; nothing needs it yet")]
    pub events: Events,
    pub delivery: Delivery,
    pub usage: Usage,
    pub log: Log,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Database {
    pub path: String,
    pub url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Iam {
    pub jwt_secret: String,
    pub token_ttl: String,
    pub session_ttl: String,
    pub rotate_signing_keys: String,
}

/// A log, and how long it is kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub retention: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Security {
    pub retention: String,
    pub max_entries: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Storage {
    pub base_path: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    #[expect(dead_code, reason = "see `Document::events`")]
    pub nats_port: u16,
}

/// What comes with events, and how long it is kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Usage {
    pub keep_units: bool,
    pub counts_retention: String,
    pub exposures_retention: String,
    pub metrics_retention: String,
    pub max_rows: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    pub max_streams: usize,
    pub max_streams_per_key: usize,
}
