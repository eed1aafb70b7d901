//! The shapes of segments and context fields.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Condition, Problem, Violation};

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
#[derive(ToSchema, Serialize, Deserialize)]
#[schema(value_type = Object, example = json!(["u1", "u2"]))]
pub(crate) struct Keys(Value);

/// What may be written about a segment. Only `key` is required, and only when it is made.
#[derive(ToSchema)]
#[schema(example = json!({"key": "beta", "when": {"attribute": "plan", "operator": "in", "value": "gold, platinum"}, "included": ["u1"]}))]
pub(crate) struct SegmentInput {
    key: Option<String>,
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
