//! Room that many share, of which nobody takes so much that others find none.
//!
//! One may hold at most twice as much as is still free: who takes all they can get has two thirds, and who comes next finds
//! room. Ten who do so one after another would fill it all the same, so the last tenth is for those who hold little: of
//! 18,000 connections it takes two hundred more to fill that. Few who ask much are not held to what there would be for each of many.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// How much more one may hold than is free.
const GREED: u64 = 2;
/// One part in so many is left for who holds little.
const RESERVE: u64 = 10;
/// Which is one part in so many,
const LITTLE: u64 = 2_000;
/// or so many times what they ask for: who asks one thing after another lets go of the first a moment later.
const HANDFUL: u64 = 6;

/// Room for so much, and who holds how much of it: addresses, if nothing else is said.
pub struct Share<K: Eq + Hash = IpAddr> {
    most: u64,
    most_of_one: u64,
    inside: Mutex<Inside<K>>,
}

struct Inside<K> {
    all: u64,
    /// Only those who hold some.
    of: HashMap<K, u64>,
}

/// A part of the room, until it is dropped.
pub struct Held<K: Eq + Hash = IpAddr> {
    share: Arc<Share<K>>,
    who: Option<K>,
    amount: u64,
}

impl<K: Copy + Eq + Hash> Share<K> {
    /// Room for `most` in all; what one may hold of it may be bounded more closely.
    pub fn new(most: u64, most_of_one: Option<u64>) -> Arc<Self> {
        let inside = Mutex::new(Inside { all: 0, of: HashMap::new() });
        Arc::new(Self { most, most_of_one: most_of_one.unwrap_or(most), inside })
    }

    /// Takes as much for who asks. `None` if that would be too much. Whoever is nobody in particular is bounded by the
    /// whole alone.
    pub fn take(self: &Arc<Self>, who: Option<K>, amount: u64) -> Option<Held<K>> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let all = inside.all.checked_add(amount).filter(|all| *all <= self.most)?;
        if let Some(who) = who {
            let own = inside.of.get(&who).copied().unwrap_or_default() + amount;
            let holds_much = own > amount.saturating_mul(HANDFUL).max(self.most / LITTLE);
            let is_scarce = self.most - all < self.most / RESERVE;
            if own > self.most_of_one
                || own > (self.most - inside.all).saturating_mul(GREED)
                || holds_much && is_scarce
            {
                return None;
            }
            inside.of.insert(who, own);
        }
        inside.all = all;
        Some(Held { share: self.clone(), who, amount })
    }

    /// How much is held in all.
    pub fn taken(&self) -> u64 {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl<K: Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        let mut inside = self.share.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all -= self.amount;
        let Some(who) = &self.who else { return };
        let left = inside.of.get_mut(who).map(|own| {
            *own -= self.amount;
            *own
        });
        if left == Some(0) {
            inside.of.remove(who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    /// All that one gets.
    fn greedy(share: &Arc<Share>, who: u8) -> Vec<Held> {
        std::iter::from_fn(|| share.take(Some(address(who)), 1)).collect()
    }

    #[test]
    fn whoever_comes_next_finds_room_and_all_leave_it_empty() {
        let share = Share::new(18_000, None);
        let mut held = vec![greedy(&share, 1)];
        assert_eq!(held[0].len(), 12_000);
        for who in 2..=100 {
            let more = greedy(&share, who);
            assert!(!more.is_empty(), "{who} found none");
            held.push(more);
        }
        assert!(share.take(None, 1).is_some() && share.take(None, 18_000).is_none());
        held.clear();
        assert!(share.taken() == 0 && share.inside.lock().unwrap().of.is_empty());
        assert_eq!(greedy(&share, 1).len(), 12_000, "it is as it was");
    }

    #[test]
    fn one_may_be_bounded_more_closely() {
        let share = Share::new(100, Some(3));
        assert_eq!(greedy(&share, 1).len(), 3);
        let proxy: Vec<_> = std::iter::from_fn(|| share.take(None, 1)).collect();
        assert_eq!(proxy.len(), 100, "who is nobody in particular is not bounded by what others may");
    }

    #[test]
    fn nothing_is_too_large_to_be_refused() {
        let share = Share::new(100, None);
        assert_eq!(greedy(&Share::new(1, None), 1).len(), 1);
        assert!(share.take(Some(address(1)), u64::MAX).is_none() && share.take(None, 101).is_none());
        let held = share.take(None, 100);
        assert!(held.is_some() && share.take(None, u64::MAX).is_none());
    }
}
