//! Making, listing and revoking keys for applications.

use serde::Serialize;
use serde_json::Value;

use super::input::Surroundings;
use super::{KeyState, Origins, Reach, SdkKey, SdkKeyKind, ShownSdkKey};
use crate::access::{Allows, Held, InProject, ManageSdkKeys, Permit, Reader, Right, Scope};
use crate::control::{Attempts, Control, DEFAULT_ENVIRONMENT, Request, find_environment, unexpected};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Chain, Change, Counted, ReadVersion, Write};
use crate::ports::{CommitError, Ids, Page, SdkKeyFilter};
use crate::secret::{Secret, hash_secret};
use crate::time::Timestamp;

/// No project has more keys in force: every node holds all of them in memory. Further ones are a conflict.
const MOST_KEYS: u64 = 1_000;

/// A key as it is made: the only time that its secret is shown.
#[derive(Serialize)]
pub struct MadeSdkKey {
    /// What is kept, as people see it.
    #[serde(flatten)]
    pub shown: ShownSdkKey,
    /// The secret.
    pub key: String,
    /// What is kept.
    #[serde(skip)]
    pub sdk_key: SdkKey,
}

/// What a new key is to be.
#[derive(Debug)]
pub struct NewSdkKey {
    /// What people call it.
    pub name: String,
    /// What people should know of it.
    pub description: String,
    /// What its holder may see.
    pub kind: SdkKeyKind,
    /// What it opens.
    pub reach: Reach,
    /// Which pages may use it.
    pub origins: Origins,
    /// From when on it is refused by itself.
    pub expires_at: Option<Timestamp>,
}

/// Which keys to list, as a request names them.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Only those that open the environment with this key.
    pub environment: Option<&'a str>,
    /// Only those of this kind.
    pub kind: Option<SdkKeyKind>,
    /// Only those that are here in their life.
    pub state: Option<KeyState>,
    /// Only those after this place.
    pub after: Option<(Timestamp, Id)>,
    /// How many at most.
    pub limit: u32,
}

impl Control {
    /// Makes a key from `{"name", "kind", "description"?, "environments"?, "origins"?, "expires_at"?}`, for the
    /// environment with this key unless it names others.
    pub async fn create_sdk_key(
        &self,
        permit: &InProject<ManageSdkKeys>,
        environment: Option<&str>,
        document: &Value,
        request: &Request,
    ) -> Result<MadeSdkKey> {
        let actor = permit.caller().account_id();
        let mut attempts = Attempts::default();
        // Again if an environment has changed, or others made the last that there was room for.
        loop {
            let environments = self.store.environments(permit.project_id()).await?;
            let addressed = find_environment(&environments, environment.unwrap_or(DEFAULT_ENVIRONMENT))?;
            let now = self.clock.now();
            let new = self.beside(&environments, now).read_new(document, &addressed)?;
            may_give(permit, &new.reach, &environments)?;
            self.check_room(permit.project_id(), now).await?;
            let (mut sdk_key, key) = made(&*self.ids, new, permit.project_id(), actor, now);
            let mut change = creation(&sdk_key, &environments, actor, &request.source, now);
            change.comment.clone_from(&request.comment);
            change.standing.clone_from(&request.standing);
            change.reads = still_there(&sdk_key.reach, &environments);
            change.reads.push(room(now));
            if let Some(version) = self.try_commit(change, &mut attempts).await? {
                sdk_key.version = version;
                return Ok(MadeSdkKey { shown: ShownSdkKey::of(&sdk_key, &environments, now), key, sdk_key });
            }
        }
    }

    /// Keys of the project, newest first.
    pub async fn list_sdk_keys(&self, reader: &Reader, wanted: &Wanted<'_>) -> Result<Page<ShownSdkKey>> {
        let environments = self.store.environments(reader.project_id()).await?;
        let environment = wanted.environment.map(|key| find_environment(&environments, key)).transpose()?;
        let now = self.clock.now();
        let filter = SdkKeyFilter {
            environment: environment.map(|environment| environment.id),
            kind: wanted.kind,
            state: wanted.state,
            now,
            after: wanted.after,
            limit: wanted.limit,
        };
        let Page { items, total, more } = self.store.sdk_keys(reader.project_id(), &filter).await?;
        let items = items.iter().map(|key| ShownSdkKey::of(key, &environments, now)).collect();
        Ok(Page { items, total, more })
    }

    /// A key, whatever became of it.
    pub async fn get_sdk_key(&self, reader: &Reader, id: &str) -> Result<ShownSdkKey> {
        let key = self.sdk_key(reader.project_id(), id).await?;
        let environments = self.store.environments(reader.project_id()).await?;
        Ok(ShownSdkKey::of(&key, &environments, self.clock.now()))
    }

    /// Refuses a key from now on. Revoking a revoked one changes nothing.
    pub async fn revoke_sdk_key(
        &self,
        permit: &InProject<ManageSdkKeys>,
        id: &str,
        request: &Request,
    ) -> Result<SdkKey> {
        let key = self.sdk_key(permit.project_id(), id).await?;
        let environments = self.store.environments(permit.project_id()).await?;
        may_give(permit, &key.reach, &environments)?;
        let now = self.clock.now();
        let revoked = SdkKey { revoked_at: key.revoked_at.or(Some(now)), ..key.clone() };
        if key.revoked_at.is_some() {
            return Ok(revoked);
        }
        request.check(&ShownSdkKey::of(&key, &environments, now).etag())?;
        let change = Change {
            chain: Chain::Project(key.project_id),
            at: now,
            actor: permit.caller().account_id(),
            source: request.source.clone(),
            action: "revoke_sdk_key",
            entities: vec![key.entity()],
            before: Some(key.for_log(&environments).to_string()),
            after: None,
            comment: request.comment.clone(),
            standing: request.standing.clone(),
            reads: Vec::new(),
            writes: vec![Write::RevokeSdkKey { id: key.id, at: now }],
        };
        match self.commit(change).await {
            // Someone else was faster, to the same end.
            Ok(_) | Err(CommitError::Stale) => Ok(revoked),
            Err(error) => Err(unexpected(error)),
        }
    }

    /// A key of a project. Of one of another project nobody is told.
    pub(super) async fn sdk_key(&self, project_id: Id, id: &str) -> Result<SdkKey> {
        let no_key = || Error::not_found("SDK key", id, "GET /api/v1/sdk-keys lists their ids");
        let id: Id = id.parse().map_err(|_| no_key())?;
        self.store.sdk_key(project_id, id).await?.ok_or_else(no_key)
    }

    /// Whether one key more may be in force.
    pub(super) async fn check_room(&self, project_id: Id, now: Timestamp) -> Result<()> {
        let filter = SdkKeyFilter { state: Some(KeyState::InForce), limit: 1, ..SdkKeyFilter::all(now) };
        let in_force = self.store.sdk_keys(project_id, &filter).await?.total;
        if in_force.is_some_and(|in_force| in_force >= MOST_KEYS) {
            let message = format!("a project has at most {MOST_KEYS} SDK keys in force; revoke some first");
            return Err(Error::Conflict { code: "too_many_keys", message });
        }
        Ok(())
    }

    pub(super) fn beside<'a>(&self, environments: &'a [Environment], now: Timestamp) -> Surroundings<'a> {
        Surroundings { environments, origins_required: self.settings.origins_required, now }
    }
}

/// Who gives out, changes or ends a key must have the right to change each environment that it opens.
pub(super) fn may_give(permit: &Permit, reach: &Reach, environments: &[Environment]) -> Result<()> {
    reach.among(environments).try_for_each(|environment| permit.may_in(environment))?;
    if *reach != Reach::Project {
        return Ok(());
    }
    // Those to come as well, which may be protected.
    let allows = Allows::known([ManageSdkKeys::PERMISSION.name()]).into();
    permit.caller().may_give(&Held { scope: Scope::Project(permit.project_id()), allows }, None)
}

/// The environments that a key names must still be there when it is written, or it would open nothing.
pub(super) fn still_there(reach: &Reach, environments: &[Environment]) -> Vec<ReadVersion> {
    let named = environments.iter().filter(|environment| reach.names(environment.id));
    named.map(|place| ReadVersion::Environment { id: place.id, version: place.version }).collect()
}

/// That there is room for one more still, when it is written.
pub(super) fn room(at: Timestamp) -> ReadVersion {
    ReadVersion::Room { of: Counted::SdkKeys { at }, most: MOST_KEYS }
}

/// A new key and its secret.
pub(crate) fn made(
    ids: &dyn Ids,
    new: NewSdkKey,
    project_id: Id,
    by: Id,
    now: Timestamp,
) -> (SdkKey, String) {
    let secret = Secret::make(new.kind.secret(), ids);
    let key = SdkKey { hint: secret.hint, ..given(ids, new, &secret.text, project_id, by, now) };
    (key, secret.text)
}

/// A key with a secret that was chosen elsewhere; nothing of it stays readable.
pub(crate) fn given(
    ids: &dyn Ids,
    new: NewSdkKey,
    secret: &str,
    project_id: Id,
    by: Id,
    now: Timestamp,
) -> SdkKey {
    SdkKey {
        id: ids.id(now),
        project_id,
        reach: new.reach,
        name: new.name,
        description: new.description,
        kind: new.kind,
        origins: new.origins,
        hint: String::new(),
        hash: hash_secret(secret),
        version: 0,
        created_by: by,
        created_at: now,
        updated_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
        replaced_by: None,
    }
}

/// The change that makes a key.
pub(crate) fn creation(
    key: &SdkKey,
    environments: &[Environment],
    actor: Id,
    source: &str,
    now: Timestamp,
) -> Change {
    Change {
        chain: Chain::Project(key.project_id),
        at: now,
        actor,
        source: source.to_owned(),
        action: "create_sdk_key",
        entities: vec![key.entity()],
        before: None,
        after: Some(key.for_log(environments).to_string()),
        comment: None,
        standing: None,
        reads: Vec::new(),
        writes: vec![Write::CreateSdkKey(key.clone())],
    }
}
