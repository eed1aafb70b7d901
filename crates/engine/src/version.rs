//! Versions as SemVer 2.0 orders them, and ranges of them.

use std::cmp::Ordering;

/// A version: three numbers and what comes before the release. Build metadata is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version<'a> {
    parts: [u64; 3],
    /// How many of the three were written.
    written: usize,
    /// Empty for a release.
    before: &'a str,
}

impl<'a> Version<'a> {
    /// Reads a version: a leading `v` or `V` and missing parts are taken.
    #[inline]
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut rest = match text.as_bytes() {
            [b'v' | b'V', rest @ ..] | rest => rest,
        };
        let mut parts = [0; 3];
        for (written, part) in (1..).zip(&mut parts) {
            let after;
            (*part, after) = number_in_front(rest)?;
            match after {
                [] => return Some(Self { parts, written, before: "" }),
                [b'.', after @ ..] => rest = after,
                after => {
                    let before = before(text.get(text.len() - after.len()..)?)?;
                    return Some(Self { parts, written, before });
                }
            }
        }
        None
    }
}

/// What stands before the release, out of what follows the numbers; build metadata is left out.
fn before(text: &str) -> Option<&str> {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    if !build.is_none_or(|build| build.split('.').all(is_identifier)) {
        return None;
    }
    match text.strip_prefix('-') {
        Some(before) => before.split('.').all(is_before).then_some(before),
        None => text.is_empty().then_some(""),
    }
}

impl Version<'_> {
    /// By precedence: build metadata says nothing.
    fn precedence(&self, other: &Version<'_>) -> Ordering {
        self.parts.cmp(&other.parts).then_with(|| match (self.before, other.before) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (one, other) => identifiers(one, other),
        })
    }
}

/// The number in front, without leading zeros and within 64 bits, and what follows it.
#[inline]
fn number_in_front(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    let mut rest = text;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        rest = after;
    }
    match (text.len() - rest.len(), text) {
        (0, _) | (2.., [b'0', ..]) => None,
        // So many digits fit for sure.
        (..=19, _) => Some((number, rest)),
        (length, _) => Some((std::str::from_utf8(text.get(..length)?).ok()?.parse().ok()?, rest)),
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// An identifier before a release: a number has no leading zeros.
fn is_before(text: &str) -> bool {
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit());
    is_identifier(text) && !(numeric && text.len() > 1 && text.starts_with('0'))
}

/// Identifier by identifier: numbers as numbers and below texts, texts by their bytes; more are above fewer.
fn identifiers(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        let order = match (one.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => identifier(one, other),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Numbers may have any length: without leading zeros the longer one is the greater.
fn identifier(one: &str, other: &str) -> Ordering {
    let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match (numeric(one), numeric(other)) {
        (true, true) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.cmp(other),
    }
}

/// Comparators that must all be satisfied: `>=2.0.0 <3.0.0`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Range(Box<[Comparator]>);

#[derive(Debug, Clone, PartialEq)]
struct Comparator {
    operator: Operator,
    parts: [u64; 3],
    before: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Above,
    NotBelow,
    Below,
    NotAbove,
}

impl Range {
    /// Reads a range: comparators parted by spaces or commas, with spaces allowed after an operator.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let not_one = || {
            format!(
                "{text:?} is not a semver range; try \">=1.0.0 <2.0.0\", with = != > >= < <= ^ or ~ before versions such as 1.2.3"
            )
        };
        let mut comparators = Vec::new();
        let mut rest = text.trim_matches(' ');
        while !rest.is_empty() {
            let version_at = rest.find(|point: char| !"=!<>^~".contains(point)).ok_or_else(not_one)?;
            let (operator, after) = rest.split_at(version_at);
            let after = after.trim_start_matches(' ');
            let (version, after) = after.split_at(after.find([' ', ',']).unwrap_or(after.len()));
            let version = Version::parse(version).ok_or_else(not_one)?;
            comparators.extend(Comparator::all_of(operator, version).ok_or_else(not_one)?);
            rest = after.trim_start_matches(' ');
            if let Some(after_comma) = rest.strip_prefix(',') {
                rest = after_comma.trim_start_matches(' ');
                if rest.is_empty() {
                    return Err(not_one());
                }
            }
        }
        if comparators.is_empty() { Err(not_one()) } else { Ok(Self(comparators.into())) }
    }

    /// Whether a version satisfies all comparators.
    pub(crate) fn holds(&self, version: &Version<'_>) -> bool {
        self.0.iter().all(|comparator| comparator.holds(version))
    }
}

impl Comparator {
    /// What an operator in front of a version asks for.
    fn all_of(operator: &str, version: Version<'_>) -> Option<Vec<Self>> {
        let plain = |operator| Self { operator, parts: version.parts, before: version.before.into() };
        let below = |parts| Self { operator: Operator::Below, parts, before: Box::default() };
        Some(match operator {
            "" | "=" => vec![plain(Operator::Equal)],
            "!=" => vec![plain(Operator::NotEqual)],
            ">" => vec![plain(Operator::Above)],
            ">=" => vec![plain(Operator::NotBelow)],
            "<" => vec![plain(Operator::Below)],
            "<=" => vec![plain(Operator::NotAbove)],
            "^" => {
                let held = version.parts.iter().position(|part| *part > 0).unwrap_or(2);
                within(plain(Operator::NotBelow), next(version.parts, held).map(below))
            }
            "~" => {
                let held = usize::from(version.written > 1);
                within(plain(Operator::NotBelow), next(version.parts, held).map(below))
            }
            _ => return None,
        })
    }

    fn holds(&self, version: &Version<'_>) -> bool {
        let bound = Version { parts: self.parts, written: 3, before: &self.before };
        let order = version.precedence(&bound);
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Above => order.is_gt(),
            Operator::NotBelow => order.is_ge(),
            Operator::Below => order.is_lt(),
            Operator::NotAbove => order.is_le(),
        }
    }
}

/// From a version on, and below another unless there is none above.
fn within(from: Comparator, below: Option<Comparator>) -> Vec<Comparator> {
    [Some(from), below].into_iter().flatten().collect()
}

/// The first version in which the part at `held` is greater; none if nothing is.
fn next(parts: [u64; 3], held: usize) -> Option<[u64; 3]> {
    let [major, minor, patch] = parts;
    match held {
        0 => Some([major.checked_add(1)?, 0, 0]),
        1 => match minor.checked_add(1) {
            Some(minor) => Some([major, minor, 0]),
            None => next(parts, 0),
        },
        _ => match patch.checked_add(1) {
            Some(patch) => Some([major, minor, patch]),
            None => next(parts, 1),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::array::uniform3;
    use proptest::prelude::*;

    use super::*;

    fn holds(range: &str, version: &str) -> bool {
        Range::parse(range).unwrap().holds(&Version::parse(version).unwrap())
    }

    /// The order that semver.org gives, item 11.
    #[test]
    fn versions_are_ordered_as_semver_does() {
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.1.0",
            "2",
        ];
        let versions: Vec<_> = ordered.iter().map(|text| Version::parse(text).unwrap()).collect();
        for (place, one) in versions.iter().enumerate() {
            for (other_place, other) in versions.iter().enumerate() {
                assert_eq!(one.precedence(other), place.cmp(&other_place), "{one:?} {other:?}");
            }
        }
        let long = |digits: &str| format!("1.0.0-{digits}");
        let (one, other) = (long("99999999999999999999999"), long("100000000000000000000000"));
        assert!(Version::parse(&one).unwrap().precedence(&Version::parse(&other).unwrap()).is_lt());
    }

    #[test]
    fn versions_are_read_generously_and_no_more() {
        for text in
            ["1", "1.2", "v1.2.3", "V1", "1.2.3-a.b-c.0", "1.2.3+001.x", "1.2-rc", "18446744073709551615.0.0"]
        {
            assert!(Version::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "v",
            "vv1",
            "1.",
            ".1",
            "1.2.3.4",
            "01.2.3",
            "1.02",
            "1.x",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3-a..b",
            "1.2.3+",
            "1.2.3-é",
            " 1.2.3",
            "1.2.3 ",
            "-1",
            "18446744073709551616",
            "1,2",
            "1.2.3+a+b",
        ] {
            assert!(Version::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn ranges_hold_what_they_say() {
        for (range, inside, outside) in [
            (
                ">=2.0.0 <3.0.0",
                &["2.0.0", "2.9.9", "3.0.0-rc.1"] as &[_],
                &["1.9.9", "2.0.0-rc.1", "3"] as &[_],
            ),
            (">=2,<3", &["2.1"], &["3.1"]),
            (">= 2 , < 3", &["2"], &["3"]),
            ("1.2", &["1.2.0", "v1.2.0+x"], &["1.2.1", "1.2.0-a"]),
            ("=1.2.3", &["1.2.3"], &["1.2.4"]),
            ("!=1.2.3", &["1.2.4", "1.2.3-a"], &["1.2.3+x"]),
            ("^1.2.3", &["1.2.3", "1.9.0", "2.0.0-alpha"], &["1.2.2", "2.0.0", "1.2.3-a"]),
            ("^0.2.3", &["0.2.3", "0.2.9", "0.3.0-a"], &["0.3.0", "0.2.2"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4", "0.0.2"]),
            ("^0", &["0.0.0"], &["0.0.1"]),
            ("^1", &["1.0.0", "1.99"], &["2"]),
            ("~1", &["1.0.0", "1.9.9", "2.0.0-a"], &["2.0.0", "0.9"]),
            ("~1.2", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("~1.2.3", &["1.2.3", "1.2.9", "1.3.0-a"], &["1.2.2", "1.3.0"]),
            ("~0", &["0.9.9"], &["1.0.0"]),
            ("^18446744073709551615", &["18446744073709551615.5"], &["1"]),
        ] {
            for version in inside {
                assert!(holds(range, version), "{range} {version}");
            }
            for version in outside {
                assert!(!holds(range, version), "{range} {version}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused_with_a_word() {
        for text in [
            "",
            " ",
            ",",
            "1.x.3",
            ">",
            ">=",
            "=> 1",
            "><1",
            "1.2.3 ||2",
            "*",
            ">=1 and",
            "^^1",
            "1 >",
            "\t1",
        ] {
            let why = Range::parse(text).unwrap_err();
            assert!(why.contains("is not a semver range; try \">=1.0.0 <2.0.0\""), "{why}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(range in ".{0,40}", version in ".{0,40}") {
            if let (Ok(range), Some(version)) = (Range::parse(&range), Version::parse(&version)) {
                range.holds(&version);
            }
        }

        #[test]
        fn comparators_say_what_the_order_says(one in uniform3(0..4_u64), other in uniform3(0..4_u64)) {
            let text = |[a, b, c]: [u64; 3]| format!("{a}.{b}.{c}");
            prop_assert_eq!(holds(&format!("<{}", text(other)), &text(one)), one < other);
            prop_assert_eq!(holds(&format!(">={}", text(other)), &text(one)), one >= other);
            prop_assert_eq!(holds(&format!("!={}", text(other)), &text(one)), one != other);
        }
    }
}
