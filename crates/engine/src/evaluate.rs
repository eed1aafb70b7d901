//! The order in which a flag is asked: `docs/evaluation.md`, "Order".

use crate::answer::{Answer, Outcome, Place};
use crate::asked::Asked;
use crate::compiled::{Body, Compiled, Required, Serve, Split};
use crate::reason::ErrorCode;
use crate::trace::{Event, Listener};

/// A question asks no more distinct prerequisites than this.
pub(crate) const MOST_ASKED: usize = 64;

/// Answers of prerequisites to one question: each is asked once, however many ways lead to it.
struct Memo<'r> {
    known: [Option<(&'r Compiled, Answer)>; MOST_ASKED],
}

impl<'r> Memo<'r> {
    fn get(&self, flag: &Compiled) -> Option<Answer> {
        let known = self.known.iter().map_while(Option::as_ref);
        known.into_iter().find(|(other, _)| std::ptr::eq(*other, flag)).map(|(_, answer)| *answer)
    }

    /// What was compiled reaches no more flags than there is room for.
    fn keep(&mut self, flag: &'r Compiled, answer: Answer) {
        if let Some(free) = self.known.iter_mut().find(|known| known.is_none()) {
            *free = Some((flag, answer));
        }
    }
}

impl Compiled {
    #[inline]
    pub(crate) fn answer<'r>(&'r self, asked: Asked<'_>, listener: &mut impl Listener<'r>) -> Answer {
        listener.hear(|| Event::Asked(&self.key));
        let answer = match &self.body {
            Ok(body) if body.prerequisites.is_empty() || !body.on => body.answer(asked, self, listener),
            Ok(_) => self.answer_first_of_all(asked, listener),
            Err(fault) => Answer::error(fault.code),
        };
        listener.hear(|| Event::Answered(answer));
        answer
    }

    /// Apart, so that flags without prerequisites need no room for the answers of others.
    #[inline(never)]
    fn answer_first_of_all<'r>(&'r self, asked: Asked<'_>, listener: &mut impl Listener<'r>) -> Answer {
        self.answer_after_others(asked, &mut Memo { known: [None; MOST_ASKED] }, listener)
    }

    /// Goes no deeper than a chain of prerequisites may be long.
    fn answer_after_others<'r>(
        &'r self,
        asked: Asked<'_>,
        memo: &mut Memo<'r>,
        listener: &mut impl Listener<'r>,
    ) -> Answer {
        match &self.body {
            Ok(body) if body.on => {
                for (place, required) in body.prerequisites.iter().enumerate() {
                    listener.hear(|| Event::Prerequisite(place));
                    let answer = required.answer(asked, memo, listener);
                    let holds = answer.is_some_and(|answer| required.is_met_by(answer));
                    listener.hear(|| Event::Required { answer, holds });
                    if !holds {
                        return Answer::plain(body.off, Outcome::PrerequisiteFailed);
                    }
                }
                body.answer(asked, self, listener)
            }
            Ok(body) => body.answer(asked, self, listener),
            Err(fault) => Answer::error(fault.code),
        }
    }
}

impl Required {
    /// What the other flag answers; none if there is no such flag.
    fn answer<'r>(
        &'r self,
        asked: Asked<'_>,
        memo: &mut Memo<'r>,
        listener: &mut impl Listener<'r>,
    ) -> Option<Answer> {
        let flag = self.flag.as_deref()?;
        Some(memo.get(flag).unwrap_or_else(|| {
            listener.hear(|| Event::Asked(&flag.key));
            let answer = flag.answer_after_others(asked, memo, listener);
            listener.hear(|| Event::Answered(answer));
            memo.keep(flag, answer);
            answer
        }))
    }

    fn is_met_by(&self, answer: Answer) -> bool {
        answer.went_through() && answer.variant.is_some_and(|variant| self.variants.contains(&variant))
    }
}

impl Body {
    /// All but the prerequisites.
    #[inline]
    fn answer<'r>(&'r self, asked: Asked<'_>, flag: &Compiled, listener: &mut impl Listener<'r>) -> Answer {
        if !self.on {
            return Answer::plain(self.off, Outcome::Disabled);
        }
        if let Some(targets) = &self.targets {
            let target = asked.context.targeting_name().and_then(|key| targets.0.get(key));
            listener.hear(|| Event::Targets { hit: target.is_some() });
            if let Some(variant) = target {
                return Answer::plain(Some(*variant), Outcome::TargetingMatch);
            }
        }
        let held = self.steps.first_that_holds(asked, listener);
        let (serve, outcome, rule) = match held.and_then(|nth| self.rules.get(nth as usize)) {
            Some(rule) => (&rule.serve, Outcome::TargetingMatch, Some(rule.place)),
            None if self.is_static => (&self.default, Outcome::Static, None),
            None => (&self.default, Outcome::Default, None),
        };
        Answer { rule, ..serve.answer(asked, flag, outcome, listener) }
    }
}

impl Serve {
    /// `outcome` is the one of a variant, and of nothing in a variant's place.
    #[inline]
    fn answer<'r>(
        &'r self,
        asked: Asked<'_>,
        flag: &Compiled,
        outcome: Outcome,
        listener: &mut impl Listener<'r>,
    ) -> Answer {
        match self {
            Self::Nothing => Answer::plain(None, outcome),
            Self::Variant(variant) => Answer::plain(Some(*variant), outcome),
            Self::Split(split) => split.answer(asked, flag, listener),
        }
    }
}

impl Split {
    #[inline]
    fn answer<'r>(&'r self, asked: Asked<'_>, flag: &Compiled, listener: &mut impl Listener<'r>) -> Answer {
        let sticky = self.sticky.then_some(asked.assignments.is_some());
        let variant = match self.whole.or_else(|| self.assigned(asked, flag, listener)) {
            Some(variant) => Some(variant),
            None => self.unit.place(asked, listener).and_then(|place| {
                // The last share ends where the buckets end, so one is found.
                self.shares.iter().find(|share| place < share.end).map(|share| share.variant)
            }),
        };
        match variant {
            Some(_) => Answer::plain(variant, Outcome::Split { sticky }),
            None => Answer::error(ErrorCode::TargetingKeyMissing),
        }
    }

    /// The variant of an earlier assignment that still has weight.
    #[inline]
    fn assigned<'r>(
        &'r self,
        asked: Asked<'_>,
        flag: &Compiled,
        listener: &mut impl Listener<'r>,
    ) -> Option<Place> {
        if !self.sticky {
            return None;
        }
        let earlier = asked.assignments?.variant(&flag.key)?;
        let variants = &flag.document.known()?.variants;
        let place = Place::of(variants.iter().position(|variant| variant.key == earlier)?)?;
        let mut begin = 0;
        for share in &self.shares {
            if share.variant == place && share.end > begin {
                listener.hear(|| Event::Assigned);
                return Some(share.variant);
            }
            begin = share.end;
        }
        None
    }
}
