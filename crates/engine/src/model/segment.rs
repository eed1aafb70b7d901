//! A reusable condition with keys that are in and keys that are out, and a context list.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::leaf::{MOST_VALUES, read_value};
use super::{Condition, MOST_NAME};
use crate::json::{At, Violations, deserialize};

/// More keys than this are not inside the document.
pub const MOST_INLINE_KEYS: usize = 10_000;
/// No list of a segment has more keys than this.
pub const MOST_KEYS: u64 = 1_000_000;

/// A segment in one environment. A member that it does not know makes it one that is not understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Segment {
    /// Targeting keys for whom it holds.
    pub included: Keys,
    /// Targeting keys for whom it does not, unless they are included.
    pub excluded: Keys,
    /// Whom it holds for besides; nobody else without one.
    pub when: Option<Condition>,
    /// Abilities that a reader must have to understand it.
    pub needs: Vec<String>,
}

/// Targeting keys: exact and case-sensitive, at most 256 bytes each, without control characters.
#[derive(Debug, Clone, PartialEq)]
pub enum Keys {
    /// Up to [`MOST_INLINE_KEYS`] of them.
    Inline(Vec<String>),
    /// A list that is fetched by its digest. Its bytes are the unique keys sorted by their UTF-8 bytes, each
    /// followed by `\n`.
    Blob {
        /// SHA-256 of the bytes, in lower-case hexadecimal.
        sha256: String,
        /// How many keys there are.
        count: u64,
    },
}

impl Default for Keys {
    fn default() -> Self {
        Self::Inline(Vec::new())
    }
}

impl Keys {
    /// How many there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(keys) => keys.len() as u64,
            Self::Blob { count, .. } => *count,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The digest of a list that is not inside.
    pub fn blob(&self) -> Option<&str> {
        match self {
            Self::Inline(_) => None,
            Self::Blob { sha256, .. } => Some(sha256),
        }
    }

    /// Reads keys, or the name of a blob.
    pub fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        if at.value().is_object() {
            return Self::read_blob(at, violations);
        }
        let keys = at.each(violations, MOST_INLINE_KEYS, |at, violations| {
            let key = at.text(violations)?;
            if !is_key(key) {
                at.fault(
                    violations,
                    format_args!("must have 1 to {MOST_NAME} bytes and no control characters"),
                );
                return None;
            }
            Some(key.to_owned())
        });
        keys.map(Self::Inline)
    }

    fn read_blob(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let sha256 = object.require(violations, "sha256").and_then(|at| {
            let digest = at.text(violations)?;
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if digest.len() != 64 || !digest.bytes().all(hex) {
                at.fault(violations, "must be a SHA-256 digest in 64 lower-case hexadecimal digits");
                return None;
            }
            Some(digest.to_owned())
        });
        let count = object.require(violations, "count").and_then(|at| {
            let count: u64 = at.whole(violations, "0 to 1000000")?;
            if count > MOST_KEYS {
                at.fault(violations, format_args!("a segment's list has at most {MOST_KEYS} keys"));
                return None;
            }
            Some(count)
        });
        object.deny_unknown(violations);
        Some(Self::Blob { sha256: sha256?, count: count? })
    }
}

/// Whether a text may be a targeting key in a list.
pub fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= MOST_NAME && !key.contains(char::is_control)
}

impl Segment {
    /// Reads the long form.
    pub fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        let object = at.object(violations)?;
        let included = object.optional(violations, "included", Keys::read);
        let excluded = object.optional(violations, "excluded", Keys::read);
        let when = object.optional(violations, "when", |at, violations| {
            if at.is_null() { Some(None) } else { Condition::read(at, violations).map(Some) }
        });
        let needs = object.optional(violations, "needs", |at, violations| {
            at.each(violations, 100, |at, violations| at.text(violations).map(str::to_owned))
        });
        object.deny_unknown(violations);
        Some(Self {
            included: included?.unwrap_or_default(),
            excluded: excluded?.unwrap_or_default(),
            when: when?.flatten(),
            needs: needs?.unwrap_or_default(),
        })
    }
}

/// A context list: the known values of a context field, for `in` and `not_in`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct List(pub Vec<Value>);

impl List {
    /// Reads a list of texts, numbers and booleans.
    pub fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        at.each(violations, MOST_VALUES, read_value).map(Self)
    }
}

impl<'de> Deserialize<'de> for Segment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, Self::read)
    }
}

impl Serialize for Segment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("included", &self.included)?;
        members.serialize_entry("excluded", &self.excluded)?;
        if let Some(when) = &self.when {
            members.serialize_entry("when", when)?;
        }
        if !self.needs.is_empty() {
            members.serialize_entry("needs", &self.needs)?;
        }
        members.end()
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, Self::read)
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self {
            Self::Inline(keys) => keys.serialize(serializer),
            Self::Blob { sha256, count } => {
                let mut members = serializer.serialize_map(Some(2))?;
                members.serialize_entry("sha256", sha256)?;
                members.serialize_entry("count", count)?;
                members.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, Self::read)
    }
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
