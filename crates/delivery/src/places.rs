//! How many streams are open, in all and with each key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::problem::Problem;

/// One part in so many is left for other keys, whatever one of them holds.
const RESERVE: usize = 10;

/// Places for streams.
pub(crate) struct Places {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// By the id of a key; only those that hold some.
    of: HashMap<Arc<str>, usize>,
}

/// One of them, until it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    key: Arc<str>,
}

impl Places {
    /// So many in all, and with one key as many as that, or nine tenths of all.
    pub(crate) fn new(most: usize, most_of_one: Option<usize>) -> Arc<Self> {
        let most_of_one = most_of_one.unwrap_or(most - most / RESERVE);
        Arc::new(Self { most, most_of_one, taken: Mutex::default() })
    }

    /// A place for a stream of this key, and how many there are then.
    pub(crate) fn take(self: &Arc<Self>, key: &Arc<str>) -> Result<(Place, usize), Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            return Err(Problem::too_many_streams());
        }
        let of_key = taken.of.entry(Arc::clone(key)).or_default();
        if *of_key >= self.most_of_one {
            return Err(Problem::too_many_streams_of_key());
        }
        *of_key += 1;
        taken.all += 1;
        Ok((Place { places: Arc::clone(self), key: Arc::clone(key) }, taken.all))
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(of_key) = taken.of.get_mut(&self.key) {
            *of_key -= 1;
            if *of_key == 0 {
                taken.of.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leaves_room_for_others_and_gives_back_what_it_held() {
        let places = Places::new(20, None);
        let code = |refused: Result<(Place, usize), Problem>| refused.err().unwrap().document().code;
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let mut held: Vec<_> = (1..=18).map(|number| (places.take(&one).unwrap(), number)).collect();
        assert!(held.iter().all(|((_, open), number)| open == number));
        assert_eq!(code(places.take(&one)), "too_many_streams_of_key");
        let others = [places.take(&other).unwrap(), places.take(&other).unwrap()];
        assert_eq!(code(places.take(&other)), "too_many_streams", "there is none for anyone");
        held.pop();
        assert_eq!(places.take(&one).unwrap().1, 20);
        drop((held, others));
        assert!(places.taken.lock().unwrap().of.is_empty());
        assert_eq!(Places::new(20, Some(3)).most_of_one, 3);
    }
}
