//! Finding what goes by a name: flags, targets, and the keys of segments. A name's hash is made once, however
//! many tables it is looked up in: a context knows its targeting key's, so a segment costs no hashing.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::text::equal;

/// A name and its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    text: &'a str,
    hash: u64,
}

impl<'a> Name<'a> {
    #[inline]
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, hash: hash(text) }
    }

    /// A name whose hash was made before, by [`hash`].
    #[inline]
    pub(crate) fn hashed(text: &'a str, hash: u64) -> Self {
        Self { text, hash }
    }

    #[inline]
    pub(crate) fn text(self) -> &'a str {
        self.text
    }
}

/// The hash of a name. It is fixed, since what is compiled must not depend on chance: the tables hold what
/// authors wrote, and callers, whose keys are not trusted, only look things up in them.
#[inline]
pub(crate) fn hash(text: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// What is found by its name.
pub(crate) struct Lookup<N, T>(HashTable<(N, T)>);

impl<N: AsRef<str>, T> Lookup<N, T> {
    #[inline]
    pub(crate) fn get(&self, name: Name<'_>) -> Option<&T> {
        // Most tables that are looked into are empty: this is shorter than finding nothing.
        if self.0.is_empty() {
            return None;
        }
        self.0.find(name.hash, |(other, _)| equal(other.as_ref(), name.text)).map(|(_, found)| found)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands under this name now: `value`, unless there was something already.
    pub(crate) fn get_or_insert(&mut self, name: N, value: T) -> &T {
        let known = |(other, _): &(N, T)| other.as_ref() == name.as_ref();
        let rehash = |(other, _): &(N, T)| hash(other.as_ref());
        let entry = self.0.entry(hash(name.as_ref()), known, rehash);
        &entry.or_insert((name, value)).into_mut().1
    }
}

impl<N, T> Default for Lookup<N, T> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

/// Of two things of one name the first is kept.
impl<N: AsRef<str>, T> FromIterator<(N, T)> for Lookup<N, T> {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(named: I) -> Self {
        let named = named.into_iter();
        let mut lookup = Self(HashTable::with_capacity(named.size_hint().0));
        for (name, value) in named {
            lookup.get_or_insert(name, value);
        }
        lookup
    }
}

/// The same things by the same names, wherever they lie.
impl<N: AsRef<str>, T: PartialEq> PartialEq for Lookup<N, T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().all(|(name, value)| other.get(Name::new(name.as_ref())) == Some(value))
    }
}

impl<N: fmt::Debug, T: fmt::Debug> fmt::Debug for Lookup<N, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, value)| (name, value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(names: &[&str]) -> Lookup<Box<str>, usize> {
        names.iter().enumerate().map(|(place, name)| (Box::from(*name), place)).collect()
    }

    #[test]
    fn each_is_found_by_its_own_name() {
        // Around eight and sixteen bytes, where texts are compared in other ways.
        let long = "abcdefghijklmnopqrstuvwxyz";
        let mut names: Vec<_> = (0..=26).map(|length| &long[..length]).collect();
        names.extend(["abcdefgx", "xbcdefgh", "abcdefghijklmnox", "abcdefghxjklmnop", "abcdefg\0", "é"]);
        let lookup = places(&names);
        for (place, name) in names.iter().enumerate() {
            assert_eq!(lookup.get(Name::new(name)), Some(&place), "{name:?}");
        }
        for name in ["A", "abcdefgy", "abcdefghijklmnoy", "abcdefghyjklmnop", "e\u{301}"] {
            assert_eq!(lookup.get(Name::new(name)), None, "{name:?}");
        }
        assert_eq!(places(&[]).get(Name::new("")), None);
    }

    #[test]
    fn the_first_of_a_name_stays() {
        let mut lookup = places(&["a", "b", "a"]);
        assert_eq!(lookup.get(Name::new("a")), Some(&0));
        assert_eq!((*lookup.get_or_insert("b".into(), 9), *lookup.get_or_insert("c".into(), 9)), (1, 9));
    }

    #[test]
    fn order_makes_no_difference() {
        let turned: Lookup<Box<str>, usize> = [("b".into(), 1), ("a".into(), 0)].into_iter().collect();
        assert_eq!(places(&["a", "b"]), turned);
        assert_ne!(places(&["a", "b"]), places(&["b", "a"]));
        assert_ne!(places(&["a"]), places(&["a", "b"]));
    }
}
