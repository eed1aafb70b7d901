//! A segment's list of a million keys: how much room it takes, and what loading it and asking it cost.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, bail};
use engine::KeyList;

use crate::counting;

/// The most keys that a segment's list has.
const KEYS: usize = 1_000_000;
/// How many of them ask while the part of the list that they need is warm.
const FEW: usize = 1_000;
/// Length of a key, in bytes: `user-` and 16 hexadecimal digits.
const LENGTH: usize = 21;

pub(crate) fn measure() -> Result<()> {
    let mut chance = Chance(1);
    let keys =
        |chance: &mut Chance| (0..KEYS).map(|_| format!("user-{:016x}", chance.next())).collect::<Vec<_>>();
    let (mut inside, outside) = (keys(&mut chance), keys(&mut chance));
    inside.sort_unstable();
    inside.dedup();
    let blob = inside.iter().flat_map(|key| [key, "\n"]).collect::<String>();

    let before = counting::held();
    let start = Instant::now();
    let list = KeyList::read(blob.as_bytes(), [7; 16]).map_err(anyhow::Error::msg)?;
    let load = start.elapsed();
    let bytes = counting::held() - before;

    chance.shuffle(&mut inside);
    let few = |keys: &[String]| keys.iter().take(FEW).cycle().take(KEYS).cloned().collect::<Vec<_>>();
    println!(
        "segment of {} keys: {:.1} bytes a key (goal 40), loaded in {:.0} ms (goal 1000)\n\
         a lookup, a hit and a miss (goal 100 ns): of {FEW} keys again and again {}; of any key {}, and where each\n\
         waits for the one before {}; one read at random of as much memory takes {:.0} ns here",
        list.len(),
        per_key(bytes, list.len()),
        load.as_secs_f64() * 1e3,
        lookups::<false>(&list, &few(&inside), &few(&outside))?,
        lookups::<false>(&list, &inside, &outside)?,
        lookups::<true>(&list, &inside, &outside)?,
        read_at_random(bytes, &mut chance),
    );
    Ok(())
}

fn lookups<const WAITS: bool>(list: &KeyList, inside: &[String], outside: &[String]) -> Result<String> {
    let (hit, miss) = (lookup::<WAITS>(list, inside, true)?, lookup::<WAITS>(list, outside, false)?);
    Ok(format!("{hit:.0} and {miss:.0} ns"))
}

/// Nanoseconds of one lookup. A million keys in random order find nothing of the list warm but what fits the
/// caches anyway. `WAITS`: each begins when the one before has its answer; otherwise the processor may look ahead.
fn lookup<const WAITS: bool>(list: &KeyList, keys: &[String], held: bool) -> Result<f64> {
    // One after the other in memory: fetching the question is not what is measured.
    let keys_in_a_row = keys.concat();
    let (mut at, mut asked) = (0, 0_usize);
    let start = Instant::now();
    while let Some(key) = keys_in_a_row.get(at..at + LENGTH) {
        let answer = list.holds(key);
        asked += usize::from(answer == held);
        at += if WAITS { LENGTH * usize::from(black_box(answer) | black_box(true)) } else { LENGTH };
    }
    let took = start.elapsed();
    if asked != keys.len() {
        bail!("{} of {} lookups were wrong", keys.len() - asked, keys.len());
    }
    Ok(per_key(1, asked) * took.as_secs_f64() * 1e9)
}

/// Nanoseconds of one read, each of a place that the one before names: what a lookup cannot go below where
/// nothing is in the caches.
fn read_at_random(bytes: usize, chance: &mut Chance) -> f64 {
    /// Words of one line of the cache.
    const LINE: usize = 8;
    let lines = bytes / LINE / size_of::<usize>();
    let mut way: Vec<_> = (0..lines).collect();
    chance.shuffle(&mut way);
    let mut memory = vec![0; lines * LINE];
    for (from, to) in way.iter().zip(way.iter().cycle().skip(1)) {
        if let Some(place) = memory.get_mut(from * LINE) {
            *place = to * LINE;
        }
    }
    let mut at = 0;
    let start = Instant::now();
    for _ in 0..KEYS {
        at = memory.get(at).copied().unwrap_or_default();
    }
    black_box(at);
    per_key(1, KEYS) * start.elapsed().as_secs_f64() * 1e9
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn per_key(amount: usize, keys: usize) -> f64 {
    amount as f64 / keys as f64
}

/// `SplitMix64`: the same keys in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = usize::try_from(self.next() % (last as u64 + 1)).unwrap_or_default();
            things.swap(last, other);
        }
    }
}
