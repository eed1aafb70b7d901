//! Events.

use std::collections::BTreeMap;

use domain::id::Id;
use domain::ports::Taken;
use domain::time::Timestamp;
use domain::usage::{
    Bucket, Evaluated, Exposure, MOST_COUNT, Metric, Shown, StepCount, Stretch, Total, UsageBatch, UsageKind,
    UsageOf,
};

/// What an hour has, in milliseconds.
const HOUR: i64 = 3_600_000;

/// By environment and bucket.
type Counts = BTreeMap<(Id, Bucket), u64>;

#[derive(Clone, Default)]
pub(super) struct UsageTables {
    /// By environment and id: when it came, and what became of its events.
    batches: BTreeMap<(Id, String), (Timestamp, Taken)>,
    minutes: Counts,
    hours: Counts,
    /// By environment, flag, version and unit.
    exposures: BTreeMap<(Id, String, u64, String), Exposure>,
    /// By environment and id.
    metrics: BTreeMap<(Id, Id), Metric>,
}

fn size(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX)
}

fn add(counts: &mut Counts, environment_id: Id, bucket: Bucket, n: u64) {
    let counted = counts.entry((environment_id, bucket)).or_default();
    *counted = counted.saturating_add(n).min(MOST_COUNT);
}

fn evaluated(variant: &str, reason: &str, n: u64) -> Evaluated {
    let variant = Some(variant.to_owned()).filter(|variant| !variant.is_empty());
    Evaluated { variant, reason: reason.to_owned(), n }
}

/// Removes the oldest of those that are old, which `old` tells with their time; gives how many.
fn forget<K: Ord + Clone, V>(
    rows: &mut BTreeMap<K, V>,
    old: impl Fn(&K, &V) -> Option<Timestamp>,
    most: u32,
) -> u64 {
    let mut old: Vec<_> = rows.iter().filter_map(|(key, row)| Some((old(key, row)?, key.clone()))).collect();
    old.sort();
    old.truncate(size(most));
    for (_, key) in &old {
        rows.remove(key);
    }
    old.len() as u64
}

fn drop_gone<K: Ord + Clone, V>(
    rows: &mut BTreeMap<K, V>,
    is_there: impl Fn(&K) -> bool,
    left: &mut usize,
) -> usize {
    let gone: Vec<_> = rows.keys().filter(|key| !is_there(key)).take(*left).cloned().collect();
    for key in &gone {
        rows.remove(key);
    }
    *left -= gone.len();
    gone.len()
}

impl UsageTables {
    pub(super) fn take(&mut self, batch: &UsageBatch) -> Taken {
        let UsageBatch { environment_id, accepted, skipped, rejected, .. } = *batch;
        let key = (environment_id, batch.id.clone());
        if let Some((_, before)) = self.batches.get(&key) {
            return *before;
        }
        self.batches.insert(key, (batch.at, Taken::Before { accepted, skipped, rejected }));
        for (bucket, n) in &batch.minutes {
            add(&mut self.minutes, environment_id, bucket.clone(), *n);
        }
        for (bucket, n) in &batch.hours {
            add(&mut self.hours, environment_id, bucket.clone(), *n);
        }
        for exposure in &batch.exposures {
            let key = (environment_id, exposure.flag.clone(), exposure.version, exposure.unit.clone());
            self.exposures.entry(key).or_insert_with(|| exposure.clone());
        }
        let metrics = batch.metrics.iter().map(|(id, metric)| ((environment_id, *id), metric.clone()));
        self.metrics.extend(metrics);
        Taken::New
    }

    fn counted<'a>(&'a self, of: &'a UsageOf<'_>) -> impl Iterator<Item = (&'a Bucket, u64)> {
        let all = self.minutes.iter().chain(&self.hours);
        let of_flag = all.filter(|((id, bucket), _)| *id == of.environment_id && bucket.flag == of.flag);
        of_flag.map(|((_, bucket), n)| (bucket, *n))
    }

    fn in_time<'a>(&'a self, of: &'a UsageOf<'_>) -> impl Iterator<Item = (&'a Bucket, u64)> {
        self.counted(of).filter(|(bucket, _)| (of.from..of.to).contains(&bucket.at))
    }

    pub(super) fn last_evaluated(&self, of: &UsageOf<'_>) -> Option<Timestamp> {
        self.counted(of).map(|(bucket, _)| bucket.at).max()
    }

    pub(super) fn counts(&self, of: &UsageOf<'_>, step: i64, most: u32) -> Vec<StepCount> {
        let mut counts: BTreeMap<(i64, &str, &str), u64> = BTreeMap::new();
        for (bucket, n) in self.in_time(of) {
            let at = bucket.at.as_millis() - bucket.at.as_millis() % step;
            let sum = counts.entry((at, &bucket.variant, &bucket.reason)).or_default();
            *sum = sum.saturating_add(n).min(MOST_COUNT);
        }
        let rows = counts.into_iter().map(|((at, variant, reason), n)| StepCount {
            at: Timestamp::from_millis(at),
            evaluated: evaluated(variant, reason, n),
        });
        rows.take(size(most)).collect()
    }

    pub(super) fn totals(&self, of: &UsageOf<'_>, most: u32) -> Vec<Total> {
        let mut counts: BTreeMap<(u64, &str, &str), u64> = BTreeMap::new();
        for (bucket, n) in self.in_time(of) {
            let sum = counts.entry((bucket.version, &bucket.variant, &bucket.reason)).or_default();
            *sum = sum.saturating_add(n).min(MOST_COUNT);
        }
        let mut totals: Vec<_> = counts
            .into_iter()
            .map(|((version, variant, reason), n)| Total {
                version,
                evaluated: evaluated(variant, reason, n),
            })
            .collect();
        totals.sort_by_key(|total| (u64::MAX - total.evaluated.n, u64::MAX - total.version));
        totals.truncate(size(most));
        totals
    }

    pub(super) fn shown(&self, of: &UsageOf<'_>, most: u32) -> (Vec<Shown>, bool) {
        let of_flag = self.exposures.iter().filter(|((id, flag, ..), exposure)| {
            *id == of.environment_id && flag == of.flag && (of.from..of.to).contains(&exposure.at)
        });
        let mut units: BTreeMap<(&str, u64), u64> = BTreeMap::new();
        let all = of_flag.map(|(_, exposure)| (exposure.variant.as_str(), exposure.version));
        let all: Vec<_> = all.take(size(most).saturating_add(1)).collect();
        for shown in &all {
            *units.entry(*shown).or_default() += 1;
        }
        let shown = units.into_iter().map(|((variant, version), units)| Shown {
            variant: variant.to_owned(),
            version,
            units,
        });
        (shown.collect(), all.len() > size(most))
    }

    pub(super) fn fold(&mut self, of: Id, before: Timestamp, most: u32) -> u64 {
        let old = self.minutes.iter().filter(|((id, bucket), _)| *id == of && bucket.at < before);
        let mut old: Vec<_> = old.map(|(key, n)| (key.clone(), *n)).collect();
        old.sort_by_key(|((_, bucket), _)| bucket.at);
        old.truncate(size(most));
        for (key, n) in &old {
            self.minutes.remove(key);
            let (environment_id, bucket) = key.clone();
            let at = bucket.at.as_millis() - bucket.at.as_millis().rem_euclid(HOUR);
            let hour = Bucket { at: Timestamp::from_millis(at), ..bucket };
            add(&mut self.hours, environment_id, hour, *n);
        }
        old.len() as u64
    }

    pub(super) fn forget(&mut self, of: Id, kind: UsageKind, before: Timestamp, most: u32) -> u64 {
        let old = |id: Id, at: Timestamp| Some(at).filter(|at| id == of && *at < before);
        match kind {
            UsageKind::Batches => forget(&mut self.batches, |(id, _), (at, _)| old(*id, *at), most),
            UsageKind::Minutes => forget(&mut self.minutes, |(id, bucket), _| old(*id, bucket.at), most),
            UsageKind::Hours => forget(&mut self.hours, |(id, bucket), _| old(*id, bucket.at), most),
            UsageKind::Exposures => forget(&mut self.exposures, |(id, ..), one| old(*id, one.at), most),
            UsageKind::Metrics => forget(&mut self.metrics, |(id, _), metric| old(*id, metric.at), most),
        }
    }

    fn times(&self, of: Id, kind: UsageKind) -> Vec<Timestamp> {
        let is_its = |id: Id, at: Timestamp| (id == of).then_some(at);
        match kind {
            UsageKind::Batches => {
                self.batches.iter().filter_map(|((id, _), (at, _))| is_its(*id, *at)).collect()
            }
            UsageKind::Minutes => self.minutes.keys().filter_map(|(id, one)| is_its(*id, one.at)).collect(),
            UsageKind::Hours => self.hours.keys().filter_map(|(id, one)| is_its(*id, one.at)).collect(),
            UsageKind::Exposures => {
                self.exposures.iter().filter_map(|((id, ..), one)| is_its(*id, one.at)).collect()
            }
            UsageKind::Metrics => {
                self.metrics.iter().filter_map(|((id, _), metric)| is_its(*id, metric.at)).collect()
            }
        }
    }

    pub(super) fn stretch(&self, of: Id, kind: UsageKind, before: Timestamp, most: u64) -> Option<Stretch> {
        let mut times = self.times(of, kind);
        times.retain(|at| *at < before);
        times.sort();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let from = *times.iter().rev().take(most).next_back()?;
        let rows = times.iter().filter(|at| **at >= from).count() as u64;
        Some(Stretch { rows, from })
    }

    pub(super) fn sweep(&mut self, there: &[Id], most: u32) -> u64 {
        let mut left = size(most);
        let gone = drop_gone(&mut self.batches, |(id, _)| there.contains(id), &mut left)
            + drop_gone(&mut self.minutes, |(id, _)| there.contains(id), &mut left)
            + drop_gone(&mut self.hours, |(id, _)| there.contains(id), &mut left)
            + drop_gone(&mut self.exposures, |(id, ..)| there.contains(id), &mut left)
            + drop_gone(&mut self.metrics, |(id, _)| there.contains(id), &mut left);
        gone as u64
    }
}
