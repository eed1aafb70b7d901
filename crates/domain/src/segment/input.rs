//! Reading what people write about a segment.

use engine::json::{At, Object, Violation, Violations};
use engine::model::{Keys, MOST_INLINE_KEYS, Read};

use super::{KeyList, KeySet, SegmentHere};
use crate::condition::{ShortForms, read_condition};
use crate::error::{Error, Result};
use crate::input::{all_faults, read_description, read_name};

/// Members that answers carry and requests may send back; they mean nothing there.
const READ_ONLY: [&str; 8] = [
    "id",
    "version",
    "segment_version",
    "included_count",
    "excluded_count",
    "created_at",
    "updated_at",
    "problems",
];

/// What reading a document found besides its content.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) violations: Violations,
    short_forms: ShortForms,
}

impl Reading {
    /// Fails with everything that did not read, and everything that is wrong with what did.
    pub(super) fn finish(self, meaning: Vec<Violation>) -> Result<()> {
        let faults = all_faults(faults_in(self.violations), meaning, &self.short_forms, &[]);
        if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
    }

    /// When nothing read.
    pub(super) fn into_error(self) -> Error {
        Error::Invalid(faults_in(self.violations))
    }
}

fn faults_in(violations: Violations) -> Vec<Violation> {
    violations.into_result(None::<()>).err().unwrap_or_default()
}

/// Takes over the members that the document names, and keeps the others. The key is the caller's to read.
pub(super) fn apply(here: &mut SegmentHere, object: &Object<'_>, reading: &mut Reading) {
    let Reading { violations, short_forms } = reading;
    object.ignore(&READ_ONLY);
    object.ignore(&["key"]);
    if let Some(name) = object.get("name") {
        here.segment.name = read_name(name, violations);
    }
    if let Some(description) = object.get("description") {
        here.segment.description = read_description(description, violations);
    }
    if let Some(when) = object.get("when") {
        let read = |when| read_condition(when, short_forms, violations);
        here.config.when = (!when.is_null()).then_some(when).map(read).map(Read::Known);
    }
    for list in KeyList::BOTH {
        if let Some(keys) = object.get(list.name()) {
            let held = here.config.keys(list).clone();
            *here.config.keys_mut(list) = read_keys(keys, list, held, violations);
        }
    }
    object.deny_unknown(violations);
}

/// Keys themselves, or the name of the list that is held already: a large list is uploaded, and what GET answers
/// can be sent back.
fn read_keys(at: At<'_>, list: KeyList, held: Keys, violations: &mut Violations) -> Keys {
    if at.is_null() {
        return Keys::default();
    }
    let given = at.value().as_array().map_or(0, Vec::len);
    if given > MOST_INLINE_KEYS {
        let list = list.name();
        at.fault(
            violations,
            format_args!(
                "has {given} keys; at most {MOST_INLINE_KEYS} may be given here: upload more by PUT \
                 /api/v1/segments/{{key}}/{list}"
            ),
        );
        return held;
    }
    match Keys::read(at, violations) {
        Some(Keys::Inline(keys)) => keys.iter().collect::<KeySet>().to_keys(),
        Some(named) if named == held => held,
        Some(Keys::Blob { .. }) => {
            at.fault(
                violations,
                format_args!(
                    "names another list than the one it has; upload keys by PUT /api/v1/segments/{{key}}/{}",
                    list.name()
                ),
            );
            held
        }
        None => held,
    }
}
