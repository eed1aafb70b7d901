//! How often each of very many may ask, in memory that does not grow with how many they are.
//!
//! Each has a bucket that holds `burst` tokens and is filled with `rate` tokens a second; one who finds none waits. Of
//! a bucket one number is kept: when it will be full again (the "theoretical arrival time" of GCRA). One that is full
//! needs no place.
//!
//! Places are in sets of eight, and a set is found by a keyed hash, so that nobody can choose in whose set they are.
//! Where all eight are taken by buckets that are not full, the one that is full soonest goes: so of too many some may
//! ask more often than they should, and never is anyone refused who asked seldom enough.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use siphasher::sip::SipHasher13;

/// Parts of the table, each behind a lock of its own. A part takes memory when someone first asks who belongs there.
const SHARDS: usize = 1 << 10;
/// Sets of a part.
const SETS: usize = 1 << 8;
/// Places of a set.
const WAYS: usize = 8;

/// How often one may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// A second; at least 1.
    pub rate: u32,
    /// At once, after a pause; at least 1.
    pub burst: u32,
}

/// The bucket of one who asks: two numbers of eight bytes.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Whose it is, but for a chance of 1 in 2^64.
    hash: u64,
    /// Nanoseconds after the beginning; 0 is an empty place.
    full_at: u64,
}

/// The buckets of at most 2,097,152 who asked lately, in at most 32 MiB.
pub struct Limiter {
    seed: [u8; 16],
    shards: Vec<Mutex<Vec<Bucket>>>,
}

impl Limiter {
    /// An empty one. `seed` should be chance.
    pub fn new(seed: [u8; 16]) -> Self {
        Self { seed, shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Takes a token of who asks, `now` after the beginning. `Err` says how long to wait for one; nothing is taken then.
    pub fn take(&self, who: impl Hash, quota: Quota, now: Duration) -> Result<(), Duration> {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        who.hash(&mut hasher);
        let hash = hasher.finish();
        let now = nanos(now).max(1);
        let shard = &self.shards[place(hash, SHARDS)];
        let mut buckets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.is_empty() {
            buckets.resize(SETS * WAYS, Bucket { hash: 0, full_at: 0 });
        }
        let first = place(hash.rotate_right(32), SETS) * WAYS;
        let set = &mut buckets[first..first + WAYS];
        let known = set.iter().position(|bucket| bucket.hash == hash && bucket.full_at > now);
        let full_at = known.map_or(now, |known| set[known].full_at);
        let next = quota.next(full_at, now)?;
        let taken = known
            .or_else(|| set.iter().enumerate().min_by_key(|(_, bucket)| bucket.full_at).map(|(at, _)| at));
        if let Some(bucket) = taken.and_then(|taken| set.get_mut(taken)) {
            *bucket = Bucket { hash, full_at: next };
        }
        Ok(())
    }
}

impl Quota {
    /// When a bucket is full again of which a token is taken.
    fn next(self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let one = 1_000_000_000 / u64::from(self.rate.max(1));
        let next = full_at.saturating_add(one);
        let all = one.saturating_mul(u64::from(self.burst.max(1)));
        match next.saturating_sub(now).checked_sub(all) {
            None | Some(0) => Ok(next),
            Some(wait) => Err(Duration::from_nanos(wait)),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One of so many places, which are a power of two.
fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash & (places as u64 - 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { rate: 10, burst: 5 };

    fn after(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_is_let_in_and_then_the_rate() {
        let limiter = Limiter::new([7; 16]);
        let take = |millis| limiter.take("a", QUOTA, after(millis));
        assert!((0..5).all(|_| take(1_000).is_ok()));
        assert_eq!(take(1_000), Err(after(100)));
        assert_eq!(take(1_040), Err(after(60)), "who is refused loses nothing");
        assert!(take(1_100).is_ok() && take(1_100).is_err());
        assert!(limiter.take("b", QUOTA, after(1_100)).is_ok(), "another is not meant");
        assert!(
            (0..5).all(|_| take(10_000).is_ok()) && take(10_000).is_err(),
            "no more than a burst is saved up"
        );
    }

    /// Against the plainest bucket there is, one that counts tokens, with a thousand ways to ask.
    #[test]
    fn it_is_a_bucket_of_tokens() {
        let mut dice = 1_u64;
        let mut roll = |below: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % below
        };
        for seed in 0..100 {
            let rates = [1, 2, 4, 5, 10, 100, 1000];
            let quota = Quota {
                rate: rates[usize::try_from(roll(7)).unwrap()],
                burst: 1 + u32::try_from(roll(20)).unwrap(),
            };
            let limiter = Limiter::new([seed; 16]);
            let (mut tokens, mut now) = (u64::from(quota.burst) * 1_000, 1);
            for _ in 0..1_000 {
                // Thousandths of a token: one a millisecond for each that comes in a second.
                let pause = roll(3_000 / u64::from(quota.rate));
                now += pause;
                tokens = (tokens + pause * u64::from(quota.rate)).min(u64::from(quota.burst) * 1_000);
                let expected = tokens >= 1_000;
                assert_eq!(limiter.take("a", quota, after(now)).is_ok(), expected, "{quota:?} at {now}");
                tokens -= if expected { 1_000 } else { 0 };
            }
        }
    }

    #[test]
    fn nobody_is_refused_for_what_others_do() {
        let limiter = Limiter::new([3; 16]);
        for who in 0..3_000_000_u32 {
            assert!(limiter.take(who, QUOTA, after(1)).is_ok(), "{who} asked once");
        }
    }
}
