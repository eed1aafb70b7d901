//! Reading an upload of keys as it comes in: line by line, in bounded memory, every fault with its line.

use std::collections::HashSet;
use std::fmt::Display;

use engine::json::Violations;
use engine::model::{MOST_KEYS, MOST_NAME, is_key};

use super::KeySet;
use crate::error::{Error, Result};

/// No line is longer, in bytes: a key of the longest kind with every character escaped fits well.
const MOST_LINE: usize = 4_096;
/// What some editors put in front of a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFormat {
    /// One key a line, without the spaces and tabs around it: spreadsheets and editors leave them there, and nobody
    /// means them.
    Text,
    /// One JSON text a line, whose every character counts.
    Ndjson,
}

/// An upload while it comes in. Empty lines mean nothing, and neither do carriage returns before a line feed.
#[derive(Debug)]
pub struct Upload {
    format: UploadFormat,
    /// The line that is being read, from 1.
    line: u64,
    /// What of it came with earlier pieces.
    begun: Vec<u8>,
    keys: HashSet<Box<str>>,
    violations: Violations,
    overfull: Option<Error>,
}

impl Upload {
    /// Nothing has come yet.
    pub fn new(format: UploadFormat) -> Self {
        Self {
            format,
            line: 1,
            begun: Vec::new(),
            keys: HashSet::new(),
            violations: Violations::default(),
            overfull: None,
        }
    }

    /// Takes the next piece, which may end anywhere.
    pub fn push(&mut self, piece: &[u8]) {
        let mut lines = piece.split(|byte| *byte == b'\n');
        // What follows the last line feed is the beginning of a line, or nothing.
        let rest = lines.next_back().unwrap_or_default();
        for line in lines {
            if self.begun.is_empty() {
                self.read(line);
            } else {
                self.begin(line);
                let line = std::mem::take(&mut self.begun);
                self.read(&line);
            }
            self.line += 1;
        }
        self.begin(rest);
    }

    /// How many unique keys came so far.
    pub fn keys_read(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Whether enough is wrong with it that reading on would tell nothing new.
    pub fn is_hopeless(&self) -> bool {
        self.overfull.is_some() || self.violations.is_full()
    }

    /// The keys, if nothing is wrong with any line. Takes a while if they are many.
    pub fn finish(mut self) -> Result<KeySet> {
        let last = std::mem::take(&mut self.begun);
        self.read(&last);
        if let Some(overfull) = self.overfull {
            return Err(overfull);
        }
        let keys = self.violations.into_result(Some(self.keys)).map_err(Error::Invalid)?;
        Ok(keys.into_iter().collect())
    }

    /// Keeps the beginning of a line. Of one that is too long anyway, no more than shows that.
    fn begin(&mut self, part: &[u8]) {
        let room = (MOST_LINE + 1).saturating_sub(self.begun.len());
        self.begun.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    fn read(&mut self, line: &[u8]) {
        if self.is_hopeless() {
            return;
        }
        let line = if self.line == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        // Before anything is left out of it: of a long line there may be no more than its beginning.
        if line.len() > MOST_LINE {
            return self.fault(format_args!("has more than {MOST_LINE} bytes"));
        }
        // Around a JSON text they mean nothing either.
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        let Some(key) = self.key_of(line) else { return };
        if !is_key(&key) {
            return self.fault(format_args!(
                "{:?} is no key: it must have 1 to {MOST_NAME} bytes and no control characters",
                shortened(&key)
            ));
        }
        self.keys.insert(key);
        if self.keys_read() > MOST_KEYS {
            self.overfull = Some(Error::TooLarge {
                code: "too_many_keys",
                message: format!(
                    "line {}: a segment's list has at most {MOST_KEYS} keys, and this would be one more",
                    self.line
                ),
            });
        }
    }

    fn key_of(&mut self, line: &[u8]) -> Option<Box<str>> {
        let (key, expected) = match self.format {
            UploadFormat::Text => (str::from_utf8(line).ok().map(Into::into), "must be UTF-8"),
            UploadFormat::Ndjson => {
                (serde_json::from_slice(line).ok(), "must be one JSON text, such as \"user-1\"")
            }
        };
        if key.is_none() {
            self.fault(expected);
        }
        key
    }

    fn fault(&mut self, message: impl Display) {
        self.violations.add(format_args!("line {}", self.line), message);
    }
}

/// As much of a key as a message needs.
fn shortened(key: &str) -> &str {
    const MOST: usize = 40;
    key.char_indices().nth(MOST).map_or(key, |(end, _)| key.get(..end).unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::{Error, KeySet, MOST_KEYS, Upload, UploadFormat};

    fn read(format: UploadFormat, body: &[u8]) -> Result<KeySet, Error> {
        let mut upload = Upload::new(format);
        upload.push(body);
        upload.finish()
    }

    fn faults(format: UploadFormat, body: &[u8]) -> Vec<String> {
        match read(format, body) {
            Err(Error::Invalid(violations)) => violations.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_keys_wherever_the_pieces_end() {
        let body = "\u{feff}u2\r\n\n \t\r\nü 1\n  u2\t \r\r\nlast\r".as_bytes();
        let expected: KeySet = ["last", "u2", "ü 1"].into_iter().collect();
        for size in 1..=body.len() {
            let mut upload = Upload::new(UploadFormat::Text);
            body.chunks(size).for_each(|piece| upload.push(piece));
            assert_eq!(upload.finish().unwrap(), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_long_line_is_not_taken_for_its_beginning() {
        let body = format!("u1{}u2\n", " ".repeat(5_000));
        for size in [1, 4_000, body.len()] {
            let mut upload = Upload::new(UploadFormat::Text);
            body.as_bytes().chunks(size).for_each(|piece| upload.push(piece));
            let Err(Error::Invalid(violations)) = upload.finish() else { panic!("it was taken") };
            assert_eq!(violations[0].to_string(), "line 1: has more than 4096 bytes", "in pieces of {size}");
        }
    }

    #[test]
    fn ndjson_is_one_text_a_line() {
        let keys = read(UploadFormat::Ndjson, b"\"a\"\n \"\\u00fc\" \n").unwrap();
        assert_eq!(keys, ["a", "ü"].into_iter().collect());
        let keys = read(UploadFormat::Ndjson, b"\" a \"\r\n\" a\"\n \n").unwrap();
        assert_eq!(keys, [" a ", " a"].into_iter().collect(), "what is written as JSON is meant");
        let expected = "must be one JSON text, such as \"user-1\"";
        assert_eq!(
            faults(UploadFormat::Ndjson, b"\"a\"\nplain\n1\n[\"b\"]\n\"c\" \"d\"\n\"\\ud800\"\n\"e\""),
            [2, 3, 4, 5, 6].map(|line| format!("line {line}: {expected}"))
        );
    }

    #[test]
    fn every_faulty_line_is_named() {
        let body = [b"good\na\tb\n".as_slice(), &[b'x'; 257], b"\n\xff\n", &[b'y'; 10_000], b"\nu1"].concat();
        let faults = faults(UploadFormat::Text, &body);
        let beginnings =
            ["line 2: \"a\\tb\" is no key", "line 3: \"xxx", "line 4: must be UTF-8", "line 5: has more"];
        assert_eq!(faults.len(), beginnings.len(), "{faults:?}");
        for (fault, beginning) in faults.iter().zip(beginnings) {
            assert!(fault.starts_with(beginning), "{fault}");
        }
        let longest = [&[b'x'; 256], b"\n".as_slice()].concat();
        assert_eq!(read(UploadFormat::Text, &longest).unwrap().count(), 1);
    }

    #[test]
    fn faults_are_bounded_and_end_the_reading() {
        let mut upload = Upload::new(UploadFormat::Text);
        upload.push("\u{1}\n".repeat(1_000).as_bytes());
        assert!(upload.is_hopeless());
        assert!(matches!(upload.finish(), Err(Error::Invalid(violations)) if violations.len() == 100));
    }

    #[test]
    fn one_key_too_many_is_told_with_its_line() {
        let mut upload = Upload::new(UploadFormat::Text);
        for key in 0..MOST_KEYS {
            upload.push(format!("{key}\n").as_bytes());
        }
        upload.push(b"0\n1\n");
        assert!(!upload.is_hopeless(), "repeated keys count once");
        upload.push(b"one more\nand another\n");
        let Err(Error::TooLarge { message, .. }) = upload.finish() else { panic!("it was taken") };
        assert!(message.starts_with("line 1000003: a segment's list has at most 1000000 keys"), "{message}");
    }
}
