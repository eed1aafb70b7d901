//! Reading what people write about a key.

use engine::json::{At, Object, Violations};
use serde_json::Value;

use super::{ALL, Origins, Reach, SdkKey, SdkKeyKind};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::input::read_description;
use crate::time::Timestamp;
use crate::validity::read_expiry;

use super::manage::NewSdkKey;

/// The longest name of a key, in bytes.
const MOST_NAME: usize = 256;
/// No key names more environments; one that needs more names all.
const MOST_ENVIRONMENTS: usize = 1_000;

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 9] = [
    "id",
    "hint",
    "state",
    "version",
    "created_by",
    "created_at",
    "updated_at",
    "last_used_at",
    "revoked_at",
];

/// What a document is read beside.
pub(super) struct Surroundings<'a> {
    /// All of the project.
    pub(super) environments: &'a [Environment],
    /// Whether a client key must say which pages may use it.
    pub(super) origins_required: bool,
    pub(super) now: Timestamp,
}

impl Surroundings<'_> {
    /// A new key; of the addressed environment unless it names others.
    pub(super) fn read_new(&self, document: &Value, addressed: &Environment) -> Result<NewSdkKey> {
        let mut violations = Violations::default();
        let new = self.new_key(At::root(document), addressed, &mut violations);
        violations.into_result(new).map_err(Error::Invalid)
    }

    fn new_key(&self, at: At<'_>, addressed: &Environment, violations: &mut Violations) -> Option<NewSdkKey> {
        let object = at.object(violations)?;
        let name = object.require(violations, "name").map(|at| read_name(at, violations));
        let kind = object.require(violations, "kind").and_then(|at| read_kind(at, violations));
        let described = object.get("description").map(|at| read_description(at, violations));
        let mut new = NewSdkKey {
            name: name.unwrap_or_default(),
            description: described.unwrap_or_default(),
            kind: kind.unwrap_or(SdkKeyKind::Edge),
            reach: Reach::of(addressed),
            origins: Origins::default(),
            expires_at: None,
        };
        if let Some(at) = object.get("environments") {
            new.reach = self.read_reach(&at, new.kind, violations).unwrap_or(new.reach);
        }
        match object.get("origins") {
            Some(at) => new.origins = self.read_origins(at, new.kind, violations),
            None if kind == Some(SdkKeyKind::Client) && self.origins_required => {
                object.fault(violations, ORIGINS_REQUIRED);
            }
            None => {}
        }
        if let Some(at) = object.get("expires_at") {
            new.expires_at = read_expiry(&at, None, self.now, violations);
        }
        object.deny_unknown(violations);
        kind.map(|_| new)
    }

    /// Takes over the members that the document names, and keeps the others.
    pub(super) fn apply(&self, key: &mut SdkKey, document: &Value) -> Result<()> {
        let mut violations = Violations::default();
        if let Some(object) = At::root(document).object(&mut violations) {
            self.apply_object(key, &object, &mut violations);
        }
        violations.into_result(Some(())).map_err(Error::Invalid)
    }

    fn apply_object(&self, key: &mut SdkKey, object: &Object<'_>, violations: &mut Violations) {
        object.ignore(&READ_ONLY);
        object.ignore(&["replaced_by"]);
        if let Some(at) = object.get("kind").filter(|at| at.value().as_str() != Some(key.kind.name())) {
            let kind = key.kind.name();
            at.fault(violations, format_args!("a key's kind never changes, and this one's is {kind}"));
        }
        if let Some(at) = object.get("name") {
            key.name = read_name(at, violations);
        }
        if let Some(at) = object.get("description") {
            key.description = read_description(at, violations);
        }
        if let Some(at) = object.get("environments") {
            self.apply_reach(key, &at, violations);
        }
        if let Some(at) = object.get("origins") {
            key.origins = self.read_origins(at, key.kind, violations);
        }
        if let Some(at) = object.get("expires_at") {
            key.expires_at = read_expiry(&at, key.expires_at, self.now, violations);
        }
        object.deny_unknown(violations);
    }

    fn apply_reach(&self, key: &mut SdkKey, at: &At<'_>, violations: &mut Violations) {
        let is_own = || {
            let named: Option<Vec<_>> =
                at.value().as_array().and_then(|list| list.iter().map(Value::as_str).collect());
            named.is_some_and(|named| named == key.reach.told(self.environments))
        };
        if key.kind != SdkKeyKind::Edge && is_own() {
            return;
        }
        if let Some(reach) = self.read_reach(at, key.kind, violations) {
            key.reach = reach;
        }
    }

    fn read_reach(&self, at: &At<'_>, kind: SdkKeyKind, violations: &mut Violations) -> Option<Reach> {
        if kind != SdkKeyKind::Edge {
            at.fault(
                violations,
                "is for edge keys; a server or client key opens the one environment that ?environment= names when \
                 it is made",
            );
            return None;
        }
        let list = at.list(violations, MOST_ENVIRONMENTS)?;
        if list.iter().any(|element| element.as_str() == Some(ALL)) {
            if list.len() > 1 {
                at.fault(violations, "\"*\" means all environments and stands alone");
            }
            return Some(Reach::Project);
        }
        if list.is_empty() {
            at.fault(violations, "must name at least one environment, or be [\"*\"] for all of them");
        }
        let mut ids: Vec<Id> = Vec::with_capacity(list.len());
        for (index, element) in list.iter().enumerate() {
            let at = at.index(index, element);
            let Some(key) = at.text(violations) else { continue };
            match self.environments.iter().find(|environment| environment.key.as_str() == key) {
                Some(environment) => ids.push(environment.id),
                None => at.fault(violations, "is no environment; GET /api/v1/environments lists them"),
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Some(Reach::Environments(ids))
    }

    fn read_origins(&self, at: At<'_>, kind: SdkKeyKind, violations: &mut Violations) -> Origins {
        let is_needed = kind == SdkKeyKind::Client && self.origins_required;
        if is_needed && (at.is_null() || at.value().as_array().is_some_and(Vec::is_empty)) {
            at.fault(violations, ORIGINS_REQUIRED);
        }
        let is_said = !at.is_null() && at.value().as_array().is_none_or(|list| !list.is_empty());
        if kind != SdkKeyKind::Client && is_said {
            at.fault(violations, "is for client keys; no page may use a key that must stay secret");
            return Origins::default();
        }
        Origins::read(at, violations)
    }
}

const ORIGINS_REQUIRED: &str = "origins are required of a client key here, since anyone can read the key of a page: \
                                name the origins of your pages, or say [\"*\"] if pages of any may use it";

fn read_name(at: At<'_>, violations: &mut Violations) -> String {
    let Some(name) = at.text(violations) else { return String::new() };
    if name.is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
        at.fault(violations, format_args!("must have 1 to {MOST_NAME} bytes, on one line"));
    }
    name.to_owned()
}

fn read_kind(at: At<'_>, violations: &mut Violations) -> Option<SdkKeyKind> {
    let kind = SdkKeyKind::parse(at.text(violations)?);
    if kind.is_none() {
        at.fault(
            violations,
            "must be server (reads rules), client (for browsers and phones) or edge (reads rules of several \
             environments)",
        );
    }
    kind
}
