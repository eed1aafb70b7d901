//! Text as the contract compares it, and the ways between texts and the other types.

use crate::fold::{Folded, fold};

/// How a text begins: its first eight bytes, filled up with zeros. Most texts differ there already, and many
/// names are no longer.
#[inline]
pub(crate) fn start(text: &str) -> u64 {
    match text.as_bytes().first_chunk::<8>() {
        Some(first) => u64::from_le_bytes(*first),
        None => text.bytes().rev().fold(0, |start, byte| (start << 8) | u64::from(byte)),
    }
}

/// Whether two texts are the same, their starts being known.
#[inline]
pub(crate) fn same(start: u64, text: &str, other_start: u64, other: &str) -> bool {
    start == other_start && text.len() == other.len() && (text.len() <= 8 || text == other)
}

/// Whether two texts are the same: up to 16 bytes, which most names have, without a call.
#[inline]
pub(crate) fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    match (one.first_chunk::<8>(), one.last_chunk::<8>()) {
        // The two halves may overlap.
        (Some(front), Some(back)) if one.len() <= 16 => {
            one.len() == other.len() && other.starts_with(front) && other.ends_with(back)
        }
        _ => one == other,
    }
}

/// Whether a text, folded, is `folded`.
pub(crate) fn folds_to(text: &str, folded: &str) -> bool {
    if text.is_ascii() {
        // What is folded has no upper case left that this could overlook.
        return text.eq_ignore_ascii_case(folded);
    }
    text.chars().map(fold).eq(folded.chars())
}

/// A text that others are searched for: how it begins, and all of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Needle {
    start: u64,
    text: Box<str>,
}

impl Needle {
    pub(crate) fn new(text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        Self { start: start(&text), text }
    }

    /// Whether it is the same as `text`, which begins with `text_start`.
    #[inline]
    pub(crate) fn is(&self, text: &str, text_start: u64) -> bool {
        same(self.start, &self.text, text_start, text)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it may stand in front of a text that begins with `text_start`, as far as that tells.
    #[inline]
    fn may_begin(&self, text_start: u64) -> bool {
        let unseen =
            64_u32.saturating_sub(u32::try_from(self.text.len()).map_or(64, |bytes| bytes.saturating_mul(8)));
        // What was shifted out of sight altogether says nothing against it.
        (self.start ^ text_start).checked_shl(unseen).is_none_or(|differs| differs == 0)
    }
}

/// Whether a text has one of `parts` in front. With `ignore_case` the text is folded, and the parts were folded
/// before.
pub(crate) fn starts_with_any(text: &str, parts: &[Needle], ignore_case: bool) -> bool {
    let mut begins = start(text);
    if ignore_case {
        begins = if begins & NOT_ASCII == 0 {
            lower(begins)
        } else {
            return parts.iter().any(|part| starts_with(text, &part.text, true));
        };
    }
    let mut likely = parts.iter().filter(|part| part.may_begin(begins));
    likely.any(|part| {
        match part.text.len() {
            // As many bytes were compared, and are there: fewer would have been filled up with zeros.
            length @ 0..=8 => text.len() >= length,
            // A longer one may be made of fewer bytes than it folds to.
            _ => starts_with(text, &part.text, ignore_case),
        }
    })
}

/// The upper bit of each byte.
const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// Eight ASCII bytes without their case, all at once.
#[inline]
fn lower(bytes: u64) -> u64 {
    const EACH: u64 = NOT_ASCII >> 7;
    // A byte's upper bit is set where it is at least `A`, and where it is above `Z`. ASCII leaves room for that.
    let from_a = bytes.wrapping_add(EACH * u64::from(0x80 - b'A'));
    let above_z = bytes.wrapping_add(EACH * u64::from(0x7f - b'Z'));
    // What an upper case letter and its lower case differ in, where there is one.
    bytes | ((from_a & !above_z & NOT_ASCII) >> 2)
}

/// Whether a text has `part` in front. With `ignore_case` the text is folded, and `part` was folded before.
pub(crate) fn starts_with(text: &str, part: &str, ignore_case: bool) -> bool {
    if !ignore_case {
        return text.starts_with(part);
    }
    match text.as_bytes().get(..part.len()) {
        Some(front) if front.is_ascii() => front.eq_ignore_ascii_case(part.as_bytes()),
        // A code point may be longer than what it folds to.
        _ => begins(text.chars().map(fold), part.chars()),
    }
}

/// Whether a text has `part` at the end. With `ignore_case` the text is folded, and `part` was folded before.
pub(crate) fn ends_with(text: &str, part: &str, ignore_case: bool) -> bool {
    if !ignore_case {
        return text.ends_with(part);
    }
    begins(text.chars().rev().map(fold), part.chars().rev())
}

/// Whether a text has one of `parts` inside. With `ignore_case` the text is folded, and the parts were folded
/// before.
pub(crate) fn contains_any(text: &str, parts: &[Needle], ignore_case: bool) -> bool {
    let mut folded = Folded::default();
    let text = if ignore_case { folded.of(text) } else { text };
    parts.iter().any(|part| text.contains(&*part.text))
}

fn begins(mut text: impl Iterator<Item = char>, mut part: impl Iterator<Item = char>) -> bool {
    part.all(|point| text.next() == Some(point))
}

/// The boolean that a text spells, in any case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    [true, false].into_iter().find(|value| folds_to(text, if *value { "true" } else { "false" }))
}

/// The double that a text spells as a JSON number, without spaces around it. Infinite if it is beyond a
/// double's range.
pub(crate) fn number(text: &str) -> Option<f64> {
    if is_json_number(text.as_bytes()) { text.parse().ok() } else { None }
}

/// `-`? (`0` | digit from 1 and more) (`.` digits)? (`e` sign? digits)?
fn is_json_number(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(unsigned);
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
        return false;
    }
    let rest = match rest.strip_prefix(b".").map(digits) {
        Some(([], _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            matches!(digits(exponent), ([_, ..], []))
        }
        _ => false,
    }
}

/// The digits in front, and what follows them.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// Room on the stack for a number's text.
#[derive(Default)]
pub(crate) struct NumberText(ryu_js::Buffer);

impl NumberText {
    /// A finite double as ECMAScript's `Number::toString` writes it.
    pub(crate) fn of(&mut self, number: f64) -> &str {
        self.0.format(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_json_numbers_to_the_letter() {
        for (text, value) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("10", 10.0),
            ("1.50", 1.5),
            ("1e3", 1_000.0),
            ("1E+3", 1_000.0),
            ("25e-1", 2.5),
            ("1e-999", 0.0),
            ("1e999", f64::INFINITY),
            ("-1e999", f64::NEG_INFINITY),
        ] {
            assert_eq!(number(text), Some(value), "{text:?}");
        }
        for text in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "e3", " 1", "1 ", "1_0", "0x10", "NaN", "inf",
            "Infinity", "1,5", "--1", "1.2.3", "1e3.5", "１",
        ] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_ecmascript_does() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(NumberText::default().of(number), text);
        }
    }

    #[test]
    fn eight_bytes_lose_their_case_at_once() {
        for byte in 0..0x80_u8 {
            let bytes = [b'@', byte, b'Z', b'[', byte, b'a', 0x7f, byte];
            let lowered = bytes.map(|byte| byte.to_ascii_lowercase());
            assert_eq!(lower(u64::from_le_bytes(bytes)).to_le_bytes(), lowered, "{byte}");
        }
    }

    #[test]
    fn texts_are_compared_with_what_is_folded() {
        assert!(folds_to("ÄB", "äb") && !folds_to("ÄB", "ä") && !folds_to("Ä", "äb"));
        assert_eq!(
            (boolean("TrUe"), boolean("FALSE"), boolean("yes"), boolean("")),
            (Some(true), Some(false), None, None)
        );
    }

    /// Texts and parts around eight bytes, where another way is taken.
    #[test]
    fn parts_are_found_in_front_whatever_their_length() {
        let texts = [
            "",
            "a",
            "12345678Ⱥ",
            "1234567Ⱥx",
            "ȾADMIN",
            "ADMIN",
            "Admin-1",
            "admin-12",
            "ADMIN-123",
            "Ädmin-12",
            "admi\u{212A}",
            "İstanbul-x",
        ];
        for text in texts {
            let ends = |text: &'static str| text.char_indices().map(|(end, _)| end).chain([text.len()]);
            for part in texts.into_iter().flat_map(|text| ends(text).map(|end| &text[..end])) {
                for ignore_case in [false, true] {
                    let fold = |text: &str| -> String {
                        if ignore_case { text.chars().map(fold).collect() } else { text.to_owned() }
                    };
                    let needles = [Needle::new("never in front"), Needle::new(fold(part))];
                    let found = starts_with_any(text, &needles, ignore_case);
                    assert_eq!(found, fold(text).starts_with(&fold(part)), "{text:?} {part:?} {ignore_case}");
                    let inside = contains_any(text, &needles, ignore_case);
                    assert_eq!(inside, fold(text).contains(&fold(part)), "{text:?} {part:?} {ignore_case}");
                    let end = ends_with(text, &fold(part), ignore_case);
                    assert_eq!(end, fold(text).ends_with(&fold(part)), "{text:?} {part:?} {ignore_case}");
                }
            }
        }
    }
}
