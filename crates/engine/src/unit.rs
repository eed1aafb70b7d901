//! Whom a split or a gate divides, and by what.

use std::sync::Arc;

use crate::asked::Asked;
use crate::bucket::Salted;
use crate::context::{Attribute, Path};
use crate::cut::cut;
use crate::model::Spread;
use crate::surroundings::Surroundings;
use crate::text::NumberText;
use crate::trace::{Divider, Event, Listener};

/// Whom a split or a gate puts into a bucket, and how.
#[derive(Debug, PartialEq)]
pub(crate) struct Unit {
    divider: Divider,
    /// Where to look for the key; the targeting key if there are none.
    by: Box<[Arc<Path>]>,
    salted: Salted,
}

impl Unit {
    pub(crate) fn new(
        divider: Divider,
        spread: &Spread,
        salt: &str,
        surroundings: &Surroundings<'_>,
    ) -> Self {
        let by = spread.by.iter().map(|path| surroundings.path(path)).collect();
        Self { divider, by, salted: Salted::new(spread.hash, spread.salt.as_deref().unwrap_or(salt)) }
    }

    /// The bucket of whom the context speaks of; none if there is no key.
    #[inline]
    pub(crate) fn place<'r>(&self, asked: Asked<'_>, listener: &mut impl Listener<'r>) -> Option<u32> {
        if self.by.is_empty() {
            let key = asked.context.targeting_key()?;
            return Some(self.place_of(key, listener));
        }
        let mut number = NumberText::default();
        let mut attributes = self.by.iter().map(|path| Attribute::of(asked.context.value(path)));
        let key = attributes.find(|attribute| attribute.is_key())?.key(&mut number)?;
        Some(self.place_of(key, listener))
    }

    #[inline]
    fn place_of<'r>(&self, key: &str, listener: &mut impl Listener<'r>) -> u32 {
        let place = self.salted.place(key);
        listener.hear(|| Event::Bucketed { by: self.divider, key: cut(key), place });
        place
    }
}
