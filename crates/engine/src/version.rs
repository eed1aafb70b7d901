//! Versions and ranges of versions, by the precedence of SemVer 2.0.

use std::cmp::Ordering;

/// A version. Build metadata is dropped, as precedence knows none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version<'a> {
    /// Major, minor and patch.
    parts: [u64; 3],
    /// The identifiers of a pre-release with dots between them; empty for a release.
    pre: &'a str,
}

impl<'a> Version<'a> {
    /// Reads a version: `v` or `V` in front and missing parts are taken (`v2.1` is `2.1.0`); leading zeros, spaces
    /// and parts beyond 64 bits are not.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        Self::parse_counting(text).map(|(version, _)| version)
    }

    /// A version, and how many of its three parts were given.
    fn parse_counting(text: &'a str) -> Option<(Self, usize)> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let mut parts = [0; 3];
        let mut given = 0;
        let mut rest = text;
        loop {
            let part = parts.get_mut(given)?;
            (*part, rest) = number_in_front(rest)?;
            given += 1;
            match rest.strip_prefix('.') {
                Some(next) => rest = next,
                None => break,
            }
        }
        Some((Self { parts, pre: pre_release(rest)? }, given))
    }
}

/// The pre-release in what stands behind the parts, nothing or `-pre`, `+build` or both.
fn pre_release(tail: &str) -> Option<&str> {
    if tail.is_empty() {
        return Some("");
    }
    let (pre, build) = split_off(tail, '+');
    if build.is_some_and(|build| !build.split('.').all(is_identifier)) {
        return None;
    }
    match pre.strip_prefix('-') {
        Some(pre) => pre.split('.').all(is_pre_release_identifier).then_some(pre),
        // A build right behind the parts, or something that belongs to no version.
        None => pre.is_empty().then_some(""),
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts.cmp(&other.parts).then_with(|| match (self.pre, other.pre) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (one, other) => one.split('.').map(Identifier).cmp(other.split('.').map(Identifier)),
        })
    }
}

/// One identifier of a pre-release. Numbers come before words, and are compared as numbers of any length.
#[derive(PartialEq, Eq)]
struct Identifier<'a>(&'a str);

impl PartialOrd for Identifier<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Identifier<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Numbers have no leading zeros: the longer is the higher.
        let lengths = || self.0.len().cmp(&other.0.len());
        match (is_number(self.0), is_number(other.0)) {
            (true, true) => lengths().then(self.0.cmp(other.0)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.0.cmp(other.0),
        }
    }
}

/// What stands before and, if there is one, behind the first `mark`.
fn split_off(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

/// The number in front, of 64 bits and without leading zeros, and what follows it.
fn number_in_front(text: &str) -> Option<(u64, &str)> {
    let mut number = 0_u64;
    let mut length = 0;
    for digit in text.bytes().map_while(|byte| byte.is_ascii_digit().then(|| byte - b'0')) {
        if length > 0 && number == 0 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
        length += 1;
    }
    if length > 0 { Some((number, text.get(length..)?)) } else { None }
}

/// Digits without a leading zero.
fn is_number(text: &str) -> bool {
    text == "0" || (!text.starts_with('0') && is_digits(text))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_pre_release_identifier(text: &str) -> bool {
    is_identifier(text) && (!is_digits(text) || is_number(text))
}

/// Comparators that a version must satisfy, every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range(Box<[Comparator]>);

impl Range {
    /// Reads comparators with spaces or a comma between them. Fails with a message that quotes the text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let comparators = comparators(text);
        comparators.map(Self).ok_or_else(|| format!("{text:?} is not a semver range; try \">=1.0.0 <2.0.0\""))
    }

    /// Whether a version is in it. Pre-releases are compared as all others: `^1.2.3` holds `2.0.0-alpha`.
    pub(crate) fn holds(&self, version: &Version<'_>) -> bool {
        self.0.iter().all(|comparator| comparator.holds(version))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparator {
    operator: Operator,
    parts: [u64; 3],
    pre: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// At least the version, and below it with the part at this place one higher and zeros behind.
    Within(u8),
}

/// The spellings, those first that begin with another.
const OPERATORS: [(&str, Spelled); 8] = [
    (">=", Spelled::Plain(Operator::GreaterOrEqual)),
    ("<=", Spelled::Plain(Operator::LessOrEqual)),
    ("!=", Spelled::Plain(Operator::NotEqual)),
    (">", Spelled::Plain(Operator::Greater)),
    ("<", Spelled::Plain(Operator::Less)),
    ("=", Spelled::Plain(Operator::Equal)),
    ("^", Spelled::Caret),
    ("~", Spelled::Tilde),
];

/// An operator as it is written: some depend on the version behind them.
#[derive(Clone, Copy)]
enum Spelled {
    Plain(Operator),
    Caret,
    Tilde,
}

impl Comparator {
    fn parse(spelled: Spelled, version: &str) -> Option<Self> {
        let (Version { parts, pre }, given) = Version::parse_counting(version)?;
        let operator = match spelled {
            Spelled::Plain(operator) => operator,
            Spelled::Caret => Operator::Within(match parts {
                [0, 0, _] => 2,
                [0, _, _] => 1,
                _ => 0,
            }),
            Spelled::Tilde => Operator::Within(u8::from(given > 1)),
        };
        Some(Self { operator, parts, pre: pre.into() })
    }

    fn holds(&self, version: &Version<'_>) -> bool {
        let order = version.cmp(&Version { parts: self.parts, pre: &self.pre });
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Within(place) => order.is_ge() && self.is_below_next(version, usize::from(place)),
        }
    }

    /// Whether a version that is not below this one is below the next with another part at `place`. That next one
    /// itself may be beyond 64 bits.
    fn is_below_next(&self, version: &Version<'_>, place: usize) -> bool {
        let mut parts = version.parts.iter().zip(&self.parts);
        if parts.by_ref().take(place).any(|(one, own)| one != own) {
            return false;
        }
        match parts.next().map(|(one, own)| one.saturating_sub(*own)) {
            Some(0) => true,
            Some(1) => parts.all(|(one, _)| *one == 0) && !version.pre.is_empty(),
            _ => false,
        }
    }
}

fn comparators(text: &str) -> Option<Box<[Comparator]>> {
    let mut comparators = Vec::new();
    let mut rest = text.trim_matches(' ');
    loop {
        let (spelled, behind) = OPERATORS
            .iter()
            .find_map(|(operator, spelled)| Some((*spelled, rest.strip_prefix(operator)?)))
            .unwrap_or((Spelled::Plain(Operator::Equal), rest));
        let behind = behind.trim_start_matches(' ');
        let (version, behind) = behind.split_at(behind.find([' ', ',']).unwrap_or(behind.len()));
        comparators.push(Comparator::parse(spelled, version)?);
        rest = behind.trim_start_matches(' ');
        if rest.is_empty() {
            return Some(comparators.into());
        }
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start_matches(' ');
    }
}

#[cfg(test)]
mod tests;
