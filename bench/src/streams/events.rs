//! Server-sent events, as much of them as a measurement needs: that one came, its id, and when to come back.

use std::io::BufRead as _;
use std::time::Duration;

/// So much of a line is kept. What is longer is data, or an id that is not understood.
const KEPT: usize = 72;

/// The id of an event, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    text: [u8; KEPT],
    length: u8,
}

impl Default for Id {
    fn default() -> Self {
        Self { text: [0; KEPT], length: 0 }
    }
}

impl Id {
    fn new(text: &[u8]) -> Self {
        let mut id = Self::default();
        if let Some(place) = id.text.get_mut(..text.len()) {
            place.copy_from_slice(text);
            id.length = u8::try_from(text.len()).unwrap_or_default();
        }
        id
    }

    pub(crate) fn as_str(&self) -> &str {
        let text = self.text.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// Of an id such as `9f3c2a1b.42`: the history that it belongs to, and how far it is there.
    pub(crate) fn position(&self) -> Option<(&str, u64)> {
        let (epoch, revision) = self.as_str().rsplit_once('.')?;
        Some((epoch, revision.parse().ok()?))
    }
}

/// What a stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// An event with data; its id, if it has one, is the last that came before its end.
    Event(Option<Id>),
    /// How long to wait before connecting again.
    Retry(Duration),
}

/// Reads one stream in whatever pieces it comes. A line ends with LF or CRLF; a lone CR, which the standard allows as well
/// and nobody sends, ends none.
#[derive(Debug)]
pub(crate) struct Events {
    line: [u8; KEPT],
    /// Of the line so far, at most one more than is kept.
    length: u8,
    has_data: bool,
    /// Of the event so far; empty if it says that there is none.
    id: Option<Id>,
}

impl Default for Events {
    fn default() -> Self {
        Self { line: [0; KEPT], length: 0, has_data: false, id: None }
    }
}

impl Events {
    /// Goes on with `bytes`.
    pub(crate) fn read(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(Told)) {
        while !bytes.is_empty() {
            let before = bytes;
            // A slice is always there to be read. (This is the standard library's way to a fast search for a byte.)
            let count = bytes.skip_until(b'\n').unwrap_or(before.len());
            let piece = before.get(..count).unwrap_or_default();
            match piece.split_last() {
                Some((b'\n', rest)) => {
                    self.keep(rest);
                    self.end_line(tell);
                }
                _ => self.keep(piece),
            }
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let length = usize::from(self.length);
        let here = piece.len().min(KEPT.saturating_sub(length));
        if let (Some(place), Some(piece)) = (self.line.get_mut(length..length + here), piece.get(..here)) {
            place.copy_from_slice(piece);
        }
        self.length = u8::try_from((length + piece.len()).min(KEPT + 1)).unwrap_or(u8::MAX);
    }

    fn end_line(&mut self, tell: &mut impl FnMut(Told)) {
        let is_cut = usize::from(self.length) > KEPT;
        let line = self.line.get(..usize::from(self.length).min(KEPT)).unwrap_or_default();
        self.length = 0;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            let id = self.id.take();
            if std::mem::take(&mut self.has_data) {
                tell(Told::Event(id));
            }
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or_default();
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => self.has_data = true,
            b"id" => self.id = Some(if is_cut { Id::default() } else { Id::new(value) }),
            b"retry" => {
                let millis = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                if let Some(millis) = millis {
                    tell(Told::Retry(Duration::from_millis(millis)));
                }
            }
            // Comments, the event's name, and what nobody knows.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], size: usize) -> Vec<Told> {
        let (mut events, mut told) = (Events::default(), Vec::new());
        for piece in text.chunks(size) {
            events.read(piece, &mut |one| told.push(one));
        }
        told
    }

    #[test]
    fn events_are_the_same_in_whatever_pieces_they_come() {
        let long = "x".repeat(300);
        let text = format!(
            "retry: 2500\n\n:\n\nid: 9f.1\nevent: snapshot\ndata: {long}\n\nid:9f.2\r\ndata:\r\n\r\nevent: none\n\n\
             data: without an id\n\nid\ndata: y\n\nid: {long}\ndata: z\n\nid: 9f.3\ndata: cut"
        );
        let event = |id: &str| Told::Event(Some(Id::new(id.as_bytes())));
        let expected = [
            Told::Retry(Duration::from_millis(2_500)),
            event("9f.1"),
            event("9f.2"),
            Told::Event(None),
            event(""),
            event(""),
        ];
        for size in 1..=text.len() {
            assert_eq!(read(text.as_bytes(), size), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_id_tells_how_far_it_is() {
        let position =
            |text: &str| Id::new(text.as_bytes()).position().map(|(epoch, at)| (epoch.to_owned(), at));
        assert_eq!(position("9f.3c.42"), Some(("9f.3c".to_owned(), 42)));
        assert_eq!((position(""), position("42"), position("9f.x")), (None, None, None));
    }
}
