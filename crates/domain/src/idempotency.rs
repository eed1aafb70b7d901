//! Requests that may be asked again: under the same key they are done once, and answered alike.
//!
//! A request is noted before it is done, and its answer after that. A process that ends in between leaves a request of
//! which nobody knows whether it was done: it is not done again, and who asks is told so.

use std::time::Duration;

use crate::access::Caller;
use crate::control::Control;
use crate::error::Result;
use crate::id::Id;
use crate::ports::{AnswerRoom, Noted};
use crate::secret::hash_secret;
use crate::time::Timestamp;

/// How long a request is remembered, from its beginning.
pub const MEMORY: Duration = Duration::from_hours(24);
/// How long a request may take. One that has no answer by then will have none.
pub const LONGEST: Duration = Duration::from_mins(3);
/// So many requests of an account are remembered; further ones are refused until the oldest is forgotten.
pub const MOST: u32 = 10_000;
/// No answer that is kept is larger, in bytes as it is sealed. Of a larger one it is known that it was given.
pub const MOST_ANSWER: usize = 64 << 10;

/// All answers that are kept for an account have so many bytes at most, and those of all accounts. Where there is no
/// room the oldest of the account go, and of these it is known that they were given: nobody's go for another's.
const ROOM: AnswerRoom = AnswerRoom { of_one: 16 << 20, of_all: 256 << 20 };

/// A request under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Names it.
    pub id: Id,
    /// Who asks.
    pub account_id: Id,
    /// SHA-256 of the key, in hexadecimal digits.
    pub key_hash: String,
    /// SHA-256 of the credential that came with it, in hexadecimal digits, if that alone opens the answer; else empty.
    pub credential_hash: String,
    /// What was asked, in hexadecimal digits that say nothing to who lacks what the answer is sealed with.
    pub fingerprint: String,
    /// When it began.
    pub begun_at: Timestamp,
    /// The sealed answer, empty if it is not kept; `None` as long as there is none.
    pub answer: Option<Vec<u8>>,
}

/// What a request under a key is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Beginning {
    /// It is to be done; its answer is to be kept under this id.
    New(Id),
    /// It was done; this is its sealed answer.
    Done(Vec<u8>),
    /// It was done, but its answer is not kept: it was too large, or too many came after it.
    NotKept,
    /// It was begun with another credential of the same account, which alone opens its answer.
    OtherCredential,
    /// The key was used for something else.
    Reused,
    /// It is being done.
    InProgress,
    /// It was begun, and whoever did it ended before there was an answer.
    Unknown,
    /// The account has too many requests that are remembered.
    TooMany,
}

impl Control {
    /// Begins a request under a key, unless it was begun before. With a credential it alone opens the answer; without
    /// one whatever the caller proves themselves by.
    pub async fn begin_attempt(
        &self,
        caller: &Caller,
        key: &str,
        credential: Option<&str>,
        fingerprint: String,
    ) -> Result<Beginning> {
        let now = self.clock.now();
        let attempt = Attempt {
            id: self.ids.id(now),
            account_id: caller.account_id(),
            key_hash: hash_secret(key),
            credential_hash: credential.map(hash_secret).unwrap_or_default(),
            fingerprint,
            begun_at: now,
            answer: None,
        };
        Ok(match self.store.note_attempt(&attempt, before(now, MEMORY), MOST).await? {
            Noted::New => Beginning::New(attempt.id),
            Noted::TooMany => Beginning::TooMany,
            Noted::Before(earlier) => again(&attempt, earlier),
        })
    }

    /// Keeps the answer of a request; without one the request may be begun anew.
    pub async fn end_attempt(&self, id: Id, answer: Option<&[u8]>) -> Result<()> {
        let answer = answer.map(|answer| if answer.len() > MOST_ANSWER { &[][..] } else { answer });
        Ok(self.store.end_attempt(id, answer, ROOM).await?)
    }

    /// Forgets the requests that began too long ago. Gives how many.
    pub async fn sweep_attempts(&self) -> Result<u64> {
        Ok(self.store.sweep_attempts(before(self.clock.now(), MEMORY)).await?)
    }
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}

fn again(attempt: &Attempt, earlier: Attempt) -> Beginning {
    if earlier.credential_hash != attempt.credential_hash {
        // Their fingerprints cannot be compared, but what the one needs and the other does not is not the same.
        let needs_none = earlier.credential_hash.is_empty() || attempt.credential_hash.is_empty();
        return if needs_none { Beginning::Reused } else { Beginning::OtherCredential };
    }
    if earlier.fingerprint != attempt.fingerprint {
        return Beginning::Reused;
    }
    match earlier.answer {
        Some(answer) if answer.is_empty() => Beginning::NotKept,
        Some(answer) => Beginning::Done(answer),
        None if earlier.begun_at >= before(attempt.begun_at, LONGEST) => Beginning::InProgress,
        None => Beginning::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_before_is_not_begun_again() {
        let at = |millis: i64| Timestamp::from_millis(1_767_225_600_000 + millis);
        let attempt = Attempt {
            id: Id::NIL,
            account_id: Id::NIL,
            key_hash: "k".to_owned(),
            credential_hash: "c".to_owned(),
            fingerprint: "f".to_owned(),
            begun_at: at(180_000),
            answer: None,
        };
        let of = |answer: Option<&[u8]>| Attempt {
            begun_at: at(0),
            answer: answer.map(<[u8]>::to_vec),
            ..attempt.clone()
        };
        assert_eq!(again(&attempt, of(Some(b"a"))), Beginning::Done(b"a".to_vec()));
        assert_eq!(again(&attempt, of(Some(b""))), Beginning::NotKept);
        assert_eq!(again(&attempt, of(None)), Beginning::InProgress, "three minutes ago");
        assert_eq!(again(&attempt, Attempt { begun_at: at(-1), ..of(None) }), Beginning::Unknown);
        let other = Attempt { fingerprint: "g".to_owned(), ..of(Some(b"a")) };
        assert_eq!(again(&attempt, other.clone()), Beginning::Reused);
        let stranger = Attempt { credential_hash: "d".to_owned(), ..other };
        assert_eq!(again(&attempt, stranger.clone()), Beginning::OtherCredential);
        let without = Attempt { credential_hash: String::new(), ..stranger };
        assert_eq!(again(&attempt, without), Beginning::Reused, "it was for another route");
    }
}
