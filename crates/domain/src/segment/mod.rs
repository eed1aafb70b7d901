//! A segment: a named condition with keys that are in and keys that are out; one definition for its project, one
//! config for each environment.

mod change;
mod copy;
mod create;
mod history;
mod input;
mod key_set;
mod keys;
mod read;
mod undo;
mod upload;

use std::collections::BTreeSet;

use engine::model::{self, Condition, Keys, Operands, Read, Revision};
use serde::Serialize;
use serde_json::json;

use crate::id::Id;
use crate::key::Key;
use crate::time::Timestamp;

pub use copy::CopiedSegment;
pub(crate) use history::document_for_log;
pub use key_set::{Difference, KeySet};
pub use keys::{KeyStream, KeysChange, UploadMode};
pub use upload::{Upload, UploadFormat};

/// What a segment is, everywhere in its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its id.
    pub id: Id,
    /// The project it belongs to.
    pub project_id: Id,
    /// Its key; unique among the project's segments.
    pub key: Key,
    /// What people read.
    pub name: String,
    /// Whom it is meant to hold.
    pub description: String,
    /// Revision of the last change to this half.
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this half was last changed.
    pub updated_at: Timestamp,
}

/// Whom a segment holds in one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentConfig {
    /// The segment.
    pub segment_id: Id,
    /// The environment.
    pub environment_id: Id,
    /// Whom it holds besides the included keys; nobody without one. One that this version does not understand is kept
    /// word for word, as it travels.
    pub when: Option<Read<Condition>>,
    /// Targeting keys that it holds.
    pub included: Keys,
    /// Targeting keys that it does not hold, unless they are included.
    pub excluded: Keys,
    /// Revision of the last change to this half.
    pub version: Revision,
    /// When this half was last changed.
    pub updated_at: Timestamp,
}

/// A segment with its configs in all environments of its project.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentEverywhere {
    /// The definition.
    pub segment: Segment,
    /// One config for each environment.
    pub configs: Vec<SegmentConfig>,
}

/// A segment as one environment sees it: what the API shows, flat.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentHere {
    /// The definition.
    pub segment: Segment,
    /// The config in the environment that was asked for.
    pub config: SegmentConfig,
}

/// A segment in a list: how many keys there are, not which.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentSummary {
    /// The definition.
    pub segment: Segment,
    /// See [`SegmentConfig::when`].
    pub when: Option<Read<Condition>>,
    /// How many keys are included.
    pub included_count: u64,
    /// How many keys are excluded.
    pub excluded_count: u64,
    /// Revision of the last change to its config.
    pub version: Revision,
    /// When its config was last changed.
    pub updated_at: Timestamp,
}

/// One of the two lists of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyList {
    /// Keys that it holds.
    Included,
    /// Keys that it does not hold.
    Excluded,
}

impl KeyList {
    const BOTH: [Self; 2] = [Self::Included, Self::Excluded];

    /// Its name in documents and paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Included => "included",
            Self::Excluded => "excluded",
        }
    }
}

impl SegmentConfig {
    /// The keys of a list.
    pub fn keys(&self, list: KeyList) -> &Keys {
        match list {
            KeyList::Included => &self.included,
            KeyList::Excluded => &self.excluded,
        }
    }

    fn keys_mut(&mut self, list: KeyList) -> &mut Keys {
        match list {
            KeyList::Included => &mut self.included,
            KeyList::Excluded => &mut self.excluded,
        }
    }

    /// The document that travels to readers of the environment.
    pub fn document(&self) -> Read<model::Segment> {
        document(self.when.clone(), self.included.clone(), self.excluded.clone())
    }
}

/// The document that travels to readers: not understood, if its condition is not.
pub fn document(when: Option<Read<Condition>>, included: Keys, excluded: Keys) -> Read<model::Segment> {
    let when = match when {
        None => None,
        Some(Read::Known(when)) => Some(when),
        Some(Read::Unknown { raw, why }) => {
            let raw = json!({ "included": included, "excluded": excluded, "when": raw });
            return Read::Unknown { raw, why: format!("when: {why}") };
        }
    };
    Read::Known(model::Segment { included, excluded, when, needs: Vec::new() })
}

impl SegmentEverywhere {
    /// What an environment sees of it.
    pub fn here(mut self, environment_id: Id) -> Option<SegmentHere> {
        let index = self.configs.iter().position(|config| config.environment_id == environment_id)?;
        Some(SegmentHere { config: self.configs.swap_remove(index), segment: self.segment })
    }
}

impl SegmentHere {
    /// Changes whenever either half does, and never comes back.
    pub fn etag(&self) -> String {
        format!("\"{}.{}\"", self.config.version, self.segment.version)
    }

    /// As it stands after the change that made it.
    fn at_revision(mut self, revision: Revision) -> Self {
        self.segment.version = revision;
        self.config.version = revision;
        self
    }

    /// As it stands after the change that made it out of `before`: only what differs is new.
    fn stamped(mut self, before: &Self, revision: Revision, now: Timestamp) -> Self {
        if self.segment != before.segment {
            (self.segment.version, self.segment.updated_at) = (revision, now);
        }
        if self.config != before.config {
            (self.config.version, self.config.updated_at) = (revision, now);
        }
        self
    }
}

/// What a condition names: segments and lists, each by its key.
#[derive(Debug, Default, PartialEq, Eq)]
struct References {
    segments: BTreeSet<String>,
    lists: BTreeSet<String>,
}

impl References {
    /// As far as it is understood.
    fn of(condition: Option<&Read<Condition>>) -> Self {
        let mut references = Self::default();
        for (_, part) in condition.and_then(Read::known).map(Condition::parts).unwrap_or_default() {
            match part {
                Condition::Segment(key) => references.segments.insert(key.clone()),
                Condition::Leaf(leaf) => match &leaf.operands {
                    Operands::List(key) => references.lists.insert(key.clone()),
                    Operands::Values(_) => false,
                },
                _ => false,
            };
        }
        references
    }

    fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.lists.is_empty()
    }
}

/// The flat view, member by member in the order in which people read it.
#[derive(Serialize)]
struct SegmentView<'a> {
    id: Id,
    key: &'a Key,
    name: &'a str,
    description: &'a str,
    when: Option<&'a Read<Condition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    included: Option<&'a Keys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<&'a Keys>,
    included_count: u64,
    excluded_count: u64,
    version: Revision,
    segment_version: Revision,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Serialize for SegmentHere {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { segment, config } = self;
        SegmentView {
            id: segment.id,
            key: &segment.key,
            name: &segment.name,
            description: &segment.description,
            when: config.when.as_ref(),
            included: Some(&config.included),
            excluded: Some(&config.excluded),
            included_count: config.included.len(),
            excluded_count: config.excluded.len(),
            version: config.version,
            segment_version: segment.version,
            created_at: segment.created_at,
            updated_at: segment.updated_at.max(config.updated_at),
        }
        .serialize(serializer)
    }
}

impl Serialize for SegmentSummary {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let segment = &self.segment;
        SegmentView {
            id: segment.id,
            key: &segment.key,
            name: &segment.name,
            description: &segment.description,
            when: self.when.as_ref(),
            included: None,
            excluded: None,
            included_count: self.included_count,
            excluded_count: self.excluded_count,
            version: self.version,
            segment_version: segment.version,
            created_at: segment.created_at,
            updated_at: segment.updated_at.max(self.updated_at),
        }
        .serialize(serializer)
    }
}
