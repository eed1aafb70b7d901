//! A pattern and a text, in two lines.
#![no_main]

use fuzz::{holds, two_texts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((pattern, text)) = two_texts(input) else { return };
    for ignore_case in [false, true] {
        let matches = |patterns: &[&str]| holds("matches", patterns, ignore_case, text);
        let found = matches(&[pattern]);
        // Which patterns there are does not depend on the text.
        assert_eq!(found.is_some(), holds("matches", &[pattern], ignore_case, "").is_some());
        let Some(found) = found else { continue };

        // Groups, alternatives and a second pattern that say the same change nothing; they may go over a bound.
        let grouped = [format!("(?:{pattern})"), format!("({pattern})"), format!("{pattern}|{pattern}")];
        for same in &grouped {
            assert!(matches(&[same]).is_none_or(|also| also == found), "{same:?} in {text:?}");
        }
        assert!(matches(&[pattern, pattern]).is_none_or(|also| also == found), "{pattern:?} twice");

        // What is found at the beginning is found.
        if matches(&[&format!("^(?:{pattern})")]) == Some(true) {
            assert!(found, "{pattern:?} at the beginning of {text:?}");
        }
    }
});
