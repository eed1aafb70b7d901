//! What was collected and not yet taken: bounded, and given in batches that stay the same until they are taken.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use wire::events::{Batch, Count, Event, Exposure, Faults, Sent};

use super::batch_id;
use super::exposures::Told;
use crate::ports::{EnvironmentId, Sink, SinkError};

/// No batch has more events: each is one transaction, and on SQLite nobody else writes meanwhile.
const MOST_EVENTS: usize = 2_000;
/// So many counts wait at most, in all environments together; what comes then is lost.
const MOST_COUNTS: usize = 100_000;
/// The same of exposures.
const MOST_EXPOSURES: usize = 50_000;
/// Counts are told apart by the minute.
const MINUTE: i64 = 60_000;

/// Evaluations of a flag with one outcome.
pub(super) struct Counted {
    pub(super) flag: Box<str>,
    pub(super) version: u64,
    pub(super) variant: Box<str>,
    pub(super) reason: &'static str,
    pub(super) n: u64,
}

/// What of them is told apart, by the minute in which they were collected.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    minute: i64,
    flag: Box<str>,
    version: u64,
    variant: Box<str>,
    reason: &'static str,
}

/// What waits of one environment.
#[derive(Default)]
struct Waiting {
    /// Given, and perhaps taken without our knowing: it stays as it is.
    sending: Option<Batch>,
    counts: BTreeMap<Key, u64>,
    exposures: Vec<Exposure>,
}

/// What waits.
pub(super) struct Pending {
    /// Names our batches, with a number.
    name: String,
    batches: u64,
    /// Where exposures come from.
    told: Option<Told>,
    of: HashMap<EnvironmentId, Waiting>,
    lost: u64,
    /// Whether it was said that something is lost, and that nothing is taken.
    is_losing: bool,
    is_failing: bool,
}

impl Pending {
    pub(super) fn new(name: String, told: Option<Told>) -> Self {
        Self { name, batches: 0, told, of: HashMap::new(), lost: 0, is_losing: false, is_failing: false }
    }

    /// Adds what was counted up to now.
    pub(super) fn add(&mut self, environment: &EnvironmentId, now: i64, counted: Counted) {
        let is_full = self.of.values().map(|waiting| waiting.counts.len()).sum::<usize>() >= MOST_COUNTS;
        let Counted { flag, version, variant, reason, n } = counted;
        let counts = &mut self.of.entry(environment.clone()).or_default().counts;
        let key = Key { minute: now - now.rem_euclid(MINUTE), flag, version, variant, reason };
        match counts.get_mut(&key) {
            Some(counted) => *counted = counted.saturating_add(n),
            None if is_full => self.lost = self.lost.saturating_add(n),
            None => drop(counts.insert(key, n)),
        }
    }

    /// Takes in the exposures that were told.
    pub(super) fn take_told(&mut self) {
        let Some(told) = &mut self.told else { return };
        let mut room =
            MOST_EXPOSURES.saturating_sub(self.of.values().map(|waiting| waiting.exposures.len()).sum());
        while let Ok((environment, exposure)) = told.try_recv() {
            if room == 0 {
                self.lost += 1;
                continue;
            }
            room -= 1;
            self.of.entry(environment).or_default().exposures.push(exposure);
        }
    }

    /// How many evaluations and exposures found no room since this was last asked.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Says in the log when something begins to be lost, and when that ends.
    pub(super) fn tell_lost(&mut self, lost: u64) {
        match (lost, self.is_losing) {
            (1.., false) => {
                tracing::warn!(lost, "more is evaluated than can be kept, so some of it is not counted");
            }
            (0, true) => tracing::info!("all that is evaluated is counted again"),
            _ => {}
        }
        self.is_losing = lost > 0;
    }

    /// Says in the log when nothing is taken any more, and when that ends.
    pub(super) fn tell_sent(&mut self, error: Option<&(dyn Error + 'static)>) {
        match (error, self.is_failing) {
            (Some(error), false) => {
                tracing::warn!(error, "what was evaluated cannot be written; it waits, within bounds");
            }
            (None, true) => tracing::info!("what was evaluated is written again"),
            _ => {}
        }
        self.is_failing = error.is_some();
    }

    /// Gives all that waits, until something is not taken.
    pub(super) async fn send(&mut self, sink: &dyn Sink, now: i64) -> Result<(), SinkError> {
        for (environment, waiting) in &mut self.of {
            while let Some(batch) = waiting.next(&self.name, &mut self.batches, now) {
                match sink.take(environment, batch).await {
                    Ok(_) => waiting.sending = None,
                    // Nobody will ask for it.
                    Err(SinkError::Gone) => *waiting = Waiting::default(),
                    Err(error) => return Err(error),
                }
            }
        }
        self.of.clear();
        Ok(())
    }
}

impl Waiting {
    /// The batch that is to be given now.
    fn next(&mut self, name: &str, batches: &mut u64, now: i64) -> Option<Batch> {
        if let Some(batch) = &mut self.sending {
            // Its times are as they were, and our clock goes right.
            batch.sent_at = now;
            return Some(batch.clone());
        }
        let mut events = Vec::new();
        while let Some((key, n)) = self.counts.pop_first() {
            let Key { minute, flag, version, variant, reason } = key;
            events.push(Event::Count(Count {
                flag: flag.into(),
                variant: variant.into(),
                version,
                reason: reason.to_owned(),
                n,
                from: minute,
                to: now.min(minute + MINUTE - 1),
            }));
            if events.len() == MOST_EVENTS {
                break;
            }
        }
        let room = MOST_EVENTS - events.len();
        let exposures = self.exposures.drain(..room.min(self.exposures.len()));
        events.extend(exposures.map(Event::Exposure));
        if events.is_empty() {
            return None;
        }
        *batches += 1;
        let events = events.into_iter().enumerate().map(|(place, event)| Sent { place, event }).collect();
        let id = batch_id(name, *batches);
        let batch = Batch { id, sent_at: now, events, skipped: 0, faults: Faults::default() };
        self.sending = Some(batch.clone());
        Some(batch)
    }
}
