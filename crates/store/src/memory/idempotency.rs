//! Requests that may be asked again.

use std::collections::BTreeMap;

use domain::id::Id;
use domain::idempotency::Attempt;
use domain::ports::{AnswerRoom, Noted};
use domain::time::Timestamp;

/// The bytes of its answer.
fn size(attempt: &Attempt) -> u64 {
    attempt.answer.as_ref().map_or(0, Vec::len) as u64
}

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

    pub(super) fn end(&mut self, id: Id, answer: Option<&[u8]>, room: AnswerRoom) {
        let Some(answer) = answer else { return self.0.retain(|_, attempt| attempt.id != id) };
        let Some(account) = self.0.values().find(|one| one.id == id).map(|one| one.account_id) else {
            return;
        };
        let bytes = |is_own: bool| -> u64 {
            self.0.values().filter(|one| (one.account_id == account) == is_own).map(size).sum()
        };
        let (own, allowed) = (bytes(true), room.of_one.min(room.of_all.saturating_sub(bytes(false))));
        let fits = answer.len() as u64 <= allowed;
        let answer = if fits { answer } else { &[] };
        let mut surplus = (own + answer.len() as u64).saturating_sub(allowed);
        let mut owned: Vec<_> = self.0.values_mut().filter(|one| one.account_id == account).collect();
        owned.sort_by_key(|one| (one.begun_at, one.id));
        for one in owned {
            if one.id == id {
                one.answer = Some(answer.to_vec());
            } else if fits && surplus > 0 && size(one) > 0 {
                surplus = surplus.saturating_sub(size(one));
                one.answer = Some(Vec::new());
            }
        }
    }

    pub(super) fn sweep(&mut self, before: Timestamp) -> u64 {
        let all = self.0.len();
        self.0.retain(|_, attempt| attempt.begun_at >= before);
        (all - self.0.len()) as u64
    }
}
