//! Who an account's owner is elsewhere.

use serde::Serialize;
use serde_json::{Value, json};

use crate::id::Id;
use crate::time::Timestamp;

/// Somebody, as a provider of identities knows them. An issuer gives no subject twice, and an e-mail may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// By what people name it.
    pub id: Id,
    /// The provider's own name: an URL, byte for byte as its tokens have it.
    pub issuer: String,
    /// Who it is there; at most [`Identity::MOST_SUBJECT`] characters.
    pub subject: String,
    /// Who it is here.
    #[serde(skip)]
    pub account_id: Id,
    /// When that was said.
    pub created_at: Timestamp,
}

impl Identity {
    /// No subject is longer (OpenID Connect Core, 2), in characters.
    pub const MOST_SUBJECT: usize = 255;

    /// What the log says of one that goes.
    pub(super) fn for_log(&self) -> Value {
        let Self { id, issuer, subject, .. } = self;
        json!({ "id": id, "issuer": issuer, "subject": subject })
    }

    /// Whether a text can be a subject.
    pub(super) fn is_subject(text: &str) -> bool {
        (1..=Self::MOST_SUBJECT).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    }
}
