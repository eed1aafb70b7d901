//! Texts: folded, numbers as texts, texts as numbers.

use serde_json::Value;

/// Letters whose lower case came with Unicode 17.0, which the standard library knows and the contract does not.
const AFTER_UNICODE_16: [(char, char); 4] = [
    ('\u{a7ce}', '\u{a7ce}'),
    ('\u{a7d2}', '\u{a7d2}'),
    ('\u{a7d4}', '\u{a7d4}'),
    ('\u{16ea0}', '\u{16eb8}'),
];

/// One code point to its lower case of Unicode 16.0; of several code points, the first.
pub(super) fn fold_char(letter: char) -> char {
    if AFTER_UNICODE_16.iter().any(|(first, last)| (*first..=*last).contains(&letter)) {
        return letter;
    }
    letter.to_lowercase().next().unwrap_or(letter)
}

/// `text` as it is compared: folded if the condition ignores case.
pub(super) fn folded(text: &str, ignore_case: bool) -> String {
    if ignore_case { text.chars().map(fold_char).collect() } else { text.to_owned() }
}

/// `Number::toString` of ECMAScript.
pub(super) fn of_number(number: f64) -> String {
    ryu_js::Buffer::new().format(number).to_owned()
}

/// The double that a JSON number is.
pub(super) fn double(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// What a text is when read as a JSON number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// A double, finite.
    Finite(f64),
    /// A JSON number beyond a double's range.
    Beyond,
    /// No JSON number.
    No,
}

/// Reads the whole of `text` as a JSON number: no spaces, no plus, no leading zeros.
pub(super) fn number(text: &str) -> Number {
    if !is_json_number(text) {
        return Number::No;
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Number::Finite(number),
        _ => Number::Beyond,
    }
}

/// `-? (0 | [1-9][0-9]*) ("." [0-9]+)? ([eE] [+-]? [0-9]+)?`
fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    is_plain_number(whole) && fraction.is_none_or(are_digits) && exponent.is_none_or(are_digits)
}

/// At least one ASCII digit and nothing else.
pub(super) fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits without a leading zero.
pub(super) fn is_plain_number(text: &str) -> bool {
    are_digits(text) && (text == "0" || !text.starts_with('0'))
}
