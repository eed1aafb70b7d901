//! SemVer 2.0: versions and ranges.

use std::cmp::Ordering;

use super::text::{are_digits, is_plain_number};

/// A version without its build metadata.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Version {
    /// Major, minor and patch. Wider than `u64`, so that the end of a range always fits.
    numbers: [u128; 3],
    /// How many of the three were written.
    written: usize,
    pre_release: Vec<String>,
}

/// Reads `v1.2.3-alpha.1+build`; `v` and parts after the first may be missing.
pub(super) fn version(text: &str) -> Option<Version> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (text, build) = cut(text, '+');
    let (numbers, pre_release) = cut(text, '-');
    let build_reads = build.is_none_or(|build| build.split('.').all(is_identifier));
    let pre_release: Vec<String> =
        pre_release.map_or_else(Vec::new, |identifiers| identifiers.split('.').map(str::to_owned).collect());
    let pre_release_reads = pre_release.iter().all(|identifier| {
        is_identifier(identifier) && (!are_digits(identifier) || is_plain_number(identifier))
    });
    let parts: Vec<&str> = numbers.split('.').collect();
    if !build_reads || !pre_release_reads || parts.len() > 3 {
        return None;
    }
    let mut read = Version { numbers: [0; 3], written: parts.len(), pre_release };
    for (number, part) in read.numbers.iter_mut().zip(parts) {
        if !is_plain_number(part) {
            return None;
        }
        *number = u128::from(part.parse::<u64>().ok()?);
    }
    Some(read)
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(front, back)| (front, Some(back)))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Precedence as SemVer 2.0 has it.
pub(super) fn precedence(one: &Version, other: &Version) -> Ordering {
    one.numbers.cmp(&other.numbers).then_with(|| match (&one.pre_release[..], &other.pre_release[..]) {
        ([], []) => Ordering::Equal,
        ([], _) => Ordering::Greater,
        (_, []) => Ordering::Less,
        (one, other) => {
            let different = one.iter().zip(other).map(|(one, other)| identifiers(one, other));
            different.into_iter().find(|order| order.is_ne()).unwrap_or(one.len().cmp(&other.len()))
        }
    })
}

/// Numbers by value, of any length; other words by their bytes; a number is below a word.
fn identifiers(one: &str, other: &str) -> Ordering {
    match (are_digits(one), are_digits(other)) {
        (true, true) => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.cmp(other),
    }
}

/// An operator, what it stands before, and for `^` and `~` the first version that is too high.
#[derive(Debug, Clone)]
struct Comparator {
    operator: String,
    version: Version,
    end: Version,
}

/// Comparators that must all be satisfied.
#[derive(Debug, Clone)]
pub(super) struct Range(Vec<Comparator>);

/// Reads `>=2.0.0 <3.0.0`: comparators with spaces or commas between them, spaces after an operator.
pub(super) fn range(text: &str) -> Option<Range> {
    let mut comparators = Vec::new();
    let mut rest = text.trim_matches(' ');
    while !rest.is_empty() {
        let operator = ["!=", ">=", "<=", "=", ">", "<", "^", "~"]
            .into_iter()
            .find(|operator| rest.starts_with(operator));
        let operator = operator.unwrap_or_default();
        rest = rest[operator.len()..].trim_start_matches(' ');
        let length = rest.find([' ', ',']).unwrap_or(rest.len());
        let version = version(&rest[..length])?;
        rest = rest[length..].trim_start_matches(' ');
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start_matches(' ');
            if rest.is_empty() {
                return None;
            }
        }
        let end = end(operator, &version);
        comparators.push(Comparator { operator: operator.to_owned(), version, end });
    }
    (!comparators.is_empty()).then_some(Range(comparators))
}

/// The first version above what `^` and `~` admit.
fn end(operator: &str, version: &Version) -> Version {
    let held = match operator {
        "^" => version.numbers.iter().position(|number| *number != 0).unwrap_or(2),
        _ if version.written == 1 => 0,
        _ => 1,
    };
    let mut numbers = [0; 3];
    numbers[..=held].copy_from_slice(&version.numbers[..=held]);
    numbers[held] += 1;
    Version { numbers, written: 3, pre_release: Vec::new() }
}

/// Whether `version` satisfies every comparator.
pub(super) fn satisfies(version: &Version, range: &Range) -> bool {
    range.0.iter().all(|comparator| {
        let order = precedence(version, &comparator.version);
        match comparator.operator.as_str() {
            "!=" => order.is_ne(),
            ">" => order.is_gt(),
            ">=" => order.is_ge(),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            "^" | "~" => order.is_ge() && precedence(version, &comparator.end).is_lt(),
            _ => order.is_eq(),
        }
    })
}
