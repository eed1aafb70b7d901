//! What a database that was put back from a backup must not bring back.

use serde_json::json;

use super::Founding;
use crate::account::{AccountWrite, SigningKey};
use crate::error::Result;
use crate::log::{Chain, Write};
use crate::ports::LogFilter;
use crate::time::Timestamp;

impl Founding {
    /// Says in the instance's log that what came after this entry was lost: the database was put back from a backup.
    /// Nobody can tell which of its sessions and links were ended since, so all are, and another key signs: what those
    /// before it signed is refused. Gives when the last change was made that is not lost.
    pub async fn note_restore(&self) -> Result<Option<Timestamp>> {
        let heads = self.store.heads().await?;
        let mut last = None;
        for head in &heads {
            let newest = LogFilter { limit: 1, ..LogFilter::default() };
            let entries = self.store.log(head.chain, &newest).await?.items;
            last = entries.first().map(|entry| entry.at).max(last);
        }
        let now = self.clock.now();
        let next = SigningKey::make(None, &*self.ids, now);
        let keys = self.store.signing_keys().await?;
        let keys: Vec<_> = keys.iter().filter(|key| key.revoked_at.is_none()).collect();
        let mut entities = vec![next.entity()];
        entities.extend(keys.iter().map(|key| key.entity()));
        let mut writes = vec![Write::Account(AccountWrite::EndAllSessions)];
        writes.extend(keys.iter().map(|key| key.revocation(now)));
        let revisions: serde_json::Map<_, _> =
            heads.iter().map(|head| (head.chain.id().to_string(), json!(head.revision))).collect();
        let after = json!({ "restored_at": revisions, "signing_key": next.id, "sessions": "ended" });
        writes.push(Write::Account(AccountWrite::CreateSigningKey(next)));
        self.commit(Chain::Instance, "restore_backup", entities, after.to_string(), writes).await?;
        Ok(last)
    }
}
