//! A part of a document that this reader may not understand.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A `T`, or what stood in its place: kept word for word, so that it can be passed on to readers that know
/// more, with the reason why this one does not.
#[derive(Debug, Clone, PartialEq)]
pub enum Read<T> {
    /// Understood.
    Known(T),
    /// Not understood: an unknown member, shape, operator or hash, or a value that cannot be parsed.
    Unknown {
        /// The JSON as it came.
        raw: Value,
        /// Why it was not understood.
        why: String,
    },
}

impl<T> Read<T> {
    /// The value, if it was understood.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// The value, or why it was not understood.
    pub fn as_result(&self) -> Result<&T, &str> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown { why, .. } => Err(why),
        }
    }
}

impl<T: Default> Default for Read<T> {
    fn default() -> Self {
        Self::Known(T::default())
    }
}

impl<T> From<T> for Read<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Value::deserialize(deserializer)?;
        // From a reference: the raw value is still needed when it does not read.
        Ok(match T::deserialize(&raw) {
            Ok(value) => Self::Known(value),
            Err(error) => Self::Unknown { why: error.to_string(), raw },
        })
    }
}

impl<T: Serialize> Serialize for Read<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(value) => value.serialize(serializer),
            Self::Unknown { raw, .. } => raw.serialize(serializer),
        }
    }
}
