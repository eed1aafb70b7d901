//! Making, listing and revoking keys for applications.

use engine::json::{At, Violations};
use serde::Serialize;
use serde_json::{Value, json};

use super::{SdkKey, SdkKeyKind};
use crate::access::{InEnvironment, InProject, ManageSdkKeys, Reader};
use crate::control::{Control, Request, unexpected};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::ports::{CommitError, Ids};
use crate::secret::{Secret, hash_secret};
use crate::time::Timestamp;

/// The longest name of a key, in bytes.
const MOST_NAME: usize = 256;
/// No project has more keys in force: every node holds all of them in memory.
const MOST_KEYS: usize = 1_000;
/// A key as it is made: the only time that its secret is shown.
#[derive(Serialize)]
pub struct MadeSdkKey {
    /// What is kept.
    #[serde(flatten)]
    pub sdk_key: SdkKey,
    /// The secret.
    pub key: String,
}

/// What a new key is to be.
#[derive(Debug)]
pub struct NewSdkKey {
    /// What people call it.
    pub name: String,
    /// What its holder may see.
    pub kind: SdkKeyKind,
}

impl NewSdkKey {
    fn read(document: &Value) -> Result<Self> {
        let mut violations = Violations::default();
        let new = Self::read_object(At::root(document), &mut violations);
        violations.into_result(new).map_err(Error::Invalid)
    }

    fn read_object(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let name = object.require(violations, "name").and_then(|at| {
            let name = at.text(violations)?;
            if name.is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
                at.fault(violations, format_args!("must have 1 to {MOST_NAME} bytes, on one line"));
            }
            Some(name.to_owned())
        });
        let kind = object.require(violations, "kind").and_then(|at| {
            let kind = SdkKeyKind::parse(at.text(violations)?);
            if kind.is_none() {
                at.fault(violations, "must be server (reads rules) or client (for browsers and phones)");
            }
            kind
        });
        object.deny_unknown(violations);
        Some(Self { name: name?, kind: kind? })
    }
}

impl Control {
    /// Makes a key for the writer's environment from `{"name", "kind"}`.
    pub async fn create_sdk_key(
        &self,
        writer: &InEnvironment<ManageSdkKeys>,
        document: &Value,
        request: &Request,
    ) -> Result<MadeSdkKey> {
        let new = NewSdkKey::read(document)?;
        let keys = self.store.sdk_keys(writer.project_id()).await?;
        if keys.iter().filter(|key| key.revoked_at.is_none()).count() >= MOST_KEYS {
            let message = format!("a project has at most {MOST_KEYS} SDK keys in force; revoke some first");
            return Err(Error::Conflict { code: "too_many_keys", message });
        }
        let now = self.clock.now();
        let environment = writer.environment();
        let actor = writer.caller().account_id();
        let made = made(&*self.ids, new, environment, actor, now);
        let mut change = creation(&made.sdk_key, environment.key.as_str(), actor, &request.source, now);
        change.comment.clone_from(&request.comment);
        // It must still be there, or the key would open nothing.
        change.reads.push(ReadVersion::Environment { id: environment.id, version: environment.version });
        self.commit(change).await.map_err(unexpected)?;
        Ok(made)
    }

    /// All keys of the project, newest first, revoked ones included.
    pub async fn list_sdk_keys(&self, reader: &Reader) -> Result<Vec<SdkKey>> {
        Ok(self.store.sdk_keys(reader.project_id()).await?)
    }

    /// Refuses a key from now on. Revoking a revoked one changes nothing. Gives the hash that it was known by.
    pub async fn revoke_sdk_key(
        &self,
        permit: &InProject<ManageSdkKeys>,
        id: &str,
        request: &Request,
    ) -> Result<String> {
        let no_key = || Error::not_found("SDK key", id, "GET /api/v1/sdk-keys lists their ids");
        let id: Id = id.parse().map_err(|_| no_key())?;
        let keys = self.store.sdk_keys(permit.project_id()).await?;
        let key = keys.into_iter().find(|key| key.id == id).ok_or_else(no_key)?;
        let environments = self.all_environments(permit.project_id()).await?;
        let environment = environments.into_iter().find(|environment| environment.id == key.environment_id);
        let writer = permit.here(environment.ok_or_else(no_key)?)?;
        if key.revoked_at.is_some() {
            return Ok(key.hash);
        }
        let now = self.clock.now();
        let change = Change {
            chain: Chain::Project(key.project_id),
            at: now,
            actor: writer.caller().account_id(),
            source: request.source.clone(),
            action: "revoke_sdk_key",
            entities: vec![entity(&key)],
            before: Some(for_log(&key, writer.environment().key.as_str())),
            after: None,
            comment: request.comment.clone(),
            reads: Vec::new(),
            writes: vec![Write::RevokeSdkKey { id, at: now }],
        };
        match self.commit(change).await {
            // Someone else was faster, to the same end.
            Ok(_) | Err(CommitError::Stale) => Ok(key.hash),
            Err(error) => Err(unexpected(error)),
        }
    }
}

/// A new key with a secret of its own.
pub(crate) fn made(ids: &dyn Ids, new: NewSdkKey, place: &Environment, by: Id, now: Timestamp) -> MadeSdkKey {
    let secret = Secret::make(new.kind.secret(), ids);
    let mut made = given(ids, new, secret.text, place, by, now);
    made.sdk_key.hint = secret.hint;
    made
}

/// A key with a secret that was chosen elsewhere; nothing of it stays readable.
pub(crate) fn given(
    ids: &dyn Ids,
    new: NewSdkKey,
    key: String,
    place: &Environment,
    by: Id,
    now: Timestamp,
) -> MadeSdkKey {
    let sdk_key = SdkKey {
        id: ids.id(now),
        project_id: place.project_id,
        environment_id: place.id,
        name: new.name,
        kind: new.kind,
        hint: String::new(),
        hash: hash_secret(&key),
        created_by: by,
        created_at: now,
        revoked_at: None,
    };
    MadeSdkKey { sdk_key, key }
}

/// The change that makes a key.
pub(crate) fn creation(key: &SdkKey, environment: &str, actor: Id, source: &str, now: Timestamp) -> Change {
    Change {
        chain: Chain::Project(key.project_id),
        at: now,
        actor,
        source: source.to_owned(),
        action: "create_sdk_key",
        entities: vec![entity(key)],
        before: None,
        after: Some(for_log(key, environment)),
        comment: None,
        reads: Vec::new(),
        writes: vec![Write::CreateSdkKey(key.clone())],
    }
}

fn entity(key: &SdkKey) -> Entity {
    Entity { kind: "sdk_key".to_owned(), id: key.id, key: key.name.clone() }
}

fn for_log(key: &SdkKey, environment: &str) -> String {
    json!({ "name": key.name, "kind": key.kind, "environment": environment, "hint": key.hint }).to_string()
}
