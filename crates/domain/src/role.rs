//! Roles that people make, beside those that are there from the beginning ([`crate::access::BUILT_IN`]).

mod undo;

use engine::json::{At, Object, Violations};
use engine::model::Revision;
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::{Allows, BUILT_IN, Held, ManageRoles, OnInstance, ReadPeople, Scope, built_in};
use crate::control::{Attempts, Control, Request, on_instance};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::input::{check_key, or_empty, read_description, read_key, read_name};
use crate::key::Key;
use crate::log::{Counted, Entity, ReadVersion, Write};
use crate::time::Timestamp;

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 5] = ["id", "built_in", "version", "created_at", "updated_at"];
/// No role has more words.
const MOST_WORDS: usize = 200;
/// No instance has more roles of its own: all of them are shown at once.
const MOST_ROLES: usize = 1_000;

/// A role that somebody made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomRole {
    /// Its id.
    pub id: Id,
    /// Its key, by which it is granted; no built-in role's.
    pub key: Key,
    /// What people read.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it allows, in the words of [`Allows::known`].
    pub permissions: Vec<String>,
    /// Revision, on the instance's chain, of its last change.
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl CustomRole {
    /// Its tag, as `ETag` and `If-Match` have it.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}

impl Control {
    /// All roles that somebody made, by key.
    pub async fn roles(&self, _reader: &OnInstance<ReadPeople>) -> Result<Vec<CustomRole>> {
        Ok(self.store.roles().await?)
    }

    /// The role with this key that somebody made.
    pub async fn role(&self, _reader: &OnInstance<ReadPeople>, key: &str) -> Result<CustomRole> {
        self.role_named(key).await
    }

    async fn role_named(&self, key: &str) -> Result<CustomRole> {
        let roles = self.store.roles().await?;
        let found = roles.into_iter().find(|role| role.key.as_str() == key);
        found.ok_or_else(|| Error::not_found("role", key, "GET /api/v1/roles lists them"))
    }

    /// Makes a role. Nobody makes one that allows more than they may do on the whole instance.
    pub async fn create_role(
        &self,
        permit: &OnInstance<ManageRoles>,
        document: &Value,
        request: &Request,
    ) -> Result<CustomRole> {
        let now = self.clock.now();
        let mut violations = Violations::default();
        let role = At::root(document).object(&mut violations).and_then(|object| {
            let key = read_key(&object, &mut violations);
            let mut role = CustomRole {
                id: self.ids.id(now),
                key: key.clone().or_else(|| Key::parse("unnamed"))?,
                name: String::new(),
                description: String::new(),
                permissions: Vec::new(),
                version: 0,
                created_at: now,
                updated_at: now,
            };
            apply(&mut role, &object, &mut violations);
            key.map(|_| role)
        });
        let role = violations.into_result(role).map_err(Error::Invalid)?;
        if built_in(role.key.as_str()).is_some() {
            let message = format!("a role with the key {} is built in", role.key);
            return Err(Error::Conflict { code: "key_taken", message });
        }
        permit.may_give(&gift(&role), None)?;
        let mut attempts = Attempts::default();
        loop {
            if self.store.roles().await?.len() >= MOST_ROLES {
                let message =
                    format!("an instance has at most {MOST_ROLES} roles of its own; delete some first");
                return Err(Error::Conflict { code: "too_many_roles", message });
            }
            let mut change = on_instance(permit, request, now, "create_role", vec![Entity::role(&role)]);
            change.after = Some(for_log(&role));
            change.reads = vec![ReadVersion::Room { of: Counted::Roles, most: MOST_ROLES as u64 }];
            change.writes = vec![Write::CreateRole(role.clone())];
            if let Some(version) = self.try_create(change, &mut attempts, "a role", &role.key).await? {
                return Ok(CustomRole { version, ..role });
            }
        }
    }

    /// Takes over the members that the document names, and keeps the others. Whoever has the role has what it allows
    /// then, so neither what it allowed nor what it will may be more than the caller's own.
    pub async fn update_role(
        &self,
        permit: &OnInstance<ManageRoles>,
        key: &str,
        document: &Value,
        request: &Request,
    ) -> Result<CustomRole> {
        refuse_built_in(key)?;
        let mut attempts = Attempts::default();
        loop {
            let before = self.role_named(key).await?;
            request.check(&before.etag())?;
            let mut after = before.clone();
            let mut violations = Violations::default();
            let read = At::root(document).object(&mut violations).map(|object| {
                check_key(&before.key, "a role", &object, &mut violations);
                apply(&mut after, &object, &mut violations);
            });
            violations.into_result(read).map_err(Error::Invalid)?;
            if after == before {
                return Ok(before);
            }
            permit.may_give(&gift(&before), None)?;
            permit.may_give(&gift(&after), None)?;
            let now = self.clock.now();
            after.updated_at = now;
            let mut change = on_instance(permit, request, now, "update_role", vec![Entity::role(&after)]);
            (change.before, change.after) = (Some(for_log(&before)), Some(for_log(&after)));
            change.reads = vec![ReadVersion::Role { id: before.id, version: before.version }];
            change.writes = vec![Write::UpdateRole(after.clone())];
            if let Some(version) = self.try_commit(change, &mut attempts).await? {
                return Ok(CustomRole { version, ..after });
            }
        }
    }

    /// Removes a role that nobody has. Gives the revision that it took.
    pub async fn delete_role(
        &self,
        permit: &OnInstance<ManageRoles>,
        key: &str,
        request: &Request,
    ) -> Result<Revision> {
        refuse_built_in(key)?;
        let mut attempts = Attempts::default();
        loop {
            let role = self.role_named(key).await?;
            request.check(&role.etag())?;
            permit.may_give(&gift(&role), None)?;
            let grants = self.store.grants_with_role(role.key.as_str()).await?;
            if grants > 0 {
                let message = format!(
                    "the role is granted {grants} times; GET /api/v1/instance/grants?role={key} and those of projects list them, take them back first"
                );
                return Err(Error::Conflict { code: "role_in_use", message });
            }
            let now = self.clock.now();
            let mut change = on_instance(permit, request, now, "delete_role", vec![Entity::role(&role)]);
            change.before = Some(for_log(&role));
            change.reads = vec![ReadVersion::Role { id: role.id, version: role.version }];
            change.writes = vec![Write::DeleteRole { id: role.id }];
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok(revision);
            }
        }
    }

    /// What a role allows, built in or made; with the version of one that was made, which may change.
    pub(crate) async fn find_role(&self, key: &str) -> Result<(Allows, Option<ReadVersion>)> {
        if let Some(role) = built_in(key) {
            return Ok(((*role.allows).clone(), None));
        }
        let made = self.store.roles().await?.into_iter().find(|role| role.key.as_str() == key);
        let role = made.ok_or_else(|| {
            let known: Vec<_> = BUILT_IN.iter().map(|role| role.key).collect();
            let message =
                format!("is no role; there are {}, and what GET /api/v1/roles lists", known.join(", "));
            Error::invalid("role", message)
        })?;
        let read = ReadVersion::Role { id: role.id, version: role.version };
        Ok((Allows::known(role.permissions.iter().map(String::as_str)), Some(read)))
    }
}

fn refuse_built_in(key: &str) -> Result<()> {
    if built_in(key).is_none() {
        return Ok(());
    }
    let message = format!("the role {key} is built in and stays as it is; make another");
    Err(Error::Conflict { code: "role_built_in", message })
}

/// What somebody would be given who had the role everywhere.
fn gift(role: &CustomRole) -> Held {
    let allows = Allows::known(role.permissions.iter().map(String::as_str));
    Held { scope: Scope::Instance, allows: allows.into() }
}

fn apply(role: &mut CustomRole, object: &Object<'_>, violations: &mut Violations) {
    object.ignore(&READ_ONLY);
    object.ignore(&["key"]);
    if let Some(name) = object.get("name") {
        role.name = read_name(name, violations);
    }
    if role.name.is_empty() {
        role.name = role.key.to_string();
    }
    if let Some(description) = object.get("description") {
        role.description = read_description(description, violations);
    }
    if let Some(permissions) = object.get("permissions") {
        role.permissions =
            or_empty(permissions, violations, |at, violations| at.each(violations, MOST_WORDS, read_word));
    }
    object.deny_unknown(violations);
}

/// A word of a permission, as roles and tokens have them.
pub(crate) fn read_word(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let word = at.text(violations)?;
    match Allows::check(word) {
        Ok(()) => Some(word.to_owned()),
        Err(fault) => {
            at.fault(violations, fault);
            None
        }
    }
}

fn for_log(role: &CustomRole) -> String {
    json!({ "role": document(role) }).to_string()
}

/// What the log says of a role.
fn document(role: &CustomRole) -> Value {
    let CustomRole { key, name, description, permissions, .. } = role;
    json!({ "key": key, "name": name, "description": description, "permissions": permissions })
}
