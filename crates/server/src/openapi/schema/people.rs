//! Projects, teams, roles and grants, as the API's document has them.

use utoipa::ToSchema;

use super::Key;

/// Which changes must say why.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum CommentRequired {
    None,
    Protected,
    All,
}

/// A project.
#[derive(ToSchema)]
pub(crate) struct Project {
    id: String,
    #[schema(example = "shop")]
    key: String,
    name: String,
    description: String,
    /// Key of the team that looks after it.
    team: Option<String>,
    comment_required: CommentRequired,
    version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A new project.
#[derive(ToSchema)]
pub(crate) struct NewProject {
    #[schema(example = "shop")]
    key: Key,
    name: Option<String>,
    description: Option<String>,
    /// Key of the team that looks after it.
    team: Option<String>,
    /// `none` unless given: see changing a project.
    #[schema(nullable = false)]
    comment_required: Option<CommentRequired>,
}

/// What may be changed of a project.
#[derive(ToSchema)]
pub(crate) struct ProjectInput {
    name: Option<String>,
    description: Option<String>,
    /// Key of the team that looks after it; `null` takes it from all.
    team: Option<String>,
    /// Which changes must say why, by the header `Burgee-Comment`: `none`, those that reach a `protected` environment
    /// (definitions reach all of them), or `all`.
    #[schema(nullable = false)]
    comment_required: Option<CommentRequired>,
}

/// A team.
#[derive(ToSchema)]
pub(crate) struct Team {
    id: String,
    #[schema(example = "payments")]
    key: String,
    name: String,
    description: String,
    version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A team and who is in it.
#[derive(ToSchema)]
pub(crate) struct TeamWithMembers {
    #[schema(inline)]
    #[serde(flatten)]
    team: Team,
    /// By e-mail.
    members: Vec<Member>,
    owns: Owns,
}

/// What a team looks after, as far as the caller may see the projects.
#[derive(ToSchema)]
pub(crate) struct Owns {
    /// Keys of projects, the first 1,000.
    projects: Vec<String>,
    /// In which projects flags have the owner `team:KEY`, the first 1,000.
    flags: Vec<FlagsOwned>,
}

/// Flags of a project that a team looks after.
#[derive(ToSchema)]
pub(crate) struct FlagsOwned {
    /// The project's key.
    project: String,
    /// How many flags.
    count: u64,
}

/// Someone in a team.
#[derive(ToSchema)]
pub(crate) struct Member {
    id: String,
    /// Or a service account's name.
    email: String,
    name: String,
}

/// A new team.
#[derive(ToSchema)]
pub(crate) struct NewTeam {
    #[schema(example = "payments")]
    key: Key,
    name: Option<String>,
    description: Option<String>,
}

/// What may be changed of a team.
#[derive(ToSchema)]
pub(crate) struct TeamInput {
    name: Option<String>,
    description: Option<String>,
}

/// A role. One that is built in has no id, version and times.
#[derive(ToSchema)]
pub(crate) struct Role {
    id: Option<String>,
    #[schema(example = "release-manager")]
    key: String,
    name: String,
    description: String,
    #[schema(example = json!(["project.read", "flag.update@production"]))]
    permissions: Vec<String>,
    built_in: bool,
    version: Option<u64>,
    #[schema(format = DateTime)]
    created_at: Option<String>,
    #[schema(format = DateTime)]
    updated_at: Option<String>,
}

/// A new role.
#[derive(ToSchema)]
pub(crate) struct NewRole {
    #[schema(example = "release-manager")]
    key: Key,
    name: Option<String>,
    description: Option<String>,
    #[schema(example = json!(["project.read", "flag.update@production"]))]
    permissions: Option<Vec<String>>,
}

/// What may be changed of a role.
#[derive(ToSchema)]
pub(crate) struct RoleInput {
    name: Option<String>,
    description: Option<String>,
    #[schema(example = json!(["project.read", "flag.update@production"]))]
    permissions: Option<Vec<String>>,
}

/// A word of which roles are made.
#[derive(ToSchema)]
pub(crate) struct Permission {
    #[schema(example = "flag.update")]
    name: String,
    /// `instance`, `project` or `environment`.
    level: String,
}

/// A role that somebody has. Either `account` or `team` is there.
#[derive(ToSchema)]
pub(crate) struct Grant {
    id: String,
    account: Option<Holder>,
    team: Option<Holder>,
    #[schema(example = "developer")]
    role: String,
    /// Key of the project that it holds in; in all of them without one.
    project: Option<String>,
    /// Key of the environment that it holds in; in all of them without one.
    environment: Option<String>,
    created_by: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Who has it.
#[derive(ToSchema)]
pub(crate) struct Holder {
    id: String,
    /// E-mail, a service account's name, or a team's key.
    name: String,
}

/// A role for somebody on the instance. One of `account` and `team` must be there.
#[derive(ToSchema)]
pub(crate) struct NewInstanceGrant {
    /// Id, e-mail, or a service account's name.
    #[schema(nullable = false)]
    account: Option<String>,
    /// A team's key.
    #[schema(nullable = false)]
    team: Option<String>,
    #[schema(example = "viewer")]
    role: String,
}

/// A role for somebody in a project. One of `account` and `team` must be there.
#[derive(ToSchema)]
pub(crate) struct NewGrant {
    /// Id, e-mail, or a service account's name.
    #[schema(nullable = false)]
    account: Option<String>,
    /// A team's key.
    #[schema(nullable = false)]
    team: Option<String>,
    #[schema(example = "developer")]
    role: String,
    /// Key of an environment; without it in all of them.
    environment: Option<String>,
}
