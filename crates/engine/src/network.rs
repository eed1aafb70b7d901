//! Networks and the addresses in them.

use std::net::{IpAddr, Ipv6Addr};

/// Bits in front of an IPv4 address where it stands among the IPv6 addresses (`::ffff:a.b.c.d`).
const MAPPED: u8 = 96;

/// An IP address. One of IPv4 and the same one mapped into IPv6 are one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(u128);

impl Address {
    /// Reads `192.0.2.1` or `2001:db8::1`; no zone, no port, no brackets, no spaces.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let address = match text.parse().ok()? {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        Some(Self(address.to_bits()))
    }

    fn is_ipv4(self) -> bool {
        Ipv6Addr::from_bits(self.0).to_ipv4_mapped().is_some()
    }
}

/// A network of IPv4 or of IPv6. None holds addresses of the other: `::/0` has no IPv4 address in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    /// The address with the bits of hosts cleared.
    first: Address,
    mask: u128,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or a bare address, which is a network of one. Host bits may be set.
    /// Fails with a message that quotes the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text)
            .ok_or_else(|| format!("{text:?} is not a network; try \"10.0.0.0/8\" or \"2001:db8::/32\""))
    }

    fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(one, two)| (one, Some(two)));
        let first = Address::parse(address)?;
        let prefix = match prefix.map(prefix_length) {
            None => 128,
            Some(Some(prefix)) if !address.contains(':') => prefix.checked_add(MAPPED)?,
            // A mapped address is one of IPv4, and a network of IPv4 leaves the bits in front alone.
            Some(Some(prefix)) if first.is_ipv4() && prefix < MAPPED => return None,
            Some(prefix) => prefix?,
        };
        let hosts = 128_u32.checked_sub(prefix.into())?;
        let mask = u128::MAX.checked_shl(hosts).unwrap_or(0);
        Some(Self { first: Address(first.0 & mask), mask })
    }

    /// Whether an address is in it.
    pub(crate) fn holds(&self, address: Address) -> bool {
        address.0 & self.mask == self.first.0 && address.is_ipv4() == self.first.is_ipv4()
    }
}

/// A length of one to three digits without leading zeros.
fn prefix_length(text: &str) -> Option<u8> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_hold_what_the_contract_says() {
        for (network, inside, outside) in [
            (
                "10.0.0.0/8",
                "10.0.0.0 10.255.255.255 ::ffff:10.1.2.3 ::ffff:a01:203",
                "11.0.0.0 9.255.255.255",
            ),
            ("10.1.2.3/8", "10.0.0.0 10.255.255.255", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7 ::ffff:192.0.2.7", "192.0.2.6 192.0.2.8"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.6/31", "192.0.2.6 192.0.2.7", "192.0.2.5 192.0.2.8"),
            ("0.0.0.0/0", "0.0.0.0 255.255.255.255 ::ffff:1.2.3.4", "::1 ::1.2.3.4 :: fe80::1"),
            ("128.0.0.0/1", "128.0.0.0 255.0.0.1", "127.255.255.255"),
            ("2001:db8::/32", "2001:db8:: 2001:DB8:ffff::1", "2001:db9:: 1.2.3.4"),
            ("2001:db8::1", "2001:db8::1 2001:db8:0:0:0:0:0:1", "2001:db8::2"),
            ("2001:db8::ff/120", "2001:db8::1", "2001:db8::100"),
            ("::/0", ":: ::1 ffff:: fe80::1 ::1.2.3.4", "1.2.3.4 ::ffff:1.2.3.4"),
            ("::/80", "::1 ::fffe:1.2.3.4", "1.2.3.4 ::ffff:1.2.3.4"),
            ("::ffff:10.0.0.0/104", "10.9.9.9 ::ffff:10.9.9.9", "11.0.0.0"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2 ::10.0.0.1"),
            ("::ffff:0:0/96", "1.2.3.4 ::ffff:1.2.3.4", "::1"),
            ("::fffe:0:0/95", "::fffe:1.2.3.4", "1.2.3.4 ::fffd:1.2.3.4"),
        ] {
            let parsed = Network::parse(network).unwrap();
            for text in inside.split(' ') {
                assert!(parsed.holds(Address::parse(text).unwrap()), "{network} holds {text}");
            }
            for text in outside.split(' ') {
                assert!(!parsed.holds(Address::parse(text).unwrap()), "{network} does not hold {text}");
            }
        }
        assert_eq!(Network::parse("10.1.2.3/8"), Network::parse("10.0.0.0/8"));
        assert_eq!(Network::parse("::ffff:10.1.2.3/104"), Network::parse("10.0.0.0/8"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/00",
            "10.0.0.0/ 8",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/160",
            "10.0.0.0/256",
            "10.0.0/8",
            "10/8",
            "010.0.0.1",
            "10.0.0.256",
            "0x0a.0.0.1",
            " 10.0.0.1",
            "10.0.0.1 ",
            "::/129",
            "::/1280",
            "fe80::1%eth0",
            "fe80::1%eth0/64",
            "fe80::%1/64",
            "[::1]",
            "1::2::3",
            ":::",
            "12345::",
            "::ffff:10.0.0.0/95",
            "::ffff:10.0.0.0/8",
            "localhost",
            "10.0.0.1:80",
            "１.2.3.4",
        ] {
            let message = Network::parse(text).unwrap_err();
            let expected = format!("{text:?} is not a network; try \"10.0.0.0/8\" or \"2001:db8::/32\"");
            assert_eq!(message, expected);
        }
        for text in ["fe80::1%eth0", "10.0.0.0/8", "::1/128", "", "1.2.3", "1.2.3.4 ", "[::1]", "01.2.3.4"] {
            assert_eq!(Address::parse(text), None, "{text:?}");
        }
    }

    /// The bits of an address, by the standard library's own octets.
    fn bits(octets: &[u8]) -> Vec<bool> {
        octets.iter().flat_map(|octet| (0..8).rev().map(move |place| octet >> place & 1 == 1)).collect()
    }

    proptest! {
        #[test]
        fn an_ipv4_network_holds_those_that_begin_alike(
            one: u32, other: u32, shared in 0..=32_u32, prefix in 0..=32_usize,
        ) {
            // Neighbours: the other address begins as the one does.
            let other = one ^ other.checked_shr(shared).unwrap_or(0);
            let (one, other) = (Ipv4Addr::from_bits(one), Ipv4Addr::from_bits(other));
            let network = Network::parse(&format!("{one}/{prefix}")).unwrap();
            let address = Address::parse(&other.to_string()).unwrap();
            let expected = bits(&one.octets())[..prefix] == bits(&other.octets())[..prefix];
            prop_assert_eq!(network.holds(address), expected);
        }

        #[test]
        fn an_ipv6_network_holds_those_that_begin_alike(
            one: u128, other: u128, shared in 0..=128_u32, prefix in 0..=128_usize,
        ) {
            let other = one ^ other.checked_shr(shared).unwrap_or(0);
            let (one, other) = (Ipv6Addr::from_bits(one), Ipv6Addr::from_bits(other));
            let network = Network::parse(&format!("{one}/{prefix}")).unwrap();
            let address = Address::parse(&other.to_string()).unwrap();
            let expected = bits(&one.octets())[..prefix] == bits(&other.octets())[..prefix];
            prop_assert_eq!(network.holds(address), expected);
        }

        #[test]
        fn no_text_stops_the_reader(text in "[0-9a-f.:/%]{0,24}|\\PC{0,30}") {
            if let (Ok(network), Some(address)) = (Network::parse(&text), Address::parse(&text)) {
                prop_assert!(network.holds(address), "a bare address is a network of itself");
            }
        }
    }
}
