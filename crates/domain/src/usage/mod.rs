//! What flags were asked for, shown and led to: counted evaluations, exposures, metrics.
//!
//! They come in batches, from SDKs and from the doors' own tally, and none of it is a change: no revision, no entry in
//! the log. Counts are kept by minute, after two days by hour; exposures and metrics as they are, for as long as an
//! operator wants.

mod keep;
mod read;
mod take;

use crate::id::Id;
use crate::time::Timestamp;

pub use keep::{Stretch, UsageKind, UsageRetention};
pub use read::{Evaluated, FlagUsage, MOST_POINTS, Point, Range, Shown, Step, StepCount, Total, UsageOf};
pub use take::{MOST_LATE, MOST_OLD, Receipt, Refused};

/// No count is greater: what would be stays there. The greatest whole number that every reader of JSON can tell from
/// the next.
pub const MOST_COUNT: u64 = (1 << 53) - 1;
/// A batch is remembered for so long, in milliseconds; sent again after that it would count twice.
pub const MEMORY: i64 = 24 * 60 * 60 * 1_000;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Minutes that are older become hours.
pub(crate) const IN_MINUTES: i64 = 48 * HOUR;

/// So many evaluations of a flag with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Key of the flag.
    pub flag: String,
    /// Key of the variant; empty if there was none.
    pub variant: String,
    /// Of the flag; 0 if it is not known.
    pub version: u64,
    /// OpenFeature's word.
    pub reason: String,
    /// How many; at least 1, at most [`MOST_COUNT`].
    pub n: u64,
    /// When the first was. All count in its minute.
    pub from: Timestamp,
    /// When the last was.
    pub to: Timestamp,
}

/// Somebody was given a variant by a split that is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// Key of the flag.
    pub flag: String,
    /// Key of the variant.
    pub variant: String,
    /// Of the flag.
    pub version: u64,
    /// Id of the rule that split; empty if it was the default.
    pub rule: String,
    /// What the split divides by, such as a user's id.
    pub unit: String,
    /// When.
    pub at: Timestamp,
}

/// Something was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// What.
    pub name: String,
    /// How much; a finite number.
    pub value: f64,
    /// Whose.
    pub unit: Option<String>,
    /// Key of a flag that it is about.
    pub flag: Option<String>,
    /// Key of the variant that was given.
    pub variant: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Evaluations.
    Count(Count),
    /// An exposure.
    Exposure(Exposure),
    /// A metric.
    Metric(Metric),
}

/// An event, and where it stands in its batch, from 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Where.
    pub place: usize,
    /// What.
    pub event: Event,
}

/// Events that come together, once.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBatch {
    /// Where they happened.
    pub environment_id: Id,
    /// As its sender names it: the same again is the same batch. 1 to 128 characters.
    pub id: String,
    /// When it was sent, by its sender's clock.
    pub sent_at: Timestamp,
    /// The events that can be taken.
    pub events: Vec<Sent>,
    /// How many more there were that nobody here knows.
    pub skipped: u64,
    /// How many more there were that are wrong.
    pub rejected: u64,
}

/// Evaluations of a flag with one outcome, within a minute or an hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// Key of the flag.
    pub flag: String,
    /// When the minute or hour began.
    pub at: Timestamp,
    /// Key of the variant; empty if there was none.
    pub variant: String,
    /// OpenFeature's word.
    pub reason: String,
    /// Of the flag; 0 if it is not known.
    pub version: u64,
}

/// A batch as a store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageBatch {
    /// Where it happened.
    pub environment_id: Id,
    /// Names it.
    pub id: String,
    /// When it came.
    pub at: Timestamp,
    /// How many of its events were taken.
    pub accepted: u64,
    /// How many nobody knew.
    pub skipped: u64,
    /// How many were wrong.
    pub rejected: u64,
    /// Evaluations by minute, in order.
    pub minutes: Vec<(Bucket, u64)>,
    /// Evaluations by hour, in order.
    pub hours: Vec<(Bucket, u64)>,
    /// Each flag, version and unit once, in order.
    pub exposures: Vec<Exposure>,
    /// Under ids of their own.
    pub metrics: Vec<(Id, Metric)>,
}
