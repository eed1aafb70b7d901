//! What flags were asked for.

use utoipa::ToSchema;

/// How long the parts of time are that are counted apart; a day begins at midnight UTC.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum UsageStep {
    Minute,
    Hour,
    Day,
}

/// What a flag was asked for in a time.
#[derive(ToSchema)]
pub(crate) struct FlagUsage {
    environment: String,
    /// Where the first step begins.
    #[schema(format = DateTime)]
    from: String,
    /// Where the last one ends.
    #[schema(format = DateTime)]
    to: String,
    step: UsageStep,
    /// The minute, or after two days the hour, in which it was last evaluated, whatever time is asked for.
    #[schema(format = DateTime)]
    last_evaluated_at: Option<String>,
    /// By version, variant and reason, the most first; at most 1,000.
    totals: Vec<UsageTotal>,
    /// The steps in which it was evaluated, in order.
    points: Vec<UsagePoint>,
    /// Whether there are further steps: ask from the end of the last one on.
    has_more: bool,
    /// How many were first shown what in this time, by variant and version.
    exposures: Vec<Exposed>,
    /// Whether there were more than are counted: the first 1,000,000.
    more_exposures: bool,
}

/// Evaluations with one outcome.
#[derive(ToSchema)]
pub(crate) struct Evaluated {
    /// Null where the caller's own default held.
    variant: Option<String>,
    #[schema(example = "TARGETING_MATCH")]
    reason: String,
    /// At most 2^53 - 1.
    n: u64,
}

/// The same of one version.
#[derive(ToSchema)]
pub(crate) struct UsageTotal {
    /// Of the flag; 0 if it is not known.
    version: u64,
    /// Null where the caller's own default held.
    variant: Option<String>,
    #[schema(example = "TARGETING_MATCH")]
    reason: String,
    /// At most 2^53 - 1.
    n: u64,
}

/// What was counted in one step.
#[derive(ToSchema)]
pub(crate) struct UsagePoint {
    /// When it began.
    #[schema(format = DateTime)]
    at: String,
    counts: Vec<Evaluated>,
}

/// How many were first shown a variant of one version.
#[derive(ToSchema)]
pub(crate) struct Exposed {
    variant: String,
    version: u64,
    units: u64,
}
