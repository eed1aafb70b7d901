//! Environments.

use utoipa::ToSchema;

use super::Key;

/// An environment.
#[derive(ToSchema)]
pub(crate) struct Environment {
    id: String,
    key: String,
    name: String,
    description: String,
    #[schema(example = "#2e7d32")]
    color: String,
    /// Only admins may change it.
    protected: bool,
    /// Lower is first. No other one has it.
    position: i32,
    /// Revision of the last change to it, its flags' configs left aside.
    version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What may be written about an environment.
#[derive(ToSchema)]
pub(crate) struct EnvironmentInput {
    name: Option<String>,
    description: Option<String>,
    /// `#` and six hexadecimal digits.
    #[schema(example = "#2e7d32")]
    color: Option<String>,
    #[schema(nullable = false)]
    protected: Option<bool>,
    /// One that is there makes way, towards where this one comes from. -1000000000 to 1000000000.
    #[schema(nullable = false)]
    position: Option<i32>,
}

/// What may be written about a new environment.
#[derive(ToSchema)]
#[schema(example = json!({"key": "preview", "color": "#2e7d32", "copy_from": "staging"}))]
pub(crate) struct NewEnvironment {
    key: Key,
    name: Option<String>,
    description: Option<String>,
    color: Option<String>,
    #[schema(nullable = false)]
    protected: Option<bool>,
    /// Behind all others unless given. One that is there moves on. -1000000000 to 1000000000.
    #[schema(nullable = false)]
    position: Option<i32>,
    /// Key of the environment whose configs it begins with.
    copy_from: Option<String>,
}

/// All environments, in the order that they shall have.
#[derive(ToSchema)]
pub(crate) struct EnvironmentOrder {
    keys: Vec<String>,
}
