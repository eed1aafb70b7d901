//! How bodies are compressed that SDKs fetch whole.

use std::io::{self, Write as _};

use axum::http::{HeaderMap, HeaderName, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::task::spawn_blocking;

/// What is longer than this, in bytes, takes about a millisecond to compress, and is compressed off the reactor.
const LONG: usize = 32 << 10;
/// What a document shrinks to, about, as one part of so many.
const SHRINKS: usize = 8;

/// How a body travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// What who asks would rather have; what they say nothing of is not compressed.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
        let (mut gzip, mut any, mut identity) = (None, None, None);
        for coding in lists.flat_map(|list| list.split(',')) {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = Some(quality(weight));
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = weight,
                "*" => any = weight,
                "identity" => identity = weight,
                _ => {}
            }
        }
        let gzip = gzip.or(any).unwrap_or(0);
        if gzip > 0 && gzip >= identity.unwrap_or(0) { Self::Gzip } else { Self::Identity }
    }

    /// Which answer this is of those that have the entity tag `etag`. A compressed one is the same to read, and not byte
    /// for byte, so its tag is a weak one: by it a download of the other is not resumed.
    pub(crate) fn validators(self, etag: &str) -> [(HeaderName, String); 2] {
        let etag = match self {
            Self::Identity => etag.to_owned(),
            Self::Gzip => format!("W/{etag}"),
        };
        [(header::ETAG, etag), (header::VARY, header::ACCEPT_ENCODING.to_string())]
    }

    /// The same, and how the body is to be read.
    pub(crate) fn headers(self, etag: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let encoding = (self == Self::Gzip).then(|| (header::CONTENT_ENCODING, "gzip".to_owned()));
        for (name, value) in self.validators(etag).into_iter().chain(encoding) {
            // An entity tag of ours is of printable characters.
            if let Ok(value) = value.try_into() {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// The weight of a coding, in thousandths, of its parameters (`q=0.5`); what does not read weighs nothing.
fn quality(parameters: &str) -> u16 {
    let Some(text) = parameters.trim().strip_prefix(['q', 'Q']) else { return 1_000 };
    let number = text.trim_start().strip_prefix('=').and_then(|text| text.trim().parse::<f32>().ok());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and 1000, or not a number, which is cast to 0"
    )]
    number.map_or(0, |number| (number.clamp(0.0, 1.0) * 1_000.0) as u16)
}

/// A document, compressed.
pub(crate) async fn gzip(document: Bytes) -> Bytes {
    if document.len() <= LONG {
        return gzip_now(&document);
    }
    let whole = document.clone();
    // Fails only when the runtime is being shut down; then it does not matter who waits.
    spawn_blocking(move || gzip_now(&whole)).await.unwrap_or_else(|_| gzip_now(&document))
}

fn gzip_now(document: &[u8]) -> Bytes {
    let room = Vec::with_capacity(document.len() / SHRINKS);
    let mut encoder = GzEncoder::new(room, Compression::default());
    // A `Vec` takes whatever is written to it.
    let _ = encoder.write_all(document);
    encoder.finish().unwrap_or_default().into()
}

/// Compresses what comes in pieces, and holds next to nothing of it.
pub(crate) struct Gzip(GzEncoder<Vec<u8>>);

impl Gzip {
    /// At the level from which on more work gains next to nothing on keys. Measured: 14 MB of `user-00000000` shrink to
    /// 4.0 MB at level 1, 2.4 at 2 (29 ms) and at 6 (62 ms); random digits to half of their bytes, at 71 MB/s.
    pub(crate) fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::new(2)))
    }

    /// Takes the next piece, and gives what is compressed by then, which may be nothing. Takes 1 to 5 ms for 256 KiB.
    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<Bytes> {
        self.0.write_all(piece)?;
        Ok(std::mem::take(self.0.get_mut()).into())
    }

    /// The rest.
    pub(crate) fn finish(self) -> io::Result<Bytes> {
        self.0.finish().map(Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(list: &str) -> Encoding {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, list.parse().unwrap());
        Encoding::wanted(&headers)
    }

    #[test]
    fn who_takes_gzip_and_rather_than_nothing_is_given_it() {
        assert_eq!(Encoding::wanted(&HeaderMap::new()), Encoding::Identity);
        for list in [
            "gzip",
            "deflate, gzip, br, zstd",
            "GZIP;q=0.001",
            "x-gzip",
            "*",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "gzip ; q=1",
            "identity;q=0.5, gzip;q=0.5",
        ] {
            assert_eq!(wanted(list), Encoding::Gzip, "{list}");
        }
        for list in
            ["", "identity", "br", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzip;q=x", "gzip;q=0.2, identity"]
        {
            assert_eq!(wanted(list), Encoding::Identity, "{list}");
        }
    }
}
