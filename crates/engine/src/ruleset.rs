//! All flags of one environment at one revision, ready to be asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::answer::Answer;
use crate::compiled::Compiled;
use crate::context::Context;
use crate::evaluate::Asked;
use crate::json::Violation;
use crate::key_list::KeyLists;
use crate::link::{compile_flags, compile_segments};
use crate::lookup::{Lookup, Name};
use crate::model::{Delta, Flag, Read, Revision, SCHEMA, Snapshot};
use crate::resolution::{Assignments, Resolution};
use crate::surroundings::{Given, Lists, Mention, Paths, Segments, Surroundings};
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

    /// The ruleset after `delta`: what compiling the snapshot after `delta` would give. What it names and what
    /// depends on that is compiled, nothing else.
    #[must_use]
    pub fn apply(&self, delta: &Delta, key_lists: &KeyLists) -> Self {
        let lists = self.lists_after(delta);
        let changed_segments = self.segments_to_compile(delta);
        let paths = Paths::default();
        let given = Given { lists: &lists, key_lists: Some(key_lists), paths: &paths };
        let segments = self.segments_after(delta, &changed_segments, given);
        let flags = self.flags_after(delta, &changed_segments, &segments, given);
        let same_keys = flags.len() == self.flags.len()
            && flags.iter().zip(&*self.flags).all(|(one, other)| one.flag.key == other.flag.key);
        let places = if same_keys { Arc::clone(&self.places) } else { Arc::new(places(&flags)) };
        Self { revision: delta.revision, flags, places, segments, lists, ..self.clone() }
    }

    fn lists_after(&self, delta: &Delta) -> Arc<Lists> {
        if delta.lists.is_empty() {
            return Arc::clone(&self.lists);
        }
        let mut lists = Lists::clone(&self.lists);
        for (key, list) in &delta.lists {
            match list {
                Some(list) => lists.insert(key.clone(), Arc::clone(list)),
                None => lists.remove(key),
            };
        }
        Arc::new(lists)
    }

    /// The segments that `delta` names, and those that depend on what it names.
    fn segments_to_compile<'a>(&'a self, delta: &'a Delta) -> BTreeSet<&'a str> {
        let mut changed: BTreeSet<&str> = delta.segments.keys().map(String::as_str).collect();
        if changed.is_empty() && delta.lists.is_empty() {
            return changed;
        }
        let mentions: Vec<_> = self
            .segments
            .iter()
            .map(|(key, segment)| (key.as_str(), Mention::all_of_segment(&segment.document)))
            .collect();
        loop {
            let known = changed.len();
            for (key, mentions) in &mentions {
                let depends = mentions.iter().any(|mention| match mention {
                    Mention::Segment(key) => changed.contains(key),
                    Mention::List(key) => delta.lists.contains_key(*key),
                    Mention::Flag(_) => false,
                });
                if depends {
                    changed.insert(key);
                }
            }
            if changed.len() == known {
                return changed;
            }
        }
    }

    fn segments_after(&self, delta: &Delta, changed: &BTreeSet<&str>, given: Given<'_>) -> Arc<Segments> {
        if changed.is_empty() {
            return Arc::clone(&self.segments);
        }
        let document = |key: &str| match delta.segments.get(key) {
            Some(segment) => segment.as_ref(),
            None => self.segments.get(key).map(|segment| &segment.document),
        };
        let mut segments = Segments::clone(&self.segments);
        segments.retain(|key, _| !changed.contains(key.as_str()));
        compile_segments(&mut segments, changed.iter().copied(), document, given);
        Arc::new(segments)
    }

    fn flags_after(
        &self,
        delta: &Delta,
        changed_segments: &BTreeSet<&str>,
        segments: &Segments,
        given: Given<'_>,
    ) -> Arc<[Slot]> {
        let changed = self.flags_to_compile(delta, changed_segments);
        if changed.is_empty() {
            return Arc::clone(&self.flags);
        }
        let document = |key: &str| match delta.flags.get(key) {
            Some(flag) => flag.as_ref(),
            None => self.compiled(key).map(|flag| &flag.document),
        };
        let unchanged = |key: &str| self.compiled(key).filter(|_| !changed.contains(key)).cloned();
        let surroundings = Surroundings { given, segments, flags: &|_| None };
        let compiled = compile_flags(changed.iter().copied(), document, unchanged, surroundings);
        let mut compiled = compiled.into_iter().peekable();

        let mut flags = Vec::with_capacity(self.flags.len() + delta.flags.len());
        for slot in self.flags.iter().filter(|slot| !changed.contains(&*slot.flag.key)) {
            while let Some((_, new)) = compiled.next_if(|(key, _)| *key < &*slot.flag.key) {
                flags.push(Slot::from(new));
            }
            flags.push(slot.clone());
        }
        flags.extend(compiled.map(|(_, new)| Slot::from(new)));
        flags.into()
    }

    /// The flags that `delta` names, and those that depend on what it names.
    fn flags_to_compile<'a>(
        &'a self,
        delta: &'a Delta,
        changed_segments: &BTreeSet<&str>,
    ) -> BTreeSet<&'a str> {
        let mut changed: BTreeSet<&str> = delta.flags.keys().map(String::as_str).collect();
        let depends = |changed: &BTreeSet<&str>, flag: &Compiled| {
            flag.mentions().iter().any(|mention| match mention {
                Mention::Flag(key) => changed.contains(key),
                Mention::Segment(key) => changed_segments.contains(key),
                Mention::List(key) => delta.lists.contains_key(*key),
            })
        };
        let flags = self.flags.iter().map(|slot| &slot.flag);
        let naming: Vec<_> = flags.filter(|flag| flag.names_others).collect();
        loop {
            let known = changed.len();
            for flag in &naming {
                if !changed.contains(&*flag.key) && depends(&changed, flag) {
                    changed.insert(&flag.key);
                }
            }
            if changed.len() == known {
                return changed;
            }
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
        self.slot(key).map(|slot| Entry { slot, revision: self.revision })
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
        self.flags.iter().map(|slot| Entry { slot, revision: self.revision })
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
    revision: Revision,
}

impl<'r> Entry<'r> {
    /// Its key.
    pub fn key(&self) -> &'r str {
        &self.slot.flag.key
    }

    /// Whether client-kind keys may see its results.
    pub fn client_visible(&self) -> bool {
        self.slot.flag.client_visible
    }

    /// What it was compiled from.
    pub fn document(&self) -> &'r Read<Flag> {
        &self.slot.flag.document
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

    use crate::model::{Flag, Read};

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
