//! A large list of targeting keys, held as fingerprints: 16 bytes for each key, whatever its length.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::model::is_key;

/// Up to so many of a hundred places are taken: short searches, at 23 bytes a key.
const FULL_PERCENT: usize = 70;

/// A set of targeting keys. A key that is not in it is taken for one that is with a chance of one in 2^100,
/// which nobody can better without the seed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyList {
    seed: [u8; 16],
    /// Open addressing; 0 is a free place.
    places: Box<[u128]>,
    len: usize,
}

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
        let text = std::str::from_utf8(blob).map_err(|error| format!("is not UTF-8: {error}"))?;
        if !(text.is_empty() || text.ends_with('\n')) {
            return Err("does not end with a newline: it was cut off".to_owned());
        }
        let len = text.bytes().filter(|byte| *byte == b'\n').count();
        let mut list = Self::with_room(len, seed);
        let mut before = None;
        for (line, key) in (1_usize..).zip(text.split_terminator('\n')) {
            if !is_key(key) {
                return Err(format!("line {line} is not a key of 1 to 256 bytes without control characters"));
            }
            if before >= Some(key) {
                return Err(format!("line {line} is not after the line before it, by bytes"));
            }
            before = Some(key);
            list.insert(key);
        }
        Ok(list)
    }

    fn with_room(len: usize, seed: [u8; 16]) -> Self {
        let places = if len == 0 { 0 } else { len * 100 / FULL_PERCENT + 1 };
        Self { seed, places: vec![0; places].into(), len: 0 }
    }

    fn insert(&mut self, key: &str) {
        let print = self.fingerprint(key);
        let at = self.search(print);
        if let Some(place) = at.and_then(|at| self.places.get_mut(at)) {
            *place = print;
            self.len += 1;
        }
    }

    /// Whether `key` is in it.
    pub fn holds(&self, key: &str) -> bool {
        let print = self.fingerprint(key);
        self.search(print).and_then(|at| self.places.get(at)) == Some(&print)
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
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        hasher.write(key.as_bytes());
        hasher.finish128().as_u128().max(1)
    }

    /// Where `print` stands, or the free place where the search for it ends; none in a list without places.
    fn search(&self, print: u128) -> Option<usize> {
        // The upper half of the product spreads the places evenly, without a division.
        let home = ((print >> 64) * self.places.len() as u128) >> 64;
        let (front, back) = self.places.split_at_checked(usize::try_from(home).ok()?)?;
        let is_end = |place: &u128| *place == print || *place == 0;
        let after = back.iter().position(is_end).map(|at| at + front.len());
        after.or_else(|| front.iter().position(is_end))
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
}
