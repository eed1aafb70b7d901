//! The words in which a question is answered.

/// Why a value came out: `OpenFeature`'s words, and one of ours.
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
    /// Another flag did not answer what this one requires.
    PrerequisiteFailed,
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
            Self::PrerequisiteFailed => "PREREQUISITE_FAILED",
            Self::Error => "ERROR",
        }
    }
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
