//! Answers of HTTP/1.1, as much of them as a client must understand to know where they end.

use anyhow::{Context as _, Result, bail, ensure};

/// No head is longer, in bytes.
const MOST_HEAD: usize = 64 * 1024;

/// What a head says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// `ETag`, as it stands there.
    pub(crate) etag: Option<String>,
    /// `Retry-After`, if it is a number of seconds.
    pub(crate) retry_after: Option<u64>,
    /// Whether the connection ends with this answer.
    pub(crate) closes: bool,
    body: Body,
}

impl Head {
    /// Reads it up to its empty line.
    fn parse(text: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(text).context("the answer's head is no text")?;
        let mut lines = text.trim_end().split("\r\n");
        let first = lines.next().unwrap_or_default();
        ensure!(first.starts_with("HTTP/1."), "the answer is no HTTP/1: {first:?}");
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.with_context(|| format!("no status in {first:?}"))?;
        let (mut length, mut is_chunked) = (None, false);
        let mut head = Self { status, ..Self::default() };
        for line in lines {
            let (name, value) = line.split_once(':').with_context(|| format!("{line:?} is no header"))?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.parse().context("content-length is no number")?),
                "transfer-encoding" => is_chunked = value.eq_ignore_ascii_case("chunked"),
                "connection" => head.closes = value.eq_ignore_ascii_case("close"),
                "etag" => head.etag = Some(value.to_owned()),
                "retry-after" => head.retry_after = value.parse().ok(),
                _ => {}
            }
        }
        head.body = match (status, length) {
            (204 | 304, _) => Body::Length(0),
            _ if is_chunked => Body::Chunked(Chunks::Size(0)),
            (_, Some(length)) => Body::Length(length),
            (_, None) => Body::UntilClosed,
        };
        head.closes |= head.body == Body::UntilClosed;
        Ok(head)
    }
}

/// How much of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Body {
    Length(u64),
    Chunked(Chunks),
    #[default]
    UntilClosed,
}

/// Where a chunked body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunks {
    /// In the line that tells how long the next one is, of which so much is known.
    Size(u32),
    /// Behind it: extensions, or the line's end.
    Extension(u32),
    Data(u32),
    /// Before the line's end behind a chunk.
    DataEnd,
    /// After the last chunk; whether the line so far is empty.
    Trailer(bool),
    Over,
}

/// Reads one answer after another, in whatever pieces they come.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What has come of a head that is not whole.
    head: Vec<u8>,
    body: Option<Body>,
}

/// What a piece led to.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is used up.
    More,
    /// A head is whole; its body follows.
    Head(Head),
    /// The answer is whole.
    Whole,
}

impl Reader {
    /// Goes on with `bytes`, up to the next step, and takes what it used from them. `sink` is given what is in the body.
    pub(crate) fn read(&mut self, bytes: &mut &[u8], sink: &mut impl FnMut(&[u8])) -> Result<Step> {
        match &mut self.body {
            None => self.read_head(bytes),
            Some(body) => {
                let is_whole = body.read(bytes, sink)?;
                if is_whole {
                    self.body = None;
                }
                Ok(if is_whole { Step::Whole } else { Step::More })
            }
        }
    }

    /// The connection was closed: whether the answer is whole by that.
    pub(crate) fn end(&mut self) -> bool {
        matches!(self.body.take(), Some(Body::UntilClosed))
    }

    fn read_head(&mut self, bytes: &mut &[u8]) -> Result<Step> {
        if self.head.is_empty()
            && let Some(length) = end_of_head(bytes, 0)
        {
            // Most heads come whole: those are not copied.
            let (text, rest) = bytes.split_at_checked(length).unwrap_or_default();
            *bytes = rest;
            return Ok(self.begin_body(Head::parse(text)?));
        }
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let Some(length) = end_of_head(&self.head, before.saturating_sub(3)) else {
            ensure!(self.head.len() < MOST_HEAD, "the answer's head does not end");
            *bytes = &[];
            return Ok(Step::More);
        };
        *bytes = bytes.get(length - before..).unwrap_or_default();
        // Streams stay open by the thousand, and need no more room for heads.
        let text = std::mem::take(&mut self.head);
        Ok(self.begin_body(Head::parse(text.get(..length).unwrap_or_default())?))
    }

    fn begin_body(&mut self, head: Head) -> Step {
        self.body = Some(head.body);
        Step::Head(head)
    }
}

/// How long a head is, with the empty line at its end, which is looked for from a place on.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let place = bytes.get(from..)?.windows(4).position(|end| end == b"\r\n\r\n")?;
    Some(from + place + 4)
}

impl Body {
    /// Whether it is whole.
    fn read(&mut self, bytes: &mut &[u8], sink: &mut impl FnMut(&[u8])) -> Result<bool> {
        match self {
            Self::UntilClosed => {
                sink(bytes);
                *bytes = &[];
                Ok(false)
            }
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                take(bytes, here, sink);
                *left -= here as u64;
                Ok(*left == 0)
            }
            Self::Chunked(chunks) => {
                while !bytes.is_empty() && *chunks != Chunks::Over {
                    chunks.read(bytes, sink)?;
                }
                Ok(*chunks == Chunks::Over)
            }
        }
    }
}

impl Chunks {
    fn read(&mut self, bytes: &mut &[u8], sink: &mut impl FnMut(&[u8])) -> Result<()> {
        if let Self::Data(left) = self {
            let here = usize::try_from(*left)?.min(bytes.len());
            take(bytes, here, sink);
            *left -= u32::try_from(here)?;
            if *left == 0 {
                *self = Self::DataEnd;
            }
            return Ok(());
        }
        let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
        *bytes = rest;
        *self = match (*self, byte) {
            (Self::Size(size) | Self::Extension(size), b'\n') if size == 0 => Self::Trailer(true),
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(size),
            (Self::Size(size), b'\r' | b';' | b' ' | b'\t') => Self::Extension(size),
            (Self::Size(size), digit) => {
                let digit = char::from(*digit).to_digit(16).context("a chunk has no length")?;
                let size = size.checked_mul(16).and_then(|size| size.checked_add(digit));
                Self::Size(size.context("a chunk is too long")?)
            }
            (Self::DataEnd, b'\n') => Self::Size(0),
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::DataEnd, _) => bail!("a chunk is longer than it says"),
            (Self::Trailer(true), b'\n') => Self::Over,
            (Self::Trailer(_), b'\n') => Self::Trailer(true),
            (Self::Trailer(is_empty), b'\r') => Self::Trailer(is_empty),
            (Self::Trailer(_), _) => Self::Trailer(false),
            (state, _) => state,
        };
        Ok(())
    }
}

fn take(bytes: &mut &[u8], length: usize, sink: &mut impl FnMut(&[u8])) {
    let (here, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
    if !here.is_empty() {
        sink(here);
    }
    *bytes = rest;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statuses, tags and bodies of what comes in pieces of `size` bytes.
    fn read(text: &[u8], size: usize) -> Vec<(u16, Option<String>, String)> {
        let (mut reader, mut heads, mut bodies) = (Reader::default(), Vec::new(), Vec::new());
        let mut body = Vec::new();
        for mut piece in text.chunks(size) {
            loop {
                match reader.read(&mut piece, &mut |bytes| body.extend_from_slice(bytes)).unwrap() {
                    Step::More => break,
                    Step::Head(head) => heads.push(head),
                    Step::Whole => bodies.push(String::from_utf8(std::mem::take(&mut body)).unwrap()),
                }
            }
        }
        if reader.end() {
            bodies.push(String::from_utf8(body).unwrap());
        }
        heads.into_iter().zip(bodies).map(|(head, body)| (head.status, head.etag, body)).collect()
    }

    const SEVERAL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"a.1\"\r\n\r\nhello\
        HTTP/1.1 304 Not Modified\r\netag: \"a.1\"\r\ncontent-length: 5\r\n\r\n\
        HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;name=x\r\nwiki\r\nA\r\npedia in 1\r\n0\r\nTrailer: x\r\n\r\n\
        HTTP/1.1 204 No Content\r\n\r\n\
        HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn answers_are_the_same_in_whatever_pieces_they_come() {
        let expected: Vec<_> = [
            (200, Some("\"a.1\""), "hello"),
            (304, Some("\"a.1\""), ""),
            (200, None, "wikipedia in 1"),
            (204, None, ""),
            (503, None, ""),
        ]
        .map(|(status, etag, body)| (status, etag.map(str::to_owned), body.to_owned()))
        .into();
        for size in 1..=SEVERAL.len() {
            assert_eq!(read(SEVERAL, size), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn without_a_length_the_answer_ends_with_the_connection() {
        let text = b"HTTP/1.1 200 OK\r\n\r\nall that comes";
        for size in 1..=text.len() {
            assert_eq!(read(text, size), [(200, None, "all that comes".to_owned())]);
        }
    }

    #[test]
    fn a_cut_answer_is_not_whole() {
        for text in ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\ncont"] {
            assert_eq!(read(text.as_bytes(), text.len()), []);
        }
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n",
        ] {
            let (mut reader, mut bytes) = (Reader::default(), text.as_bytes());
            let first = reader.read(&mut bytes, &mut |_| {});
            let second = first.and_then(|_| reader.read(&mut bytes, &mut |_| {}));
            assert!(second.is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_head_tells_when_to_come_back_and_whether_it_is_the_last() {
        let mut bytes =
            &b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nConnection: close\r\ncontent-length: 0\r\n\r\n"[..];
        let Ok(Step::Head(head)) = Reader::default().read(&mut bytes, &mut |_| {}) else { panic!("no head") };
        assert_eq!((head.status, head.retry_after, head.closes), (429, Some(7), true));
    }
}
