//! What came of many requests.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::answer::Head;

/// Longer durations count as this one, in nanoseconds.
const MOST: u64 = 600_000_000_000;
/// Three figures of a duration are kept.
const FIGURES: u8 = 3;

/// Durations, to three figures.
#[derive(Debug, Clone)]
pub(crate) struct Durations(Histogram<u64>);

impl Durations {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, MOST, FIGURES)?))
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        self.0.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(MOST));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so nothing of one is beyond the other's.
        let _ = self.0.add(&other.0);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration that a share of them (0 to 1) does not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share))
    }

    pub(crate) fn most(&self) -> Duration {
        Duration::from_nanos(if self.0.is_empty() { 0 } else { self.0.max() })
    }
}

/// What came of the requests of one thread, or of several.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// From when a request was due until its answer was whole; of answers that are a success or 304, and of requests that
    /// were not answered at all, which have waited until the measurement ended.
    pub(crate) took: Durations,
    /// From when a request could have been sent until it was: how late the driver is itself.
    pub(crate) late: Durations,
    /// How often each status was answered.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Answers 429 and 503 that do not say when to come back.
    pub(crate) without_retry_after: u64,
    /// Connections that ended before an answer was whole.
    pub(crate) broken: u64,
    /// Requests that were sent and have no answer.
    pub(crate) unanswered: u64,
    /// Requests that were due and not sent, for no connection was free.
    pub(crate) unsent: u64,
    /// Of the bodies of answers that are a success or 304.
    pub(crate) bytes: u64,
}

/// Whether an answer is one.
pub(crate) fn is_good(status: u16) -> bool {
    matches!(status, 200..=299 | 304)
}

impl Tally {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            took: Durations::new()?,
            late: Durations::new()?,
            statuses: BTreeMap::new(),
            without_retry_after: 0,
            broken: 0,
            unanswered: 0,
            unsent: 0,
            bytes: 0,
        })
    }

    /// An answer with so many bytes of body is whole.
    pub(crate) fn answered(&mut self, head: &Head, bytes: u64, took: Duration) {
        *self.statuses.entry(head.status).or_default() += 1;
        if is_good(head.status) {
            self.took.record(took);
            self.bytes += bytes;
        }
        if matches!(head.status, 429 | 503) && head.retry_after.is_none() {
            self.without_retry_after += 1;
        }
    }

    pub(crate) fn unanswered(&mut self, waited: Duration) {
        self.unanswered += 1;
        self.took.record(waited);
    }

    pub(crate) fn unsent(&mut self, waited: Duration) {
        self.unsent += 1;
        self.took.record(waited);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.took.merge(&other.took);
        self.late.merge(&other.late);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.without_retry_after += other.without_retry_after;
        self.broken += other.broken;
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
        self.bytes += other.bytes;
    }

    /// Those that are a success or 304.
    pub(crate) fn answers(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| is_good(**status)).map(|(_, count)| count).sum()
    }

    /// Answers with any other status.
    pub(crate) fn refusals(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| !is_good(**status)).map(|(_, count)| count).sum()
    }

    /// Requests that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.late.count()
    }

    /// Refusals, broken connections, and what was not answered or not even sent.
    pub(crate) fn failures(&self) -> u64 {
        self.refusals() + self.broken + self.unanswered + self.unsent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Reader, Step};

    #[test]
    fn merged_durations_are_those_of_all() {
        let (mut even, mut odd, mut all) =
            (Durations::new().unwrap(), Durations::new().unwrap(), Durations::new().unwrap());
        for micros in 1..=10_000_u64 {
            let duration = Duration::from_micros(micros * micros);
            if micros % 2 == 0 {
                even.record(duration);
            } else {
                odd.record(duration);
            }
            all.record(duration);
        }
        even.merge(&odd);
        assert_eq!(even.count(), 10_000);
        for share in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
            assert_eq!(even.quantile(share), all.quantile(share), "{share}");
        }
        assert_eq!(even.most(), all.most());
        let median = all.quantile(0.5).as_secs_f64();
        assert!((median - 25.0).abs() < 0.05, "{median}");
    }

    #[test]
    fn nothing_is_too_long_to_count() {
        let mut durations = Durations::new().unwrap();
        assert_eq!((durations.most(), durations.quantile(0.99)), (Duration::ZERO, Duration::ZERO));
        durations.record(Duration::from_secs(100_000));
        assert!(durations.most() >= Duration::from_secs(599));
    }

    #[test]
    fn refusals_count_as_failures_and_not_as_fast_answers() {
        let (mut one, mut other) = (Tally::new().unwrap(), Tally::new().unwrap());
        let head = |text: &str| {
            let text = format!("HTTP/1.1 {text}\r\n\r\n");
            match Reader::default().read(&mut text.as_bytes(), &mut |_| {}) {
                Ok(Step::Head(head)) => head,
                other => panic!("{other:?}"),
            }
        };
        one.answered(&head("200 OK"), 10, Duration::from_millis(5));
        one.answered(&head("503 No"), 1_000, Duration::from_micros(1));
        one.answered(&head("503 No\r\nretry-after: 1"), 1_000, Duration::from_micros(1));
        other.answered(&head("304 Not Modified"), 0, Duration::from_millis(7));
        other.unanswered(Duration::from_secs(9));
        other.unsent(Duration::from_secs(8));
        other.broken = 1;
        one.merge(&other);
        assert_eq!((one.answers(), one.refusals(), one.failures(), one.took.count()), (2, 2, 5, 4));
        assert_eq!((one.unanswered, one.unsent, one.bytes), (1, 1, 10));
        assert_eq!(one.without_retry_after, 1);
        assert!(one.took.quantile(0.01) >= Duration::from_millis(4));
        assert!(one.took.most() >= Duration::from_millis(8_990), "who has no answer waited the longest");
    }
}
