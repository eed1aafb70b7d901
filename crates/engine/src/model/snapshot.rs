//! All flags of one environment at one revision, and what changed since.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Flag, List, Read, Segment};

/// The version of the document that this engine reads and writes.
pub const SCHEMA: u32 = 1;

/// A project's revision: one for each change, rising without gaps. 0 is "before the first change".
pub type Revision = u64;

/// All flags, segments and context lists of one environment at one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of this document's shape; a reader refuses one that it does not know.
    pub schema: u32,
    /// Names the database's history. Revisions of different epochs cannot be compared.
    pub epoch: String,
    /// The last change that affected this environment.
    pub revision: Revision,
    /// Key of the project.
    pub project: String,
    /// Key of the environment.
    pub environment: String,
    /// Context lists by key.
    #[serde(default)]
    pub lists: BTreeMap<String, Arc<Read<List>>>,
    /// Segments by key.
    #[serde(default)]
    pub segments: BTreeMap<String, Arc<Read<Segment>>>,
    /// Flags by key.
    pub flags: BTreeMap<String, Arc<Read<Flag>>>,
}

/// What changed: whole entities, `None` deletes. Applied at once, it makes the snapshot of `revision` out of
/// an earlier one. May merge several changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// The revision of the environment once this is applied.
    pub revision: Revision,
    /// Flags by key.
    #[serde(default)]
    pub flags: BTreeMap<String, Option<Arc<Read<Flag>>>>,
    /// Segments by key.
    #[serde(default)]
    pub segments: BTreeMap<String, Option<Arc<Read<Segment>>>>,
    /// Context lists by key.
    #[serde(default)]
    pub lists: BTreeMap<String, Option<Arc<Read<List>>>>,
}

impl Snapshot {
    /// A snapshot of nothing.
    pub fn empty(epoch: &str, revision: Revision, project: &str, environment: &str) -> Self {
        Self {
            schema: SCHEMA,
            epoch: epoch.to_owned(),
            revision,
            project: project.to_owned(),
            environment: environment.to_owned(),
            lists: BTreeMap::new(),
            segments: BTreeMap::new(),
            flags: BTreeMap::new(),
        }
    }

    /// The snapshot after `delta`: equal to the one fetched at its revision.
    pub fn apply(&mut self, delta: &Delta) {
        self.revision = delta.revision;
        merge(&mut self.flags, &delta.flags);
        merge(&mut self.segments, &delta.segments);
        merge(&mut self.lists, &delta.lists);
    }
}

fn merge<T: Clone>(entities: &mut BTreeMap<String, T>, changed: &BTreeMap<String, Option<T>>) {
    for (key, entity) in changed {
        match entity {
            Some(entity) => {
                entities.insert(key.clone(), entity.clone());
            }
            None => {
                entities.remove(key);
            }
        }
    }
}
