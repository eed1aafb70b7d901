//! A flag that can be asked. Names, values and texts stay in its document; variants and rules are places there.

use std::sync::Arc;

use serde_json::Value;

use crate::answer::{Answer, Outcome, Place};
use crate::json::Violation;
use crate::lookup::Lookup;
use crate::mention::Mention;
use crate::model::{Flag, Read, Revision};
use crate::reason::ErrorCode;
use crate::steps::Steps;
use crate::unit::Unit;

/// A flag that can be asked.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) key: Arc<str>,
    pub(crate) version: Revision,
    pub(crate) client_visible: bool,
    /// What it was compiled from. Names, values and texts stay there.
    pub(crate) document: Arc<Read<Flag>>,
    /// It must be compiled anew when others are.
    pub(crate) names_others: bool,
    pub(crate) body: Result<Body, Fault>,
    /// How much there is to test in it at most, segments gone into, and one for itself.
    pub(crate) weight: u64,
    /// The same with all flags that it requires, and those that they require.
    pub(crate) weight_asked: u64,
    /// How many bytes the longest of its values takes as JSON, about.
    pub(crate) longest_value: u64,
    /// Why it does not compile, or why some of its rules never hold.
    pub(crate) problems: Box<[Violation]>,
}

/// Why a flag answers nothing.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: ErrorCode,
    pub(crate) details: Box<str>,
}

/// What a flag that compiled is made of, what is looked at first in front. Variants are named by their place in
/// the document.
#[derive(Debug, PartialEq)]
pub(crate) struct Body {
    /// Neither archived nor disabled.
    pub(crate) on: bool,
    /// It has nothing that could tell one context from another.
    pub(crate) is_static: bool,
    pub(crate) off: Option<Place>,
    pub(crate) prerequisites: Box<[Required]>,
    /// Most flags have none.
    pub(crate) targets: Option<Box<Targets>>,
    /// The conditions of all rules, in the order in which they are tried.
    pub(crate) steps: Steps,
    /// The rules of these conditions. Those that never hold are not among them.
    pub(crate) rules: Box<[Rule]>,
    pub(crate) default: Serve,
}

/// The variants of targeting keys that are given one by name.
#[derive(Debug, PartialEq)]
pub(crate) struct Targets(pub(crate) Lookup<Box<str>, Place>);

/// Another flag that must have answered with one of some variants.
#[derive(Debug)]
pub(crate) struct Required {
    /// None if there is no such flag.
    pub(crate) flag: Option<Arc<Compiled>>,
    pub(crate) variants: Box<[Place]>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Rule {
    /// Its place in the document.
    pub(crate) place: Place,
    pub(crate) serve: Serve,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Serve {
    Nothing,
    Variant(Place),
    Split(Box<Split>),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) shares: Box<[Share]>,
    /// The variant that has all the weight.
    pub(crate) whole: Option<Place>,
    pub(crate) unit: Unit,
    pub(crate) sticky: bool,
    /// Whether it is to be known who was given what.
    pub(crate) tracked: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Share {
    /// The first bucket that is no longer its own.
    pub(crate) end: u32,
    pub(crate) variant: Place,
}

impl PartialEq for Required {
    /// The other flag is compared where it stands itself.
    fn eq(&self, other: &Self) -> bool {
        let key = |required: &Self| required.flag.as_ref().map(|flag| Arc::clone(&flag.key));
        key(self) == key(other) && self.variants == other.variants
    }
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
            && self.document == other.document
            && self.body == other.body
            && self.problems == other.problems
    }
}

impl Compiled {
    /// The answer, if no context can change it.
    pub(crate) fn fixed(&self) -> Option<Answer> {
        match &self.body {
            Ok(body) => body.fixed(),
            Err(fault) => Some(Answer::error(fault.code)),
        }
    }

    /// With what it weighs, as far as it can be asked.
    pub(crate) fn weighed(mut self) -> Self {
        self.weight = self.body.as_ref().map_or(0, |body| body.steps.weight()).saturating_add(1);
        let is_alone = self.body.as_ref().is_ok_and(|body| body.prerequisites.is_empty());
        self.weight_asked = if is_alone {
            self.weight
        } else {
            self.asked().iter().map(|flag| flag.weight).fold(0, u64::saturating_add)
        };
        let variants = self.document.known().map(|flag| &*flag.variants).unwrap_or_default();
        self.longest_value =
            variants.iter().map(|variant| bytes_of(&variant.value)).max().unwrap_or_default();
        self
    }

    /// All flags that a question about it may ask, itself first, each once.
    pub(crate) fn asked(&self) -> Vec<&Self> {
        let mut asked = vec![self];
        let mut at = 0;
        while let Some(flag) = asked.get(at).copied() {
            let required = flag.body.as_ref().map_or(&[][..], |body| &body.prerequisites);
            for flag in required.iter().filter_map(|required| required.flag.as_deref()) {
                if !asked.iter().any(|known| std::ptr::eq(*known, flag)) {
                    asked.push(flag);
                }
            }
            at += 1;
        }
        asked
    }

    /// What it names.
    pub(crate) fn mentions(&self) -> Vec<Mention<'_>> {
        Mention::all_of_flag(&self.document)
    }
}

/// How many bytes a value takes as JSON, but for what must be escaped.
fn bytes_of(value: &Value) -> u64 {
    // Quotes, brackets; a colon and a comma.
    const AROUND: u64 = 2;
    // The longest there are: a short one takes as long to write.
    const NUMBER: u64 = 24;
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => NUMBER,
        Value::String(text) => text.len() as u64 + AROUND,
        Value::Array(values) => AROUND + values.iter().map(|value| bytes_of(value) + 1).sum::<u64>(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| name.len() as u64 + 2 * AROUND + bytes_of(value);
            AROUND + members.iter().map(member).sum::<u64>()
        }
    }
}

impl Body {
    /// What gave the answer, if it was a rule or the default.
    pub(crate) fn served(&self, answer: Answer) -> Option<&Serve> {
        match answer.rule {
            Some(place) => self.rules.iter().find(|rule| rule.place == place).map(|rule| &rule.serve),
            None => Some(&self.default),
        }
    }

    /// The answer, if no context can change it.
    fn fixed(&self) -> Option<Answer> {
        match self.default {
            _ if !self.on => Some(Answer::plain(self.off, Outcome::Disabled)),
            Serve::Variant(variant) if self.is_static => Some(Answer::plain(Some(variant), Outcome::Static)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_is_longer_than_it_is_taken_for() {
        for (value, times) in [
            (json!(null), 2),
            (json!(true), 2),
            (json!(-1.797_693_134_862_315_7e308), 1),
            (json!((0..1_000).collect::<Vec<_>>()), 7),
            (json!("some text"), 1),
            (json!([[], "two", {"three": [false, null]}]), 2),
            (json!({"b": {"c": "x".repeat(1_000)}, "d": vec!["y".repeat(100); 100]}), 1),
        ] {
            let (taken_for, written) = (bytes_of(&value), value.to_string().len() as u64);
            assert!(taken_for >= written, "{taken_for} for {written} of {value}");
            assert!(taken_for <= times * written + written / 10, "{taken_for} for {written} of {value}");
        }
    }
}
