//! What an evaluation tells about itself, for who wants to know why.
//!
//! The evaluation is written once and tells a [`Listener`] each thing that it tries. The one that everybody
//! uses hears nothing and is compiled away; `explain` listens. So what is explained is what happened.

use crate::compile::Compiled;
use crate::context::Attribute;
use crate::evaluate::Answer;

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
    /// A flag is asked: the one in question, or a prerequisite.
    Asked(&'r Compiled),
    /// It has answered.
    Answered(Answer),
    /// A prerequisite is asked, by its place in the list; the flag's own events follow unless it is known.
    Prerequisite(usize),
    /// What it came to.
    PrerequisiteHolds(bool),
    /// The targets were looked through.
    Targets { hit: bool },
    /// A rule is tried, by its place in the document.
    Rule(u32),
    /// A condition's part was tested, by its place among them; see `Condition::parts`.
    Tested { part: usize, seen: Seen, holds: bool },
    /// A segment is asked; the events of its condition follow.
    Segment(&'r str),
    /// What it came to, and by what.
    SegmentHolds(Membership),
    /// A key found its bucket.
    Bucketed { key: String, place: u32 },
    /// An earlier assignment came before the bucket.
    Assigned,
}

/// What a test looked at.
#[derive(Debug)]
pub(crate) enum Seen {
    /// An attribute's value, or none.
    Attribute(Option<serde_json::Value>),
    /// A segment or a gate, which tell for themselves.
    Told,
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

impl Seen {
    pub(crate) fn attribute(attribute: Attribute<'_>) -> Self {
        Self::Attribute(attribute.to_value())
    }
}
