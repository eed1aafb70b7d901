//! All flags of one environment at one revision, ready to be asked.

mod apply;
mod reach;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::answer::Answer;
use crate::asked::{Asked, Assignments};
use crate::compiled::Compiled;
use crate::context::Context;
use crate::json::Violation;
use crate::key_list::KeyLists;
use crate::link::{compile_flags, compile_segments};
use crate::lookup::{Lookup, Name};
use crate::model::{Flag, Read, Revision, SCHEMA, Segment, Snapshot};
use crate::resolution::Resolution;
use crate::surroundings::{Given, Lists, Paths, Segments, Surroundings};
use crate::trace::Nobody;

/// A compiled snapshot: immutable, and cheap to clone and to derive the next one from, since what did not
/// change is shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruleset {
    revision: Revision,
    epoch: Arc<str>,
    project: Arc<str>,
    environment: Arc<str>,
    /// Ascending by the bytes of their keys.
    flags: Arc<[Slot]>,
    /// Where a flag stands among them; shared by rulesets of the same keys.
    places: Arc<Lookup<Arc<str>, u32>>,
    segments: Arc<Segments>,
    lists: Arc<Lists>,
}

/// A flag's place in a ruleset.
#[derive(Debug, Clone, PartialEq)]
struct Slot {
    flag: Arc<Compiled>,
    /// The answer, if no context can change it: many flags of a large set are never looked at.
    fixed: Option<Answer>,
}

impl From<Arc<Compiled>> for Slot {
    fn from(flag: Arc<Compiled>) -> Self {
        Self { fixed: flag.fixed(), flag }
    }
}

impl Ruleset {
    /// Compiles a snapshot. What does not compile costs itself and what depends on it; see
    /// [`Ruleset::problems`]. `key_lists` has the lists that segments name by their digests; one that is not
    /// there makes its segment one that is not known. Whether the snapshot's schema is one we know is for its
    /// reader to check.
    pub fn compile(snapshot: &Snapshot, key_lists: &KeyLists) -> Self {
        let lists = Arc::new(snapshot.lists.clone());
        let mut segments = Segments::new();
        let document = |key: &str| snapshot.segments.get(key);
        let keys = snapshot.segments.keys().map(String::as_str);
        let paths = Paths::default();
        let given = Given { lists: &lists, key_lists: Some(key_lists), paths: &paths };
        compile_segments(&mut segments, keys, document, given);
        let surroundings = Surroundings { given, segments: &segments, flags: &|_| None };
        let document = |key: &str| snapshot.flags.get(key);
        let keys = snapshot.flags.keys().map(String::as_str);
        let flags = compile_flags(keys, document, |_| None, surroundings);
        let flags: Arc<[Slot]> = flags.into_values().map(Slot::from).collect();
        Self {
            revision: snapshot.revision,
            epoch: snapshot.epoch.as_str().into(),
            project: snapshot.project.as_str().into(),
            environment: snapshot.environment.as_str().into(),
            places: Arc::new(places(&flags)),
            flags,
            segments: Arc::new(segments),
            lists,
        }
    }

    #[inline]
    fn slot(&self, key: &str) -> Option<&Slot> {
        self.flags.get(*self.places.get(Name::new(key))? as usize)
    }

    pub(crate) fn compiled(&self, key: &str) -> Option<&Arc<Compiled>> {
        self.slot(key).map(|slot| &slot.flag)
    }

    pub(crate) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The documents that all of this was compiled from.
    pub fn snapshot(&self) -> Snapshot {
        let flags =
            self.flags.iter().map(|Slot { flag, .. }| (flag.key.to_string(), Arc::clone(&flag.document)));
        let segments =
            self.segments.iter().map(|(key, segment)| (key.clone(), Arc::clone(&segment.document)));
        Snapshot {
            schema: SCHEMA,
            epoch: self.epoch.to_string(),
            revision: self.revision,
            project: self.project.to_string(),
            environment: self.environment.to_string(),
            lists: Lists::clone(&self.lists),
            segments: segments.collect(),
            flags: flags.collect(),
        }
    }

    /// Digests of the lists that its segments need.
    pub fn key_lists(&self) -> BTreeSet<&str> {
        let documents = self.segments.values().filter_map(|segment| segment.document.known());
        documents.flat_map(|segment| [segment.included.blob(), segment.excluded.blob()]).flatten().collect()
    }

    /// What a segment was compiled from.
    pub fn segment(&self, key: &str) -> Option<&Read<Segment>> {
        self.segments.get(key).map(|segment| &*segment.document)
    }

    /// Whether there is a segment of this key that can be asked.
    pub fn knows_segment(&self, key: &str) -> bool {
        self.segments.get(key).is_some_and(|segment| segment.compiled.is_some())
    }

    /// The revision of the last change that affected this environment.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The epoch that the revision belongs to.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Key of the project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Key of the environment.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// How many flags there are.
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// A flag, to be looked at before it is evaluated.
    #[inline]
    pub fn flag(&self, key: &str) -> Option<Entry<'_>> {
        let place = *self.places.get(Name::new(key))?;
        self.flags.get(place as usize).map(|slot| Entry { slot, place, revision: self.revision })
    }

    /// Answers for one flag. Neither fails nor panics: what can go wrong is in the answer.
    #[inline]
    pub fn evaluate<'r>(&'r self, key: &str, context: &Context) -> Resolution<'r> {
        match self.flag(key) {
            Some(flag) => flag.evaluate(context),
            None => Resolution::not_found(self.revision),
        }
    }

    /// Answers for one flag to someone whose earlier assignments are known: sticky splits keep to them.
    pub fn evaluate_assigned<'r>(
        &'r self,
        key: &str,
        context: &Context,
        assignments: &dyn Assignments,
    ) -> Resolution<'r> {
        match self.flag(key) {
            Some(flag) => flag.answer(Asked { context, assignments: Some(assignments) }),
            None => Resolution::not_found(self.revision),
        }
    }

    /// All flags, ascending by the bytes of their keys, to be chosen from before they are evaluated.
    pub fn flags(&self) -> impl Iterator<Item = Entry<'_>> {
        self.flags.iter().zip(0_u32..).map(|(slot, place)| Entry { slot, place, revision: self.revision })
    }

    /// What is wrong with the flags that did not compile, with the rules that never hold and with segments
    /// that are not understood, for the log: what it is about, such as `flag new-cart`, and a sentence with a
    /// path.
    pub fn problems(&self) -> impl Iterator<Item = (String, &Violation)> {
        let flags = self.flags.iter().map(|Slot { flag, .. }| ("flag", &*flag.key, &*flag.problems));
        let segments =
            self.segments.iter().map(|(key, segment)| ("segment", key.as_str(), &*segment.problems));
        flags.chain(segments).flat_map(|(kind, key, problems)| {
            problems.iter().map(move |problem| (format!("{kind} {key}"), problem))
        })
    }
}

fn places(flags: &[Slot]) -> Lookup<Arc<str>, u32> {
    flags.iter().map(|slot| Arc::clone(&slot.flag.key)).zip(0_u32..).collect()
}

/// One flag of a [`Ruleset`].
#[derive(Debug, Clone, Copy)]
pub struct Entry<'r> {
    slot: &'r Slot,
    place: u32,
    revision: Revision,
}

impl<'r> Entry<'r> {
    /// Its key.
    pub fn key(&self) -> &'r str {
        &self.slot.flag.key
    }

    /// Its place among all flags of its ruleset, from 0, in the order of [`Ruleset::flags`].
    pub fn place(&self) -> usize {
        self.place as usize
    }

    /// Whether client-kind keys may see its results.
    pub fn client_visible(&self) -> bool {
        self.slot.flag.client_visible
    }

    /// What it was compiled from.
    pub fn document(&self) -> &'r Read<Flag> {
        &self.slot.flag.document
    }

    /// How much a question about it tests at most, the flags that it requires gone into; 0 if no context can change
    /// its answer. Times the bytes of the context this is what a question takes, up to a factor.
    pub fn weight(&self) -> u64 {
        if self.slot.fixed.is_some() { 0 } else { self.slot.flag.weight_asked }
    }

    /// How many bytes the longest of its values takes as JSON, about: no answer for it has a longer one.
    pub fn longest_value(&self) -> u64 {
        self.slot.flag.longest_value
    }

    /// Answers for it, as [`Ruleset::evaluate`] does.
    #[inline]
    pub fn evaluate(&self, context: &Context) -> Resolution<'r> {
        self.answer(Asked { context, assignments: None })
    }

    #[inline]
    fn answer(&self, asked: Asked<'_>) -> Resolution<'r> {
        let flag = &*self.slot.flag;
        let answer = self.slot.fixed.unwrap_or_else(|| flag.answer(asked, &mut Nobody));
        Resolution::new(flag, answer, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::model::{Delta, Flag, Read};

    use super::*;

    fn flag() -> Arc<Read<Flag>> {
        let document =
            r#"{"kind": "boolean", "version": 1, "enabled": true, "variants": [], "default": null}"#;
        Arc::new(serde_json::from_str(document).unwrap())
    }

    fn ruleset(keys: &[&str]) -> Ruleset {
        let flags = keys.iter().map(|key| ((*key).to_owned(), flag())).collect();
        let snapshot = Snapshot { flags, ..Snapshot::empty("c0ffee", 7, "default", "development") };
        Ruleset::compile(&snapshot, &KeyLists::default())
    }

    #[test]
    fn flags_that_did_not_change_are_shared() {
        let before = ruleset(&["a", "b", "c"]);
        let flags = BTreeMap::from([("b".to_owned(), Some(flag()))]);
        let after = before.apply(&Delta { revision: 8, flags, ..Delta::default() }, &KeyLists::default());
        let shared: Vec<_> =
            before.flags.iter().zip(&*after.flags).map(|(a, b)| Arc::ptr_eq(&a.flag, &b.flag)).collect();
        assert_eq!(shared, [true, false, true]);
        assert_eq!((before.revision(), after.revision()), (7, 8));
    }

    #[test]
    fn keys_are_in_order_of_their_bytes() {
        let ruleset = ruleset(&["b", "B", "a:1", "a", "~", "a-1"]);
        let keys: Vec<_> = ruleset.flags().map(|flag| flag.key()).collect();
        assert_eq!(keys, ["B", "a", "a-1", "a:1", "b", "~"]);
        assert!(keys.iter().all(|key| ruleset.flag(key).is_some_and(|flag| flag.key() == *key)));
        assert!(ruleset.flag("c").is_none());
    }

    #[test]
    fn a_ruleset_is_asked_from_every_thread() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&ruleset(&["a"]));
    }
}
