//! Tickets: what stands in the URL of a stream in the place of a key that must stay secret.
//!
//! OFREP tells a provider where to hear of changes, and a provider opens that address as it is. So who asks with a server
//! or edge key is given one with a ticket, which opens nothing but notices that something changed. None is kept: it is
//! `<id of the key>.<when it is over, in seconds since 1970>.<HMAC-SHA256 of both and the environment, base64url>`, and any
//! node that knows the key can tell it is one.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::ports::{Gate, KeyKind, Pass};

/// Tickets end at multiples of this, in seconds: within one all of them are the same, and with them the answers that
/// they stand in, so that these need not be sent again. 12 h.
const PERIOD: u64 = 12 * 60 * 60;
/// What is sealed is this and nothing else.
const PURPOSE: &[u8] = b"burgee stream ticket 1";

/// What a key's tickets are sealed with. Who knows it can make them, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Seal([u8; 32]);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    /// Made of something that only those know who know the key, and that is the same on every node: a hash of it.
    pub fn of(known: &[u8]) -> Self {
        Self(Sha256::new().chain_update(PURPOSE).chain_update(known).finalize().into())
    }

    fn mac(&self, id: &str, ends: &str, environment: Option<&str>) -> Hmac<Sha256> {
        // A key of HMAC is filled up with zeros to the block of its hash anyway.
        let mut block = [0; 64];
        block[..self.0.len()].copy_from_slice(&self.0);
        let mac = Hmac::<Sha256>::new(&block.into());
        // Where one part ends is never in doubt: neither an id nor a number contains a NUL.
        let parts = [PURPOSE, id.as_bytes(), ends.as_bytes(), environment.unwrap_or_default().as_bytes()];
        parts.into_iter().fold(mac, |mac, part| mac.chain_update(part).chain_update([0]))
    }
}

/// When a ticket is over that is made now: in 12 to 24 hours.
pub(crate) fn end(now: u64) -> u64 {
    (now / PERIOD).saturating_add(2).saturating_mul(PERIOD)
}

/// A ticket for the stream of the environment that a request named, if it did.
pub(crate) fn make(pass: &Pass, ends: u64, environment: Option<&str>) -> String {
    let ends = ends.to_string();
    let seal = pass.seal.mac(&pass.id, &ends, environment).finalize().into_bytes();
    format!("{}.{ends}.{}", pass.id, URL_SAFE_NO_PAD.encode(seal))
}

/// Whether a ticket must not be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It opens a stream.
    Now,
    /// A stream is open by it: that goes on for as long as its key is in force.
    Before,
}

/// What the key opens that sealed this ticket for the environment that a request names, if it names one.
pub(crate) async fn redeem(
    ticket: &str,
    environment: Option<&str>,
    gate: &dyn Gate,
    used: Use,
) -> Option<Arc<Pass>> {
    let (id, rest) = ticket.split_once('.')?;
    let (ends, seal) = rest.split_once('.')?;
    let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
    // A client key may be sent itself, and who knows it could seal whatever they like.
    let pass = gate.find(id).await.filter(|pass| pass.kind == KeyKind::Server)?;
    pass.seal.mac(id, ends, environment).verify_slice(&seal).ok()?;
    let holds = || ends.parse().is_ok_and(|ends: u64| gate.now() < ends);
    (used == Use::Before || holds()).then_some(pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_twelve_to_twenty_four_hours() {
        for now in [0, 1, PERIOD - 1, PERIOD, 1_900_000_000] {
            let left = end(now) - now;
            assert!(PERIOD < left && left <= 2 * PERIOD, "{now}: {left}");
            assert_eq!(end(now) % PERIOD, 0);
        }
        assert_eq!(end(0), end(PERIOD - 1), "all of a period are the same");
    }

    #[test]
    fn a_seal_is_not_shown() {
        assert_eq!(format!("{:?}", Seal::of(b"hash")), "Seal(…)");
    }
}
