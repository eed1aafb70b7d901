//! A segment that can be asked.

use std::sync::Arc;

use crate::asked::Asked;
use crate::json::Violations;
use crate::key_list::KeyList;
use crate::lookup::{Lookup, Name};
use crate::model::{self, Read};
use crate::steps::{Steps, tests_of};
use crate::surroundings::Surroundings;
use crate::test::Scope;
use crate::trace::{Event, Listener, Membership};

/// A compiled segment. What names it holds it, so that asking looks nothing up.
#[derive(Debug, PartialEq)]
pub(crate) struct Segment {
    key: Box<str>,
    /// What it was compiled from.
    document: Arc<Read<model::Segment>>,
    included: Keys,
    excluded: Keys,
    when: Option<Steps>,
    weight: u64,
}

#[derive(Debug, PartialEq)]
enum Keys {
    Few(Lookup<Box<str>, ()>),
    Many(Arc<KeyList>),
}

impl Keys {
    fn new(
        keys: &model::Keys,
        surroundings: &Surroundings<'_>,
        path: &str,
        violations: &mut Violations,
    ) -> Self {
        match keys {
            model::Keys::Inline(keys) => {
                Self::Few(keys.iter().map(|key| (key.as_str().into(), ())).collect())
            }
            model::Keys::Blob { sha256, count } => match surroundings.key_list(sha256, *count) {
                Ok(list) => Self::Many(list),
                Err(why) => {
                    violations.add(path, why);
                    Self::Few(Lookup::default())
                }
            },
        }
    }

    #[inline]
    fn hold(&self, key: Name<'_>) -> bool {
        match self {
            Self::Few(keys) => keys.get(key).is_some(),
            Self::Many(keys) => keys.holds(key.text()),
        }
    }
}

impl Segment {
    /// Compiles a segment; what is wrong with it makes it one that nobody knows.
    pub(crate) fn new(
        key: &str,
        document: &Arc<Read<model::Segment>>,
        surroundings: &Surroundings<'_>,
        violations: &mut Violations,
    ) -> Option<Self> {
        let segment = match document.as_result() {
            Ok(segment) => segment,
            Err(why) => {
                violations.add("", why);
                return None;
            }
        };
        for (index, need) in segment.needs.iter().enumerate() {
            violations.add(
                format_args!("needs[{index}]"),
                format_args!("{need:?} is not an ability of this version"),
            );
        }
        let included = Keys::new(&segment.included, surroundings, "included", violations);
        let excluded = Keys::new(&segment.excluded, surroundings, "excluded", violations);
        let scope = Scope { surroundings, gate_salt: &format!("{key}:segment") };
        let when = segment.when.as_ref().and_then(|when| {
            let tests = tests_of(when, &scope, "when", violations)?;
            Some(Steps::new([(when, tests)].into_iter()))
        });
        let weight = when.as_ref().map_or(0, Steps::weight).saturating_add(1);
        let document = Arc::clone(document);
        violations.is_empty().then(|| Self { key: key.into(), document, included, excluded, when, weight })
    }

    #[inline]
    pub(crate) fn holds<'r>(&'r self, asked: Asked<'_>, listener: &mut impl Listener<'r>) -> bool {
        listener.hear(|| Event::Segment { key: &self.key, document: &self.document });
        let membership = self.membership(asked, listener);
        listener.hear(|| Event::SegmentHolds(membership));
        membership.holds()
    }

    fn membership<'r>(&'r self, asked: Asked<'_>, listener: &mut impl Listener<'r>) -> Membership {
        if let Some(key) = asked.context.targeting_name() {
            if self.included.hold(key) {
                return Membership::Included;
            }
            if self.excluded.hold(key) {
                return Membership::Excluded;
            }
        }
        match &self.when {
            Some(when) => Membership::Condition(when.first_that_holds(asked, listener).is_some()),
            None => Membership::NoCondition,
        }
    }

    /// How much there is to test at most.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }
}
