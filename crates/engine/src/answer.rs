//! What a flag has to say, by places in its document: six bytes, which travel in a register.

use std::num::NonZeroU16;

use crate::reason::{ErrorCode, Reason};

/// A place in a list of a document. Takes no room for its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(NonZeroU16);

impl Place {
    /// No list of what can be answered with is longer than this.
    pub(crate) const MOST: usize = u16::MAX as usize;

    /// The place of what stands at `index`; none beyond [`Place::MOST`].
    pub(crate) fn of(index: usize) -> Option<Self> {
        u16::try_from(index).ok()?.checked_add(1).and_then(NonZeroU16::new).map(Self)
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

/// What a flag has to say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answer {
    pub(crate) variant: Option<Place>,
    pub(crate) rule: Option<Place>,
    pub(crate) outcome: Outcome,
}

/// How it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Static,
    Default,
    TargetingMatch,
    /// Of a sticky one: whether an earlier assignment could have been taken.
    Split {
        sticky: Option<bool>,
    },
    Disabled,
    PrerequisiteFailed,
    Error(ErrorCode),
}

impl Answer {
    #[inline]
    pub(crate) fn plain(variant: Option<Place>, outcome: Outcome) -> Self {
        Self { variant, rule: None, outcome }
    }

    #[inline]
    pub(crate) fn error(code: ErrorCode) -> Self {
        Self::plain(None, Outcome::Error(code))
    }

    pub(crate) fn reason(self) -> Reason {
        match self.outcome {
            Outcome::Static => Reason::Static,
            Outcome::Default => Reason::Default,
            Outcome::TargetingMatch => Reason::TargetingMatch,
            Outcome::Split { .. } => Reason::Split,
            Outcome::Disabled => Reason::Disabled,
            Outcome::PrerequisiteFailed => Reason::PrerequisiteFailed,
            Outcome::Error(_) => Reason::Error,
        }
    }

    /// Whether it was a target, a rule or a default that answered.
    pub(crate) fn went_through(self) -> bool {
        !matches!(self.outcome, Outcome::Disabled | Outcome::PrerequisiteFailed | Outcome::Error(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_fits_in_a_register() {
        assert_eq!(size_of::<Option<Answer>>(), 6);
    }

    #[test]
    fn a_place_is_one_that_a_list_can_have() {
        assert_eq!(
            [0, 1, Place::MOST - 1].map(|index| Place::of(index).map(Place::index)),
            [Some(0), Some(1), Some(Place::MOST - 1)]
        );
        assert_eq!(Place::of(Place::MOST), None);
    }
}
