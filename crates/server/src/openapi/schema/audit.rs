//! The logs, and what is done with them.

use serde_json::Value;
use utoipa::ToSchema;

use super::{Actor, Entity};

/// An entry of the log.
#[derive(ToSchema)]
pub(crate) struct AuditEntry {
    /// Id of its chain: of its project, or all zeros for the instance.
    chain: String,
    revision: u64,
    #[schema(format = DateTime)]
    at: String,
    actor: Actor,
    source: String,
    address: Option<String>,
    /// Id of the access token that it was asked with; none for a session.
    token: Option<String>,
    #[schema(example = "toggle_flag")]
    action: String,
    /// What it was about; the first is the subject.
    entities: Vec<Entity>,
    /// The members that changed, the first 1,000.
    changes: Vec<EntryChange>,
    /// How many more there are.
    changes_left_out: u64,
    before: Option<Value>,
    after: Option<Value>,
    comment: Option<String>,
    /// The revision that it reverts, if it does.
    reverts: Option<u64>,
    /// Which of its texts were taken out.
    redacted: Vec<EntryText>,
    text_hashes: TextHashes,
    hash: String,
}

/// SHA-256 of the texts, in hex; zeros where there was none.
#[derive(ToSchema)]
pub(crate) struct TextHashes {
    before: String,
    after: String,
    comment: String,
}

/// How a log is exported.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum ExportFormat {
    Ndjson,
    Csv,
}

/// One of the texts of an entry.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum EntryText {
    Before,
    After,
    Comment,
}

/// A member that a change changed.
#[derive(ToSchema)]
pub(crate) struct EntryChange {
    #[schema(example = "configs.production.enabled")]
    path: String,
    /// What was there; `null` if nothing was.
    old: Value,
    /// What is there now; `null` if nothing is.
    new: Value,
}

/// What a revert did, or would do.
#[derive(ToSchema)]
pub(crate) struct Reverted {
    dry_run: bool,
    reverts: u64,
    /// The members that it sets back.
    changes: Vec<EntryChange>,
    /// The revision that it took; nothing if nothing changed.
    revision: Option<u64>,
}

/// Which texts to take out.
#[derive(ToSchema)]
pub(crate) struct RedactInput {
    texts: Vec<EntryText>,
}

/// What was taken out.
#[derive(ToSchema)]
pub(crate) struct Redacted {
    /// Of the entry that says so; `null` if there was nothing to take out.
    revision: Option<u64>,
}

/// An entry of the security log.
#[derive(ToSchema)]
pub(crate) struct SecurityEntry {
    revision: u64,
    /// When it first happened.
    #[schema(format = DateTime)]
    at: String,
    /// When it last happened.
    #[schema(format = DateTime)]
    last_at: String,
    /// How often.
    count: u64,
    #[schema(example = "sign_in_failed")]
    kind: String,
    actor: Option<Actor>,
    address: Option<String>,
    /// An e-mail, or the first characters of a key.
    subject: String,
    detail: String,
    hash: String,
}
