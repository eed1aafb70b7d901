//! A version range and a version, in two lines.
#![no_main]

use fuzz::{holds, two_texts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((range, version)) = two_texts(input) else { return };
    let semver = |range: &str, version: &str| holds("semver", &[range], false, version);
    let first = semver(range, version);
    // Of several ranges one is enough.
    assert_eq!(holds("semver", &[range, range], false, version), first);

    // What is a version alone, without an operator, and not two of them.
    let is_version = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit() || first == 'v' || first == 'V')
            && !text.contains([' ', ','])
            && semver(text, "1.0.0").is_some()
    };
    if !is_version(version) {
        return;
    }
    for (operator, itself) in [
        ("", true),
        ("=", true),
        (">=", true),
        ("<=", true),
        ("^", true),
        ("~", true),
        (">", false),
        ("<", false),
        ("!=", false),
    ] {
        assert_eq!(semver(&format!("{operator}{version}"), version), Some(itself), "{operator}{version}");
    }
    if is_version(range) {
        let is = |operator: &str| semver(&format!("{operator}{range}"), version) == Some(true);
        let (below, same, above) = (is("<"), is("="), is(">"));
        assert_eq!(u8::from(below) + u8::from(same) + u8::from(above), 1, "{range} and {version}");
        assert_eq!((is("<="), is(">="), is("!=")), (!above, !below, !same), "{range} and {version}");
    }
});
