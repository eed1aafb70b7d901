//! Context fields: what the attributes of contexts mean, and the values that are known of them. These values are
//! the context list of the same key, which conditions may name instead of values of their own.

mod change;
mod input;
mod undo;

use engine::json::type_name;
use engine::model::Revision;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::Id;
use crate::key::Key;
use crate::time::Timestamp;

/// As much of a value as a message needs, in characters.
const MOST_SHOWN: usize = 40;

/// A context field of a project.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContextField {
    /// Its id.
    pub id: Id,
    /// The project it belongs to.
    #[serde(skip)]
    pub project_id: Id,
    /// The attribute that it describes; unique among the project's fields.
    pub key: Key,
    /// What people call it.
    pub name: String,
    /// What the attribute is.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// What people should know of it.
    pub description: String,
    /// Texts, numbers and booleans, each once, in the order in which they were added.
    pub values: Vec<Value>,
    /// Revision of the last change.
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What an attribute is: what people may write of it, not what applications must send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// A text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An instant: RFC 3339 text, or epoch milliseconds.
    Datetime,
    /// A version.
    Semver,
    /// An IP address.
    Ip,
    /// A list of values.
    List,
}

impl FieldKind {
    const ALL: [Self; 7] =
        [Self::String, Self::Number, Self::Boolean, Self::Datetime, Self::Semver, Self::Ip, Self::List];

    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Datetime => "datetime",
            Self::Semver => "semver",
            Self::Ip => "ip",
            Self::List => "list",
        }
    }

    /// Reads its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether an attribute of this kind may have the value, or for a list an element of it; else what is wrong.
    fn check(self, value: &Value) -> Result<(), String> {
        let is_of_type = match self {
            Self::String | Self::Semver | Self::Ip => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Datetime => value.is_string() || value.is_number(),
            Self::List => true,
        };
        if !is_of_type {
            let (name, given) = (self.name(), type_name(value));
            return Err(format!("must suit the type of the field, {name}, not {given}"));
        }
        let Some(text) = value.as_str() else { return Ok(()) };
        let (reads, right) = match self {
            Self::Semver => (engine::is_version(text), "a version, such as \"1.2.3\""),
            Self::Ip => (engine::is_address(text), "an IP address, such as \"192.0.2.1\" or \"2001:db8::1\""),
            Self::Datetime => (
                engine::is_instant(text),
                "an instant: RFC 3339 with an offset, such as \"2026-01-31T12:00:00Z\", or epoch milliseconds",
            ),
            _ => return Ok(()),
        };
        let given: String = text.chars().take(MOST_SHOWN).collect();
        if reads { Ok(()) } else { Err(format!("must be {right}, not {given:?}")) }
    }
}

impl ContextField {
    /// Changes whenever it does, and never comes back.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}
