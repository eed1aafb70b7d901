//! Whom a split or a gate divides, and by what.

use std::sync::Arc;

use crate::asked::Asked;
use crate::bucket::Salted;
use crate::context::{Attribute, Context, Path};
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
        let mut number = NumberText::default();
        let key = self.key(asked.context, &mut number)?;
        Some(self.place_of(key, listener))
    }

    /// The key of whom the context speaks of; none if there is none. A number is written into `number`.
    #[inline]
    pub(crate) fn key<'t>(&self, context: &'t Context, number: &'t mut NumberText) -> Option<&'t str> {
        if self.by.is_empty() {
            return context.targeting_key();
        }
        let mut attributes = self.by.iter().map(|path| Attribute::of(context.value(path)));
        attributes.find(|attribute| attribute.is_key())?.key(number)
    }

    #[inline]
    fn place_of<'r>(&self, key: &str, listener: &mut impl Listener<'r>) -> u32 {
        let place = self.salted.place(key);
        listener.hear(|| Event::Bucketed { by: self.divider, key: cut(key), place });
        place
    }
}
