//! IP addresses and networks of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address. IPv4 in an IPv6 address (`::ffff:a.b.c.d`) is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(IpAddr);

/// A network: all addresses that begin as one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    /// Without host bits.
    address: Address,
    /// How many bits count.
    length: u8,
}

impl Address {
    /// Reads an address, without a zone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(|address: IpAddr| Self(address.to_canonical()))
    }

    /// The address without the bits after the first `length`.
    fn masked(self, length: u8) -> Self {
        Self(match self.0 {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or_default();
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or_default();
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        })
    }
}

impl Network {
    /// Reads a network such as `10.0.0.0/8`, or a bare address, which is a network of one. Host bits are masked.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| {
            format!("{text:?} is not an address or network; try \"10.0.0.0/8\", \"2001:db8::/32\" or \"192.0.2.1\"")
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length_of(length)?)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().ok()?;
        let address = Address(written.to_canonical());
        let (bits, mapped) = match (written, address.0) {
            (IpAddr::V6(_), IpAddr::V4(_)) => (128, 96),
            (IpAddr::V6(_), _) => (128, 0),
            (IpAddr::V4(_), _) => (32, 0),
        };
        let length = length.unwrap_or(bits);
        if length > bits {
            return None;
        }
        // A network around mapped addresses that reaches beyond them is one of IPv6.
        match length.checked_sub(mapped) {
            Some(length) => Some(Self { address: address.masked(length), length }),
            None => Some(Self { address: Address(written).masked(length), length }),
        }
    }

    /// Whether it has the address.
    pub(crate) fn holds(&self, address: Address) -> bool {
        let same_family = self.address.0.is_ipv4() == address.0.is_ipv4();
        same_family && address.masked(self.length) == self.address
    }
}

/// Digits without leading zeros.
fn length_of(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().holds(Address::parse(address).unwrap())
    }

    #[test]
    fn networks_have_the_addresses_that_begin_alike() {
        for (network, inside, outside) in [
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"] as &[_],
                &["11.0.0.0", "::10.0.0.1"] as &[_],
            ),
            ("10.1.2.3/8", &["10.9.9.9"], &["9.9.9.9"]),
            ("192.0.2.1", &["192.0.2.1"], &["192.0.2.2"]),
            ("0.0.0.0/0", &["255.255.255.255", "::ffff:1.2.3.4"], &["::1"]),
            ("::/0", &["::1", "2001:db8::"], &["1.2.3.4", "::ffff:1.2.3.4"]),
            ("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::"]),
            ("::1", &["::1", "0:0:0:0:0:0:0:1"], &["::2"]),
            ("::ffff:10.0.0.0/104", &["10.1.2.3"], &["11.0.0.0"]),
            ("192.168.1.128/25", &["192.168.1.128", "192.168.1.255"], &["192.168.1.127"]),
        ] {
            for address in inside {
                assert!(holds(network, address), "{network} {address}");
            }
            for address in outside {
                assert!(!holds(network, address), "{network} {address}");
            }
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_a_word() {
        for text in [
            "",
            "10",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/08",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "fe80::1%eth0",
            "10.0.0.256",
            "010.0.0.1",
            "10.0.0.0/8/8",
            " 10.0.0.0/8",
            "localhost",
            "[::1]",
        ] {
            assert!(Network::parse(text).unwrap_err().contains("try"), "{text}");
        }
        for text in ["fe80::1%1", "1.2.3", "", "1.2.3.4 "] {
            assert!(Address::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(network in "[0-9a-f:./]{0,24}|.{0,24}", address in ".{0,24}") {
            if let (Ok(network), Some(address)) = (Network::parse(&network), Address::parse(&address)) {
                network.holds(address);
            }
        }

        #[test]
        fn an_address_is_in_its_own_networks(bits: u128, length in 0..=128_u8, four: u32, short in 0..=32_u8) {
            let (six, four) = (Ipv6Addr::from_bits(bits), Ipv4Addr::from_bits(four));
            if six.to_ipv4_mapped().is_none() {
                let network = format!("{six}/{length}");
                prop_assert!(holds(&network, &six.to_string()));
            }
            let network = format!("{four}/{short}");
            prop_assert!(holds(&network, &four.to_string()));
        }
    }
}
