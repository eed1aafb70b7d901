//! The shapes of bodies, for the API's document. The use cases read and write them; a test compares.
#![expect(dead_code, reason = "these types describe; `domain` reads and writes")]
#![expect(clippy::struct_field_names, reason = "the names are those of the documents")]

mod accounts;
mod audit;
mod environments;
mod flag_changes;
mod people;
mod sdk_keys;
mod segments;
mod usage;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use accounts::{
    AccessToken, Account, AccountRole, Credentials, FirstRole, Identity, Invited, MadeAccessToken,
    NewAccessToken, NewResetLink, NewServiceAccount, NewUser, OwnAccountInput, PasswordChange, PasswordReset,
    Refresh, Registration, ResetLink, ServiceAccount, ServiceAccountInput, Session, Setup, SetupStatus,
    SignIn, SigningKey, UserInput,
};
pub(crate) use audit::{AuditEntry, ExportFormat, RedactInput, Redacted, Reverted, SecurityEntry};
pub(crate) use environments::{Environment, EnvironmentInput, EnvironmentOrder, NewEnvironment};
pub(crate) use flag_changes::{BulkDone, BulkInput, CopiedFlag, CopyFlagInput, NewVariant, VariantInput};
pub(crate) use people::{
    Grant, NewGrant, NewInstanceGrant, NewProject, NewRole, NewTeam, Permission, Project, ProjectInput, Role,
    RoleInput, Team, TeamInput, TeamWithMembers,
};
pub(crate) use sdk_keys::{
    MadeSdkKey, NewSdkKey, RotatedSdkKey, Rotation, SdkKey, SdkKeyInput, SdkKeyKind, SdkKeyState,
};
pub(crate) use segments::{
    ContextField, ContextFieldInput, ContextFieldValues, CopiedSegment, CopyInput, KeyList, MemberChange,
    Segment, SegmentInput, SegmentSummary, UploadMode, UploadProgress,
};
pub(crate) use usage::{FlagUsage, UsageStep};

/// What something is called in paths; not `.` or `..`.
#[derive(ToSchema)]
#[schema(pattern = r"^(?!\.\.?$)[a-zA-Z0-9._~:|-]{1,256}$")]
pub(crate) struct Key(String);

/// A problem document (RFC 9457).
#[derive(ToSchema)]
pub(crate) struct Problem {
    #[schema(rename = "type", example = "urn:burgee:problem:invalid")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    /// Stable word for programs.
    #[schema(example = "invalid")]
    code: String,
    /// The plain message.
    error: String,
    /// Everything that is wrong with what was sent.
    violations: Option<Vec<Violation>>,
    /// What uses that which should go; the first 1,000 places.
    #[schema(nullable = false)]
    in_use_by: Option<Vec<Place>>,
}

/// A place where something is used.
#[derive(ToSchema)]
pub(crate) struct Place {
    /// What uses it: `flag`, `segment`; in an environment there may also be an `sdk_key`, and a team may own a `project`.
    #[schema(example = "flag")]
    kind: String,
    /// The key of what uses it; of an SDK key its id.
    key: String,
    /// Key of the project in which it does, where a team is used.
    #[schema(nullable = false)]
    project: Option<String>,
    /// Key of the environment in which it does, where it is used in one.
    #[schema(nullable = false)]
    environment: Option<String>,
    /// JSON path in it; empty for the whole of it.
    #[schema(example = "rules[0].when.all[1].segment")]
    path: String,
    /// The key of what is used: of the flag, variant, segment, context field or environment.
    names: String,
}

/// One thing that is wrong.
#[derive(ToSchema)]
pub(crate) struct Violation {
    /// JSON path.
    #[schema(example = "rules[0].when.values[1]")]
    path: String,
    message: String,
}

/// The type of a flag's values.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Kind {
    Boolean,
    String,
    Number,
    Object,
}

/// Where a flag is in its life. Only the last changes an answer.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Lifecycle {
    Draft,
    Active,
    Deprecated,
    Archived,
}

/// A named value.
#[derive(ToSchema)]
pub(crate) struct Variant {
    key: String,
    value: Value,
}

/// Targeting keys that are given one variant.
#[derive(ToSchema)]
pub(crate) struct Target {
    variant: String,
    keys: Vec<String>,
}

/// Another flag, and the variants of which it must have given one.
#[derive(ToSchema)]
pub(crate) struct Prerequisite {
    flag: String,
    variants: Vec<String>,
}

/// A condition and what to serve where it holds.
#[derive(ToSchema)]
pub(crate) struct Rule {
    id: String,
    /// Lower is tried first.
    priority: i32,
    when: Condition,
    serve: Serve,
}

/// `{"all": […]}`, `{"any": […]}`, `{"not": …}`, `{"segment": "key"}`,
/// `{"bucket": {"from"?, "to", "by"?, "hash"?, "salt"?}}` or
/// `{"attribute", "operator", "values" or "list", "ignore_case"?}`, in which `value` may stand for one of `values`, or
/// with `in` and `not_in` for a comma-separated text. Operators: `equals`, `not_equals`, `in`, `not_in`, `contains`,
/// `starts_with`, `ends_with`, `matches`, `gt`, `gte`, `lt`, `lte`, `before`, `after`, `semver`, `cidr`, `exists`.
#[derive(ToSchema, Serialize, Deserialize)]
#[schema(value_type = Object, example = json!({"attribute": "country", "operator": "in", "values": ["DE", "AT"]}))]
pub(crate) struct Condition(Value);

/// `{"variant": …}`, `{"split": [{"variant", "weight"}…], "by"?, "hash"?, "salt"?, "sticky"?, "track"?}` with
/// weights out of 100000, or `null`: serves nothing.
#[derive(ToSchema, Serialize, Deserialize)]
#[schema(value_type = Option<Object>, example = json!({"variant": "on"}))]
pub(crate) struct Serve(Value);

/// A flag, as one environment sees it.
#[derive(ToSchema)]
pub(crate) struct Flag {
    id: String,
    key: String,
    name: String,
    description: String,
    kind: Kind,
    variants: Vec<Variant>,
    tags: Vec<String>,
    /// Who looks after it.
    owner: Option<String>,
    lifecycle: Lifecycle,
    /// Whether it is meant to go some day.
    temporary: bool,
    /// The last day on which anybody should need it.
    #[schema(format = Date)]
    expected_end: Option<String>,
    /// Whether client-kind keys may see its results.
    client_visible: bool,
    enabled: bool,
    /// Served when it is not enabled.
    off_variant: Option<String>,
    prerequisites: Vec<Prerequisite>,
    targets: Vec<Target>,
    rules: Vec<Rule>,
    default: Serve,
    /// Revision of the last change to its config here.
    version: u64,
    /// Revision of the last change to its definition.
    flag_version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// What of it this node does not answer by as it was written; not there if all is well. What it does not understand
    /// comes of another version of the program, or of an edit of the database, for what is written is checked; and a
    /// segment may be asked as it was before until its new key list is here.
    #[schema(nullable = false)]
    problems: Option<Vec<Violation>>,
}

/// A rule as people may write it: `when` and `serve`, or `attribute`, `operator`, `value` and `variant` for a
/// comparison that ignores case.
#[derive(ToSchema)]
pub(crate) struct RuleInput {
    id: Option<String>,
    priority: Option<i32>,
    when: Option<Condition>,
    #[schema(nullable = false)]
    serve: Option<Serve>,
    attribute: Option<String>,
    operator: Option<String>,
    /// One value; for `in` and `not_in` a comma-separated text.
    value: Option<Value>,
    values: Option<Vec<Value>>,
    /// Key of a context list.
    list: Option<String>,
    ignore_case: Option<bool>,
    /// A variant's key, or its value.
    variant: Option<Value>,
}

/// What may be written about a flag. Only `key` is required, and only when it is made.
#[derive(ToSchema)]
#[schema(example = json!({"key": "new-checkout", "enabled": true, "rollout_percentage": 25}))]
pub(crate) struct FlagInput {
    #[schema(nullable = false)]
    key: Option<Key>,
    /// `boolean` unless given. Never changes.
    #[schema(nullable = false)]
    kind: Option<Kind>,
    name: Option<String>,
    description: Option<String>,
    variants: Option<Vec<Variant>>,
    tags: Option<Vec<String>>,
    owner: Option<String>,
    #[schema(nullable = false)]
    lifecycle: Option<Lifecycle>,
    #[schema(nullable = false)]
    temporary: Option<bool>,
    /// Makes it temporary.
    #[schema(format = Date)]
    expected_end: Option<String>,
    #[schema(nullable = false)]
    client_visible: Option<bool>,
    #[schema(nullable = false)]
    enabled: Option<bool>,
    off_variant: Option<String>,
    prerequisites: Option<Vec<Prerequisite>>,
    targets: Option<Vec<Target>>,
    /// Short for targets of a boolean flag's `true`.
    targeted_users: Option<Vec<String>>,
    rules: Option<Vec<RuleInput>>,
    #[schema(nullable = false)]
    default: Option<Serve>,
    /// Short for a default that serves this value.
    default_value: Option<Value>,
    /// Short for a split of a boolean flag: this share (three decimals) gets `true`.
    #[schema(nullable = false)]
    rollout_percentage: Option<f64>,
}

/// What a toggle may say.
#[derive(ToSchema)]
pub(crate) struct Toggle {
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// What a flag gave.
#[derive(ToSchema)]
pub(crate) struct Evaluation {
    value: Option<Value>,
    variant: Option<String>,
    #[schema(example = "TARGETING_MATCH")]
    reason: String,
    error_code: Option<String>,
}

/// Something that a change was about.
#[derive(ToSchema)]
pub(crate) struct Entity {
    kind: String,
    id: String,
    key: String,
}

/// Who made a change.
#[derive(ToSchema)]
pub(crate) struct Actor {
    id: String,
    name: Option<String>,
}
