//! A flag: one definition for its project, one config for each environment.

mod archive;
mod bulk;
mod change;
mod check;
mod copy;
mod create;
mod input;
mod life;
mod owner;
mod preview;
mod read;
mod references;
mod rest;
mod undo;
mod variants;

use std::collections::BTreeMap;

use engine::model::{self, Kind, Prerequisite, Read, Revision, Rule, Serve, Target, Variant};
use serde::Serialize;
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::id::Id;
use crate::key::Key;
use crate::time::{Day, Timestamp};

pub use bulk::BulkDone;
pub use copy::CopiedFlag;
pub use life::{Lifecycle, Lifetime};
pub use read::Answer;
pub(crate) use rest::differs_from_new;
pub use rest::resting;

/// What a flag is, everywhere in its project.
#[derive(Debug, Clone, PartialEq)]
pub struct Flag {
    /// Its id.
    pub id: Id,
    /// The project it belongs to.
    pub project_id: Id,
    /// Its key; unique in the project.
    pub key: Key,
    /// Type of all its values; never changes.
    pub kind: Kind,
    /// What people read.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its values, by name.
    pub variants: Vec<Variant>,
    /// Sorted, without repetition.
    pub tags: Vec<String>,
    /// Whether client-kind keys may see its results.
    pub client_visible: bool,
    /// Where it is in its life, for people to know.
    pub lifecycle: Lifecycle,
    /// Out of use: it gives its off variant everywhere.
    pub archived: bool,
    /// Who looks after it: a person, in any words, or `team:` and the key of a team.
    pub owner: Option<String>,
    /// How long it is meant to live.
    pub lifetime: Lifetime,
    /// Revision of the last change to this half.
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this half was last changed.
    pub updated_at: Timestamp,
}

/// What a flag does in one environment. What this version does not understand of it is kept word for word, as it
/// travels.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The flag.
    pub flag_id: Id,
    /// The environment.
    pub environment_id: Id,
    /// Whether it is raised here.
    pub enabled: bool,
    /// Served when it is not; `None` serves nothing.
    pub off_variant: Option<String>,
    /// Flags that must have given certain variants first.
    pub prerequisites: Read<Vec<Prerequisite>>,
    /// Targeting keys that are given a variant by name.
    pub targets: Read<Vec<Target>>,
    /// In the order in which they were written.
    pub rules: Vec<Read<Rule>>,
    /// Served when no target or rule says otherwise.
    pub default: Read<Serve>,
    /// Revision of the last change to this half.
    pub version: Revision,
    /// When this half was last changed.
    pub updated_at: Timestamp,
}

/// A flag with its configs in all environments of its project.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagEverywhere {
    /// The definition.
    pub flag: Flag,
    /// One config for each environment.
    pub configs: Vec<Config>,
}

/// A flag as one environment sees it: what the API shows, flat.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagHere {
    /// The definition.
    pub flag: Flag,
    /// The config in the environment that was asked for.
    pub config: Config,
}

impl Flag {
    /// Where it is in its life, in one word.
    pub fn stage(&self) -> &'static str {
        if self.archived { Lifecycle::ARCHIVED } else { self.lifecycle.name() }
    }
}

impl FlagEverywhere {
    /// What an environment sees of it.
    pub fn here(mut self, environment_id: Id) -> Option<FlagHere> {
        let index = self.configs.iter().position(|config| config.environment_id == environment_id)?;
        Some(FlagHere { config: self.configs.swap_remove(index), flag: self.flag })
    }
}

impl FlagHere {
    /// Changes whenever either half does, and never comes back.
    pub fn etag(&self) -> String {
        format!("\"{}.{}\"", self.config.version, self.flag.version)
    }

    /// As it stands after the change that made it.
    fn at_revision(mut self, revision: Revision) -> Self {
        self.flag.version = revision;
        self.config.version = revision;
        self
    }

    /// As it stands after the change that made it out of `before`: only what differs is new.
    fn stamped(mut self, before: &Self, revision: Revision, now: Timestamp) -> Self {
        if self.flag != before.flag {
            (self.flag.version, self.flag.updated_at) = (revision, now);
        }
        if self.config != before.config {
            (self.config.version, self.config.updated_at) = (revision, now);
        }
        self
    }

    /// The document that travels to readers of the environment.
    pub fn document(&self) -> model::Flag {
        document(&self.flag, &self.config)
    }
}

/// The document that travels to readers of the config's environment.
pub fn document(flag: &Flag, config: &Config) -> model::Flag {
    model::Flag {
        kind: flag.kind,
        version: flag.version.max(config.version),
        enabled: config.enabled,
        archived: flag.archived,
        client_visible: flag.client_visible,
        variants: flag.variants.clone(),
        off_variant: config.off_variant.clone(),
        prerequisites: config.prerequisites.clone(),
        targets: config.targets.clone(),
        rules: config.rules.clone(),
        default: config.default.clone(),
        needs: Vec::new(),
    }
}

/// The definition as the log keeps it: without what the log entry itself says (version and times).
pub(crate) fn definition_for_log(flag: &Flag) -> Value {
    json!({
        "key": flag.key, "kind": flag.kind, "name": flag.name, "description": flag.description,
        "variants": flag.variants, "tags": flag.tags, "client_visible": flag.client_visible,
        "lifecycle": flag.stage(), "owner": flag.owner, "temporary": flag.lifetime.is_temporary(),
        "expected_end": flag.lifetime.expected_end(),
    })
}

/// A config as the log keeps it.
pub(crate) fn config_for_log(config: &Config) -> Value {
    json!({
        "enabled": config.enabled, "off_variant": config.off_variant,
        "prerequisites": config.prerequisites, "targets": config.targets, "rules": config.rules,
        "default": config.default,
    })
}

/// Configs as the log keeps them, by the key of their environment.
pub(crate) fn configs_for_log<'a>(
    configs: impl IntoIterator<Item = &'a Config>,
    environments: &[Environment],
) -> BTreeMap<String, Value> {
    let key =
        |id| environments.iter().find(|environment| environment.id == id).map(|found| found.key.to_string());
    configs
        .into_iter()
        .filter_map(|config| Some((key(config.environment_id)?, config_for_log(config))))
        .collect()
}

impl Serialize for FlagHere {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { flag, config } = self;
        FlagView {
            id: flag.id,
            key: &flag.key,
            name: &flag.name,
            description: &flag.description,
            kind: flag.kind,
            variants: &flag.variants,
            tags: &flag.tags,
            owner: flag.owner.as_deref(),
            lifecycle: flag.stage(),
            temporary: flag.lifetime.is_temporary(),
            expected_end: flag.lifetime.expected_end(),
            client_visible: flag.client_visible,
            enabled: config.enabled,
            off_variant: config.off_variant.as_deref(),
            prerequisites: &config.prerequisites,
            targets: &config.targets,
            rules: &config.rules,
            default: &config.default,
            version: config.version,
            flag_version: flag.version,
            created_at: flag.created_at,
            updated_at: flag.updated_at.max(config.updated_at),
        }
        .serialize(serializer)
    }
}

/// The flat view, member by member in the order in which people read it.
#[derive(Serialize)]
struct FlagView<'a> {
    id: Id,
    key: &'a Key,
    name: &'a str,
    description: &'a str,
    kind: Kind,
    variants: &'a [Variant],
    tags: &'a [String],
    owner: Option<&'a str>,
    lifecycle: &'static str,
    temporary: bool,
    expected_end: Option<Day>,
    client_visible: bool,
    enabled: bool,
    off_variant: Option<&'a str>,
    prerequisites: &'a Read<Vec<Prerequisite>>,
    targets: &'a Read<Vec<Target>>,
    rules: &'a [Read<Rule>],
    default: &'a Read<Serve>,
    version: Revision,
    flag_version: Revision,
    created_at: Timestamp,
    updated_at: Timestamp,
}
