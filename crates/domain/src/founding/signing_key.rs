//! A secret that a later start is told to sign session tokens with.

use super::{Founded, Founding, SOURCE};
use crate::account::{AccountWrite, SigningKey, fingerprint};
use crate::control::{Request, unexpected};
use crate::error::Result;
use crate::id::Id;
use crate::log::{Change, Entity, Write};
use crate::ports::CommitError;

/// How often a start looks anew because another node's came first.
const MOST_LOOKS: u32 = 8;
/// What is said of a secret that signs no more.
const ENDED: &str = "JWT_SECRET_KEY was revoked, or another key took its place: it signs nothing again, and the key in \
                     the database goes on; take it out of the configuration, or give another";

impl Founding {
    /// One that signs no more stays so, whether it was revoked or another took its place: whoever did that knew why. The
    /// start goes on with the key that signs, for a server that does not start helps nobody at night.
    pub(super) async fn add_signing_key(&self, secret: &str, founded: &mut Founded) -> Result<()> {
        for _ in 0..MOST_LOOKS {
            let keys = self.store.signing_keys().await?;
            let known = fingerprint(secret.as_bytes());
            let is_given = |key: &&SigningKey| match &key.fingerprint {
                Some(fingerprint) => *fingerprint == known,
                None => key.revoked_at.is_none() && fingerprint(&key.secret) == known,
            };
            if let Some(key) = keys.iter().filter(is_given).max_by_key(|key| key.signs()) {
                if !key.signs() {
                    founded.warnings.push(ENDED.to_owned());
                }
                return Ok(());
            }
            let now = self.clock.now();
            let key = SigningKey::make(Some(secret), &*self.ids, now);
            let request = Request { source: SOURCE.to_owned(), ..Request::default() };
            let mut change = Change::of_instance("create_signing_key", Id::NIL, &request, now);
            let entity = Entity { kind: "signing_key".to_owned(), id: key.id, key: key.id.to_string() };
            change.entities.push(entity);
            let until = now.after_seconds(self.token_ttl);
            for old in keys.iter().filter(|key| key.signs()) {
                change.writes.push(Write::Account(AccountWrite::RetireSigningKey { id: old.id, until }));
            }
            change.writes.push(Write::Account(AccountWrite::CreateSigningKey(key)));
            match self.store.commit(change).await {
                Ok(_) => {
                    founded.warnings.push(
                        "JWT_SECRET_KEY is new: it signs from now on, and what older keys signed stays valid"
                            .to_owned(),
                    );
                    return Ok(());
                }
                // Another node starts as well, perhaps with the same.
                Err(CommitError::Stale) => {}
                Err(error) => return Err(unexpected(error)),
            }
        }
        Err(unexpected(CommitError::Stale))
    }
}
