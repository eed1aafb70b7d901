//! Credentials that are or were somebody's, so that one that has ended is not taken for a stranger's.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// So many are remembered; then the one that was noted first goes, and is a stranger's until it is noted again. At
/// some 200 bytes each, 2 MB.
pub const MOST_REMEMBERED: usize = 10_000;

/// What is known of credentials by their hashes, in memory alone.
#[derive(Debug)]
pub struct Remembered<T>(Mutex<Table<T>>);

#[derive(Debug)]
struct Table<T> {
    by_hash: HashMap<Arc<str>, T>,
    /// In the order in which they were noted.
    hashes: VecDeque<Arc<str>>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::new(Table { by_hash: HashMap::new(), hashes: VecDeque::new() }))
    }
}

impl<T: Copy> Remembered<T> {
    /// Takes note of a credential; one that is known already keeps its place.
    pub fn note(&self, hash: &str, of: T) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.by_hash.get_mut(hash) {
            *known = of;
            return;
        }
        if table.hashes.len() >= MOST_REMEMBERED
            && let Some(first) = table.hashes.pop_front()
        {
            table.by_hash.remove(&first);
        }
        let hash: Arc<str> = hash.into();
        table.hashes.push_back(hash.clone());
        table.by_hash.insert(hash, of);
    }

    /// What was noted of it.
    pub fn get(&self, hash: &str) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_hash.get(hash).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known() {
        let known = Remembered::default();
        for number in 0..=MOST_REMEMBERED {
            known.note(&number.to_string(), number);
            known.note("0", number);
        }
        // It went when there was no more room, and was noted again, for which the next one went.
        assert_eq!((known.get("0"), known.get("1"), known.get("2")), (Some(MOST_REMEMBERED), None, Some(2)));
        assert_eq!(known.get(&MOST_REMEMBERED.to_string()), Some(MOST_REMEMBERED));
        let table = known.0.lock().unwrap();
        assert_eq!((table.by_hash.len(), table.hashes.len()), (MOST_REMEMBERED, MOST_REMEMBERED));
    }
}
