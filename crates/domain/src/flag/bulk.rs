//! One change of many flags in an environment: all of them, or none.

use std::collections::{BTreeMap, BTreeSet};

use engine::json::{At, Violation, Violations};
use engine::model::{Revision, Snapshot};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::archive::required_archived;
use super::change::{FLAG_ARCHIVED, reads_of, require_right, touch};
use super::{Config, Flag, FlagEverywhere};
use crate::access::{InEnvironment, UpdateFlag, Writer};
use crate::control::{Attempts, Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result, summary};
use crate::in_use::{Place, in_use};
use crate::key::Key;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::time::Timestamp;

/// No request names more flags.
const MOST_FLAGS: usize = 1_000;
/// Of a flag that is in use, no more places are named.
const MOST_PLACES: usize = 3;

/// What is done to each of the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Enable,
    Disable,
    Archive,
    Restore,
}

/// What a bulk change did, or would do.
#[derive(Debug, Serialize)]
pub struct BulkDone {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// Keys of the flags that it changes, in order.
    pub changed: Vec<String>,
    /// Keys of those that were so already.
    pub unchanged: Vec<String>,
    /// The revision that it took; nothing if nothing changed.
    pub revision: Option<Revision>,
}

/// What a document asks for.
struct Bulk {
    action: Action,
    keys: Vec<Key>,
}

impl Control {
    /// Enables, disables, archives or restores up to 1,000 flags: `{"action", "keys"}`. One change, which is made as a whole or
    /// not at all; what stands in the way is told of each flag. A dry run says what would change, and that it would
    /// be taken.
    pub async fn bulk_change_flags(
        &self,
        writer: &InEnvironment<UpdateFlag>,
        document: &Value,
        dry_run: bool,
        request: &Request,
    ) -> Result<BulkDone> {
        let bulk = Bulk::read(document)?;
        let mut attempts = Attempts::default();
        loop {
            // Before everything that it is the version of.
            let version = self.store.dependencies_version(writer.project_id()).await?;
            let found = self.store.flags_named(writer.project_id(), &bulk.keys).await?;
            bulk.expect_all(&found)?;
            let environment = writer.environment();
            let (changed, unchanged): (Vec<_>, Vec<_>) =
                found.iter().partition(|flag| bulk.action.changes(flag, environment));
            if bulk.action == Action::Archive {
                self.guard_archiving(writer, &bulk, &changed).await?;
            }
            if bulk.action == Action::Restore {
                self.guard_restoring(writer, &bulk, &changed).await?;
            }
            if bulk.action == Action::Enable {
                bulk.refuse_archived(&changed)?;
            }
            let keys = |flags: &[&FlagEverywhere]| flags.iter().map(|one| one.flag.key.to_string()).collect();
            let mut done =
                BulkDone { dry_run, changed: keys(&changed), unchanged: keys(&unchanged), revision: None };
            if dry_run || changed.is_empty() {
                return Ok(done);
            }
            let mut change = bulk.action.change(&changed, writer, request, self.clock.now());
            if bulk.action.is_of_definitions() {
                change.reads.push(ReadVersion::Dependencies { version });
                touch(&mut change);
            }
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                done.revision = Some(revision);
                return Ok(done);
            }
        }
    }

    /// The right for every environment in which one of the flags is enabled, and nothing that requires them and stays.
    async fn guard_archiving(&self, writer: &Writer, bulk: &Bulk, flags: &[&FlagEverywhere]) -> Result<()> {
        let environments = self.all_environments(writer.project_id()).await?;
        for everywhere in flags {
            require_right(everywhere, &environments, |environment| writer.may_in(environment))?;
        }
        let archived: BTreeSet<_> = flags.iter().map(|everywhere| everywhere.flag.key.as_str()).collect();
        let mut places = Vec::new();
        for environment in &environments {
            let snapshot = self.load_snapshot(environment).await?;
            places.extend(requiring(&snapshot, &archived, environment));
        }
        if places.is_empty() {
            return Ok(());
        }
        let mut of_flags: BTreeMap<&str, Vec<&Place>> = BTreeMap::new();
        for place in &places {
            of_flags.entry(&place.names).or_default().push(place);
        }
        let blocked = bulk.keys.iter().filter_map(|key| {
            let places = of_flags.get(key.as_str())?;
            let named: Vec<_> = places.iter().take(MOST_PLACES).map(|place| requirer(place)).collect();
            let beyond = places.len() - named.len();
            let more = if beyond > 0 { format!(" and {beyond} more") } else { String::new() };
            let message = format!("\"{key}\" is required by {}{more}", named.join(", "));
            Some(bulk.violation(key.as_str(), message))
        });
        let blocked: Vec<_> = blocked.collect();
        Err(in_use("flag_in_use", summary(&blocked), blocked, places))
    }
}

impl Control {
    /// The right for every environment in which one of the flags is enabled, and nothing that they require and that
    /// stays archived.
    async fn guard_restoring(&self, writer: &Writer, bulk: &Bulk, flags: &[&FlagEverywhere]) -> Result<()> {
        let environments = self.all_environments(writer.project_id()).await?;
        for everywhere in flags {
            require_right(everywhere, &environments, |environment| writer.may_in(environment))?;
        }
        let restored: BTreeSet<_> = flags.iter().map(|everywhere| everywhere.flag.key.as_str()).collect();
        let mut missed: BTreeMap<&str, String> = BTreeMap::new();
        for environment in &environments {
            let snapshot = self.load_snapshot(environment).await?;
            for key in &restored {
                let required = required_archived(&snapshot, key);
                if let Some(required) = required.into_iter().find(|required| !restored.contains(required)) {
                    let why = format!(
                        "\"{key}\" requires \"{required}\" in {}, which is archived; restore that as well",
                        environment.key
                    );
                    missed.entry(key).or_insert(why);
                }
            }
        }
        let blocked: Vec<_> = missed.into_iter().map(|(key, why)| bulk.violation(key, why)).collect();
        if blocked.is_empty() {
            return Ok(());
        }
        let message = summary(&blocked);
        Err(Error::Blocked { code: FLAG_ARCHIVED, message, violations: blocked, places: Vec::new() })
    }
}

/// The places of an environment that require one of these flags, in one go: each flag alone would take as long. What
/// is archived asks nobody, and so does what goes with them.
fn requiring(snapshot: &Snapshot, flags: &BTreeSet<&str>, environment: &Environment) -> Vec<Place> {
    let known = snapshot.flags.iter().filter_map(|(by, flag)| Some((by, flag.known()?)));
    let known = known.filter(|(by, flag)| !flag.archived && !flags.contains(by.as_str()));
    let required = known.flat_map(|(by, flag)| {
        let required = flag.prerequisites.known().map(Vec::as_slice).unwrap_or_default();
        required.iter().enumerate().map(move |(index, required)| (by, index, &required.flag))
    });
    let wanted = required.filter(|(_, _, required)| flags.contains(required.as_str()));
    let place = |(by, index, required): (&String, usize, &String)| Place {
        kind: "flag",
        key: by.clone(),
        project: None,
        environment: Some(environment.key.clone()),
        path: format!("prerequisites[{index}].flag"),
        names: required.clone(),
    };
    wanted.map(place).collect()
}

fn requirer(place: &Place) -> String {
    let environment = place.environment.as_ref().map(Key::as_str).unwrap_or_default();
    format!("flag {} in {environment}", place.key)
}

impl Bulk {
    fn read(document: &Value) -> Result<Self> {
        let mut violations = Violations::default();
        let bulk = At::root(document).object(&mut violations).and_then(|object| {
            let action = object.require(&mut violations, "action").and_then(|at| {
                let action = match at.text(&mut violations)? {
                    "enable" => Some(Action::Enable),
                    "disable" => Some(Action::Disable),
                    "archive" => Some(Action::Archive),
                    "restore" => Some(Action::Restore),
                    _ => None,
                };
                if action.is_none() {
                    at.fault(&mut violations, "must be enable, disable, archive or restore");
                }
                action
            });
            let mut seen = BTreeSet::new();
            let keys = object.require(&mut violations, "keys").and_then(|at| {
                let keys = at.each(&mut violations, MOST_FLAGS, |at, violations| {
                    let key = Key::parse(at.text(violations)?);
                    match &key {
                        None => at.fault(violations, Key::RULE),
                        Some(key) if !seen.insert(key.clone()) => {
                            at.fault(violations, "was named before; name each flag once");
                        }
                        Some(_) => {}
                    }
                    key
                });
                if keys.as_ref().is_some_and(Vec::is_empty) {
                    at.fault(&mut violations, "must name at least one flag");
                }
                keys
            });
            object.deny_unknown(&mut violations);
            Some(Self { action: action?, keys: keys? })
        });
        violations.into_result(bulk).map_err(Error::Invalid)
    }

    /// Each of the flags must be there.
    fn expect_all(&self, found: &[FlagEverywhere]) -> Result<()> {
        let there: BTreeSet<_> = found.iter().map(|everywhere| &everywhere.flag.key).collect();
        let missing = self.keys.iter().filter(|key| !there.contains(key));
        let missing: Vec<_> =
            missing.map(|key| self.violation(key.as_str(), format!("there is no flag \"{key}\""))).collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::NoneSuch(missing)) }
    }

    /// Those that would be enabled and give their off variant all the same.
    fn refuse_archived(&self, flags: &[&FlagEverywhere]) -> Result<()> {
        let archived = flags.iter().filter(|everywhere| everywhere.flag.archived);
        let violations: Vec<_> = archived
            .map(|everywhere| {
                let key = everywhere.flag.key.as_str();
                self.violation(
                    key,
                    format!("{key:?} is archived and gives its off variant; restore it first"),
                )
            })
            .collect();
        if violations.is_empty() {
            return Ok(());
        }
        let message = summary(&violations);
        Err(Error::Blocked { code: FLAG_ARCHIVED, message, violations, places: Vec::new() })
    }

    fn violation(&self, key: &str, message: String) -> Violation {
        let place = self.keys.iter().position(|own| own.as_str() == key).unwrap_or_default();
        Violation { path: format!("keys[{place}]"), message }
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Enable => "bulk_enable_flags",
            Self::Disable => "bulk_disable_flags",
            Self::Archive => "bulk_archive_flags",
            Self::Restore => "bulk_restore_flags",
        }
    }

    /// Whether it changes what is the same everywhere.
    fn is_of_definitions(self) -> bool {
        matches!(self, Self::Archive | Self::Restore)
    }

    /// Whether a flag is not so already.
    fn changes(self, everywhere: &FlagEverywhere, environment: &Environment) -> bool {
        let config = config_in(everywhere, environment);
        match self {
            Self::Enable => config.is_some_and(|config| !config.enabled),
            Self::Disable => config.is_some_and(|config| config.enabled),
            Self::Archive => !everywhere.flag.archived,
            Self::Restore => everywhere.flag.archived,
        }
    }

    /// The one change that does it to all of them.
    fn change(self, flags: &[&FlagEverywhere], writer: &Writer, request: &Request, now: Timestamp) -> Change {
        let environment = writer.environment();
        let mut texts = (Map::new(), Map::new());
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for everywhere in flags {
            let (flag, key) = (&everywhere.flag, everywhere.flag.key.to_string());
            let config = config_in(everywhere, environment);
            match (self, config) {
                (Self::Archive | Self::Restore, _) => {
                    let archived = self == Self::Archive;
                    let changed = Flag { archived, updated_at: now, ..flag.clone() };
                    texts.0.insert(key.clone(), json!(flag.stage()));
                    texts.1.insert(key, json!(changed.stage()));
                    reads.extend(reads_of(everywhere));
                    writes.push(Write::UpdateFlag(changed));
                }
                (_, Some(config)) => {
                    let enabled = self == Self::Enable;
                    texts.0.insert(key.clone(), json!(config.enabled));
                    texts.1.insert(key, json!(enabled));
                    let (environment_id, version) = (config.environment_id, config.version);
                    reads.push(ReadVersion::Config { flag_id: flag.id, environment_id, version });
                    writes.push(Write::UpdateConfig(Config { enabled, updated_at: now, ..config.clone() }));
                }
                (_, None) => {}
            }
        }
        let member = if self.is_of_definitions() { "lifecycle" } else { "enabled" };
        let text = |of_flags| json!({ "environment": environment.key, member: Value::Object(of_flags) });
        let mut entities = vec![Entity::environment(environment)];
        entities.extend(flags.iter().map(|everywhere| Entity::flag(&everywhere.flag)));
        Change {
            chain: Chain::Project(environment.project_id),
            at: now,
            actor: writer.caller().account_id(),
            source: request.source.clone(),
            action: self.name(),
            entities,
            before: Some(text(texts.0).to_string()),
            after: Some(text(texts.1).to_string()),
            comment: request.comment.clone(),
            standing: request.standing.clone(),
            reads,
            writes,
        }
    }
}

fn config_in<'e>(everywhere: &'e FlagEverywhere, environment: &Environment) -> Option<&'e Config> {
    everywhere.configs.iter().find(|config| config.environment_id == environment.id)
}
