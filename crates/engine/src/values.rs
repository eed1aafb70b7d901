//! The values that equality compares an attribute with, prepared so that a question parses none of them.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use serde_json::Value;

use crate::context::Attribute;
use crate::fold::Folded;
use crate::text::{self, Needle, folds_to, start};

/// Up to this many texts are compared one after the other; more are hashed.
const FEW: usize = 8;

/// What `equals`, `not_equals` and `in` compare with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    ignore_case: bool,
    texts: Texts,
    /// What the numbers among the values are: a text is compared with these.
    numbers: Numbers,
    /// What the numbers and the texts that spell one are: a number is compared with these.
    spelled_numbers: Numbers,
    booleans: Booleans,
    spelled_booleans: Booleans,
}

impl Values {
    /// Prepares texts, numbers and booleans; values of other types equal nothing.
    pub(crate) fn new(values: &[Value], ignore_case: bool) -> Self {
        let mut texts = Vec::with_capacity(values.len());
        let (mut numbers, mut spelled_numbers) = (Vec::new(), Vec::new());
        let (mut booleans, mut spelled_booleans) = (Booleans::default(), Booleans::default());
        for value in values {
            match Attribute::of(value) {
                Attribute::Text(text) => {
                    let mut folded = Folded::default();
                    texts.push(if ignore_case { folded.of(text).into() } else { text.into() });
                    spelled_numbers.extend(text::number(text));
                    spelled_booleans.extend(text::boolean(text));
                }
                Attribute::Number(number) => {
                    numbers.push(number);
                    spelled_numbers.push(number);
                }
                Attribute::Boolean(boolean) => {
                    booleans.extend([boolean]);
                    spelled_booleans.extend([boolean]);
                }
                Attribute::Missing | Attribute::List(_) | Attribute::Object => {}
            }
        }
        Self {
            ignore_case,
            texts: Texts::new(texts),
            numbers: Numbers::new(numbers),
            spelled_numbers: Numbers::new(spelled_numbers),
            booleans,
            spelled_booleans,
        }
    }

    /// The texts, if there is nothing else to compare with: no case to ignore, and no text that spells a number or a
    /// boolean. Itself otherwise.
    pub(crate) fn few_texts(self) -> Result<Box<[Needle]>, Self> {
        let plain = !self.ignore_case && self.spelled_numbers.0.is_empty() && !self.spelled_booleans.any();
        match self.texts {
            Texts::Few(texts) if plain => Ok(texts),
            texts => Err(Self { texts, ..self }),
        }
    }

    /// Whether one of them is the same as `element`; `None` if equality cannot read that.
    #[inline]
    pub(crate) fn have(&self, element: &Value) -> Option<bool> {
        match Attribute::of(element) {
            Attribute::Text(text) => self.have_text(text),
            Attribute::Number(number) => Some(self.spelled_numbers.have(number)),
            Attribute::Boolean(boolean) => Some(self.spelled_booleans.have(boolean)),
            Attribute::Missing | Attribute::List(_) | Attribute::Object => None,
        }
    }

    #[inline]
    fn have_text(&self, text: &str) -> Option<bool> {
        if self.texts.have(text, self.ignore_case) {
            return Some(true);
        }
        if self.booleans.any() && text::boolean(text).is_some_and(|boolean| self.booleans.have(boolean)) {
            return Some(true);
        }
        if self.numbers.0.is_empty() {
            return Some(false);
        }
        match text::number(text) {
            // Beyond a double's range it is no number that could be compared: it counts as missing.
            Some(number) if number.is_infinite() => None,
            Some(number) => Some(self.numbers.have(number)),
            None => Some(false),
        }
    }
}

/// Texts, folded where case is ignored.
#[derive(Debug, Clone, PartialEq)]
enum Texts {
    Few(Box<[Needle]>),
    // The hasher is fixed: the values are an author's, and what is compiled must not depend on chance.
    Many(HashSet<Box<str>, FixedState>),
}

impl Texts {
    fn new(texts: Vec<Box<str>>) -> Self {
        if texts.len() <= FEW {
            Self::Few(texts.into_iter().map(Needle::new).collect())
        } else {
            Self::Many(texts.into_iter().collect())
        }
    }

    #[inline]
    fn have(&self, text: &str, ignore_case: bool) -> bool {
        match self {
            Self::Few(texts) if ignore_case => texts.iter().any(|one| folds_to(text, one.text())),
            Self::Few(texts) => {
                let start = start(text);
                texts.iter().any(|one| one.is(text, start))
            }
            Self::Many(texts) if ignore_case => texts.contains(Folded::default().of(text)),
            Self::Many(texts) => texts.contains(text),
        }
    }
}

/// Finite doubles in ascending order, without −0.
#[derive(Debug, Clone, PartialEq)]
struct Numbers(Box<[f64]>);

impl Numbers {
    fn new(mut numbers: Vec<f64>) -> Self {
        numbers.retain(|number| number.is_finite());
        for number in &mut numbers {
            *number = unsigned_zero(*number);
        }
        numbers.sort_unstable_by(f64::total_cmp);
        Self(numbers.into_boxed_slice())
    }

    fn have(&self, number: f64) -> bool {
        let number = unsigned_zero(number);
        self.0.binary_search_by(|one| one.total_cmp(&number)).is_ok()
    }
}

/// −0 and 0 are one number, and two in the total order.
fn unsigned_zero(number: f64) -> f64 {
    number + 0.0
}

/// A set of booleans.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Booleans {
    yes: bool,
    no: bool,
}

impl Booleans {
    fn any(self) -> bool {
        self.yes || self.no
    }

    fn have(self, boolean: bool) -> bool {
        if boolean { self.yes } else { self.no }
    }
}

impl Extend<bool> for Booleans {
    fn extend<T: IntoIterator<Item = bool>>(&mut self, booleans: T) {
        for boolean in booleans {
            if boolean {
                self.yes = true;
            } else {
                self.no = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn have(values: &Value, element: &Value, ignore_case: bool) -> Option<bool> {
        let values = values.as_array().map_or_else(|| vec![values.clone()], Clone::clone);
        Values::new(&values, ignore_case).have(element)
    }

    #[test]
    fn equality_crosses_types_as_the_contract_says() {
        for (value, element, expected) in [
            (json!(1), json!(1.0), Some(true)),
            (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), Some(true)),
            (json!(0), json!(-0.0), Some(true)),
            (json!("-0"), json!(0), Some(true)),
            (json!("1"), json!(1), Some(true)),
            (json!(1), json!("1.0"), Some(true)),
            (json!("1"), json!("1.0"), Some(false)),
            (json!(1), json!(" 1"), Some(false)),
            (json!(1), json!("one"), Some(false)),
            (json!(1), json!("1e999"), None),
            (json!("1e999"), json!(1), Some(false)),
            (json!("1e999"), json!("1e999"), Some(true)),
            (json!(true), json!("TRUE"), Some(true)),
            (json!("False"), json!(false), Some(true)),
            (json!("yes"), json!(true), Some(false)),
            (json!(true), json!(1), Some(false)),
            (json!(1), json!(true), Some(false)),
            (json!("a"), json!("A"), Some(false)),
            (json!("a"), json!(null), None),
            (json!("a"), json!({}), None),
        ] {
            assert_eq!(have(&value, &element, false), expected, "{value} with {element}");
        }
        assert_eq!(have(&json!("Straße"), &json!("STRAßE"), true), Some(true));
    }

    #[test]
    fn many_values_answer_as_few_do() {
        let many: Vec<_> =
            (0..100).map(|n| json!(format!("Wert-{n}"))).chain((0..100).map(Value::from)).collect();
        let many = Value::from(many);
        for (element, exact, folded) in [
            (json!("Wert-99"), true, true),
            (json!("WERT-99"), false, true),
            (json!("Wert-100"), false, false),
            (json!(99), true, true),
            (json!("99.0"), true, true),
            (json!(99.5), false, false),
        ] {
            assert_eq!(have(&many, &element, false), Some(exact), "{element}");
            assert_eq!(have(&many, &element, true), Some(folded), "{element}");
        }
    }
}
