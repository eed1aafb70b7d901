//! Who is asked, and what.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context as _, Result, ensure};

/// A server of HTTP/1.1, and the headers that it is sent with each request.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    host: String,
    /// What stands in the URL before each path, without a slash at its end.
    prefix: String,
    headers: Vec<(String, String)>,
}

impl Target {
    /// Of a URL, `http://HOST[:PORT][/PREFIX]`.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let rest =
            url.strip_prefix("http://").with_context(|| format!("{url:?} does not begin with http://"))?;
        let (host, prefix) = rest.split_once('/').map_or((rest, ""), |(host, prefix)| (host, prefix));
        let with_port = if host.rsplit(']').next().unwrap_or(host).contains(':') {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let mut addresses = with_port.to_socket_addrs().with_context(|| format!("{host:?} is not found"))?;
        let address = addresses.next().with_context(|| format!("{host:?} has no address"))?;
        let prefix =
            if prefix.is_empty() { String::new() } else { format!("/{}", prefix.trim_end_matches('/')) };
        Ok(Self { address, host: host.to_owned(), prefix, headers: Vec::new() })
    }

    /// With one more header, `NAME: VALUE`.
    pub(crate) fn with(mut self, header: &str) -> Result<Self> {
        let (name, value) = header.split_once(':').with_context(|| format!("{header:?} is no header"))?;
        let (name, value) = (name.trim(), value.trim());
        ensure!(!header.contains(['\r', '\n']) && !name.is_empty(), "{header:?} is no header");
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// A request as it travels. `body` goes with its length and, unless a header says otherwise, as JSON.
    pub(crate) fn request(&self, method: &str, path: &str, body: Option<&str>) -> Vec<u8> {
        use std::fmt::Write as _;
        let mut text = format!("{method} {}{path} HTTP/1.1\r\nhost: {}\r\n", self.prefix, self.host);
        let mut has_type = false;
        for (name, value) in &self.headers {
            has_type |= name.eq_ignore_ascii_case("content-type");
            // A `String` takes whatever is written to it.
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if let Some(body) = body {
            if !has_type {
                text.push_str("content-type: application/json\r\n");
            }
            let _ = write!(text, "content-length: {}\r\n", body.len());
        } else if method != "GET" {
            text.push_str("content-length: 0\r\n");
        }
        text.push_str("\r\n");
        text.push_str(body.unwrap_or_default());
        text.into_bytes()
    }
}

/// In a path, header or body: another number in each request, of as many digits as this has signs.
pub(crate) const NUMBER: &str = "#NUMBER#";

/// As many numbers as have the digits of [`NUMBER`].
pub(crate) const NUMBERS: u64 = 100_000_000;

/// Requests that are sent in turns, over and over, each time with another number in them if they say so.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    requests: Vec<Numbered>,
    /// After so many requests the numbers begin anew.
    distinct: u64,
    /// The number of the first request.
    first: u64,
}

#[derive(Debug, Clone)]
struct Numbered {
    bytes: Vec<u8>,
    /// Where numbers stand.
    places: Vec<usize>,
}

impl Template {
    /// Of one request.
    pub(crate) fn new(bytes: Vec<u8>, distinct: u64) -> Self {
        Self::in_turns(vec![bytes], distinct)
    }

    /// Of several, at least one; with `distinct` 1 it is always the first.
    pub(crate) fn in_turns(requests: Vec<Vec<u8>>, distinct: u64) -> Self {
        let requests = requests.into_iter().map(Numbered::new).collect();
        Self { requests, distinct: distinct.clamp(1, NUMBERS), first: 0 }
    }

    /// Numbers begin there, so that they are others than those of a load before.
    pub(crate) fn beginning_at(mut self, first: u64) -> Self {
        self.first = first;
        self
    }

    /// The request with this number, counted from where they begin.
    pub(crate) fn stamp(&mut self, number: u64) -> &[u8] {
        let number = (self.first + number) % self.distinct;
        let turns = self.requests.len().max(1) as u64;
        let turn = usize::try_from(number % turns).unwrap_or_default();
        self.requests.get_mut(turn).map_or(&[], |request| request.stamp(number))
    }
}

impl Numbered {
    fn new(bytes: Vec<u8>) -> Self {
        let places = bytes.windows(NUMBER.len()).enumerate();
        let places = places.filter(|(_, here)| *here == NUMBER.as_bytes()).map(|(place, _)| place).collect();
        Self { bytes, places }
    }

    fn stamp(&mut self, number: u64) -> &[u8] {
        for place in &self.places {
            let mut rest = number;
            let digits = self.bytes.get_mut(*place..place + NUMBER.len()).unwrap_or_default();
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_lead_into_a_folder() {
        let target = Target::parse("http://127.0.0.1:8016/there/").unwrap().with("X-Key: a:b").unwrap();
        assert_eq!(target.address, SocketAddr::from(([127, 0, 0, 1], 8016)));
        let request = String::from_utf8(target.request("POST", "/x", Some("{}"))).unwrap();
        let expected = "POST /there/x HTTP/1.1\r\nhost: 127.0.0.1:8016\r\nX-Key: a:b\r\n\
            content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(request, expected);
        let plain = Target::parse("http://127.0.0.1").unwrap();
        assert_eq!(plain.address.port(), 80);
        assert_eq!(plain.request("GET", "/x", None), b"GET /x HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        assert_eq!(Target::parse("http://[::1]:81/").unwrap().address.port(), 81);
        assert!(Target::parse("https://127.0.0.1").is_err());
        assert!(plain.with("no header").is_err());
    }

    #[test]
    fn each_number_has_its_digits_and_they_begin_anew() {
        let mut template = Template::new(b"a #NUMBER# b #NUMBER#".to_vec(), 1_000);
        assert_eq!(template.stamp(7), b"a 00000007 b 00000007");
        assert_eq!(template.stamp(1_234), b"a 00000234 b 00000234");
        assert_eq!(Template::new(b"same".to_vec(), 1).stamp(5), b"same");
        assert_eq!(template.beginning_at(1_998).stamp(1), b"a 00000999 b 00000999");
    }

    #[test]
    fn several_requests_take_turns() {
        let requests = || ["a#NUMBER#", "b", "c"].map(|text| text.as_bytes().to_vec()).to_vec();
        let mut template = Template::in_turns(requests(), 1_000_000);
        let sent = [0, 1, 2, 3].map(|number| String::from_utf8(template.stamp(number).to_vec()).unwrap());
        assert_eq!(sent, ["a00000000", "b", "c", "a00000003"]);
        assert_eq!(Template::in_turns(requests(), 1).stamp(2), b"a00000000", "one is always the first");
    }
}
