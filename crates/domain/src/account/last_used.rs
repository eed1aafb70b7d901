//! When tokens were last used: noted in memory, written now and then, so that no request waits for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::AccessToken;
use crate::control::Control;
use crate::error::Result;
use crate::id::Id;
use crate::time::Timestamp;

/// A use within so many milliseconds of one that is known already is not told.
const GRAIN: i64 = 60_000;
/// No more tokens are noted between two writes; of further ones the next use is told.
const MOST: usize = 10_000;

/// Uses that were not written yet, by token.
#[derive(Default)]
pub(crate) struct LastUsed(Mutex<HashMap<Id, Timestamp>>);

impl LastUsed {
    pub(super) fn note(&self, token: &AccessToken, now: Timestamp) {
        if token.last_used_at.is_some_and(|last| now.as_millis() - last.as_millis() < GRAIN) {
            return;
        }
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.len() < MOST || uses.contains_key(&token.id) {
            uses.insert(token.id, now);
        }
    }

    fn take(&self) -> Vec<(Id, Timestamp)> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.drain().collect()
    }
}

impl Control {
    /// Writes when tokens were last used, as far as it was not written yet. What cannot be written is forgotten: the
    /// next use is told.
    pub async fn keep_last_used(&self) -> Result<()> {
        let uses = self.last_used.take();
        if uses.is_empty() { Ok(()) } else { Ok(self.store.note_tokens_used(&uses).await?) }
    }
}
