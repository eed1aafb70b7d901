use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::oracle::{texts, trees};
use super::program::Lowering;
use super::steps::Steps;
use super::*;
use crate::fold::fold;

fn pattern(source: &str) -> Pattern {
    Pattern::new(source, false).unwrap_or_else(|message| panic!("{message}"))
}

fn folding(source: &str) -> Pattern {
    Pattern::new(source, true).unwrap_or_else(|message| panic!("{message}"))
}

fn check(pattern: &Pattern, found: &[&str], not_found: &[&str]) {
    for text in found {
        assert!(pattern.is_in(text), "{pattern:?} is in {text:?}");
    }
    for text in not_found {
        assert!(!pattern.is_in(text), "{pattern:?} is not in {text:?}");
    }
}

#[test]
fn patterns_are_found_as_the_contract_says() {
    for (source, found, not_found) in [
        ("", &["", "a"][..], &[][..]),
        ("b", &["abc", "b"], &["", "B", "a"]),
        ("^ab$", &["ab"], &["xab", "abx", "ab\n", "\nab"]),
        ("^$", &[""], &["\n", "a"]),
        ("a|", &["", "b"], &[]),
        ("^(a|bc|)d$", &["ad", "bcd", "d"], &["bd", "abcd"]),
        ("^a|b$", &["ax", "xb"], &["xa", "bx"]),
        ("^.$", &["a", "é", "😀", "\r", "\u{2028}", "\u{85}", "\0"], &["\n", "", "ab", "e\u{301}"]),
        ("^a{2}$", &["aa"], &["a", "aaa"]),
        ("^a{2,}$", &["aa", "aaaaa"], &["a"]),
        ("^a{1,2}$", &["a", "aa"], &["", "aaa"]),
        ("^a{0}b$", &["b"], &["ab"]),
        ("^a{002}$", &["aa"], &["a"]),
        ("^(?:ab){2}?$", &["abab"], &["ab", "ababab"]),
        ("^a+?b*?c??$", &["a", "aabbc"], &["", "b", "acc"]),
        ("^(a*)*$", &["", "aaa"], &["b"]),
        ("^()*a$", &["a"], &["b"]),
        ("^(^a|b)+$", &["ab", "abb"], &["ba"]),
        (r"^(?:^)*a($)+(\b){2}(?:\B)?$", &["a"], &["aa"]),
        (r"^\d$", &["0", "9"], &["٣", "a", "１"]),
        (r"^\D$", &["٣", "a", "\n"], &["0"]),
        (r"^\w$", &["a", "Z", "0", "_"], &["é", "-", " "]),
        (r"^\W$", &["é", "-", "\n"], &["a", "_"]),
        (r"^\s$", &["\t", "\n", "\u{B}", "\u{C}", "\r", " "], &["\u{A0}", "\u{1C}", "\u{85}", "a"]),
        (r"^\S$", &["\u{A0}", "a"], &[" ", "\u{B}"]),
        (r"\bcat\b", &["cat", "a cat.", "écaté"], &["cats", "_cat", "cat1"]),
        (r"\Bcat", &["xcat", "1cat"], &["cat", "écat"]),
        (r"\b", &["a", "é a"], &["", "é", " "]),
        (r"\B", &["", "é", "aa", "aé"], &["a", "aéa", "a😀a"]),
        (r"(?:.|\B){2}", &["aéa"], &["a"]),
        (r"^\t\n\r$", &["\t\n\r"], &["tnr"]),
        (r"^\u{41}\u{1f600}\u{0000E9}$", &["A😀é"], &["A😀e"]),
        ("^ #a b$", &[" #a b"], &["ab"]),
        ("^[abc-e]$", &["a", "c", "d", "e"], &["f", "-", "ab"]),
        ("^[^abc-e]$", &["f", "-", "\n", "😀"], &["a", "d", ""]),
        (r"^[\[\]\-\\^]$", &["[", "]", "-", "\\", "^"], &["a"]),
        ("^[^^]$", &["a"], &["^"]),
        ("^[.*+?$|(){}]$", &[".", "*", "$", "|", "(", "}"], &["a", "\\"]),
        (r"^[\d\s_]$", &["5", " ", "_"], &["a"]),
        (r"^[\D]$", &["a", "😀"], &["5"]),
        (r"^[^\W]$", &["a"], &["é"]),
        (r"^[\s\S]$", &["a", "\n"], &[""]),
        (r"[^\s\S]", &[], &["a", "\n", ""]),
        (r"^[\t-\r]$", &["\n", "\u{B}"], &[" "]),
        (r"^[\u{1F600}-\u{1F64F}]$", &["😀"], &["🚀"]),
        ("^[\u{D7FF}-\u{E000}]$", &["\u{D7FF}", "\u{E000}"], &["\u{D7FE}", "\u{E001}"]),
        ("^[ -~]$", &["a", "~", " "], &["é"]),
        ("^[&&a]$", &["&", "a"], &["b"]),
        (r"^[+-\-]$", &["+", ",", "-"], &["."]),
        (r"@example\.com$", &["a@example.com"], &["a@examplexcom", "a@example.com.org"]),
    ] {
        check(&pattern(source), found, not_found);
    }
    let punctuation = r##"!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"##;
    let escaped: String = punctuation.chars().flat_map(|point| ['\\', point]).collect();
    check(&pattern(&format!("^{escaped}$")), &[punctuation], &[&escaped]);
    check(&pattern(&format!("^[{escaped}]{{32}}$")), &[punctuation], &["a"]);
}

#[test]
fn case_is_folded_before_a_class_is_negated() {
    for (source, found, not_found) in [
        ("STRAßE", &["straße", "STRAßE", "straẞe"][..], &["strasse"][..]),
        ("^σ$", &["Σ", "σ"], &["ς"]),
        ("^ς$", &["ς"], &["Σ", "σ"]),
        ("^İ$", &["i", "I", "İ"], &["ı", "i\u{307}"]),
        (r"^\u{212A}$", &["k", "K", "\u{212A}"], &["c"]),
        ("^[A-C]$", &["a", "B"], &["d", "D"]),
        ("^[^A-C]$", &["d", "D"], &["a", "A", "b", "C"]),
        // Z is z, the rest of the range has no case, and a is a.
        ("^[Z-a]$", &["z", "Z", "_", "a", "A"], &["b", "y"]),
        ("^[^Z-a]$", &["b", "y"], &["z", "Z", "a"]),
        (r"^[\u{0}-\u{10FFFF}]$", &["a", "A", "😀"], &[""]),
        (r"^[^\u{0}-\u{40}\u{5B}-\u{10FFFF}]$", &[], &["a", "A", "😀"]),
        (r"^\w$", &["A", "\u{212A}", "İ"], &["ß"]),
        (r"^\W$", &["ß"], &["A", "a", "\u{212A}"]),
        // A capital in a class is what it is outside of one, though what it leaves out has members that fold into it.
        (r"^[\W]$", &["ß"], &["A", "k", "\u{212A}"]),
        (r"^[^\W]$", &["A", "k", "\u{212A}"], &["ß"]),
        (r"^[\WA]$", &["ß", "a", "A"], &["b", "k"]),
        (r"\bk\b", &["\u{212A}", "é\u{212A}é"], &["a\u{212A}"]),
        ("^[\u{10400}]$", &["\u{10400}", "\u{10428}"], &["\u{10401}"]),
    ] {
        check(&folding(source), found, not_found);
    }
    check(&pattern("^[A-C]$"), &["A"], &["a"]);
    let long = "Ä".repeat(1_000);
    check(&folding("^ä{100}"), &[&long], &[&long[..198]]);
}

#[test]
fn all_else_is_refused_with_its_place() {
    for (source, at, message) in [
        ("a{3,1}", 1, "the lower count is above the upper"),
        ("a{101}", 2, "a count is at most 100"),
        ("a{1,101}", 4, "a count is at most 100"),
        ("a{4294967297}", 2, "a count is at most 100"),
        ("é{", 1, "counts are written {2}, {2,} or {2,5}; write `\\{` for the character"),
        ("a{}", 1, "counts are written"),
        ("a{,3}", 1, "counts are written"),
        ("a{1, 2}", 1, "counts are written"),
        ("a{ 1}", 1, "counts are written"),
        ("a{1", 1, "counts are written"),
        ("a{1,2", 1, "counts are written"),
        ("a{+1}", 1, "counts are written"),
        ("a{٣}", 1, "counts are written"),
        ("*", 0, "`*` has nothing before it to repeat; write `\\*` for the character"),
        ("a|+", 2, "`+` has nothing before it"),
        ("(?:?)", 3, "`?` has nothing before it"),
        ("{1}", 0, "`{` has nothing before it"),
        ("a**", 2, "an atom takes one quantifier; put a group around what is repeated again"),
        ("a*+", 2, "an atom takes one quantifier"),
        ("a++", 2, "an atom takes one quantifier"),
        ("a??+", 3, "an atom takes one quantifier"),
        ("a*??", 3, "an atom takes one quantifier"),
        ("a{2}{3}", 4, "an atom takes one quantifier"),
        ("^*", 1, "`^`, `$`, `\\b` and `\\B` are places and cannot be repeated"),
        ("a$?", 2, "`^`, `$`, `\\b` and `\\B` are places"),
        (r"\b+", 2, "`^`, `$`, `\\b` and `\\B` are places"),
        (r"\B{2}", 2, "`^`, `$`, `\\b` and `\\B` are places"),
        ("a]", 1, "`]` closes nothing; write `\\]` for the character"),
        ("a}", 1, "`}` closes nothing"),
        ("a)", 1, "no group is open here; write `\\)` for the character"),
        ("(a", 0, "the group is not closed; add `)`"),
        ("b(?:a|", 1, "the group is not closed"),
        ("(?i)a", 0, "only `(` and `(?:` open a group; there are no names, no flags and no looking around"),
        ("(?=a)", 0, "only `(` and `(?:`"),
        ("(?!a)", 0, "only `(` and `(?:`"),
        ("(?<=a)", 0, "only `(` and `(?:`"),
        ("(?<n>a)", 0, "only `(` and `(?:`"),
        ("(?P<n>a)", 0, "only `(` and `(?:`"),
        ("(?>a)", 0, "only `(` and `(?:`"),
        ("(?", 0, "only `(` and `(?:`"),
        ("(?#x)", 0, "only `(` and `(?:`"),
        ("a\\", 1, "`\\` has nothing behind it; write `\\\\` for the character"),
        (r"(a)\1", 3, "`\\1` is no escape; there are"),
        (r"\p{L}", 0, "`\\p` is no escape"),
        (r"\A", 0, "`\\A` is no escape"),
        (r"\z", 0, "`\\z` is no escape"),
        (r"\v", 0, "`\\v` is no escape"),
        (r"\0", 0, "`\\0` is no escape"),
        (r"\x41", 0, "`\\x` is no escape"),
        (r"\ ", 0, "`\\ ` is no escape"),
        (r"\é", 0, "`\\é` is no escape"),
        (r"\k<n>", 0, "`\\k` is no escape"),
        (r"\u0041", 0, "a code point is written \\u{1F600}, with one to six hexadecimal digits"),
        (r"\u{}", 0, "a code point is written"),
        (r"\u{41", 0, "a code point is written"),
        (r"\u{0000041}", 0, "a code point is written"),
        (r"\u{4g}", 0, "a code point is written"),
        (r"\u{D800}", 0, "D800 is a surrogate or beyond 10FFFF, and no character"),
        (r"\u{110000}", 0, "110000 is a surrogate or beyond"),
        ("[]", 0, "the class is empty; write `\\]` for the character, `[\\s\\S]` for all"),
        ("[^]", 0, "the class is empty"),
        ("x[]a]", 1, "the class is empty"),
        ("[a", 0, "the class is not closed; add `]`"),
        ("b[^", 1, "the class is not closed"),
        ("[a-", 0, "the class is not closed"),
        ("[[:alpha:]]", 1, "in a class `[` is written `\\[`"),
        ("[a[b]]", 2, "in a class `[`"),
        ("[-a]", 1, "in a class `-` is written `\\-`"),
        ("[a-]", 2, "in a class `-` is written `\\-`"),
        (r"[\w.+-]", 5, "in a class `-`"),
        ("[a-c-e]", 4, "in a class `-`"),
        (r"[\d-z]", 3, "in a class `-`"),
        (r"[a-\d]", 3, "a range ends with a character; write `\\-` for the character `-`"),
        ("[z-a]", 1, "the range runs backwards; turn its ends around"),
        ("[+--]", 3, "in a class `-`"),
        (r"[\b]", 1, "`\\b` and `\\B` are places and cannot stand in a class"),
        (r"[\p{L}]", 1, "`\\p` is no escape"),
        (r"[\u{D800}]", 1, "D800 is a surrogate"),
    ] {
        for ignore_case in [false, true] {
            let error = Pattern::new(source, ignore_case).unwrap_err();
            assert!(error.starts_with(&format!("{source:?}: at {at}: {message}")), "{error}");
        }
    }
}

#[test]
fn sizes_are_counted_as_the_contract_says() {
    for (source, instructions) in [
        ("", 0),
        ("abc", 3),
        (r"^[a-z]\b.$", 5),
        ("a|b|c", 5),
        ("(?:(a))", 1),
        ("a*", 2),
        ("a+?", 2),
        ("a{3}", 4),
        ("a{2,5}", 6),
        ("a{0,5}", 6),
        ("a{2,}", 3),
        ("a{0,}", 2),
        ("a{0}", 1),
        ("(?:ab*|c){10}", 51),
        ("((a{100}){100}){100}", 1_010_101),
    ] {
        assert_eq!(parse::parse(source).unwrap().instructions(), instructions, "{source}");
    }
    assert_eq!(pattern(&"a".repeat(512)).check_size(), Ok(()));
    assert_eq!(
        pattern(&"é".repeat(257)).check_size().unwrap_err(),
        "a pattern of 514 bytes; at most 512 are allowed, try several patterns"
    );
    // 20 × 100 − 1 + 1
    assert_eq!(pattern(&format!("a{{99}}{}", "b{99}".repeat(19))).check_size(), Ok(()));
    let message = pattern(&format!("a{{100}}{}", "b{99}".repeat(19))).check_size().unwrap_err();
    assert!(message.contains("are 2001; at most 2000 are allowed"), "{message}");
    let nested = format!("{}a{}", "(".repeat(255), "{100})".repeat(255));
    assert_eq!(parse::parse(&nested.replace("{100})", "){100}")).unwrap().instructions(), u64::MAX);
}

/// Patterns at the bounds of what may be written, made to be as large or as deep as those allow.
fn largest() -> Vec<String> {
    // Code points far from one another share no bytes with one another.
    let far: String = (0..112_u32).map(|n| char::from_u32(0x1_0000 + n * 0x1_237).unwrap()).collect();
    let class = format!("[{far}]");
    vec![
        format!("(?:{class}{{99}}){{19}}"),
        format!("(?:[^{far}]{{99}}){{19}}"),
        r"(?:[^\u{100}\u{1000}-\u{10FFF}\n]{99}){19}".into(),
        r"(?:\w{0,99}){19}".into(),
        r"(?:\S\W){30}".into(),
        "(?:(?:|){0,99}){0,19}".into(),
        format!("(?:{class}{{0,99}}){{0,19}}"),
        format!("{}{}", "(".repeat(256), ")".repeat(256)),
        format!("{}a{}", "(".repeat(170), ")*".repeat(170)),
        format!("{}a{}", "(".repeat(127), "|b)".repeat(127)),
        format!("{}a{}", "(".repeat(127), "b)?".repeat(127)),
        format!("{}{}", "(a".repeat(102), "b)?".repeat(102)),
        format!("(?:{}){{7}}", "a|".repeat(140)),
        "a?".repeat(256),
        "a{0,99}".repeat(20),
    ]
}

#[test]
fn the_largest_patterns_build() {
    for source in largest() {
        for ignore_case in [false, true] {
            // With the stack of a thread that serves requests, and half of that for what is already on it.
            let source = source.clone();
            let build = move || {
                let pattern = Pattern::new(&source, ignore_case).unwrap();
                assert_eq!(pattern.check_size(), Ok(()), "{source}");
                pattern.is_in("aé😀 ab");
                let bytes = match &pattern.program {
                    Program::Automaton(regex) => regex.memory_usage(),
                    Program::Steps(steps) => steps.bytes(),
                };
                assert!(bytes < 256 << 10, "{bytes} bytes for {source}");
            };
            std::thread::Builder::new().stack_size(1 << 20).spawn(build).unwrap().join().unwrap();
        }
    }
}

#[test]
fn what_nobody_could_write_is_refused_in_bounds() {
    for (source, message) in [
        (
            format!("{}a{}", "(".repeat(257), ")".repeat(257)),
            "at 256: groups nest deeper than 256; take some apart",
        ),
        ("(".repeat(1_000_000), "at 256: groups nest deeper"),
        (format!("(?:{}){{100}}", "[^a-c]{100}".repeat(100)), "at most 2000 are allowed, try smaller counts"),
        ("((((a{100}){100}){100}){100}){100}".into(), "at most 2000 are allowed, try smaller counts"),
    ] {
        let error = Pattern::new(&source, false).unwrap_err();
        assert!(error.contains(message), "{}", &error[error.len().saturating_sub(200)..]);
    }
    // Nothing, however often, is nothing.
    let nothing = format!("{}{}", "(".repeat(100), "){100}".repeat(100));
    check(&pattern(&nothing), &["", "a"], &[]);
}

#[test]
fn time_is_linear() {
    let text = "a".repeat(64 << 10);
    let mixed = "ab".repeat(32 << 10);
    let started = Instant::now();
    for source in [
        "(a*)*c",
        "(a|a)*c",
        "(a|b|ab)*c",
        "(a|aa)+$c",
        "(a+)+[^ab]",
        "(?:a?){50}a{50}c",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(.*)(.*)(.*)(.*)(.*)c",
        "((a*)*)*c",
        r"(?:\w*\w*\w*)*\d",
        "(a|b)*a(a|b){12}c",
    ] {
        let pattern = pattern(source);
        assert!(!pattern.is_in(&text), "{source}");
        assert!(!pattern.is_in(&mixed), "{source}");
        let steps = Steps::new(&parse::parse(source).unwrap(), Lowering { ignore_case: false }).unwrap();
        assert!(!steps.is_in(&text), "{source}");
    }
    assert!(started.elapsed() < Duration::from_mins(2), "one that went back and forth would take years");
}

#[test]
fn patterns_are_values() {
    fn is_shared_by_threads<T: Send + Sync + Clone + PartialEq + fmt::Debug>(_: &T) {}
    let one = pattern("a|b");
    is_shared_by_threads(&one);
    assert_eq!(one, pattern("a|b").clone());
    assert_ne!(one, folding("a|b"));
    assert_ne!(one, pattern("b|a"));
    assert_eq!(format!("{one:?}"), r#"Pattern { source: "a|b", ignore_case: false, .. }"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_found_is_what_every_way_through_finds(tree in trees(), text in texts(), ignore_case: bool) {
        let source = tree.source();
        let expected = tree.is_in(&text, ignore_case);
        let found = Pattern::new(&source, ignore_case).unwrap().is_in(&text);
        prop_assert_eq!(found, expected, "{}", source);
        let steps = Steps::new(&parse::parse(&source).unwrap(), Lowering { ignore_case }).unwrap();
        let text = if ignore_case { text.chars().map(fold).collect() } else { text };
        prop_assert_eq!(steps.is_in(&text), expected, "{} step by step", source);
    }

    #[test]
    fn no_source_stops_the_reader(
        source in r"([\[\](){}*+?|^$.,:=\-\\abdswBDSWu0-9]|\PC){0,30}", text in texts(), ignore_case: bool,
    ) {
        match Pattern::new(&source, ignore_case) {
            Ok(pattern) => {
                pattern.is_in(&text);
                prop_assert_eq!(pattern.check_size(), Ok(()));
            }
            Err(message) => {
                let quoted = format!("{source:?}: at ");
                let at = message.strip_prefix(&quoted).and_then(|rest| rest.split_once(':'));
                let at: usize = at.and_then(|(at, _)| at.parse().ok()).unwrap();
                prop_assert!(at <= source.chars().count(), "{}", message);
            }
        }
    }
}
