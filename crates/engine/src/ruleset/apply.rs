//! The ruleset after a change: what the change names is compiled, and what depends on that; everything else is
//! shared with the ruleset before, which readers keep until they let go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Ruleset, Slot, places};
use crate::compiled::Compiled;
use crate::key_list::KeyLists;
use crate::link::{compile_flags, compile_segments};
use crate::mention::Mention;
use crate::model::Delta;
use crate::surroundings::{Given, Lists, Paths, Segments, Surroundings};

impl Ruleset {
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
}
