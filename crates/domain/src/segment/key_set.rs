//! A set of targeting keys, however many.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::str::SplitTerminator;

use engine::model::{Keys, MOST_INLINE_KEYS};
use sha2::{Digest, Sha256};

/// Keys in the form in which a large list is kept and named: unique, sorted by their UTF-8 bytes, each followed
/// by a line feed; named by the SHA-256 of these bytes. To make one of a million keys takes a while: do it off
/// the reactor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    text: String,
    count: u64,
    sha256: String,
}

/// What became of a key between two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Removed,
    Added,
    Kept,
}

/// How two sets differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// How many keys came in.
    pub added_count: u64,
    /// How many keys went.
    pub removed_count: u64,
    /// Which, unless they were too many to say: those that came in, and those that went.
    pub keys: Option<(Vec<String>, Vec<String>)>,
}

impl Default for KeySet {
    fn default() -> Self {
        Self::sealed(String::new(), 0)
    }
}

impl<S: AsRef<str> + Ord> FromIterator<S> for KeySet {
    /// Of keys in any order, repeated or not; each must be one that a list may hold.
    fn from_iter<I: IntoIterator<Item = S>>(keys: I) -> Self {
        let mut keys: Vec<S> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Self::of_sorted(keys.iter().map(AsRef::as_ref))
    }
}

impl KeySet {
    fn sealed(text: String, count: u64) -> Self {
        let sha256 = hex::encode(Sha256::digest(&text));
        Self { text, count, sha256 }
    }

    fn of_sorted<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let (mut text, mut count) = (String::new(), 0);
        for key in keys {
            text.push_str(key);
            text.push('\n');
            count += 1;
        }
        Self::sealed(text, count)
    }

    /// Of the bytes of a list; `None` if they are not what `sha256` names.
    pub fn of_list(bytes: Vec<u8>, sha256: &str) -> Option<Self> {
        let text = String::from_utf8(bytes).ok()?;
        let count = text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        Some(Self::sealed(text, count)).filter(|set| set.sha256 == sha256)
    }

    /// In order.
    fn texts(&self) -> SplitTerminator<'_, char> {
        self.text.split_terminator('\n')
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What names the list, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The list's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// How a segment holds these keys: in itself when they are few, else by the list's name.
    pub fn to_keys(&self) -> Keys {
        if self.count <= MOST_INLINE_KEYS as u64 {
            return Keys::Inline(self.texts().map(str::to_owned).collect());
        }
        Keys::Blob { sha256: self.sha256.clone(), count: self.count }
    }

    /// These keys and the others.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self::of_sorted(changes(self, others).map(|(key, _)| key))
    }

    /// These keys without the others.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let removed = changes(self, others).filter(|(_, change)| *change == Change::Removed);
        Self::of_sorted(removed.map(|(key, _)| key))
    }

    /// What leads from these keys to the others; which keys they are only if they are at most `most`.
    pub fn difference(&self, others: &Self, most: u64) -> Difference {
        let count = |wanted| changes(self, others).filter(|(_, change)| *change == wanted).count() as u64;
        let (added_count, removed_count) = (count(Change::Added), count(Change::Removed));
        let which = |wanted| {
            let wanted = changes(self, others).filter(|(_, change)| *change == wanted);
            wanted.map(|(key, _)| key.to_owned()).collect()
        };
        let few = added_count + removed_count <= most;
        Difference {
            added_count,
            removed_count,
            keys: few.then(|| (which(Change::Added), which(Change::Removed))),
        }
    }
}

/// Each key of either set, in order, and what became of it.
fn changes<'a>(before: &'a KeySet, after: &'a KeySet) -> impl Iterator<Item = (&'a str, Change)> {
    Merge { before: before.texts().peekable(), after: after.texts().peekable() }
}

struct Merge<'a> {
    before: Peekable<SplitTerminator<'a, char>>,
    after: Peekable<SplitTerminator<'a, char>>,
}

impl<'a> Iterator for Merge<'a> {
    type Item = (&'a str, Change);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.before.peek(), self.after.peek()) {
            (Some(before), Some(after)) => before.cmp(after),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => self.before.next().map(|key| (key, Change::Removed)),
            Ordering::Greater => self.after.next().map(|key| (key, Change::Added)),
            Ordering::Equal => {
                self.before.next();
                self.after.next().map(|key| (key, Change::Kept))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KeySet, Keys, MOST_INLINE_KEYS};

    fn set(keys: &str) -> KeySet {
        keys.split_whitespace().collect()
    }

    #[test]
    fn a_list_is_named_by_its_sorted_unique_keys() {
        // printf 'a\nb\nß\n' | sha256sum
        let expected = "438c3a8f4352f897c985c6b525788be26cc5a726c95ef0b2e17df9c0bfc7445e";
        let list = set("b ß a b");
        assert_eq!(list.bytes(), "a\nb\nß\n".as_bytes());
        assert_eq!((list.count(), list.sha256()), (3, expected));
        assert_eq!(KeySet::of_list(b"a\nb\n".to_vec(), expected), None);
        assert_eq!(KeySet::of_list(list.bytes().to_vec(), expected), Some(list));
    }

    #[test]
    fn sets_add_and_subtract() {
        let (left, right) = (set("a b c"), set("b d"));
        assert_eq!(left.with(&right), set("a b c d"));
        assert_eq!(left.without(&right), set("a c"));
        assert_eq!(left.without(&left), KeySet::default());
        assert_eq!(KeySet::default().with(&right), right);
        // By bytes: a key that another begins with comes first, whatever follows.
        assert_eq!(set("a-b a a.b").texts().collect::<Vec<_>>(), ["a", "a-b", "a.b"]);
    }

    #[test]
    fn a_difference_says_which_keys_unless_they_are_too_many() {
        let (left, right) = (set("a b c"), set("b d"));
        let difference = left.difference(&right, 3);
        assert_eq!((difference.added_count, difference.removed_count), (1, 2));
        let texts = |keys: [&str; 2]| keys.map(str::to_owned).to_vec();
        assert_eq!(difference.keys, Some((vec!["d".to_owned()], texts(["a", "c"]))));
        assert_eq!(left.difference(&right, 2).keys, None);
    }

    #[test]
    fn only_many_keys_are_held_by_name() {
        let keys = |count: usize| (0..count).map(|index| format!("user-{index}")).collect::<KeySet>();
        assert!(
            matches!(keys(MOST_INLINE_KEYS).to_keys(), Keys::Inline(inline) if inline.len() == MOST_INLINE_KEYS)
        );
        let many = keys(MOST_INLINE_KEYS + 1);
        let expected = Keys::Blob { sha256: many.sha256().to_owned(), count: 10_001 };
        assert_eq!(many.to_keys(), expected);
    }
}
