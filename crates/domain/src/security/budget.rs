//! How many events may be written one by one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::id::Id;
use crate::time::Timestamp;

/// So many at once, and a further one each so many milliseconds; of each kind.
#[derive(Clone, Copy)]
struct Rate {
    burst: i64,
    every: i64,
}

const OF_KNOWN: Rate = Rate { burst: 50, every: 60_000 };
const OF_ADDRESS: Rate = Rate { burst: 50, every: 60_000 };
/// At 300 bytes a row, of the four kinds that strangers can make, some 4 GB in 400 days of nothing else.
const OF_STRANGERS: Rate = Rate { burst: 1_000, every: 10_000 };

/// So many budgets of addresses, and as many of who is known, are remembered. Full ones need no place; who finds none
/// has no budget.
const MOST: usize = 10_000;
/// Full budgets are not looked for again within so many milliseconds.
const SWEEP: i64 = 1_000;

/// Whose budget it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// An account, or a key by its hint.
    Known(Option<Id>, String),
    /// Whoever asks from there.
    Address(Option<IpAddr>),
    /// All who are not known together.
    Strangers,
}

impl Whose {
    /// Of IPv6 a network of 64 bits counts as one address: a subscriber has as many as they like.
    pub(super) fn at(address: Option<IpAddr>) -> Self {
        Self::Address(address.map(|address| match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
            address @ IpAddr::V4(_) => address,
        }))
    }

    /// Strangers are counted together.
    pub(super) fn of_all(self) -> Self {
        if matches!(self, Self::Known(..)) { self } else { Self::Strangers }
    }
}

/// When each budget is full again, in milliseconds; one that is not here is full.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    full_at: HashMap<(&'static str, Whose), i64>,
    /// How many of them are of who is known.
    known: usize,
    swept_at: i64,
}

impl Budgets {
    /// Takes one; whether there was one.
    pub(super) fn spend(&mut self, kind: &'static str, whose: &Whose, now: Timestamp) -> bool {
        let now = now.as_millis();
        match whose {
            Whose::Known(..) => self.take(&[((kind, whose.clone()), OF_KNOWN)], now),
            Whose::Address(_) | Whose::Strangers => self
                .take(&[((kind, whose.clone()), OF_ADDRESS), ((kind, Whose::Strangers), OF_STRANGERS)], now),
        }
    }

    /// One of each, or none of any.
    fn take(&mut self, wanted: &[((&'static str, Whose), Rate)], now: i64) -> bool {
        let may = wanted.iter().all(|(name, rate)| {
            let full_at = self.full_at.get(name).copied().unwrap_or(now);
            full_at - now <= (rate.burst - 1) * rate.every && self.has_room(name, now)
        });
        if may {
            for (name, rate) in wanted {
                let known = usize::from(matches!(name.1, Whose::Known(..)));
                let full_at = self.full_at.entry(name.clone()).or_insert_with(|| {
                    self.known += known;
                    now
                });
                *full_at = (*full_at).max(now) + rate.every;
            }
        }
        may
    }

    fn has_room(&mut self, name: &(&'static str, Whose), now: i64) -> bool {
        // There are as many of all strangers as there are kinds.
        if matches!(name.1, Whose::Strangers) || self.full_at.contains_key(name) {
            return true;
        }
        let is_known = matches!(name.1, Whose::Known(..));
        let is_full =
            |this: &Self| (if is_known { this.known } else { this.full_at.len() - this.known }) >= MOST;
        if is_full(self) && now - self.swept_at >= SWEEP {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.known = self.full_at.keys().filter(|(_, whose)| matches!(whose, Whose::Known(..))).count();
            self.swept_at = now;
        }
        !is_full(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_795_219_200_000 + millis)
    }

    #[test]
    fn each_has_a_burst_and_a_rate_of_their_own() {
        let mut budgets = Budgets::default();
        let whose = |last: u16| Whose::at(Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])));
        let mut spend = |kind, whose: &Whose, millis| budgets.spend(kind, whose, at(millis));
        assert!((0..50).all(|last| spend("a", &whose(last), 0)));
        assert!(!spend("a", &whose(77), 0), "all of them are one network");
        assert!(spend("b", &whose(1), 0) && spend("a", &Whose::at(None), 0));
        assert!(spend("a", &whose(1), 60_000) && !spend("a", &whose(1), 60_000));
    }

    #[test]
    fn memory_is_bounded_and_who_is_known_finds_room() {
        let mut budgets = Budgets::default();
        for number in 0..50_000_u32 {
            let address = Whose::at(Some(IpAddr::from(number.to_be_bytes())));
            budgets.spend(
                ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"][number as usize % 12],
                &address,
                at(0),
            );
        }
        assert!(budgets.full_at.len() <= MOST + 12, "{}", budgets.full_at.len());
        assert!(budgets.spend("a", &Whose::Known(None, "bgc_0123…".to_owned()), at(0)));
        assert!(budgets.spend("m", &Whose::at(None), at(3_600_000)), "there is room again");
    }
}
