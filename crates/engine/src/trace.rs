//! What an evaluation tells about itself, for who wants to know why.
//!
//! The evaluation is written once and tells a [`Listener`] each thing that it tries. The one that everybody
//! uses hears nothing and is compiled away; `explain` listens. So what is explained is what happened.

use crate::answer::Answer;
use crate::model::{self, Read};

/// Hears what is tried.
pub(crate) trait Listener<'r> {
    /// `event` is only made where somebody listens.
    fn hear(&mut self, event: impl FnOnce() -> Event<'r>);
}

/// Hears nothing.
pub(crate) struct Nobody;

impl<'r> Listener<'r> for Nobody {
    #[inline(always)]
    fn hear(&mut self, _: impl FnOnce() -> Event<'r>) {}
}

/// Something that was tried, in the order in which it happened.
#[derive(Debug)]
pub(crate) enum Event<'r> {
    /// A flag is asked, by its key: the one in question, or a prerequisite.
    Asked(&'r str),
    /// It has answered.
    Answered(Answer),
    /// A prerequisite is asked, by its place in the list; the flag's own events follow unless they were heard.
    Prerequisite(usize),
    /// What it came to; no answer if there is no such flag.
    Required { answer: Option<Answer>, holds: bool },
    /// The targets were looked through.
    Targets { hit: bool },
    /// The rules, or a segment's condition, were tested in one part: by its place among all parts of all rules
    /// that are tried, in the order in which they are; see `Condition::parts`.
    Tested {
        part: usize,
        /// Whether a comparison can read any of what stands where it looks.
        readable: bool,
        holds: bool,
    },
    /// A segment is asked; the events of its condition follow.
    Segment { key: &'r str, document: &'r Read<model::Segment> },
    /// What it came to, and by what.
    SegmentHolds(Membership),
    /// So many tests were made after those that were told.
    LeftOut(usize),
    /// A key found its bucket, for a gate or a split.
    Bucketed { by: Divider, key: String, place: u32 },
    /// An earlier assignment came before the bucket.
    Assigned,
}

/// What divides callers by their buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Divider {
    Gate,
    Split,
}

/// Why a segment holds, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    Included,
    Excluded,
    Condition(bool),
    /// It has no condition, and the key is in no list.
    NoCondition,
}

impl Membership {
    pub(crate) fn holds(self) -> bool {
        matches!(self, Self::Included | Self::Condition(true))
    }
}
