//! What a question is answered with.

use serde_json::Value;

use crate::model::Revision;

/// The answer for one flag and one context. Borrows from the ruleset that gave it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolution<'r> {
    /// The value; none where nothing is served or there is an error: the caller's own default holds.
    pub value: Option<&'r Value>,
    /// The variant that the value belongs to; there exactly when the value is.
    pub variant: Option<&'r str>,
    /// Why it came out.
    pub reason: Reason,
    /// What went wrong; there exactly when the reason is [`Reason::Error`].
    pub error: Option<Error<'r>>,
    /// Id of the rule that answered, if one did.
    pub rule: Option<&'r str>,
    /// Revision of the last change to the flag or its config; 0 for a flag that is not known.
    pub flag_version: Revision,
    /// Revision of the ruleset.
    pub revision: Revision,
}

/// Why a value came out: `OpenFeature`'s words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The default, of a flag that can answer nothing else.
    Static,
    /// The default, after no target or rule had answered.
    Default,
    /// A target or a rule.
    TargetingMatch,
    /// A split: of a rule or of the default.
    Split,
    /// The flag is archived, or not enabled in this environment.
    Disabled,
    /// There is an error instead of a value.
    Error,
}

impl Reason {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Disabled => "DISABLED",
            Self::Error => "ERROR",
        }
    }
}

/// What went wrong with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error<'r> {
    /// What it is.
    pub code: ErrorCode,
    /// The same for people: what is wrong and what to do.
    pub details: &'r str,
}

/// What can go wrong with a question: `OpenFeature`'s words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// There is no such flag in this environment.
    FlagNotFound,
    /// This version cannot read the flag.
    ParseError,
    /// A split has no key to find a bucket with.
    TargetingKeyMissing,
    /// The flag exceeds a bound.
    General,
}

impl ErrorCode {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::ParseError => "PARSE_ERROR",
            Self::TargetingKeyMissing => "TARGETING_KEY_MISSING",
            Self::General => "GENERAL",
        }
    }
}
