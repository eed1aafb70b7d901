//! The clock of the driver: one for all of its processes, and fine.

use std::num::NonZeroU64;
use std::ops::Add;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

const NANOS: u64 = 1_000_000_000;

/// Nanoseconds of the machine's monotonic clock, which is the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
        Self(tv_sec.unsigned_abs() * NANOS + tv_nsec.unsigned_abs())
    }

    /// How long after `earlier` this is; nothing if it is not after it.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How long this lies back.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// Lets this thread sleep until then.
    pub(crate) fn wait(self) {
        std::thread::sleep(self.since(Self::now()));
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Has the system wake this thread when it asked to be woken, and not up to 50 µs later, together with others.
pub(crate) fn be_punctual() {
    // A sandbox may refuse it; the driver's lateness, which each result tells, says what that cost.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}
