//! Folding of case: each code point alone, by one table of Unicode 16.0 that every SDK shares
//! (`conformance/fold.json`), whatever Unicode the standard library knows.

#[rustfmt::skip]
mod table;

use std::cell::Cell;

/// From this code point on, itself included, each folds to itself.
pub(crate) const UNFOLDED_FROM: char = '\u{1E922}';

/// Bytes of a folded text that need no heap.
const ROOM: usize = 256;
/// A thread keeps no more room than this; no text of a context that came over the network is longer.
const MOST_KEPT: usize = 1 << 18;

/// A code point without its case: the first code point of its lower case, by no locale and no context.
#[inline]
pub(crate) fn fold(point: char) -> char {
    if point.is_ascii() { point.to_ascii_lowercase() } else { fold_by_table(point) }
}

fn fold_by_table(point: char) -> char {
    let code = u32::from(point);
    let kind = table::BLOCKS.get(code as usize / 64).and_then(|&kind| table::KINDS.get(usize::from(kind)));
    match kind.map_or(0, |kind| kind[code as usize % 64]) {
        0 => point,
        add => {
            let low = code.wrapping_add(u32::from(add)) & 0xFFFF;
            // The table holds characters only.
            char::from_u32(code & !0xFFFF | low).unwrap_or(point)
        }
    }
}

thread_local! {
    /// The last room for a long text, kept for the next: a question allocates nothing.
    static SPARE: Cell<String> = const { Cell::new(String::new()) };
}

/// Room in which a text is folded: on the stack for up to 256 bytes, beyond in what the thread keeps for it.
pub(crate) struct Folded {
    room: [u8; ROOM],
    heap: String,
}

impl Default for Folded {
    fn default() -> Self {
        Self { room: [0; ROOM], heap: String::new() }
    }
}

impl Folded {
    /// A text, each code point folded; the text itself if it is ASCII without capitals.
    pub(crate) fn of<'a>(&'a mut self, text: &'a str) -> &'a str {
        let is_ascii = text.is_ascii();
        if is_ascii && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return text;
        }
        let Self { room, heap } = self;
        let filled = if is_ascii { fold_ascii(text, room) } else { fold_all(text, room) };
        // What was written are whole characters: what is no text did not fit.
        let folded = filled.and_then(|length| room.get(..length)).map(str::from_utf8);
        if let Some(Ok(folded)) = folded {
            return folded;
        }
        if heap.capacity() == 0 {
            *heap = SPARE.try_with(Cell::take).unwrap_or_default();
        }
        heap.clear();
        heap.extend(text.chars().map(fold));
        heap
    }
}

impl Drop for Folded {
    fn drop(&mut self) {
        if (1..=MOST_KEPT).contains(&self.heap.capacity()) {
            // A thread that is ending keeps nothing.
            let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.heap)));
        }
    }
}

/// Folds an ASCII text into `room`; how many bytes it took, `None` if there are too few.
fn fold_ascii(text: &str, room: &mut [u8]) -> Option<usize> {
    let place = room.get_mut(..text.len())?;
    place.copy_from_slice(text.as_bytes());
    place.make_ascii_lowercase();
    Some(text.len())
}

/// Folds any text into `room`; how many bytes it took, `None` if there are too few.
fn fold_all(text: &str, room: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    for point in text.chars().map(fold) {
        let end = length + point.len_utf8();
        point.encode_utf8(room.get_mut(length..end)?);
        length = end;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn folds_as_unicode_16_lowers() {
        assert_eq!(
            char::UNICODE_VERSION,
            (17, 0, 0),
            "what a newer library adds must be listed here as added later"
        );
        let added_later =
            |point: char| matches!(point, '\u{A7CE}' | '\u{A7D2}' | '\u{A7D4}' | '\u{16EA0}'..='\u{16EB8}');
        for point in char::MIN..=char::MAX {
            let lower = point.to_lowercase().next().unwrap();
            if added_later(point) {
                assert_ne!(lower, point);
                assert_eq!(fold(point), point, "{:04X}", u32::from(point));
            } else {
                assert_eq!(fold(point), lower, "{:04X}", u32::from(point));
            }
        }
    }

    #[test]
    fn nothing_is_folded_from_where_it_says() {
        let last = (char::MIN..=char::MAX).rfind(|&point| fold(point) != point).unwrap();
        assert_eq!(u32::from(UNFOLDED_FROM), u32::from(last) + 1);
    }

    #[test]
    fn folds_as_the_table_of_all_sdks_says() {
        let table: Value = serde_json::from_str(include_str!("../../../conformance/fold.json")).unwrap();
        let mut left: std::collections::BTreeSet<_> =
            (char::MIN..=char::MAX).filter(|&point| fold(point) != point).map(u32::from).collect();
        for range in table["ranges"].as_array().unwrap() {
            let number = |at: usize| range[at].as_i64().unwrap();
            for from in (number(0)..=number(1)).step_by(usize::try_from(number(2)).unwrap()) {
                let point = |code: i64| char::from_u32(u32::try_from(code).unwrap()).unwrap();
                assert_eq!(fold(point(from)), point(from + number(3)));
                assert!(left.remove(&u32::try_from(from).unwrap()), "{from} stands twice or folds to itself");
            }
        }
        assert!(left.is_empty(), "{left:?} are not in it");
    }

    #[test]
    fn looks_at_one_code_point() {
        for (text, folded) in [
            ("ΟΔΟΣ", "οδοσ"),
            ("İstanbul I ı", "istanbul i ı"),
            ("ẞ ß STRASSE", "ß ß strasse"),
            ("\u{212A}\u{212B}Ω", "kåω"),
            ("ǅ ǈ ᾈ", "ǆ ǉ ᾀ"),
            ("\u{10400}\u{1E921}", "\u{10428}\u{1E943}"),
            ("ＡＺ", "ａｚ"),
            ("e\u{301}É", "e\u{301}é"),
            ("", ""),
        ] {
            assert_eq!(Folded::default().of(text), folded);
        }
        let lower = "lower-case 1";
        assert!(std::ptr::eq(Folded::default().of(lower), lower), "nothing to fold, nothing to copy");
    }

    #[test]
    fn texts_of_any_length_are_folded_whole() {
        // U+023A is two bytes and folds to one of three: what fits before need not fit after.
        for unit in ["A", "Ä", "\u{23A}", "\u{1E921}", "aÄ\u{23A}"] {
            for count in [1, 84, 85, 86, 127, 128, 129, 170, 171, 255, 256, 257, 5_000] {
                let text = unit.repeat(count);
                let expected: String = text.chars().map(fold).collect();
                let mut room = Folded::default();
                assert_eq!(room.of(&text), expected);
                assert_eq!(room.of("B"), "b", "the room can be used again");
            }
        }
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing_more(text in "\\PC*") {
            let (mut once, mut twice) = (Folded::default(), Folded::default());
            let folded = once.of(&text);
            prop_assert_eq!(folded, text.chars().map(fold).collect::<String>());
            prop_assert_eq!(twice.of(folded), folded);
        }
    }
}
