//! Which segments a question may come by.

use std::collections::BTreeSet;

use super::Ruleset;
use crate::mention::Mention;

impl Ruleset {
    /// The segments that a question about a flag may ask: those that it names, the flags that it requires included,
    /// and those that these name, directly or not. None if there is no such flag. What is named and not there is
    /// among them.
    pub fn segments_of_flag(&self, key: &str) -> BTreeSet<&str> {
        let flags = self.compiled(key).map(|flag| flag.asked()).unwrap_or_default();
        let mentions = flags.into_iter().flat_map(|flag| Mention::all_of_flag(&flag.document));
        self.reached(mentions.filter_map(Mention::segment).collect())
    }

    /// The segments that a segment names, directly or not; it is among them only if it is on a circle.
    pub fn segments_of_segment(&self, key: &str) -> BTreeSet<&str> {
        self.reached(self.named_by_segment(key).collect())
    }

    fn named_by_segment(&self, key: &str) -> impl Iterator<Item = &str> {
        let mentions = self.segments.get(key).map(|segment| Mention::all_of_segment(&segment.document));
        mentions.into_iter().flatten().filter_map(Mention::segment)
    }

    fn reached<'a>(&'a self, mut waiting: Vec<&'a str>) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        while let Some(key) = waiting.pop() {
            if reached.insert(key) {
                waiting.extend(self.named_by_segment(key));
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::key_list::KeyLists;
    use crate::ruleset::Ruleset;

    #[test]
    fn segments_are_reached_through_segments_and_required_flags() {
        let flag = |segment: &str, required: &[&str]| {
            let required: Vec<_> =
                required.iter().map(|flag| json!({"flag": flag, "variants": ["on"]})).collect();
            let rule = json!({"id": "r", "when": {"not": {"segment": segment}}, "serve": {"variant": "on"}});
            json!({"kind": "boolean", "version": 1, "enabled": true, "rules": [rule], "default": null,
                "prerequisites": required, "variants": [{"key": "on", "value": true}]})
        };
        let names = |segment: &str| json!({"when": {"any": [{"segment": segment}]}});
        let document = json!({
            "schema": 1, "epoch": "e", "revision": 1, "project": "p", "environment": "dev",
            "segments": {"a": names("b"), "b": names("gone"), "c": {}, "d": names("e"), "e": names("d")},
            "flags": {"one": flag("a", &[]), "other": flag("c", &["one"]), "odd": flag("d", &[])},
        });
        let ruleset = Ruleset::compile(&serde_json::from_value(document).unwrap(), &KeyLists::default());
        for (key, reached) in [
            ("one", &["a", "b", "gone"][..]),
            ("other", &["a", "b", "c", "gone"]),
            ("odd", &["d", "e"]),
            ("gone", &[]),
        ] {
            assert_eq!(Vec::from_iter(ruleset.segments_of_flag(key)), reached, "{key}");
        }
        for (key, reached) in [("a", &["b", "gone"][..]), ("c", &[]), ("d", &["d", "e"]), ("gone", &[])] {
            assert_eq!(Vec::from_iter(ruleset.segments_of_segment(key)), reached, "{key}");
        }
    }
}
