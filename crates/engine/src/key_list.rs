//! A large list of targeting keys, held as fingerprints: 23 bytes for each key, whatever its length.

use std::collections::BTreeMap;
use std::sync::Arc;

use siphasher::sip128::SipHasher13;

use crate::model::{MOST_KEYS, MOST_NAME, is_key};

/// Up to so many of a hundred places are taken: short searches, at 23 bytes a key.
const FULL_PERCENT: usize = 70;
/// Fingerprints of one line of the processor's cache, which is where most searches begin and end.
const LINE: usize = 4;

/// A set of targeting keys. A key that is not in it is taken for one that is with a chance of one in 2^100,
/// which nobody can better without the seed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyList {
    seed: [u8; 16],
    /// Open addressing by lines; 0 is a free place.
    lines: Box<[Line]>,
    len: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(64))]
struct Line([u128; LINE]);

impl std::fmt::Debug for KeyList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyList({} keys)", self.len)
    }
}

impl KeyList {
    /// Reads a blob: unique keys sorted by their UTF-8 bytes, each followed by `\n`. `seed` should be chance,
    /// the same for all lists of a process. Whether the bytes have the digest that names them is for the
    /// caller to see.
    ///
    /// # Errors
    /// The first line that is not as it should be.
    pub fn read(blob: &[u8], seed: [u8; 16]) -> Result<Self, String> {
        let count = blob.split(|byte| *byte == b'\n').count().saturating_sub(1);
        let mut reader = KeyListReader::new(count as u64, seed)?;
        reader.read(blob)?;
        reader.finish()
    }

    fn with_room(len: usize, seed: [u8; 16]) -> Self {
        let lines = if len == 0 { 0 } else { len * 100 / FULL_PERCENT / LINE + 1 };
        Self { seed, lines: vec![Line::default(); lines].into(), len: 0 }
    }

    fn insert(&mut self, key: &str) {
        let print = self.fingerprint(key);
        let Some((line, place)) = self.search(print) else { return };
        if let Some(place) = self.lines.get_mut(line).and_then(|line| line.0.get_mut(place)) {
            *place = print;
            self.len += 1;
        }
    }

    /// Whether `key` is in it.
    pub fn holds(&self, key: &str) -> bool {
        let print = self.fingerprint(key);
        for (_, Line(places)) in self.lines_from(print) {
            // Counted, not searched: nobody can foresee in which place of a line a key is, and a branch for each
            // place would be taken wrongly.
            let count = |print: u128| places.iter().filter(|place| **place == print).count();
            let (held, free) = (count(print), count(0));
            if held + free > 0 {
                return held > 0;
            }
        }
        false
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Never 0, which is a free place.
    fn fingerprint(&self, key: &str) -> u128 {
        SipHasher13::new_with_key(&self.seed).hash(key.as_bytes()).as_u128().max(1)
    }

    /// The line and place where `print` stands, or the free place where the search for it ends; none in a list
    /// without places.
    fn search(&self, print: u128) -> Option<(usize, usize)> {
        let is_end = |place: &u128| *place == print || *place == 0;
        self.lines_from(print).find_map(|(at, line)| Some((at, line.0.iter().position(is_end)?)))
    }

    /// All lines, from the one where `print` belongs on, with their numbers.
    #[inline]
    fn lines_from(&self, print: u128) -> impl Iterator<Item = (usize, &Line)> {
        // The upper half of the product spreads the lines evenly, without a division.
        let home = usize::try_from(((print >> 64) * self.lines.len() as u128) >> 64).unwrap_or_default();
        let (front, back) = self.lines.split_at_checked(home).unwrap_or_default();
        (home..).zip(back).chain((0..).zip(front))
    }
}

/// Makes a [`KeyList`] of a blob that comes in pieces, cut anywhere. Holds no more of the blob than a line.
#[derive(Debug)]
pub struct KeyListReader {
    list: KeyList,
    /// How many keys there must be.
    count: usize,
    /// The last whole line.
    before: Vec<u8>,
    /// What was read of the line after it.
    begun: Vec<u8>,
}

impl KeyListReader {
    /// A reader of `count` keys; `seed` is that of [`KeyList::read`].
    ///
    /// # Errors
    /// There are more keys than a list may have.
    pub fn new(count: u64, seed: [u8; 16]) -> Result<Self, String> {
        let few = usize::try_from(count).ok().filter(|_| count <= MOST_KEYS);
        let count = few.ok_or_else(|| format!("has {count} keys; at most {MOST_KEYS} are allowed"))?;
        let list = KeyList::with_room(count, seed);
        Ok(Self { list, count, before: Vec::new(), begun: Vec::new() })
    }

    /// Reads on.
    ///
    /// # Errors
    /// The first line that is not as it should be; nothing more can be read then.
    pub fn read(&mut self, piece: &[u8]) -> Result<(), String> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(line) if self.begun.is_empty() => self.line(line)?,
                Some(end) => {
                    let mut line = std::mem::take(&mut self.begun);
                    line.extend_from_slice(end);
                    self.line(&line)?;
                }
                None if self.begun.len() + part.len() > MOST_NAME => return Err(self.no_key()),
                None => self.begun.extend_from_slice(part),
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let key = std::str::from_utf8(line).ok().filter(|key| is_key(key)).ok_or_else(|| self.no_key())?;
        if self.list.len == self.count {
            return Err(format!("has more than {} keys", self.count));
        }
        // No key is empty, so the first line comes after this, too.
        if self.before.as_slice() >= line {
            return Err(format!("line {} is not after the line before it, by bytes", self.list.len + 1));
        }
        self.before.clear();
        self.before.extend_from_slice(line);
        self.list.insert(key);
        Ok(())
    }

    fn no_key(&self) -> String {
        let line = self.list.len + 1;
        format!("line {line} is not a key of 1 to {MOST_NAME} bytes of UTF-8 without control characters")
    }

    /// The list, once all was read.
    ///
    /// # Errors
    /// It was cut off, or has fewer keys than there must be.
    pub fn finish(self) -> Result<KeyList, String> {
        if !self.begun.is_empty() {
            return Err("does not end with a newline: it was cut off".to_owned());
        }
        if self.list.len != self.count {
            return Err(format!("has {} keys; {} are expected", self.list.len, self.count));
        }
        Ok(self.list)
    }
}

/// The large lists that segments name, by the digests of their bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyLists(BTreeMap<String, Arc<KeyList>>);

impl KeyLists {
    /// Adds a list.
    pub fn insert(&mut self, sha256: String, list: Arc<KeyList>) {
        self.0.insert(sha256, list);
    }

    /// The list with this digest.
    pub fn get(&self, sha256: &str) -> Option<&Arc<KeyList>> {
        self.0.get(sha256)
    }

    /// Forgets those that `needed` does not name.
    pub fn retain(&mut self, needed: impl Fn(&str) -> bool) {
        self.0.retain(|sha256, _| needed(sha256));
    }

    /// How many lists there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(blob: &str) -> Result<KeyList, String> {
        KeyList::read(blob.as_bytes(), [7; 16])
    }

    #[test]
    fn holds_its_keys_and_no_others() {
        let mut keys: Vec<_> = (0..10_000).map(|n| format!("user-{n}")).collect();
        keys.sort();
        let read = list(&(keys.join("\n") + "\n")).unwrap();
        assert_eq!(read.len(), 10_000);
        assert!(keys.iter().all(|key| read.holds(key)));
        assert!((10_000..30_000).all(|n| !read.holds(&format!("user-{n}"))));
        assert!(!read.holds("") && !read.holds("User-1") && !read.holds("user-1\n"));
    }

    #[test]
    fn an_empty_list_holds_nobody() {
        let read = list("").unwrap();
        assert!(read.is_empty() && !read.holds("") && !read.holds("a"));
    }

    #[test]
    fn a_blob_that_is_not_one_is_refused() {
        for (blob, why) in [
            ("a", "cut off"),
            ("a\nb", "cut off"),
            ("b\na\n", "line 2"),
            ("a\na\n", "line 2"),
            ("\n", "line 1"),
            ("a\n\n", "line 2"),
            ("a\tb\n", "line 1"),
        ] {
            assert!(list(blob).unwrap_err().contains(why), "{blob:?}");
        }
        assert!(list(&format!("{}\n", "x".repeat(257))).is_err());
        assert!(KeyList::read(b"\xff\n", [0; 16]).is_err());
    }

    #[test]
    fn a_blob_may_come_in_pieces() {
        let blob = "a\naé\nb\nü€\n".as_bytes();
        let whole = KeyList::read(blob, [7; 16]).unwrap();
        for size in 1..=blob.len() {
            let mut reader = KeyListReader::new(4, [7; 16]).unwrap();
            blob.chunks(size).for_each(|piece| reader.read(piece).unwrap());
            assert_eq!(reader.finish().unwrap(), whole, "pieces of {size}");
        }
    }

    #[test]
    fn a_list_has_as_many_keys_as_it_should() {
        let read = |count| {
            let mut reader = KeyListReader::new(count, [7; 16])?;
            reader.read(b"a\nb\n").and_then(|()| reader.finish())
        };
        assert_eq!(read(2).unwrap().len(), 2);
        assert_eq!(read(1).unwrap_err(), "has more than 1 keys");
        assert_eq!(read(3).unwrap_err(), "has 2 keys; 3 are expected");
        assert_eq!(read(MOST_KEYS + 1).unwrap_err(), "has 1000001 keys; at most 1000000 are allowed");
    }

    #[test]
    fn a_line_without_an_end_is_not_collected() {
        let mut reader = KeyListReader::new(1, [7; 16]).unwrap();
        reader.read(&[b'x'; 200]).unwrap();
        assert!(reader.read(&[b'x'; 57]).unwrap_err().starts_with("line 1 is not a key"));
    }
}
