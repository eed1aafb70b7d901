//! What is done to a part of a flag, and to many flags.

use serde_json::Value;
use utoipa::ToSchema;

use super::{Flag, MemberChange};

/// A variant that is not there yet.
#[derive(ToSchema)]
pub(crate) struct NewVariant {
    #[schema(pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    key: String,
    /// Of the flag's kind.
    value: Value,
}

/// What may be written about a variant that is there.
#[derive(ToSchema)]
pub(crate) struct VariantInput {
    /// Never changes.
    #[schema(nullable = false)]
    key: Option<String>,
    /// Of the flag's kind.
    #[schema(nullable = false)]
    value: Option<Value>,
}

/// Keys of environments, and whether it is also copied if the flag is enabled.
#[derive(ToSchema)]
#[schema(example = json!({"from": "development", "to": "production"}))]
pub(crate) struct CopyFlagInput {
    from: String,
    to: String,
    /// `false` unless given.
    #[schema(nullable = false)]
    include_enabled: Option<bool>,
}

/// What a copy did, or would do.
#[derive(ToSchema)]
pub(crate) struct CopiedFlag {
    dry_run: bool,
    changes: Vec<MemberChange>,
    flag: Flag,
}

/// What is done to flags.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum BulkAction {
    Enable,
    Disable,
    Archive,
    Restore,
}

/// What is done to which flags.
#[derive(ToSchema)]
#[schema(example = json!({"action": "disable", "keys": ["new-checkout", "new-cart"]}))]
pub(crate) struct BulkInput {
    action: BulkAction,
    /// Each once.
    #[schema(min_items = 1, max_items = 1000)]
    keys: Vec<String>,
}

/// What a bulk change did, or would do.
#[derive(ToSchema)]
pub(crate) struct BulkDone {
    dry_run: bool,
    /// Keys of the flags that it changes.
    changed: Vec<String>,
    /// Keys of those that were so already.
    unchanged: Vec<String>,
    /// The revision that it took.
    revision: Option<u64>,
}
