//! How many connections there are, in all and from one address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use server::doors::client::Proxies;
use server::doors::limits::subscriber;
use server::doors::share::{Held, Share};
use tokio::time::Instant;

/// It is over if nobody was refused for so long.
const QUIET: Duration = Duration::from_secs(10);

/// Who is connected, and who may be.
pub(crate) struct Guests {
    share: Arc<Share>,
    /// One address that may stand for very many: the whole alone bounds them.
    proxies: Proxies,
    most: u64,
    spell: Spell,
}

/// A time in which connections are refused.
#[derive(Default)]
struct Spell {
    refused: u64,
    last: Option<Instant>,
}

impl Guests {
    /// At most so many in all, and so many from one address, if that is bounded more closely than by what others need.
    pub(crate) fn new(most: u64, most_of_one: Option<u64>, proxies: Proxies) -> Self {
        Self { share: Share::new(most, most_of_one), proxies, most, spell: Spell::default() }
    }

    /// How many there are at most.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// A place until it is dropped; `None` if the connection is to be closed.
    pub(super) fn admit(&mut self, address: IpAddr) -> Option<Held> {
        let who = Some(address).filter(|address| !self.proxies.trust(*address));
        let held = self.share.take(who.map(subscriber), 1);
        let now = Instant::now();
        if held.is_none() {
            if self.spell.refuse(now) {
                let (open, most) = (self.share.taken(), self.most);
                tracing::warn!(
                    %address,
                    "a connection was closed at once, and further ones will be: {open} of {most} are open, and this address \
                     has its share of them (see server.max_connections)"
                );
            }
        } else if let Some(refused) = self.spell.end(now) {
            tracing::info!(refused, "connections are taken again; so many were refused");
        }
        held
    }
}

impl Spell {
    /// One more; whether it is the first.
    fn refuse(&mut self, now: Instant) -> bool {
        self.refused += 1;
        self.last.replace(now).is_none()
    }

    /// How many there were, if it is over now.
    fn end(&mut self, now: Instant) -> Option<u64> {
        self.last.take_if(|last| now.duration_since(*last) >= QUIET)?;
        Some(std::mem::take(&mut self.refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_is_told_when_it_begins_and_when_it_is_over() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut spell = Spell::default();
        assert_eq!(spell.end(at(0)), None, "there is none yet");
        assert_eq!([spell.refuse(at(1)), spell.refuse(at(1)), spell.refuse(at(9))], [true, false, false]);
        assert_eq!(spell.end(at(18)), None, "some are admitted in between");
        assert_eq!(spell.end(at(19)), Some(3));
        assert_eq!(spell.end(at(40)), None, "it is over");
        assert!(spell.refuse(at(41)), "another one");
    }

    #[test]
    fn a_proxy_that_is_trusted_may_have_all() {
        let proxies = Proxies { trusted: vec!["127.0.0.9".parse().unwrap()], ..Proxies::default() };
        let mut guests = Guests::new(9, None, proxies);
        let mut all = |last: u8| -> Vec<_> {
            std::iter::from_fn(|| guests.admit(IpAddr::from([127, 0, 0, last]))).collect()
        };
        assert_eq!(all(1).len(), 6);
        assert_eq!(all(9).len(), 9);
    }
}
