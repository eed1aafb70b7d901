//! Reading what people write about a flag: the long forms that travel, and the short ones that do not.
//!
//! A fault does not end the reading. What does not read is told, something harmless stands in its place, and the
//! rest is read and checked as if it were not there: an author is told everything at once.

mod config;
mod definition;

use engine::json::{At, Object, Violation, Violations};
use engine::model::{Kind, Variant};
use serde_json::Value;

use super::{Config, Flag, FlagHere};
use crate::condition::{ShortForms, check_numbers};
use crate::id::Id;
use crate::input::check_key;
use crate::log::ReadVersion;

pub(super) use definition::{read_new_kind, read_value, read_variant, sample};

pub(super) const MOST_VARIANTS: usize = 1_000;

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 6] = ["id", "version", "flag_version", "created_at", "updated_at", "problems"];

/// A flag in one environment while it is being written.
pub(super) struct Draft<'a> {
    pub flag: Flag,
    pub config: Config,
    /// The flag's configs in all environments, as far as an edit may look at them.
    pub configs: &'a [Config],
    /// The versions of those that it did look at.
    pub reads: Vec<ReadVersion>,
    /// Names rules that come without an id.
    pub new_id: &'a (dyn Fn() -> Id + Sync),
    /// Where the document used them.
    pub short_forms: ShortForms,
    /// Paths of what did not read, where what stands in its place would be found faulty.
    pub unread: Vec<String>,
    /// Where the document's members stand in the flag's own, if it is about a part of it alone.
    pub prefix: Option<String>,
    /// The key of a variant did not read: nobody can say which names are wrong.
    pub variants_unread: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(here: FlagHere, configs: &'a [Config], new_id: &'a (dyn Fn() -> Id + Sync)) -> Self {
        let FlagHere { flag, config } = here;
        let (short_forms, reads, unread) = (ShortForms::default(), Vec::new(), Vec::new());
        let (prefix, variants_unread) = (None, false);
        Self { flag, config, configs, reads, new_id, short_forms, unread, prefix, variants_unread }
    }

    /// Takes over the members that a document about an existing flag names, and keeps the others.
    pub(super) fn apply_change(&mut self, object: &Object<'_>, violations: &mut Violations) {
        check_key(&self.flag.key, "a flag", object, violations);
        let kind = kind_name(self.flag.kind);
        if let Some(at) = object.get("kind").filter(|at| at.value().as_str() != Some(kind)) {
            at.fault(
                violations,
                format_args!("a flag's kind never changes, and this one's is {kind:?}; make another flag"),
            );
        }
        self.apply(object, violations);
    }

    /// Takes over the members that a document names but for key and kind, and keeps the others.
    pub(super) fn apply(&mut self, object: &Object<'_>, violations: &mut Violations) {
        object.ignore(&READ_ONLY);
        object.ignore(&["key", "kind"]);
        self.apply_definition(object, violations);
        self.apply_config(object, violations);
        object.deny_unknown(violations);
    }

    /// The variant that a short form names, by its key or by its value.
    fn variant_named(&mut self, at: At<'_>, violations: &mut Violations) -> Option<String> {
        let by_key =
            at.value().as_str().filter(|text| self.flag.variants.iter().any(|one| one.key == **text));
        by_key.map(str::to_owned).or_else(|| self.variant_of(at, violations))
    }

    /// The variant with this value; one is made if there is none, except for a boolean flag.
    fn variant_of(&mut self, at: At<'_>, violations: &mut Violations) -> Option<String> {
        if let Some(key) = self.variant_with(at.value()) {
            return Some(key);
        }
        // A boolean flag has no more values than its variants give it.
        let fits = kind_of(at.value()) == Some(self.flag.kind) && self.flag.kind != Kind::Boolean;
        if !fits {
            let kind = kind_name(self.flag.kind);
            at.fault(
                violations,
                format_args!("must be a value of this {kind} flag, or the key of one of its variants"),
            );
            return None;
        }
        if self.flag.kind == Kind::Object {
            check_numbers(at.value(), &at.path(), violations);
        }
        let key = self.free_key();
        self.flag.variants.push(Variant { key: key.clone(), value: at.value().clone() });
        Some(key)
    }

    /// `default` for the first variant, then `v1`, `v2`…
    fn free_key(&self) -> String {
        let taken = |key: &String| self.flag.variants.iter().any(|variant| variant.key == *key);
        // Among one more name than there are variants, one is free.
        let names = (1..=self.flag.variants.len() + 1).map(|number| format!("v{number}"));
        let first = self.flag.variants.is_empty().then(|| "default".to_owned());
        first.into_iter().chain(names).find(|key| !taken(key)).unwrap_or_default()
    }

    pub(super) fn variant_with(&self, value: &Value) -> Option<String> {
        self.flag.variants.iter().find(|variant| variant.value == *value).map(|variant| variant.key.clone())
    }

    /// A violation of the flag's document as one of the document that was sent.
    pub(super) fn of_document(&self, mut violation: Violation) -> Violation {
        let own = self.prefix.as_ref().and_then(|prefix| violation.path.strip_prefix(prefix.as_str()));
        if let Some(own) = own {
            violation.path = own.trim_start_matches('.').to_owned();
        }
        violation
    }

    /// The flag as it would be.
    pub(super) fn here(&self) -> FlagHere {
        FlagHere { flag: self.flag.clone(), config: self.config.clone() }
    }
}

/// Each element of a list through `read`, in its place; `None` if it is no list.
fn each<T>(
    at: At<'_>,
    most: usize,
    violations: &mut Violations,
    mut read: impl FnMut(At<'_>, &mut Violations) -> T,
) -> Option<Vec<T>> {
    let list = at.list(violations, most)?;
    Some(list.iter().enumerate().map(|(index, element)| read(at.index(index, element), violations)).collect())
}

/// A kind's name in documents.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::String => "string",
        Kind::Number => "number",
        Kind::Object => "object",
    }
}

/// The kind that a value is of; nothing for `null`.
pub(super) fn kind_of(value: &Value) -> Option<Kind> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(Kind::Boolean),
        Value::String(_) => Some(Kind::String),
        Value::Number(_) => Some(Kind::Number),
        Value::Object(_) | Value::Array(_) => Some(Kind::Object),
    }
}
