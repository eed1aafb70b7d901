//! IP addresses and networks, as rows of bits.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::text::is_plain_number;

/// The bits of an address, 32 or 128 of them; the first that a network holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Network(Vec<bool>, usize);

fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
}

/// `::ffff:a.b.c.d` is the IPv4 address inside.
pub(super) fn address(text: &str) -> Option<Vec<bool>> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(bits(&address.octets()));
    }
    let address = text.parse::<Ipv6Addr>().ok()?;
    Some(match address.to_ipv4_mapped() {
        Some(inside) => bits(&inside.octets()),
        None => bits(&address.octets()),
    })
}

/// `address/length`, or an address alone, which is its own network.
pub(super) fn network(text: &str) -> Option<Network> {
    let Some((front, length)) = text.split_once('/') else {
        let address = address(text)?;
        let length = address.len();
        return Some(Network(address, length));
    };
    if !is_plain_number(length) {
        return None;
    }
    let length: usize = length.parse().ok()?;
    let written_as_ipv6 = front.contains(':');
    if length > if written_as_ipv6 { 128 } else { 32 } {
        return None;
    }
    let bits_of = address(front)?;
    if written_as_ipv6 && bits_of.len() == 32 {
        // An IPv4 network in IPv6 clothes, if all that says so is held.
        return match length.checked_sub(96) {
            Some(length) => Some(Network(bits_of, length)),
            None => Some(Network(bits(&front.parse::<Ipv6Addr>().ok()?.octets()), length)),
        };
    }
    Some(Network(bits_of, length))
}

/// Whether `address` is in `network`: of the same family, and the same in the first bits.
pub(super) fn is_in(address: &[bool], network: &Network) -> bool {
    let Network(bits, length) = network;
    address.len() == bits.len() && address[..*length] == bits[..*length]
}
