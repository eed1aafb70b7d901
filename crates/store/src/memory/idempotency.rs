//! Requests that may be asked again.

use std::collections::BTreeMap;

use domain::id::Id;
use domain::idempotency::Attempt;
use domain::ports::Noted;
use domain::time::Timestamp;

/// By account and key.
#[derive(Clone, Default)]
pub(super) struct Attempts(BTreeMap<(Id, String), Attempt>);

impl Attempts {
    pub(super) fn note(&mut self, attempt: &Attempt, forgotten: Timestamp, most: u32) -> Noted {
        let key = (attempt.account_id, attempt.key_hash.clone());
        if let Some(earlier) = self.0.get(&key).filter(|earlier| earlier.begun_at >= forgotten) {
            return Noted::Before(earlier.clone());
        }
        let others = self.0.values().filter(|other| other.account_id == attempt.account_id);
        let remembered = others.filter(|other| other.begun_at >= forgotten).count();
        if remembered >= usize::try_from(most).unwrap_or(usize::MAX) {
            return Noted::TooMany;
        }
        self.0.insert(key, attempt.clone());
        Noted::New
    }

    pub(super) fn end(&mut self, id: Id, answer: Option<&[u8]>) {
        match answer {
            None => self.0.retain(|_, attempt| attempt.id != id),
            Some(answer) => {
                if let Some(attempt) = self.0.values_mut().find(|attempt| attempt.id == id) {
                    attempt.answer = Some(answer.to_vec());
                }
            }
        }
    }

    pub(super) fn sweep(&mut self, before: Timestamp) -> u64 {
        let all = self.0.len();
        self.0.retain(|_, attempt| attempt.begun_at >= before);
        (all - self.0.len()) as u64
    }
}
