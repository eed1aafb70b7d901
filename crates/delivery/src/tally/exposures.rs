//! Who was given what by splits that are tracked: each once, as far as is remembered.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::Resolution;
use siphasher::sip::SipHasher13;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use wire::events::{Exposure, is_text};

use super::Now;
use crate::ports::EnvironmentId;

/// So many are remembered: 512 KiB. Of two that meet in one place the later stays, and the other is told again; who
/// keeps them knows it.
const SEEN: usize = 1 << 16;
/// So many may wait to be collected; one that comes then is lost, and told the next time.
const WAITING: usize = 8_192;

/// Exposures on their way from those who answer to who collects them.
pub(super) struct Exposures {
    /// Fingerprints of those that were told last; 0 is none.
    seen: Box<[AtomicU64]>,
    hasher: SipHasher13,
    told: Sender<(EnvironmentId, Exposure)>,
    lost: AtomicU64,
}

/// Where they come out.
pub(super) type Told = Receiver<(EnvironmentId, Exposure)>;

impl Exposures {
    pub(super) fn new(seed: &[u8; 16]) -> (Self, Told) {
        let (told, collected) = channel(WAITING);
        let seen = (0..SEEN).map(|_| AtomicU64::new(0)).collect();
        let hasher = SipHasher13::new_with_key(seed);
        (Self { seen, hasher, told, lost: AtomicU64::new(0) }, collected)
    }

    /// Tells of an exposure, unless it was just told. Waits for nobody.
    pub(super) fn note(
        &self,
        environment: &EnvironmentId,
        flag: &str,
        resolution: &Resolution<'_>,
        unit: &str,
        now: &Now,
    ) {
        // A key that is longer than a unit may be is nobody's id.
        if !is_text(unit) {
            return;
        }
        let version = resolution.flag_version();
        let print = self.print(environment, flag, version, unit);
        let Some(seen) = self.seen.get(usize::try_from(print >> 48).unwrap_or_default() % SEEN) else {
            return;
        };
        if seen.load(Ordering::Relaxed) == print {
            return;
        }
        let exposure = Exposure {
            flag: flag.to_owned(),
            variant: resolution.variant().unwrap_or_default().to_owned(),
            version,
            rule: resolution.rule().unwrap_or_default().to_owned(),
            unit: unit.to_owned(),
            at: now(),
        };
        match self.told.try_send((environment.clone(), exposure)) {
            Ok(()) => seen.store(print, Ordering::Relaxed),
            Err(_) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn print(&self, environment: &EnvironmentId, flag: &str, version: u64, unit: &str) -> u64 {
        let mut hasher = self.hasher;
        // None of them but the last may contain what ends it.
        for part in [&*environment.0, flag, unit] {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.write_u64(version);
        hasher.finish().max(1)
    }

    /// Tells all of them again when they are met again.
    pub(super) fn forget(&self) {
        self.seen.iter().for_each(|seen| seen.store(0, Ordering::Relaxed));
    }

    /// How many were lost since this was last asked.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}
