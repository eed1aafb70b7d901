//! The shapes of segments and context fields.

use serde_json::Value;
use utoipa::ToSchema;

use super::{Condition, Key, Problem, Violation};

/// A segment, as one environment sees it. A list of more than 10,000 keys is named by its digest and shown by
/// `GET /api/v1/segments/{key}/included` or `…/excluded`.
#[derive(ToSchema)]
pub(crate) struct Segment {
    id: String,
    key: String,
    name: String,
    description: String,
    /// Whom it holds besides the included keys.
    when: Option<Condition>,
    included: Keys,
    excluded: Keys,
    included_count: u64,
    excluded_count: u64,
    /// Revision of the last change to its config here.
    version: u64,
    /// Revision of the last change to its definition.
    segment_version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// What of it this node does not answer by as it was written; not there if all is well. See those of a flag.
    #[schema(nullable = false)]
    problems: Option<Vec<Violation>>,
}

/// A segment in a list.
#[derive(ToSchema)]
pub(crate) struct SegmentSummary {
    id: String,
    key: String,
    name: String,
    description: String,
    when: Option<Condition>,
    included_count: u64,
    excluded_count: u64,
    version: u64,
    segment_version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// What of it this node does not answer by as it was written; not there if all is well. See those of a flag.
    #[schema(nullable = false)]
    problems: Option<Vec<Violation>>,
}

/// Targeting keys, up to 10,000; or what names a larger list: `{"sha256", "count"}`.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(example = json!(["u1", "u2"]))]
pub(crate) enum Keys {
    These(Vec<String>),
    Named(NamedKeys),
}

/// A list of keys that is too large to be shown.
#[derive(ToSchema)]
pub(crate) struct NamedKeys {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    count: u64,
}

/// What may be written about a segment. Only `key` is required, and only when it is made.
#[derive(ToSchema)]
#[schema(example = json!({"key": "beta", "when": {"attribute": "plan", "operator": "in", "value": "gold, platinum"}, "included": ["u1"]}))]
pub(crate) struct SegmentInput {
    #[schema(nullable = false)]
    key: Option<Key>,
    name: Option<String>,
    description: Option<String>,
    when: Option<Condition>,
    included: Option<Keys>,
    excluded: Option<Keys>,
}

/// Which list of a segment.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum KeyList {
    Included,
    Excluded,
}

/// What becomes of the keys that are there.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum UploadMode {
    Replace,
    Add,
    Remove,
}

/// A line of an upload's answer, of which one member is there.
#[derive(ToSchema)]
pub(crate) struct UploadProgress {
    /// Unique keys that were read so far.
    keys_read: Option<u64>,
    segment: Option<Segment>,
    error: Option<Problem>,
}

/// Keys of environments.
#[derive(ToSchema)]
#[schema(example = json!({"from": "development", "to": "production"}))]
pub(crate) struct CopyInput {
    from: String,
    to: String,
}

/// One member that a copy changes.
#[derive(ToSchema)]
pub(crate) struct MemberChange {
    #[schema(example = "when")]
    path: String,
    /// What was there; of a list its count and digest.
    before: Option<Value>,
    /// What is there now; of a list also which keys came in and went, or how many if they are more than 1,000.
    after: Option<Value>,
}

/// What a copy did, or would do.
#[derive(ToSchema)]
pub(crate) struct CopiedSegment {
    dry_run: bool,
    changes: Vec<MemberChange>,
    segment: Segment,
}

/// What an attribute of contexts is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum FieldType {
    String,
    Number,
    Boolean,
    Datetime,
    Semver,
    Ip,
    List,
}

/// A context field. Its values are the context list of the same key.
#[derive(ToSchema)]
pub(crate) struct ContextField {
    id: String,
    /// The attribute that it describes.
    #[schema(example = "userTier")]
    key: String,
    /// What people call it.
    name: String,
    #[schema(rename = "type")]
    kind: FieldType,
    description: String,
    /// Texts, numbers and booleans; the first 100 in a list of fields.
    values: Vec<Value>,
    values_count: u64,
    /// Revision of the last change.
    version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What may be written about a context field. Only `key` is required, and only when it is made.
#[derive(ToSchema)]
#[schema(example = json!({"key": "userTier", "type": "string", "values": ["free", "premium"]}))]
pub(crate) struct ContextFieldInput {
    #[schema(nullable = false)]
    key: Option<String>,
    /// The key unless given.
    name: Option<String>,
    /// `string` unless given.
    #[schema(rename = "type", nullable = false)]
    kind: Option<FieldType>,
    description: Option<String>,
    values: Option<Vec<Value>>,
}

/// Values that come and values that go.
#[derive(ToSchema)]
pub(crate) struct ContextFieldValues {
    add: Option<Vec<Value>>,
    remove: Option<Vec<Value>>,
}
