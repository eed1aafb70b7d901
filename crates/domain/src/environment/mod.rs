//! Where a flag is raised or lowered: `development`, `staging`, `production`.

mod color;
mod input;
mod manage;
mod position;
mod remove;
mod undo;

use engine::model::Revision;
use serde::Serialize;
use serde_json::{Value, json};

use crate::id::Id;
use crate::key::Key;
use crate::time::Timestamp;

pub use color::Color;
pub(crate) use input::{read_place, read_places};

/// An environment of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Its id.
    pub id: Id,
    /// The project it belongs to.
    #[serde(skip)]
    pub project_id: Id,
    /// Its key; never changes.
    pub key: Key,
    /// What people read.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What people tell it by.
    pub color: Color,
    /// Only admins may change it.
    pub protected: bool,
    /// Where it stands in lists: lower is first. No other one stands there.
    pub position: i32,
    /// Revision of the last change to it, its flags' configs left aside.
    pub version: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, its flags' configs left aside.
    pub updated_at: Timestamp,
}

impl Environment {
    /// Changes whenever it does, and never comes back.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// As the log keeps it: without what the log entry itself says.
    fn for_log(&self) -> Value {
        json!({
            "key": self.key, "name": self.name, "description": self.description, "color": self.color,
            "protected": self.protected, "position": self.position,
        })
    }
}
