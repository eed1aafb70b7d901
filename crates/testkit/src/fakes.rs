//! Time and chance that tests hold in their hands.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::id::Id;
use domain::ports::{Clock, Ids};
use domain::time::Timestamp;
use uuid::Uuid;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl Default for FakeClock {
    /// The first millisecond of 2026.
    fn default() -> Self {
        Self(AtomicI64::new(1_767_225_600_000))
    }
}

impl FakeClock {
    /// Moves it on.
    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Ids and secrets that count up: different from one another, the same in each run.
#[derive(Debug, Default)]
pub struct CountingIds(AtomicU64);

impl CountingIds {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Ids for CountingIds {
    fn id(&self, now: Timestamp) -> Id {
        let millis = u64::try_from(now.as_millis()).unwrap_or_default();
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&self.next().to_be_bytes());
        Id::new(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
    }

    fn secret(&self) -> [u8; 32] {
        let mut secret = [0xA5; 32];
        secret[..8].copy_from_slice(&self.next().to_be_bytes());
        secret
    }

    fn below(&self, bound: u32) -> u32 {
        u32::try_from(self.next()).unwrap_or_default().checked_rem(bound).unwrap_or_default()
    }
}

/// An id that says in its digits that a test made it.
pub fn id(number: u128) -> Id {
    Id::new(Uuid::from_u128(number))
}
