use proptest::prelude::*;

use super::*;

fn version(text: &str) -> Version<'_> {
    Version::parse(text).unwrap_or_else(|| panic!("{text:?} is a version"))
}

#[test]
fn versions_are_taken_with_a_v_and_with_parts_missing() {
    for (text, full) in [
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        ("V1", "1.0.0"),
        ("2.1", "2.1.0"),
        ("0", "0.0.0"),
        ("2.1-rc.1", "2.1.0-rc.1"),
        ("1.2.3+build.007", "1.2.3"),
        ("1+a-b", "1.0.0"),
        ("1.0.0--", "1.0.0--"),
        ("1.0.0-0a", "1.0.0-0a"),
        ("18446744073709551615.0.0", "18446744073709551615.0.0"),
    ] {
        assert_eq!(version(text), version(full), "{text}");
    }
    assert_eq!(version("2.1-rc.1"), Version { parts: [2, 1, 0], pre: "rc.1" });
    for text in [
        "",
        "v",
        "vv1",
        " 1",
        "1 ",
        "v 1",
        "1.",
        ".1",
        "1..2",
        "1.2.3.4",
        "01",
        "1.02",
        "1.2.03",
        "1.2.3-",
        "1.2.3+",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3-a.",
        "1.2.3+a..b",
        "1.2.3-ä",
        "1.2.3-a_b",
        "1.2.3+a+b",
        "-1",
        "+1",
        "1.x",
        "1.*",
        "x",
        "latest",
        "=1",
        "18446744073709551616.0.0",
        "1.2.٣",
        "1,2",
    ] {
        assert_eq!(Version::parse(text), None, "{text:?}");
    }
}

#[test]
fn precedence_is_semver_s() {
    let ascending = [
        "0.0.0-0",
        "0.0.0",
        "0.0.1",
        "0.2.0",
        "1.0.0-9",
        "1.0.0-10",
        "1.0.0-99999999999999999998",
        "1.0.0-99999999999999999999",
        "1.0.0-100000000000000000000",
        "1.0.0--",
        "1.0.0-A",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.1.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1",
        "1.0.1",
        "1.2",
        "1.10",
        "2",
        "10",
    ];
    for (place, one) in ascending.iter().enumerate() {
        for (other_place, other) in ascending.iter().enumerate() {
            let order = version(one).cmp(&version(other));
            assert_eq!(order, place.cmp(&other_place), "{one} with {other}");
        }
    }
}

#[test]
fn ranges_hold_what_the_contract_says() {
    for (range, inside, outside) in [
        ("2.1", "2.1.0 2.1 v2.1.0+x", "2.1.1 2.1.0-a 2.0.9"),
        ("=1.2.3-a", "1.2.3-a 1.2.3-a+b", "1.2.3 1.2.3-a.0"),
        ("!=1.2", "1.2.1 1.2.0-a 0", "1.2.0 1.2.0+b"),
        (">1.2.3", "1.2.4 2.0.0-a", "1.2.3 1.2.3+b 1.2.3-a"),
        (">=1.2.3", "1.2.3 1.2.4-a", "1.2.3-a 1.2.2"),
        ("<2", "1.9.9 2.0.0-a", "2.0.0 2.0.1"),
        ("<=2", "2.0.0 2.0.0+b 2.0.0-a", "2.0.1"),
        (">=2.0.0 <3.0.0", "2.0.0 2.9.9 3.0.0-a", "1.9.9 3.0.0"),
        (">=2,<3,!=2.5", "2.4.9 2.5.1", "2.5.0 3.0.0"),
        ("^1.2.3", "1.2.3 1.9.0 2.0.0-alpha", "1.2.3-a 1.2.2 2.0.0 2.0.1-a 2.1.0-a"),
        ("^0.2.3", "0.2.3 0.2.9 0.3.0-a", "0.2.2 0.3.0 1.0.0-a"),
        ("^0.0.3", "0.0.3 0.0.4-a", "0.0.2 0.0.4 0.1.0-a"),
        ("^0.0.0", "0.0.0 0.0.1-a", "0.0.1 0.0.0-a"),
        ("^0.0", "0.0.0 0.0.1-a", "0.0.1 0.1.0"),
        ("^0", "0.0.0 0.0.1-a", "0.0.1 0.9.0"),
        ("^0.2", "0.2.0 0.2.9", "0.3.0"),
        ("^1", "1.0.0 1.9.9", "0.9.9 2.0.0"),
        ("^1.0.0-rc.1", "1.0.0-rc.1 1.0.0-rc.2 1.5.0", "1.0.0-beta 2.0.0"),
        ("~1", "1.0.0 1.9.9 2.0.0-a", "0.9.9 2.0.0"),
        ("~0", "0.0.0 0.9.9", "1.0.0"),
        ("~1.2", "1.2.0 1.2.9 1.3.0-a", "1.1.9 1.3.0 1.3.1-a"),
        ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
        ("~1.0", "1.0.0 1.0.9", "1.1.0"),
        ("~1.2.3-a", "1.2.3-a 1.2.3 1.2.9", "1.2.3-A 1.3.0"),
        ("^18446744073709551615", "18446744073709551615.9.9", "18446744073709551614.9.9"),
        ("~1.18446744073709551615", "1.18446744073709551615.1", "2.0.0-a 2.0.0 1.0.0"),
        ("^0.0.18446744073709551615", "0.0.18446744073709551615", "0.1.0-a 0.1.0"),
    ] {
        let parsed = Range::parse(range).unwrap();
        for text in inside.split(' ') {
            assert!(parsed.holds(&version(text)), "{range} holds {text}");
        }
        for text in outside.split(' ') {
            assert!(!parsed.holds(&version(text)), "{range} does not hold {text}");
        }
    }
}

#[test]
fn ranges_are_written_with_spaces_or_commas() {
    let plain = Range::parse(">=1.2.0 <2.0.0").unwrap();
    for text in [">=1.2,<2", ">= 1.2 < 2", ">=1.2, <2", ">=1.2 ,<2", " >=v1.2   <V2 ", ">=   1.2.0+b , <2.0"]
    {
        assert_eq!(Range::parse(text), Ok(plain.clone()), "{text:?}");
    }
    for text in [
        "",
        " ",
        ",",
        "1,",
        ",1",
        "1,,2",
        "1, ,2",
        "*",
        "1.x",
        "1.x.3",
        ">",
        ">=",
        "> = 1",
        "==1",
        "=>1",
        "!1",
        "<>1",
        "1||2",
        "1 - 2",
        ">1.0.0\t<2",
        ">1\n",
        "^^1",
        "~>1",
        "≥1",
        "1.2.3.4",
        "01",
        ">1;<2",
    ] {
        let message = Range::parse(text).unwrap_err();
        assert_eq!(message, format!("{text:?} is not a semver range; try \">=1.0.0 <2.0.0\""));
    }
}

/// Identifiers of few letters, so that equal and neighbouring ones come up.
fn full() -> impl Strategy<Value = String> {
    let tail = "(-(0|[1-9][0-9]{0,25}|[0-9]{0,2}[a-cA-C-][0-9a-c-]{0,2})(\\.(0|[1-9]|[a-c-]{1,2})){0,2})?";
    let build = "(\\+[0-9a-c-]{1,3})?";
    let part = "(0|[1-9]|1[0-9]|18446744073709551615)";
    proptest::string::string_regex(&format!("{part}\\.{part}\\.{part}{tail}{build}")).unwrap()
}

proptest! {
    #[test]
    fn full_versions_are_what_the_semver_crate_reads(one in full(), other in full()) {
        let (ours, theirs) = (version(&one), semver::Version::parse(&one).unwrap());
        let (ours_too, theirs_too) = (version(&other), semver::Version::parse(&other).unwrap());
        prop_assert_eq!(ours.cmp(&ours_too), theirs.cmp_precedence(&theirs_too));
        for (operator, expected) in [
            (">", theirs.cmp_precedence(&theirs_too).is_gt()),
            ("<=", theirs.cmp_precedence(&theirs_too).is_le()),
            ("!=", theirs.cmp_precedence(&theirs_too).is_ne()),
        ] {
            prop_assert_eq!(Range::parse(&format!("{operator}{other}")).unwrap().holds(&ours), expected);
        }
    }

    #[test]
    fn whatever_semver_reads_is_read_and_nothing_much_else(text in "[v0-9a.+-]{0,12}|\\PC{0,20}") {
        let three = text.split(['-', '+']).next().unwrap_or_default().split('.').count() == 3;
        if three && !text.starts_with(['v', 'V']) {
            prop_assert_eq!(Version::parse(&text).is_some(), semver::Version::parse(&text).is_ok());
        } else {
            let _ = Version::parse(&text);
        }
    }

    #[test]
    fn no_range_stops_the_reader(range in "[<>=!^~ ,v0-9a.+-]{0,20}|\\PC{0,20}", text in full()) {
        if let Ok(range) = Range::parse(&range) {
            let _ = range.holds(&version(&text));
        }
    }

    #[test]
    fn carets_and_tildes_are_two_comparators(
        major in 0..3_u64, minor in 0..3_u64, patch in 0..3_u64, one in full(),
    ) {
        let holds = |range: String| Range::parse(&range).unwrap().holds(&version(&one));
        let caret = match (major, minor, patch) {
            (0, 0, patch) => format!("0.0.{}", patch + 1),
            (0, minor, _) => format!("0.{}.0", minor + 1),
            (major, _, _) => format!("{}.0.0", major + 1),
        };
        let from = format!("{major}.{minor}.{patch}");
        prop_assert_eq!(holds(format!("^{from}")), holds(format!(">={from} <{caret}")));
        prop_assert_eq!(holds(format!("~{from}")), holds(format!(">={from} <{major}.{}.0", minor + 1)));
        prop_assert_eq!(holds(format!("~{major}")), holds(format!(">={major} <{}", major + 1)));
    }
}
