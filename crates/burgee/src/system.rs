//! The machine's own time and chance, behind the ports that everything else takes them by.
#![expect(clippy::disallowed_methods, reason = "this is where the machine is asked")]

use domain::id::Id;
use domain::ports::{Clock, Ids};
use domain::time::Timestamp;
use rand::{Rng, RngExt};
use uuid::Uuid;

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// The machine's chance: the thread's generator, seeded by the operating system.
pub(crate) struct SystemIds;

impl Ids for SystemIds {
    fn id(&self, _now: Timestamp) -> Id {
        // Asks the clock itself, because it also counts within a millisecond.
        Id::new(Uuid::now_v7())
    }

    fn secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        secret
    }

    fn below(&self, bound: u32) -> u32 {
        if bound == 0 { 0 } else { rand::rng().random_range(0..bound) }
    }
}

/// What fingerprints of keys are made with: nobody else can know it, and it ends with the process.
pub(crate) fn seed() -> [u8; 16] {
    let mut seed = [0; 16];
    rand::rng().fill_bytes(&mut seed);
    seed
}

/// Now, as HTTP writes it.
pub(crate) fn http_date() -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now())
}
