//! Where a flag is raised or lowered: `development`, `staging`, `production`.

use serde::Serialize;

use crate::id::Id;
use crate::key::Key;
use crate::time::Timestamp;

/// An environment of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Its id.
    pub id: Id,
    /// The project it belongs to.
    #[serde(skip)]
    pub project_id: Id,
    /// Its key.
    pub key: Key,
    /// What people read.
    pub name: String,
    /// Only admins may change it.
    pub protected: bool,
    /// Where it stands in lists, from 0.
    pub position: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
