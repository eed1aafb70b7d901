//! Taking events: times are brought to our clock, and counts together; a batch is taken once.

use std::collections::BTreeMap;

use super::{
    Bucket, Count, Event, EventBatch, Exposure, HOUR, IN_MINUTES, MINUTE, MOST_COUNT, Metric, Sent,
    UsageBatch,
};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::ports::Taken;
use crate::time::Timestamp;

/// Nothing older is taken, in milliseconds: it would come into hours that people have looked at.
pub const MOST_OLD: i64 = 7 * 24 * HOUR;
/// Nothing is taken that lies further ahead, in milliseconds; what lies less far ahead counts as just now.
pub const MOST_LATE: i64 = 5 * MINUTE;
/// A sender's clock that differs by more, in milliseconds, is taken to be wrong, and its times are moved.
const MOST_SKEW: i64 = MINUTE;

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that were taken; exposures that were known already are among them.
    pub accepted: u64,
    /// Events of types that nobody here knows, or wants.
    pub skipped: u64,
    /// Events that are wrong.
    pub rejected: u64,
    /// Whether the batch was taken before: nothing was written, and the numbers are of then.
    pub duplicate: bool,
    /// Events of which the time is wrong, besides those that came as rejected.
    pub refused: Vec<Refused>,
}

/// An event whose time is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it stands in its batch.
    pub place: usize,
    /// The member that is wrong.
    pub member: &'static str,
    /// What is wrong.
    pub message: &'static str,
}

/// What is made of a batch on the way to the store.
struct Taking {
    now: Timestamp,
    /// How far the sender's clock is behind, in milliseconds; 0 if it is near enough.
    shift: i64,
    keep_units: bool,
    minutes: BTreeMap<Bucket, u64>,
    hours: BTreeMap<Bucket, u64>,
    exposures: BTreeMap<(String, u64, String), Exposure>,
    metrics: Vec<Metric>,
    receipt: Receipt,
}

impl Control {
    /// Takes a batch of events, once: in one transaction with its id, so a batch that is sent again within a day is
    /// known, and answered with the numbers of the first time.
    ///
    /// Fails if the environment is not there, and if the store does not answer; then nothing was written, or all was,
    /// and the same batch may be sent again.
    pub async fn take_events(&self, batch: EventBatch) -> Result<Receipt> {
        let now = self.clock.now();
        let EventBatch { environment_id, id, sent_at, events, skipped, rejected } = batch;
        let mut taking = Taking::new(now, sent_at, self.settings.keep_units);
        taking.receipt = Receipt { skipped, rejected, ..Receipt::default() };
        for sent in events {
            taking.take(sent);
        }
        let Taking { minutes, hours, exposures, metrics, receipt, .. } = taking;
        let batch = UsageBatch {
            environment_id,
            id,
            at: now,
            accepted: receipt.accepted,
            skipped: receipt.skipped,
            rejected: receipt.rejected,
            minutes: minutes.into_iter().collect(),
            hours: hours.into_iter().collect(),
            exposures: exposures.into_values().collect(),
            metrics: metrics.into_iter().map(|metric| (self.ids.id(now), metric)).collect(),
        };
        match self.store.take_events(&batch).await? {
            Taken::New => Ok(receipt),
            Taken::Before { accepted, skipped, rejected } => {
                Ok(Receipt { accepted, skipped, rejected, duplicate: true, ..receipt })
            }
            Taken::Gone => {
                Err(Error::not_found("environment", &environment_id.to_string(), "it was deleted"))
            }
        }
    }
}

impl Taking {
    fn new(now: Timestamp, sent_at: Timestamp, keep_units: bool) -> Self {
        let skew = now.as_millis().saturating_sub(sent_at.as_millis());
        Self {
            now,
            shift: if skew.saturating_abs() > MOST_SKEW { skew } else { 0 },
            keep_units,
            minutes: BTreeMap::new(),
            hours: BTreeMap::new(),
            exposures: BTreeMap::new(),
            metrics: Vec::new(),
            receipt: Receipt::default(),
        }
    }

    fn take(&mut self, Sent { place, event }: Sent) {
        let (member, at) = match &event {
            Event::Count(count) => ("from", count.from),
            Event::Exposure(exposure) => ("at", exposure.at),
            Event::Metric(metric) => ("at", metric.at),
        };
        let at = match self.time(at) {
            Ok(at) => at,
            Err(message) => {
                self.receipt.rejected += 1;
                return self.receipt.refused.push(Refused { place, member, message });
            }
        };
        match event {
            Event::Count(count) => self.count(count, at),
            Event::Exposure(_) if !self.keep_units => return self.receipt.skipped += 1,
            Event::Exposure(exposure) => {
                let key = (exposure.flag.clone(), exposure.version, exposure.unit.clone());
                self.exposures.entry(key).or_insert(Exposure { at, ..exposure });
            }
            Event::Metric(metric) => {
                let unit = metric.unit.filter(|_| self.keep_units);
                self.metrics.push(Metric { unit, at, ..metric });
            }
        }
        self.receipt.accepted += 1;
    }

    /// By our clock.
    fn time(&self, at: Timestamp) -> Result<Timestamp, &'static str> {
        let at = at.after_millis(self.shift);
        if at > self.now.after_millis(MOST_LATE) {
            return Err("lies more than 5 minutes ahead of now");
        }
        if at < self.now.earlier(MOST_OLD) {
            return Err("is more than 7 days ago; nothing that old is taken");
        }
        Ok(at.min(self.now))
    }

    fn count(&mut self, Count { flag, variant, version, reason, n, .. }: Count, at: Timestamp) {
        let (buckets, width) = if at < self.now.earlier(IN_MINUTES) {
            (&mut self.hours, HOUR)
        } else {
            (&mut self.minutes, MINUTE)
        };
        let at = Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(width));
        let counted = buckets.entry(Bucket { flag, at, variant, reason, version }).or_default();
        *counted = counted.saturating_add(n).min(MOST_COUNT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_225_630_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOW + millis)
    }

    fn count(n: u64, from: Timestamp) -> Event {
        let (flag, variant, reason) = ("f".to_owned(), "on".to_owned(), "STATIC".to_owned());
        Event::Count(Count { flag, variant, version: 7, reason, n, from, to: from })
    }

    fn exposure(unit: &str, from: Timestamp) -> Event {
        let (flag, variant, unit) = ("f".to_owned(), "on".to_owned(), unit.to_owned());
        Event::Exposure(Exposure { flag, variant, version: 7, rule: String::new(), unit, at: from })
    }

    fn taken(taking: Taking, events: impl IntoIterator<Item = Event>) -> Taking {
        events.into_iter().enumerate().fold(taking, |mut taking, (place, event)| {
            taking.take(Sent { place, event });
            taking
        })
    }

    #[test]
    fn counts_come_together_by_minute_and_stay_at_the_greatest() {
        let taking = Taking::new(at(0), at(0), true);
        let events = [
            count(2, at(-100)),
            count(3, at(-29_000)),
            count(MOST_COUNT, at(-60_000)),
            count(1, at(-60_001)),
        ];
        let taking = taken(taking, events);
        let minutes: Vec<_> =
            taking.minutes.iter().map(|(bucket, n)| (bucket.at.as_millis() - NOW, *n)).collect();
        assert_eq!(minutes, [(-90_000, MOST_COUNT), (-30_000, 5)], "half a minute ago this minute began");
        assert_eq!((taking.receipt.accepted, taking.receipt.rejected), (4, 0));
    }

    #[test]
    fn what_is_old_counts_by_hour_and_what_is_older_is_refused() {
        let events = [count(1, at(-IN_MINUTES)), count(1, at(-IN_MINUTES - 1)), count(1, at(-MOST_OLD - 1))];
        let taking = taken(Taking::new(at(0), at(0), true), events);
        assert_eq!((taking.minutes.len(), taking.hours.len()), (1, 1));
        assert!(taking.hours.keys().all(|bucket| bucket.at.as_millis() % HOUR == 0));
        let refused: Vec<_> =
            taking.receipt.refused.iter().map(|refused| (refused.place, refused.member)).collect();
        assert_eq!((refused, taking.receipt.rejected), (vec![(2, "from")], 1));
    }

    #[test]
    fn what_lies_ahead_is_now_or_refused() {
        let taking = taken(
            Taking::new(at(0), at(0), true),
            [exposure("a", at(MOST_LATE)), exposure("b", at(MOST_LATE + 1))],
        );
        let times: Vec<_> = taking.exposures.values().map(|exposure| exposure.at).collect();
        assert_eq!(times, [at(0)]);
        assert_eq!(
            taking.receipt.refused.first().map(|refused| (refused.place, refused.member)),
            Some((1, "at"))
        );
    }

    #[test]
    fn a_clock_that_is_wrong_is_set_right() {
        let day = 24 * HOUR;
        for (sent, happened, taken_at) in [
            (at(-30_000), at(-31_000), -31_000),
            (at(-9 * day), at(-9 * day - 5), -5),
            (at(day), at(day - 7), -7),
        ] {
            let taking = taken(Taking::new(at(0), sent, true), [exposure("a", happened)]);
            let times: Vec<_> =
                taking.exposures.values().map(|exposure| exposure.at.as_millis() - NOW).collect();
            assert_eq!(times, [taken_at], "{sent}");
        }
    }

    #[test]
    fn units_are_kept_once_or_where_nobody_wants_them_not_at_all() {
        let metric = || {
            let (name, unit) = ("buys".to_owned(), Some("u".to_owned()));
            Event::Metric(Metric { name, value: 1.5, unit, flag: None, variant: None, at: at(0) })
        };
        let events = || [exposure("a", at(-2)), exposure("a", at(-1)), exposure("b", at(0)), metric()];
        let kept = taken(Taking::new(at(0), at(0), true), events());
        assert_eq!((kept.exposures.len(), kept.receipt.accepted, kept.receipt.skipped), (2, 4, 0));
        let without = taken(Taking::new(at(0), at(0), false), events());
        assert_eq!((without.exposures.len(), without.receipt.accepted, without.receipt.skipped), (0, 1, 3));
        assert!(without.metrics.iter().all(|metric| metric.unit.is_none()));
    }
}
