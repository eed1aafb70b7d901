//! What a question is answered with.

use std::fmt;

use serde_json::Value;

use crate::answer::{Answer, Outcome, Place};
use crate::compiled::{Compiled, Serve};
use crate::context::Context;
use crate::model::Revision;
use crate::reason::{ErrorCode, Reason};
use crate::text::NumberText;

/// The answer for one flag and one context. Borrows from the ruleset that gave it.
#[derive(Clone, Copy)]
pub struct Resolution<'r> {
    flag: Option<&'r Compiled>,
    answer: Answer,
    revision: Revision,
}

impl<'r> Resolution<'r> {
    #[inline]
    pub(crate) fn new(flag: &'r Compiled, answer: Answer, revision: Revision) -> Self {
        Self { flag: Some(flag), answer, revision }
    }

    pub(crate) fn not_found(revision: Revision) -> Self {
        Self { flag: None, answer: Answer::error(ErrorCode::FlagNotFound), revision }
    }

    /// The value; none where nothing is served or there is an error: the caller's own default holds.
    #[inline]
    pub fn value(&self) -> Option<&'r Value> {
        Some(&self.served()?.value)
    }

    /// The variant that the value belongs to; there exactly when the value is.
    #[inline]
    pub fn variant(&self) -> Option<&'r str> {
        Some(&self.served()?.key)
    }

    #[inline]
    fn served(&self) -> Option<&'r crate::model::Variant> {
        self.flag?.document.known()?.variants.get(self.answer.variant?.index())
    }

    /// Why it came out.
    pub fn reason(&self) -> Reason {
        self.answer.reason()
    }

    /// What went wrong; there exactly when the reason is [`Reason::Error`].
    pub fn error(&self) -> Option<Error<'r>> {
        let Outcome::Error(code) = self.answer.outcome else { return None };
        let fault = self.flag.and_then(|flag| flag.body.as_ref().err());
        let details = match code {
            ErrorCode::FlagNotFound => {
                "no flag has this key in this environment; flags are listed by their exact keys"
            }
            ErrorCode::TargetingKeyMissing => {
                "the flag splits by a key that the context lacks: the targetingKey, or what the split says under by"
            }
            ErrorCode::ParseError | ErrorCode::General => fault.map_or("", |fault| &*fault.details),
        };
        Some(Error { code, details })
    }

    /// Id of the rule that answered, if one did.
    pub fn rule(&self) -> Option<&'r str> {
        let rules = &self.flag?.document.known()?.rules;
        Some(&rules.get(self.answer.rule?.index())?.known()?.id)
    }

    /// Of a sticky split, whether earlier assignments were given to it; none of anything else.
    pub fn sticky(&self) -> Option<bool> {
        match self.answer.outcome {
            Outcome::Split { sticky } => sticky,
            _ => None,
        }
    }

    /// The variant's place among the flag's own, from 0; there exactly when the variant is.
    #[inline]
    pub fn variant_place(&self) -> Option<usize> {
        self.answer.variant.map(Place::index)
    }

    /// Hands the key that was divided by to `take`, if a split answered that is tracked and the context, which must be
    /// the one that was asked about, has one.
    #[inline]
    pub fn tracked_unit<T>(&self, context: &Context, take: impl FnOnce(&str) -> T) -> Option<T> {
        if !matches!(self.answer.outcome, Outcome::Split { .. }) {
            return None;
        }
        let Serve::Split(split) = self.flag?.body.as_ref().ok()?.served(self.answer)? else { return None };
        if !split.tracked {
            return None;
        }
        split.unit.key(context, &mut NumberText::default()).map(take)
    }

    /// Revision of the last change to the flag or its config; 0 for a flag that is not known.
    pub fn flag_version(&self) -> Revision {
        self.flag.map_or(0, |flag| flag.version)
    }

    /// Revision of the ruleset.
    pub fn revision(&self) -> Revision {
        self.revision
    }
}

impl fmt::Debug for Resolution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolution")
            .field("value", &self.value())
            .field("variant", &self.variant())
            .field("reason", &self.reason())
            .field("error", &self.error())
            .field("rule", &self.rule())
            .field("sticky", &self.sticky())
            .field("flag_version", &self.flag_version())
            .field("revision", &self.revision)
            .finish()
    }
}

impl PartialEq for Resolution<'_> {
    fn eq(&self, other: &Self) -> bool {
        let told = |one: &Self| (one.reason(), one.error().map(|error| error.code), one.sticky());
        told(self) == told(other)
            && self.value() == other.value()
            && self.variant() == other.variant()
            && self.rule() == other.rule()
            && self.flag_version() == other.flag_version()
            && self.revision == other.revision
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
