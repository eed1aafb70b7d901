//! Whether a flag may be as it was written: everything that is wrong with it, at once.

use std::sync::Arc;

use engine::json::{Violation, Violations};
use engine::model::{self, Read, Serve, Snapshot, Variant};
use tokio::task::spawn_blocking;

use super::input::{Draft, sample};
use super::references::references;
use super::{Config, FlagHere, document};
use crate::control::Control;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::input::all_faults;
use crate::log::ReadVersion;

/// What a flag was checked against.
pub(super) struct Checked {
    /// The flag, which may be so.
    pub here: FlagHere,
    /// The versions of what was looked at besides the flag.
    pub reads: Vec<ReadVersion>,
}

impl Control {
    /// Whether what a document said may be so, in an environment; `shape` is what did not read in it.
    pub(super) async fn check_draft(
        &self,
        draft: Draft<'_>,
        shape: Violations,
        environment: &Environment,
    ) -> Result<Checked> {
        let shape = shape.into_result(None::<()>).err().unwrap_or_default();
        let here = draft.here();
        let mut written = document(&here.flag, &here.config);
        if draft.variants_unread {
            add_missing_variants(&mut written);
        }
        let key = here.flag.key.to_string();
        let stands_alone = references(&here.config).is_empty() && !engine::weighs_on_others(&written);
        let (version, meaning) = if stands_alone {
            (None, check(Snapshot::empty("", 0, "", ""), &key, written))
        } else {
            // Before everything that it is the version of.
            let version = self.store.dependencies_version(environment.project_id).await?;
            let snapshot = self.load_snapshot(environment).await?;
            let checking = spawn_blocking(move || check(snapshot, &key, written));
            (Some(version), checking.await.map_err(|error| Error::Internal(error.into()))?)
        };
        let meaning = meaning.into_iter().map(|violation| draft.of_document(violation)).collect();
        let violations = all_faults(shape, meaning, &draft.short_forms, &draft.unread);
        if violations.is_empty() {
            let mut reads = draft.reads;
            reads.extend(version.map(|version| ReadVersion::Dependencies { version }));
            Ok(Checked { here, reads })
        } else {
            Err(Error::Invalid(violations))
        }
    }
}

/// What is wrong with a flag in a snapshot in which the others stand.
fn check(mut snapshot: Snapshot, key: &str, written: model::Flag) -> Vec<Violation> {
    snapshot.flags.insert(key.to_owned(), Arc::new(Read::Known(written)));
    engine::check_flag(&snapshot, key).err().unwrap_or_default()
}

/// The names of variants did not all read: those that are named may well be among them.
fn add_missing_variants(flag: &mut model::Flag) {
    let mut named: Vec<String> = flag.off_variant.clone().into_iter().collect();
    named.extend(flag.targets.known().into_iter().flatten().map(|target| target.variant.clone()));
    let serves = flag.rules.iter().filter_map(Read::known).map(|rule| &rule.serve);
    let serves = serves.chain(flag.default.known());
    named.extend(serves.flat_map(Serve::variants).map(str::to_owned));
    for key in named {
        if !flag.variants.iter().any(|variant| variant.key == key) {
            flag.variants.push(Variant { key, value: sample(flag.kind) });
        }
    }
}

/// Whether two views of a flag mean the same to whoever compiles them, but for whether it is raised.
pub(super) fn means_the_same(one: &FlagHere, other: &FlagHere) -> bool {
    let same_config = |one: &Config, other: &Config| {
        one.off_variant == other.off_variant
            && one.prerequisites == other.prerequisites
            && one.targets == other.targets
            && one.rules == other.rules
            && one.default == other.default
    };
    one.flag.variants == other.flag.variants && same_config(&one.config, &other.config)
}
