//! Two programs, timed in turns, so that what the machine does meanwhile befalls both.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// What was measured, and the seconds of one step: Burgee's and Yggdrasil's.
pub(crate) type Figure = (String, f64, f64);

/// How long a batch should take: long beside reading the clock, short beside the turns that a busy machine gives.
const BATCH: Duration = Duration::from_micros(200);
/// How long all batches of one figure may take.
const BUDGET: Duration = Duration::from_millis(1_500);
/// Batches of each side, whatever they take, and no more than.
const BATCHES: std::ops::RangeInclusive<u128> = 5..=1_001;

/// Times one step, repeated.
pub(crate) fn repeated<T>(mut step: impl FnMut() -> T) -> impl FnMut(u32) -> Duration {
    move |times| {
        let start = Instant::now();
        for _ in 0..times {
            black_box(step());
        }
        start.elapsed()
    }
}

/// Times one step that eats what was made ready for it beforehand.
pub(crate) fn fed<I, T>(
    mut ready: impl FnMut() -> I,
    mut step: impl FnMut(I) -> T,
) -> impl FnMut(u32) -> Duration {
    move |times| {
        let inputs: Vec<_> = (0..times).map(|_| ready()).collect();
        let start = Instant::now();
        for input in inputs {
            black_box(step(input));
        }
        start.elapsed()
    }
}

/// Batches in turns; the median of each side.
pub(crate) fn side_by_side(
    what: impl Into<String>,
    mut ours: impl FnMut(u32) -> Duration,
    mut theirs: impl FnMut(u32) -> Duration,
) -> Figure {
    let (our_times, their_times) = (times_in_batch(&mut ours), times_in_batch(&mut theirs));
    let turn = ours(our_times) + theirs(their_times);
    let batches = (BUDGET.as_nanos() / turn.as_nanos().max(1)).clamp(*BATCHES.start(), *BATCHES.end());
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for _ in 0..batches {
        one.push(warm(&mut ours, our_times));
        other.push(warm(&mut theirs, their_times));
    }
    (what.into(), median(one), median(other))
}

/// Seconds of one step of a batch, after a step that is not counted: the other side was at the caches.
fn warm(side: &mut impl FnMut(u32) -> Duration, times: u32) -> f64 {
    side(1);
    side(times).as_secs_f64() / f64::from(times)
}

/// How many steps fill a batch, found by doubling, which warms up too.
fn times_in_batch(side: &mut impl FnMut(u32) -> Duration) -> u32 {
    let mut times = 1;
    while side(times) < BATCH {
        times *= 2;
    }
    times
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
