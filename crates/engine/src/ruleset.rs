//! All flags of one environment at one revision, ready to be asked.

use std::sync::Arc;

use crate::compile::Compiled;
use crate::context::Context;
use crate::model::{Delta, Revision, Snapshot};
use crate::resolution::{Error, ErrorCode, Reason, Resolution};

/// A compiled snapshot: immutable, and cheap to clone and to derive the next one from, since flags that did
/// not change are shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruleset {
    revision: Revision,
    epoch: Arc<str>,
    project: Arc<str>,
    environment: Arc<str>,
    /// Ascending by the bytes of their keys.
    flags: Arc<[Arc<Compiled>]>,
}

impl Ruleset {
    /// Compiles a snapshot. A flag that does not compile answers an error, and the others live; see
    /// [`Ruleset::problems`]. Whether the snapshot's schema is one we know is for its reader to check.
    pub fn compile(snapshot: &Snapshot) -> Self {
        Self {
            revision: snapshot.revision,
            epoch: snapshot.epoch.as_str().into(),
            project: snapshot.project.as_str().into(),
            environment: snapshot.environment.as_str().into(),
            flags: snapshot.flags.iter().map(|(key, flag)| Arc::new(Compiled::new(key, flag))).collect(),
        }
    }

    /// The ruleset after `delta`: what compiling the snapshot after `delta` would give, and only the flags
    /// that it names are compiled.
    #[must_use]
    pub fn apply(&self, delta: &Delta) -> Self {
        let mut flags = Vec::with_capacity(self.flags.len() + delta.flags.len());
        let mut changes = delta
            .flags
            .iter()
            .map(|(key, flag)| (key.as_str(), flag.as_ref().map(|flag| Arc::new(Compiled::new(key, flag)))))
            .peekable();
        for flag in &*self.flags {
            while let Some((_, new)) = changes.next_if(|(key, _)| *key < &*flag.key) {
                flags.extend(new);
            }
            match changes.next_if(|(key, _)| *key == &*flag.key) {
                Some((_, new)) => flags.extend(new),
                None => flags.push(Arc::clone(flag)),
            }
        }
        flags.extend(changes.filter_map(|(_, new)| new));
        Self { revision: delta.revision, flags: flags.into(), ..self.clone() }
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
    pub fn flag(&self, key: &str) -> Option<Entry<'_>> {
        let place = self.flags.binary_search_by(|flag| (*flag.key).cmp(key)).ok()?;
        self.flags.get(place).map(|flag| Entry { flag, revision: self.revision })
    }

    /// Answers for one flag. Neither fails nor panics: what can go wrong is in the answer.
    pub fn evaluate<'r>(&'r self, key: &str, context: &Context) -> Resolution<'r> {
        self.flag(key).map_or(self.not_found(), |flag| flag.evaluate(context))
    }

    /// All flags, ascending by the bytes of their keys, to be chosen from before they are evaluated.
    pub fn flags(&self) -> impl Iterator<Item = Entry<'_>> {
        self.flags.iter().map(|flag| Entry { flag, revision: self.revision })
    }

    /// What is wrong with the flags that did not compile and with the rules that never hold, for the log: the
    /// flag's key and a sentence with a path.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &str)> {
        self.flags.iter().flat_map(|flag| flag.problems.iter().map(|problem| (&*flag.key, &**problem)))
    }

    fn not_found(&self) -> Resolution<'static> {
        let details = "no flag has this key in this environment; flags are listed by their exact keys";
        Resolution {
            value: None,
            variant: None,
            reason: Reason::Error,
            error: Some(Error { code: ErrorCode::FlagNotFound, details }),
            rule: None,
            flag_version: 0,
            revision: self.revision,
        }
    }
}

/// One flag of a [`Ruleset`].
#[derive(Debug, Clone, Copy)]
pub struct Entry<'r> {
    flag: &'r Compiled,
    revision: Revision,
}

impl<'r> Entry<'r> {
    /// Its key.
    pub fn key(&self) -> &'r str {
        &self.flag.key
    }

    /// Whether client-kind keys may see its results.
    pub fn client_visible(&self) -> bool {
        self.flag.client_visible
    }

    /// Answers for it, as [`Ruleset::evaluate`] does.
    pub fn evaluate(&self, context: &Context) -> Resolution<'r> {
        self.flag.evaluate(context, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::model::{Flag, Read, SCHEMA};

    use super::*;

    fn flag() -> Arc<Read<Flag>> {
        let document =
            r#"{"kind": "boolean", "version": 1, "enabled": true, "variants": [], "default": null}"#;
        Arc::new(serde_json::from_str(document).unwrap())
    }

    fn ruleset(keys: &[&str]) -> Ruleset {
        Ruleset::compile(&Snapshot {
            schema: SCHEMA,
            epoch: "c0ffee".to_owned(),
            revision: 7,
            project: "default".to_owned(),
            environment: "development".to_owned(),
            lists: BTreeMap::new(),
            segments: BTreeMap::new(),
            flags: keys.iter().map(|key| ((*key).to_owned(), flag())).collect(),
        })
    }

    #[test]
    fn flags_that_did_not_change_are_shared() {
        let before = ruleset(&["a", "b", "c"]);
        let flags = BTreeMap::from([("b".to_owned(), Some(flag()))]);
        let after = before.apply(&Delta { revision: 8, flags, ..Delta::default() });
        let shared: Vec<_> =
            before.flags.iter().zip(&*after.flags).map(|(one, other)| Arc::ptr_eq(one, other)).collect();
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
