//! How often one may try to sign in. Each try takes from buckets that fill again with time, before a password is
//! hashed:
//!
//! - **The account, from one address.** Ten tries, then one every 30 s: nobody guesses a password from one place. A
//!   success gives the tries back.
//! - **The address,** whatever accounts it names: a hundred tries, then one every two seconds, so that an office
//!   behind one address comes in at nine o'clock and one password is not tried on every account. A success gives
//!   nothing back: who has an account of their own could use it to go on guessing at others.
//! - **The account, from all addresses at which it has not signed in before**: fifty tries, then one every ten
//!   seconds, so that many machines together guess no faster. Who attacks an account from everywhere therefore locks
//!   its owner out of new places only, for as long as it lasts: where they signed in before (within 30 days, as far
//!   as this node remembers) they have their own ten tries, and what is signed in stays so.
//!
//! Networks of IPv6 are counted as one address by their first 64 bits. Each node counts for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// So many tries at once, and a further one each so many milliseconds.
#[derive(Clone, Copy)]
struct Rate {
    burst: i64,
    every: i64,
}

const OF_ACCOUNT_AND_ADDRESS: Rate = Rate { burst: 10, every: 30_000 };
const OF_ADDRESS: Rate = Rate { burst: 100, every: 2_000 };
const OF_ACCOUNT: Rate = Rate { burst: 50, every: 10_000 };
/// What all share who find no room.
const OF_THE_REST: Rate = Rate { burst: 100, every: 100 };

/// No more buckets are kept, at 50 bytes or so each. When there are so many, those that are full again go; and if
/// there are none, who has no bucket shares one with all others who have none.
const MOST: usize = 100_000;
/// Full buckets are not looked for again within so many milliseconds, or an attack would make each try look at all.
const SWEEP: i64 = 1_000;
/// So long it is remembered where an account signed in, in milliseconds.
const REMEMBERED: i64 = 30 * 24 * 60 * 60 * 1_000;

/// A bucket's or place's name: a digest of it, for an e-mail may be long.
type Name = [u8; 16];

/// The buckets of this node.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<Buckets>);

#[derive(Default)]
struct Buckets {
    /// When a bucket will be full again, in milliseconds; one that is not here is full.
    full_at: HashMap<Name, i64>,
    /// When each account last signed in at each address.
    familiar: HashMap<Name, i64>,
    /// When what is past was last looked for.
    swept_at: i64,
}

impl Throttle {
    /// Takes a try. If there is none: seconds until there is.
    pub(crate) fn take(&self, email: &str, address: Option<IpAddr>, now: Timestamp) -> Result<(), u32> {
        let now = now.as_millis();
        let place = name("place", email, address);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = vec![(place, OF_ACCOUNT_AND_ADDRESS)];
        if address.is_some() {
            wanted.push((name("address", "", address), OF_ADDRESS));
        }
        if buckets.familiar.get(&place).is_none_or(|last| now - last >= REMEMBERED) {
            wanted.push((name("account", email, None), OF_ACCOUNT));
        }
        buckets.take(&wanted, now)
    }

    /// Someone signed in: they are not guessing.
    pub(crate) fn succeeded(&self, email: &str, address: Option<IpAddr>, now: Timestamp) {
        let now = now.as_millis();
        let place = name("place", email, address);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let was_familiar = buckets.familiar.contains_key(&place);
        buckets.full_at.remove(&place);
        if !was_familiar {
            // What this very try took of it.
            buckets.give_back(name("account", email, None), OF_ACCOUNT);
        }
        // Without room a place is not remembered: it shares the account's tries with all others.
        if was_familiar || buckets.familiar.len() < MOST {
            buckets.familiar.insert(place, now);
        }
    }
}

impl Buckets {
    /// Takes one of each, or none of any.
    fn take(&mut self, wanted: &[(Name, Rate)], now: i64) -> Result<(), u32> {
        let is_crowded = self.full_at.len() + wanted.len() > MOST || self.familiar.len() >= MOST;
        if is_crowded && now - self.swept_at >= SWEEP {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.familiar.retain(|_, last| now - *last < REMEMBERED);
            self.swept_at = now;
        }
        let no_room = self.full_at.len() + wanted.len() > MOST;
        let rest = (name("rest", "", None), OF_THE_REST);
        let taken: Vec<_> = wanted
            .iter()
            .map(|bucket| if no_room && !self.full_at.contains_key(&bucket.0) { rest } else { *bucket })
            .collect();
        let wait = |(name, rate): &(Name, Rate)| {
            let full_at = self.full_at.get(name).copied().unwrap_or(now);
            full_at - now - (rate.burst - 1) * rate.every
        };
        let longest = taken.iter().map(wait).max().unwrap_or_default();
        if longest > 0 {
            return Err(u32::try_from(longest.unsigned_abs().div_ceil(1_000)).unwrap_or(u32::MAX));
        }
        for (name, rate) in taken {
            let full_at = self.full_at.entry(name).or_insert(now);
            *full_at = (*full_at).max(now) + rate.every;
        }
        Ok(())
    }

    fn give_back(&mut self, name: Name, rate: Rate) {
        if let Some(full_at) = self.full_at.get_mut(&name) {
            *full_at -= rate.every;
        }
    }
}

fn name(what: &str, email: &str, address: Option<IpAddr>) -> Name {
    let network = match address {
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => address.octets()[..8].to_vec(),
    };
    let mut digest = Sha256::new();
    // An e-mail has no U+0000, so no two names are one text.
    for part in [what.as_bytes(), email.as_bytes(), &network] {
        digest.update(part);
        digest.update([0]);
    }
    let mut name = Name::default();
    name.copy_from_slice(&digest.finalize()[..16]);
    name
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{MOST, Throttle};
    use crate::time::Timestamp;

    const EMAIL: &str = "ada@example.org";

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_795_219_200_000 + millis)
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    /// How many tries are let through one after the other.
    fn let_through(throttle: &Throttle, email: &str, from: Option<IpAddr>, now: i64) -> usize {
        (0..1_000).take_while(|_| throttle.take(email, from, at(now)).is_ok()).count()
    }

    #[test]
    fn ten_tries_and_one_each_half_minute() {
        let throttle = Throttle::default();
        assert_eq!(let_through(&throttle, EMAIL, Some(address(1)), 0), 10);
        assert_eq!(throttle.take(EMAIL, Some(address(1)), at(0)), Err(30));
        assert_eq!(throttle.take(EMAIL, Some(address(1)), at(29_500)), Err(1));
        assert_eq!(let_through(&throttle, EMAIL, Some(address(1)), 30_000), 1);
        assert_eq!(let_through(&throttle, EMAIL, Some(address(1)), 3_600_000), 10);
        let other = let_through(&throttle, "eve@example.org", Some(address(1)), 3_600_000);
        assert_eq!(other, 10, "another account");
    }

    #[test]
    fn a_success_gives_the_accounts_tries_back_and_not_the_addresses() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            throttle.take(EMAIL, Some(address(1)), at(0)).unwrap();
            throttle.succeeded(EMAIL, Some(address(1)), at(0));
        }
        assert_eq!(throttle.take("eve@example.org", Some(address(1)), at(0)), Err(2));
        assert_eq!(let_through(&throttle, EMAIL, Some(address(2)), 0), 10);
    }

    #[test]
    fn many_addresses_together_lock_the_owner_out_of_new_places_only() {
        let throttle = Throttle::default();
        throttle.take(EMAIL, Some(address(1)), at(0)).unwrap();
        throttle.succeeded(EMAIL, Some(address(1)), at(0));
        let guesses: usize =
            (100..1_000).map(|from| let_through(&throttle, EMAIL, Some(address(from)), 0)).sum();
        assert_eq!(guesses, 50);
        assert_eq!(throttle.take(EMAIL, Some(address(2)), at(0)), Err(10), "a new place");
        assert_eq!(let_through(&throttle, EMAIL, Some(address(1)), 0), 10, "where they signed in before");
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        let throttle = Throttle::default();
        let from = |last: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]));
        assert_eq!((0..20).filter(|last| throttle.take(EMAIL, from(*last), at(0)).is_ok()).count(), 10);
    }

    #[test]
    fn memory_is_bounded_and_who_finds_no_room_shares_a_bucket() {
        let throttle = Throttle::default();
        for number in 0..200_000_u32 {
            let _ = throttle.take(&format!("{number}@example.org"), Some(address(number)), at(0));
        }
        assert!(throttle.0.lock().unwrap().full_at.len() <= MOST);
        assert!(throttle.take("late@example.org", Some(address(7_000_000)), at(0)).is_err());
        throttle.take("late@example.org", Some(address(7_000_000)), at(600_000)).unwrap();
    }
}
