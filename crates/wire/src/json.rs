//! Writing JSON, and reading what is nearly JSON.

use serde::Serialize;

/// `value` as one line of JSON.
///
/// For what this program itself sends: texts, numbers, lists, and objects whose names are texts.
pub fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(256);
    append_json(&mut json, value);
    json
}

/// Writes `value` at the end of `json`.
pub(crate) fn append_json(json: &mut Vec<u8>, value: &impl Serialize) {
    #[expect(
        clippy::expect_used,
        reason = "writing to memory does not fail, and no document of ours has names that are not texts"
    )]
    serde_json::to_writer(json, value).expect("our own documents are JSON");
}

/// Writes a text at the end of `json`. Most have nothing to escape, and are copied.
pub(crate) fn append_text(json: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        json.reserve(text.len() + 2);
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    } else {
        append_json(json, &text);
    }
}

/// Whether JSON has nothing to escape in a text.
#[expect(clippy::needless_bitwise_bool, reason = "without an early end many bytes are compared at once")]
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\'))
}

/// A document with U+FFFD in place of each lone surrogate (`\ud800` without its other half): languages whose
/// texts are UTF-16 send them, and no text of ours can hold them. None if there is none.
pub fn without_lone_surrogates(json: &[u8]) -> Option<Vec<u8>> {
    const REPLACEMENT: &[u8] = b"fffd";
    let unit = |at: usize| -> Option<u32> {
        let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += match (byte, unit(at)) {
            (b'\\', Some(0xD800..=0xDBFF)) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => 12,
            (b'\\', Some(0xD800..=0xDFFF)) => {
                let digits = mended.get_or_insert_with(|| json.to_vec()).get_mut(at + 2..at + 6)?;
                digits.copy_from_slice(REPLACEMENT);
                6
            }
            // What is escaped is no escape itself.
            (b'\\', _) => 2,
            _ => 1,
        };
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_as_any_json_is() {
        let odd: String = (0..0x180).filter_map(char::from_u32).collect();
        for text in ["", "new-checkout", "a\"b", "\\", "\n", "é 😀", "\u{7f}", &odd] {
            let mut json = Vec::new();
            append_text(&mut json, text);
            assert_eq!(json, serde_json::to_vec(text).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn only_lone_surrogates_are_mended() {
        let mended = |json: &str| {
            without_lone_surrogates(json.as_bytes()).map(|json| String::from_utf8(json).unwrap())
        };
        for (json, expected) in [
            (r#"{"a": "\ud800"}"#, Some(r#"{"a": "\ufffd"}"#)),
            (r#""\uDFFFx\uD83D\uDE00""#, Some(r#""\ufffdx\uD83D\uDE00""#)),
            (r#""\ud800\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud800""#, None),
            (r#""\\\ud800""#, Some(r#""\\\ufffd""#)),
            (r#""\u00e9 \ud8""#, None),
            (r#""\"#, None),
        ] {
            assert_eq!(mended(json).as_deref(), expected, "{json}");
        }
    }
}
