//! Who asks: the address of the other end of the connection, or what a proxy that is trusted says of it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::Request;
use http::{HeaderMap, HeaderName, header};

use crate::body::Client;

/// Addresses with a common beginning: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    /// Ones where addresses must be the same.
    mask: u128,
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be an address or a network such as 10.0.0.0/8 or 2001:db8::/32";
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| RULE)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= bits).ok_or(RULE)?
            }
            Some(_) => return Err(RULE),
        };
        let mask = u128::MAX.checked_shl(bits - length).unwrap_or_default();
        let number = number(address);
        if number & !mask != 0 && length != bits {
            return Err("has bits set beyond its length: write 10.0.0.0/8, not 10.1.2.3/8");
        }
        Ok(Self { address: number & mask, mask })
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        number(address) & self.mask == self.address
    }
}

/// IPv4 addresses as IPv6 maps them, so that both are compared in one way.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Which header proxies say it in. The other one is never read: proxies pass on what they do not write, so who asks
/// could write it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ProxyHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }
}

/// Whom to believe.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Where they are. Nobody, if there are none.
    pub trusted: Vec<Network>,
    /// Where they say it.
    pub header: ProxyHeader,
}

impl Proxies {
    /// Whether this is one of them.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.holds(address))
    }

    /// Walks back from the peer, each telling of whom it heard, as far as they are trusted and say something that
    /// reads.
    pub(super) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut origin = peer;
        if !self.trust(origin) {
            return origin;
        }
        let values = headers.get_all(self.header.name());
        let said: Vec<_> = values.iter().map(|value| value.to_str().unwrap_or("?")).collect();
        for element in said.iter().rev().flat_map(|value| value.rsplit(',')) {
            let heard_of = match self.header {
                ProxyHeader::XForwardedFor => address(element),
                ProxyHeader::Forwarded => forwarded_for(element).and_then(address),
            };
            let Some(heard_of) = heard_of else { break };
            origin = heard_of;
            if !self.trust(origin) {
                break;
            }
        }
        origin
    }
}

/// Puts who really asks in the place of who opened the connection.
pub(super) fn find(proxies: &Proxies, request: &mut Request) {
    let Some(Client(peer)) = request.extensions().get::<Client>().copied() else { return };
    let origin = proxies.origin(peer, request.headers());
    if origin != peer {
        request.extensions_mut().insert(Client(origin));
    }
}

/// An address with or without a port, and with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let address = text.parse().ok().or_else(bare);
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// `for=` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn proxies(networks: &[&str], header: ProxyHeader) -> Proxies {
        Proxies { trusted: networks.iter().map(|network| network.parse().unwrap()).collect(), header }
    }

    fn origin(proxies: &Proxies, peer: &str, said: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(*name, HeaderValue::from_static(value));
        }
        proxies.origin(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn networks_are_read_whole_or_not_at_all() {
        for bad in
            ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.1.2.3/8", "::/129", "host", "10.0.0/8", "/8"]
        {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().holds(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(holds("0.0.0.0/0", "255.255.255.255") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
    }

    #[test]
    fn b16_nobody_says_for_whom_they_ask_unless_they_are_trusted() {
        let said = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.8")];
        assert_eq!(origin(&Proxies::default(), "198.51.100.1", &said), "198.51.100.1");
        let behind = proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        assert_eq!(origin(&behind, "198.51.100.1", &said), "198.51.100.1", "it is no proxy of ours");
        assert_eq!(origin(&behind, "10.0.0.1", &said), "203.0.113.7");
        assert_eq!(origin(&behind, "10.0.0.1", &said[1..]), "10.0.0.1", "the other header is anybody's");
    }

    #[test]
    fn the_rightmost_whom_nobody_trusts_counts() {
        let behind = proxies(&["10.0.0.0/8", "2001:db8::/32"], ProxyHeader::XForwardedFor);
        let of = |said: &'static str| origin(&behind, "10.0.0.1", &[("x-forwarded-for", said)]);
        assert_eq!(of("1.1.1.1, 203.0.113.7, 10.0.0.2"), "203.0.113.7", "what is left of it anybody wrote");
        assert_eq!(of("203.0.113.7:1234,[2001:db8::2]:99 , 2001:db8::1"), "203.0.113.7");
        assert_eq!(of("10.0.0.3, 10.0.0.2"), "10.0.0.3", "asked from within");
        assert_eq!(of("203.0.113.7, junk"), "10.0.0.1", "what does not read leads nowhere");
        assert_eq!(of("203.0.113.7, "), "10.0.0.1");
        assert_eq!(of("::ffff:203.0.113.7"), "203.0.113.7");
        let twice = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(origin(&behind, "10.0.0.1", &twice), "203.0.113.7", "the last line is the last word");
    }

    /// What stands in a header: anything, or what nearly reads.
    fn said() -> impl Strategy<Value = String> {
        prop_oneof!["[ -~]{0,60}", "([0-9a-f.:\\[\\]\", ]|for=){0,30}"]
    }

    proptest! {
        #[test]
        fn what_strangers_write_leads_nowhere(lines in proptest::collection::vec(said(), 0..4), standard: bool) {
            let header = if standard { ProxyHeader::Forwarded } else { ProxyHeader::XForwardedFor };
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(header.name(), HeaderValue::from_str(line).unwrap());
            }
            let (stranger, proxy) = ("198.51.100.1".parse().unwrap(), "10.0.0.1".parse().unwrap());
            let behind = proxies(&["10.0.0.0/8"], header);
            prop_assert_eq!(behind.origin(stranger, &headers), stranger);
            // Whatever they wrote, the proxy adds whom it heard it from.
            let added = if standard { "for=198.51.100.1" } else { "198.51.100.1" };
            let last = lines.last().map_or_else(|| added.to_owned(), |line| format!("{line}, {added}"));
            headers.append(header.name(), HeaderValue::from_str(&last).unwrap());
            prop_assert_eq!(behind.origin(proxy, &headers), stranger);
        }

        #[test]
        fn an_address_is_read_in_all_its_forms(bits: u128, is_four: bool, port: u16) {
            let ip = if is_four { IpAddr::V4(u32::try_from(bits >> 96).unwrap().into()) } else { IpAddr::V6(bits.into()) };
            let forms = [ip.to_string(), format!("[{ip}]"), SocketAddr::new(ip, port).to_string(), format!("  {ip} ")];
            for form in forms.iter().filter(|form| !(is_four && form.starts_with('['))) {
                prop_assert_eq!(address(form), Some(ip.to_canonical()), "{}", form);
            }
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_meant() {
        let behind = proxies(&["10.0.0.0/8"], ProxyHeader::Forwarded);
        let of = |said: &'static str| origin(&behind, "10.0.0.1", &[("forwarded", said)]);
        assert_eq!(of("for=1.1.1.1, For=\"[2001:db8::7]:80\";proto=https;by=10.0.0.1"), "2001:db8::7");
        assert_eq!(of("for=203.0.113.7;proto=http, for=10.0.0.2"), "203.0.113.7");
        assert_eq!(of("for=203.0.113.7, for=_hidden"), "10.0.0.1");
        assert_eq!(of("proto=http"), "10.0.0.1");
    }
}
