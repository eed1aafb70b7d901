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
         a lookup (goal 100 ns): any key, a hit {:.0} ns, a miss {:.0} ns; {FEW} keys, a hit {:.0} ns, a miss {:.0} ns",
        list.len(),
        per_key(bytes, list.len()),
        load.as_secs_f64() * 1e3,
        lookup(&list, &inside, true)?,
        lookup(&list, &outside, false)?,
        lookup(&list, &few(&inside), true)?,
        lookup(&list, &few(&outside), false)?,
    );
    Ok(())
}

/// Nanoseconds of one lookup, where each waits for the answer of the one before. A million keys in random order
/// find nothing of the list warm but what fits the caches anyway.
fn lookup(list: &KeyList, keys: &[String], held: bool) -> Result<f64> {
    // One after the other in memory: fetching the question is not what is measured.
    let keys_in_a_row = keys.concat();
    let (mut at, mut asked) = (0, 0_usize);
    let start = Instant::now();
    while let Some(key) = keys_in_a_row.get(at..at + LENGTH) {
        let answer = black_box(list.holds(key));
        asked += usize::from(answer == held);
        at += LENGTH * usize::from(answer | black_box(true));
    }
    let took = start.elapsed();
    if asked != keys.len() {
        bail!("{} of {} lookups were wrong", keys.len() - asked, keys.len());
    }
    Ok(per_key(1, asked) * took.as_secs_f64() * 1e9)
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
