//! Changing a key, and putting another in its place.

use engine::model::Revision;
use serde::Serialize;
use serde_json::{Value, json};

use super::manage::{MadeSdkKey, NewSdkKey, made, may_give, room, still_there};
use super::{KeyState, SdkKey, ShownSdkKey};
use crate::access::{InProject, ManageSdkKeys, Permit};
use crate::control::{Attempts, Control, Request};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::log::{Chain, Change, Entity, ReadVersion, Write};
use crate::time::Timestamp;
use crate::validity::read_overlap;

/// A key, and the one in whose place it came.
#[derive(Serialize)]
pub struct RotatedSdkKey {
    /// The new one, with its secret.
    #[serde(flatten)]
    pub made: MadeSdkKey,
    /// The old one, as it is now.
    pub replaces: ShownSdkKey,
    /// The same, as it is kept.
    #[serde(skip)]
    pub replaced: SdkKey,
}

/// What a change of a key begins with.
struct Known {
    key: SdkKey,
    environments: Vec<Environment>,
    now: Timestamp,
}

impl Control {
    /// Replaces the members that the document names: `name`, `description`, `environments`, `origins`, `expires_at`.
    pub async fn update_sdk_key(
        &self,
        permit: &InProject<ManageSdkKeys>,
        id: &str,
        document: &Value,
        request: &Request,
    ) -> Result<(ShownSdkKey, SdkKey)> {
        let mut attempts = Attempts::default();
        loop {
            let known = self.known(permit, id, request).await?;
            let Known { key, environments, now } = &known;
            let mut changed = key.clone();
            self.beside(environments, *now).apply(&mut changed, document)?;
            may_give(permit, &changed.reach, environments)?;
            if changed == *key {
                return Ok((ShownSdkKey::of(key, environments, *now), changed));
            }
            changed.updated_at = *now;
            let comes_back = key.state(*now) != KeyState::InForce && changed.state(*now) == KeyState::InForce;
            if comes_back {
                self.check_room(key.project_id, *now).await?;
            }
            let before = key.for_log(environments).to_string();
            let after = changed.for_log(environments).to_string();
            let mut change = known.change("update_sdk_key", permit, request, before, after);
            change.reads.extend(still_there(&changed.reach, environments));
            change.reads.extend(comes_back.then(|| room(*now)));
            change.writes = vec![Write::UpdateSdkKey(changed.clone())];
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                changed.version = revision;
                return Ok((ShownSdkKey::of(&changed, environments, *now), changed));
            }
        }
    }

    /// Makes a key like another one, which holds on for an overlap: `{"overlap"?}`, a day unless given.
    pub async fn rotate_sdk_key(
        &self,
        permit: &InProject<ManageSdkKeys>,
        id: &str,
        document: Option<&Value>,
        request: &Request,
    ) -> Result<RotatedSdkKey> {
        let overlap = read_overlap(document)?;
        let mut attempts = Attempts::default();
        loop {
            let known = self.known(permit, id, request).await?;
            known.check_rotation()?;
            self.check_room(known.key.project_id, known.now).await?;
            let actor = permit.caller().account_id();
            let successor = known.successor();
            let (new, secret) = made(&*self.ids, successor, known.key.project_id, actor, known.now);
            let old = known.replaced(&new, overlap);
            let change = known.rotation(&old, &new, permit, request);
            if let Some(revision) = self.try_commit(change, &mut attempts).await? {
                return Ok(known.rotated(old, new, secret, revision));
            }
        }
    }

    /// A key that may be changed: not revoked, at the version that the request means, and the permit's to change.
    async fn known(&self, permit: &Permit, id: &str, request: &Request) -> Result<Known> {
        // The key before the environments: one that it names is among them, or has gone since and refuses the change.
        let key = self.sdk_key(permit.project_id(), id).await?;
        let environments = self.store.environments(permit.project_id()).await?;
        may_give(permit, &key.reach, &environments)?;
        let now = self.clock.now();
        request.check(&ShownSdkKey::of(&key, &environments, now).etag())?;
        if key.revoked_at.is_some() {
            let message = "this key is revoked, for good; make another".to_owned();
            return Err(Error::Conflict { code: "key_revoked", message });
        }
        Ok(Known { key, environments, now })
    }
}

impl Known {
    /// A key that lets nobody in needs no successor, and one that has one is not the one to go on from.
    fn check_rotation(&self) -> Result<()> {
        if let Some(successor) = self.key.replaced_by {
            let message = format!("this key was replaced by {successor}; rotate that one");
            return Err(Error::Conflict { code: "key_replaced", message });
        }
        if self.key.state(self.now) == KeyState::Expired {
            let message = "this key has expired; make another".to_owned();
            return Err(Error::Conflict { code: "key_expired", message });
        }
        Ok(())
    }

    fn successor(&self) -> NewSdkKey {
        let key = &self.key;
        NewSdkKey {
            name: key.name.clone(),
            description: key.description.clone(),
            kind: key.kind,
            reach: key.reach.clone(),
            origins: key.origins.clone(),
            expires_at: key.expires_at,
        }
    }

    /// The old key: it holds for the overlap, and no longer than it would have.
    fn replaced(&self, new: &SdkKey, overlap: i64) -> SdkKey {
        let end = Timestamp::from_millis(self.now.as_millis().saturating_add(overlap));
        SdkKey {
            expires_at: Some(self.key.expires_at.map_or(end, |own| own.min(end))),
            replaced_by: Some(new.id),
            updated_at: self.now,
            ..self.key.clone()
        }
    }

    fn rotation(&self, old: &SdkKey, new: &SdkKey, permit: &Permit, request: &Request) -> Change {
        let before = self.key.for_log(&self.environments).to_string();
        let after = json!({
            "replaced": old.for_log(&self.environments), "made": new.for_log(&self.environments),
        });
        let mut change = self.change("rotate_sdk_key", permit, request, before, after.to_string());
        change.entities.push(new.entity());
        change.reads.extend(still_there(&new.reach, &self.environments));
        change.reads.push(room(self.now));
        change.writes = vec![Write::CreateSdkKey(new.clone()), Write::UpdateSdkKey(old.clone())];
        change
    }

    fn rotated(self, mut old: SdkKey, mut new: SdkKey, secret: String, revision: Revision) -> RotatedSdkKey {
        (old.version, new.version) = (revision, revision);
        let shown = |key| ShownSdkKey::of(key, &self.environments, self.now);
        RotatedSdkKey {
            replaces: shown(&old),
            made: MadeSdkKey { shown: shown(&new), key: secret, sdk_key: new },
            replaced: old,
        }
    }

    fn change(
        &self,
        action: &'static str,
        permit: &Permit,
        request: &Request,
        before: String,
        after: String,
    ) -> Change {
        let entities: Vec<Entity> = vec![self.key.entity()];
        Change {
            chain: Chain::Project(self.key.project_id),
            at: self.now,
            actor: permit.caller().account_id(),
            source: request.source.clone(),
            action,
            entities,
            before: Some(before),
            after: Some(after),
            comment: request.comment.clone(),
            standing: request.standing.clone(),
            reads: vec![ReadVersion::SdkKey { id: self.key.id, version: self.key.version }],
            writes: Vec::new(),
        }
    }
}
