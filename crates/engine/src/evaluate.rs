//! The order in which a flag is asked: `docs/evaluation.md`, "Order".

use crate::bucket;
use crate::compile::{Body, Compiled, Fault, Serve, Split};
use crate::context::Context;
use crate::model::Revision;
use crate::resolution::{Error, ErrorCode, Reason, Resolution};
use crate::text::NumberText;

impl Compiled {
    pub(crate) fn evaluate<'r>(&'r self, context: &Context, revision: Revision) -> Resolution<'r> {
        let answer = match &self.body {
            Ok(body) => body.answer(context),
            Err(Fault { code, details }) => Answer::error(Error { code: *code, details }),
        };
        let variant = answer.variant.and_then(|place| self.body.as_ref().ok()?.variants.get(place));
        Resolution {
            value: variant.map(|variant| &variant.value),
            variant: variant.map(|variant| variant.key.as_str()),
            reason: answer.reason,
            error: answer.error,
            rule: answer.rule,
            flag_version: self.version,
            revision,
        }
    }
}

/// What a flag's body has to say.
struct Answer<'r> {
    variant: Option<usize>,
    reason: Reason,
    error: Option<Error<'r>>,
    rule: Option<&'r str>,
}

impl Answer<'_> {
    fn plain(variant: Option<usize>, reason: Reason) -> Self {
        Self { variant, reason, error: None, rule: None }
    }
}

impl<'r> Answer<'r> {
    fn error(error: Error<'r>) -> Self {
        Self { variant: None, reason: Reason::Error, error: Some(error), rule: None }
    }
}

impl Body {
    fn answer(&self, context: &Context) -> Answer<'_> {
        if !self.on {
            return Answer::plain(self.off, Reason::Disabled);
        }
        if let Some(variant) = context.targeting_key().and_then(|key| self.targets.get(key)) {
            return Answer::plain(Some(*variant), Reason::TargetingMatch);
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.when.holds(context)) {
            return Answer { rule: Some(&rule.id), ..rule.serve.answer(context, Reason::TargetingMatch) };
        }
        let reason = if self.is_static { Reason::Static } else { Reason::Default };
        self.default.answer(context, reason)
    }
}

impl Serve {
    /// `reason` is the one of a variant, and of nothing in a variant's place.
    fn answer(&self, context: &Context, reason: Reason) -> Answer<'_> {
        match self {
            Self::Nothing => Answer::plain(None, reason),
            Self::Variant(variant) => Answer::plain(Some(*variant), reason),
            Self::Split(split) => match split.pick(context) {
                Ok(variant) => Answer::plain(variant, Reason::Split),
                Err(error) => Answer::error(error),
            },
        }
    }
}

impl Split {
    fn pick(&self, context: &Context) -> Result<Option<usize>, Error<'static>> {
        if self.whole.is_some() {
            return Ok(self.whole);
        }
        let place = if self.by.is_empty() {
            let key = context.targeting_key().ok_or(Error {
                code: ErrorCode::TargetingKeyMissing,
                details: "the context has no targetingKey, and the flag splits by it",
            })?;
            bucket::place(self.hash, &self.salt, key)
        } else {
            let mut attributes = self.by.iter().map(|path| context.attribute(path));
            let mut text = NumberText::default();
            let key = attributes
                .find(|attribute| attribute.is_key())
                .and_then(|attribute| attribute.key(&mut text));
            let key = key.ok_or(Error {
                code: ErrorCode::TargetingKeyMissing,
                details: "the context has none of the attributes that the flag splits by",
            })?;
            bucket::place(self.hash, &self.salt, key)
        };
        // The last share ends where the buckets end, so one is found.
        Ok(self.shares.iter().find(|share| place < share.end).map(|share| share.variant))
    }
}
