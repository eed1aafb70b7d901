//! The keys that sign session tokens. The newest one that signs does; those before it only prove what they signed,
//! until that has expired.

use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::AccountWrite;
use crate::access::{ManageSigningKeys, OnInstance};
use crate::control::{Attempts, Control, Request};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::log::{Change, Entity, Write};
use crate::ports::Ids;
use crate::time::Timestamp;

/// A key proves what it signed for so much longer than it must, in seconds: a node may be about to sign.
const SLACK: i64 = 60;

/// A secret that signs session tokens.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SigningKey {
    /// Named in the header of what it signed (`kid`).
    pub id: Id,
    /// HMAC-SHA-256 key; empty when it is revoked.
    #[serde(skip)]
    pub secret: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when what it signed is taken; `None` while it signs.
    pub verifies_until: Option<Timestamp>,
    /// Since when nothing that it signed is taken.
    pub revoked_at: Option<Timestamp>,
    /// Whether it was given by configuration, and not made: it may be given again.
    #[serde(skip)]
    pub given: bool,
    /// Of one whose secret was forgotten: SHA-256 of it in lower-case hex, so that a start that is given it knows it
    /// again.
    #[serde(skip)]
    pub fingerprint: Option<String>,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new one, with a secret that was given or is made.
    pub(crate) fn make(given: Option<&str>, ids: &dyn Ids, now: Timestamp) -> Self {
        let secret = given.map_or_else(|| ids.secret().to_vec(), |given| given.as_bytes().to_vec());
        Self {
            id: ids.id(now),
            secret,
            created_at: now,
            verifies_until: None,
            revoked_at: None,
            given: given.is_some(),
            fingerprint: None,
        }
    }

    /// Whether it may sign.
    pub(crate) fn signs(&self) -> bool {
        self.verifies_until.is_none() && self.revoked_at.is_none()
    }

    /// Whether what it signed is taken.
    pub(super) fn verifies(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.verifies_until.is_none_or(|end| now < end)
    }

    /// A key made of this one for something else, named by `purpose`: whoever has it learns nothing of the secret.
    fn derived(&self, purpose: &str) -> [u8; 32] {
        let digest = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(&self.secret);
        digest.finalize().into()
    }

    pub(crate) fn entity(&self) -> Entity {
        Entity { kind: "signing_key".to_owned(), id: self.id, key: self.id.to_string() }
    }

    pub(crate) fn revocation(&self, at: Timestamp) -> Write {
        let fingerprint = fingerprint(&self.secret);
        Write::Account(AccountWrite::RevokeSigningKey { id: self.id, at, fingerprint })
    }
}

/// What stays of a secret that was revoked.
pub(crate) fn fingerprint(secret: &[u8]) -> String {
    hex::encode(Sha256::digest(secret))
}

/// The one that signs, of all keys from the oldest on.
pub(crate) fn signer(keys: &[SigningKey]) -> Option<&SigningKey> {
    keys.iter().rfind(|key| key.signs())
}

impl Control {
    /// All keys, oldest first, revoked ones included. Their secrets are shown to nobody.
    pub async fn list_signing_keys(
        &self,
        _permit: &OnInstance<ManageSigningKeys>,
    ) -> Result<Vec<SigningKey>> {
        Ok(self.store.signing_keys().await?)
    }

    /// A key to seal what is given out and must come back as it was, on whichever node: made of the signing key with
    /// this id, or of the one that signs now. With that one's id; `None` if what it signed is taken no more.
    pub async fn sealing_key(&self, purpose: &str, id: Option<Id>) -> Result<Option<(Id, [u8; 32])>> {
        let keys = self.store.signing_keys().await?;
        let now = self.clock.now();
        let key = match id {
            Some(id) => keys.iter().find(|key| key.id == id && key.verifies(now)),
            None => signer(&keys),
        };
        Ok(key.map(|key| (key.id, key.derived(purpose))))
    }

    /// Makes a new key sign. What the ones before it signed holds until it expires.
    pub async fn rotate_signing_keys(
        &self,
        permit: &OnInstance<ManageSigningKeys>,
        request: &Request,
    ) -> Result<SigningKey> {
        self.rotate_keys(permit.account_id(), false, request).await
    }

    /// Refuses what a key signed. If it was the one that signs, a new one takes its place.
    pub async fn revoke_signing_key(
        &self,
        permit: &OnInstance<ManageSigningKeys>,
        id: &str,
        request: &Request,
    ) -> Result<()> {
        let mut attempts = Attempts::default();
        loop {
            let no_key = || Error::not_found("signing key", id, "GET /api/v1/signing-keys lists their ids");
            let keys = self.store.signing_keys().await?;
            let key = keys.iter().find(|key| key.id.to_string() == id).ok_or_else(no_key)?;
            if key.revoked_at.is_some() {
                return Ok(());
            }
            let now = self.clock.now();
            let mut change = Change::of_instance("revoke_signing_key", permit.account_id(), request, now);
            change.entities.push(key.entity());
            change.writes.push(key.revocation(now));
            if !keys.iter().any(|other| other.signs() && other.id != key.id) {
                let next = SigningKey::make(None, &*self.ids, now);
                change.entities.push(next.entity());
                change.writes.push(Write::Account(AccountWrite::CreateSigningKey(next)));
            }
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Refuses what all keys signed but the one that signs now.
    pub async fn revoke_old_signing_keys(
        &self,
        permit: &OnInstance<ManageSigningKeys>,
        request: &Request,
    ) -> Result<()> {
        let mut attempts = Attempts::default();
        loop {
            let keys = self.store.signing_keys().await?;
            let signer = signer(&keys).map(|key| key.id);
            let old = keys.iter().filter(|key| Some(key.id) != signer && key.revoked_at.is_none());
            let now = self.clock.now();
            let mut change =
                Change::of_instance("revoke_old_signing_keys", permit.account_id(), request, now);
            for key in old {
                change.entities.push(key.entity());
                change.writes.push(key.revocation(now));
            }
            if change.writes.is_empty() || self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(());
            }
        }
    }

    pub(super) async fn rotate_keys(
        &self,
        actor: Id,
        revoke_old: bool,
        request: &Request,
    ) -> Result<SigningKey> {
        let mut attempts = Attempts::default();
        loop {
            let keys = self.store.signing_keys().await?;
            let (key, change) = self.rotation(&keys, actor, revoke_old, request);
            if self.try_commit(change, &mut attempts).await?.is_some() {
                return Ok(key);
            }
        }
    }

    /// A new key, and the change that makes it sign in the place of all others.
    fn rotation(
        &self,
        keys: &[SigningKey],
        actor: Id,
        revoke_old: bool,
        request: &Request,
    ) -> (SigningKey, Change) {
        let now = self.clock.now();
        let key = SigningKey::make(None, &*self.ids, now);
        let until = now.after_seconds(self.settings.token_ttl.saturating_add(SLACK));
        let mut change = Change::of_instance("rotate_signing_keys", actor, request, now);
        change.entities.push(key.entity());
        for old in keys.iter().filter(|old| old.revoked_at.is_none()) {
            if revoke_old {
                change.entities.push(old.entity());
                change.writes.push(old.revocation(now));
            } else if old.signs() {
                change.entities.push(old.entity());
                change.writes.push(Write::Account(AccountWrite::RetireSigningKey { id: old.id, until }));
            }
        }
        change.after = Some(json!({ "signing_key": key.id, "revoked_old": revoke_old }).to_string());
        change.writes.push(Write::Account(AccountWrite::CreateSigningKey(key.clone())));
        (key, change)
    }

    /// Makes a new key sign when the one that does is old enough, and removes those of which nothing holds any more. Of
    /// one that was given a fingerprint stays: it signs nothing again, however often it is given. To be asked now and then by every node: of several that find the same, one does it.
    pub async fn tend_signing_keys(&self) -> Result<()> {
        let now = self.clock.now();
        let keys = self.store.signing_keys().await?;
        let request = Request { source: "schedule".to_owned(), ..Request::default() };
        let old = |key: &SigningKey, after| key.created_at.after_seconds(after) <= now;
        let due = |after| signer(&keys).is_none_or(|key| old(key, after));
        if self.settings.rotate_signing_keys.is_some_and(due) {
            let (_, change) = self.rotation(&keys, Id::NIL, false, &request);
            return self.commit_once(change).await;
        }
        let past = |key: &&SigningKey| key.revoked_at.is_none() && !key.verifies(now);
        let past: Vec<_> = keys.iter().filter(past).collect();
        if past.is_empty() {
            return Ok(());
        }
        let removal = |key: &&SigningKey| {
            if key.given {
                key.revocation(now)
            } else {
                Write::Account(AccountWrite::DeleteSigningKey { id: key.id })
            }
        };
        self.commit_once(Change {
            entities: past.iter().map(|key| key.entity()).collect(),
            writes: past.iter().map(removal).collect(),
            ..Change::of_instance("remove_signing_keys", Id::NIL, &request, now)
        })
        .await
    }
}
