//! What of a flag is the same everywhere.

use engine::json::{At, Object, Violations};
use engine::model::{Kind, Variant};
use serde_json::{Value, json};

use super::super::{Lifecycle, Lifetime};
use super::{Draft, MOST_VARIANTS, each, kind_name, kind_of};
use crate::condition::check_numbers;
use crate::input::{or_empty, read_description, read_name};
use crate::time::Day;

const MOST_TAGS: usize = 100;
const MOST_TAG: usize = 64;

impl Draft<'_> {
    pub(super) fn apply_definition(&mut self, object: &Object<'_>, violations: &mut Violations) {
        if let Some(name) = object.get("name") {
            self.flag.name = read_name(name, violations);
        }
        if let Some(description) = object.get("description") {
            self.flag.description = read_description(description, violations);
        }
        if let Some(visible) = object.get("client_visible") {
            self.flag.client_visible = visible.boolean(violations).unwrap_or_default();
        }
        if let Some(owner) = object.get("owner") {
            let owner = read_name(owner, violations);
            self.flag.owner = (!owner.is_empty()).then_some(owner);
        }
        if let Some(variants) = object.get("variants") {
            self.apply_variants(variants, violations);
        }
        if let Some(tags) = object.get("tags") {
            let mut tags =
                or_empty(tags, violations, |at, violations| at.each(violations, MOST_TAGS, read_tag));
            tags.sort_unstable();
            tags.dedup();
            self.flag.tags = tags;
        }
        if let Some(lifecycle) = object.get("lifecycle") {
            self.apply_lifecycle(lifecycle, violations);
        }
        self.apply_lifetime(object, violations);
    }

    fn apply_variants(&mut self, at: At<'_>, violations: &mut Violations) {
        if at.is_null() {
            self.flag.variants = Vec::new();
            return;
        }
        let kind = self.flag.kind;
        let Some(variants) = each(at, MOST_VARIANTS, violations, |at, violations| {
            let (key, value) = read_variant(at, violations);
            (key, value.unwrap_or_else(|| sample(kind)))
        }) else {
            self.variants_unread = true;
            return;
        };
        self.variants_unread = variants.iter().any(|(key, _)| key.is_none());
        // In its place one that nobody can name, so that the others keep theirs.
        let unread = |index: usize| format!("variants[{index}]");
        let named = variants
            .into_iter()
            .enumerate()
            .map(|(index, (key, value))| Variant { key: key.unwrap_or_else(|| unread(index)), value });
        self.flag.variants = named.collect();
    }

    fn apply_lifecycle(&mut self, at: At<'_>, violations: &mut Violations) {
        let Some(word) = at.text(violations) else { return };
        if word == Lifecycle::ARCHIVED {
            self.flag.archived = true;
        } else if let Some(stage) = Lifecycle::parse(word) {
            (self.flag.lifecycle, self.flag.archived) = (stage, false);
        } else {
            at.fault(violations, "must be draft, active, deprecated or archived");
        }
    }

    /// An expected end makes a flag temporary; a permanent one has none.
    fn apply_lifetime(&mut self, object: &Object<'_>, violations: &mut Violations) {
        let kept = self.flag.lifetime;
        let temporary = object.get("temporary").and_then(|at| at.boolean(violations));
        let end = object.get("expected_end");
        let expected_end = match &end {
            Some(at) => read_end(*at, violations),
            None => kept.expected_end(),
        };
        let is_temporary = temporary.unwrap_or(kept.is_temporary() || expected_end.is_some());
        if !is_temporary && expected_end.is_some() {
            let message = "a permanent flag has no expected end; say \"expected_end\": null as well";
            violations.add(if end.is_some() { "expected_end" } else { "temporary" }, message);
        }
        self.flag.lifetime =
            if is_temporary { Lifetime::Temporary { expected_end } } else { Lifetime::Permanent };
    }
}

/// `null` is no day.
fn read_end(at: At<'_>, violations: &mut Violations) -> Option<Day> {
    if at.is_null() {
        return None;
    }
    let day = Day::parse(at.text(violations)?);
    if day.is_none() {
        at.fault(violations, Day::RULE);
    }
    day
}

/// The key and the value of a variant, each if it reads.
pub(in crate::flag) fn read_variant(
    at: At<'_>,
    violations: &mut Violations,
) -> (Option<String>, Option<Value>) {
    let Some(object) = at.object(violations) else { return (None, None) };
    let key = object.require(violations, "key").and_then(|at| at.text(violations)).map(str::to_owned);
    let value = object.require(violations, "value").map(|at| read_value(at, violations));
    object.deny_unknown(violations);
    (key, value)
}

/// The value of a variant.
pub(in crate::flag) fn read_value(at: At<'_>, violations: &mut Violations) -> Value {
    // Those of a number flag itself are looked at with all else that keeps it from compiling.
    if kind_of(at.value()) == Some(Kind::Object) {
        check_numbers(at.value(), &at.path(), violations);
    }
    at.value().clone()
}

/// Some value of a kind.
pub(in crate::flag) fn sample(kind: Kind) -> Value {
    match kind {
        Kind::Boolean => json!(false),
        Kind::String => json!(""),
        Kind::Number => json!(0),
        Kind::Object => json!({}),
    }
}

fn read_tag(at: At<'_>, violations: &mut Violations) -> Option<String> {
    let tag = at.text(violations)?;
    if tag.is_empty() || tag.len() > MOST_TAG || tag.chars().any(char::is_control) {
        at.fault(violations, format_args!("must have 1 to {MOST_TAG} bytes on one line"));
    }
    Some(tag.to_owned())
}

/// The kind of a new flag. Of one that does not say so in words that read, the kind that its values are of.
pub(in crate::flag) fn read_new_kind(object: &Object<'_>, violations: &mut Violations) -> Kind {
    let Some(at) = object.get("kind") else { return Kind::Boolean };
    let name = at.text(violations);
    let kind = [Kind::Boolean, Kind::String, Kind::Number, Kind::Object]
        .into_iter()
        .find(|kind| Some(kind_name(*kind)) == name);
    kind.unwrap_or_else(|| {
        if name.is_some() {
            at.fault(violations, "must be boolean, string, number or object");
        }
        let first = object.get("variants").and_then(|at| at.value().get(0)?.get("value"));
        let value = first.or_else(|| object.get("default_value").map(|at| at.value()));
        value.and_then(kind_of).unwrap_or(Kind::Boolean)
    })
}
