//! How long credentials hold, as people write it: the same of SDK keys and of access tokens.

use engine::json::{At, Violations};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::time::Timestamp;

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// No credential says that it expires later, in milliseconds from now: ten years.
const LONGEST_LIFE: i64 = 10 * 366 * DAY;
/// No credential is kept beside its successor for longer, in milliseconds: 30 days.
const LONGEST_OVERLAP: i64 = 30 * DAY;
/// How long it is unless the request says otherwise, in milliseconds: a day.
const USUAL_OVERLAP: i64 = DAY;

/// How long a credential holds on beside its successor, from `{"overlap"?}`, in milliseconds.
pub(crate) fn read_overlap(document: Option<&Value>) -> Result<i64> {
    let Some(document) = document else { return Ok(USUAL_OVERLAP) };
    let mut violations = Violations::default();
    let overlap = At::root(document).object(&mut violations).and_then(|object| {
        let overlap = object.optional(&mut violations, "overlap", |at, violations| {
            let overlap = parse_duration(at.text(violations)?).filter(|overlap| *overlap <= LONGEST_OVERLAP);
            if overlap.is_none() {
                at.fault(
                    violations,
                    "must be a time such as 90s, 30m, 24h, 1d or PT24H, at most 30d; 0s is at once",
                );
            }
            overlap
        });
        object.deny_unknown(&mut violations);
        overlap
    });
    let overlap = violations.into_result(overlap).map_err(Error::Invalid)?;
    Ok(overlap.unwrap_or(USUAL_OVERLAP))
}

/// From when on a credential is refused; `null` is never. What it was before may be sent back.
pub(crate) fn read_expiry(
    at: &At<'_>,
    before: Option<Timestamp>,
    now: Timestamp,
    violations: &mut Violations,
) -> Option<Timestamp> {
    if at.is_null() {
        return None;
    }
    let Some(time) = Timestamp::parse(at.text(violations)?) else {
        at.fault(violations, "must be a time such as 2027-01-31T12:00:00Z, or null for never");
        return None;
    };
    let life = time.as_millis().saturating_sub(now.as_millis());
    if before != Some(time) && !(1..=LONGEST_LIFE).contains(&life) {
        at.fault(violations, "must be in the future, within ten years; DELETE ends it at once");
    }
    Some(time)
}

/// Whole numbers with units, as in `24h` or `1d12h`, or the days and times of ISO 8601, as in `P1D` or `PT1H30M`; in
/// milliseconds. A day is 24 hours, and nothing is counted in what has no fixed length.
fn parse_duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let Some(iso) = text.strip_prefix('P') else { return sum(text, "dhms") };
    match iso.split_once('T') {
        None => sum(iso, "D"),
        Some(("", time)) => sum(time, "HMS"),
        Some((days, time)) => sum(days, "D")?.checked_add(sum(time, "HMS")?),
    }
}

/// One number with one of these units or more.
fn sum(text: &str, units: &str) -> Option<i64> {
    let (mut total, mut rest) = (0_i64, text);
    loop {
        let unit = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(unit)?;
        let unit = after.chars().next().filter(|unit| units.contains(*unit))?;
        let millis = match unit.to_ascii_lowercase() {
            'd' => DAY,
            'h' => 60 * 60 * 1_000,
            'm' => 60 * 1_000,
            _ => 1_000,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(millis)?)?;
        rest = after.get(1..)?;
        if rest.is_empty() {
            return Some(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, parse_duration};

    #[test]
    fn a_duration_is_numbers_with_units_or_iso_8601() {
        const HOUR: i64 = 3_600_000;
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("90s", 90_000),
            ("24h", DAY),
            ("1d", DAY),
            ("30d", 30 * DAY),
            ("1d12h", DAY + 12 * HOUR),
            ("PT1H", HOUR),
            ("PT1H30M", HOUR + HOUR / 2),
            ("P1D", DAY),
            ("P1DT1S", DAY + 1_000),
        ] {
            assert_eq!(parse_duration(text), Some(millis), "{text}");
        }
        for none in [
            "",
            "h",
            "-1h",
            "+1h",
            "1.5h",
            "1 h",
            "24",
            "1w",
            "P",
            "PT",
            "P1",
            "P1M",
            "P1Y",
            "P1W",
            "P1DT",
            "PT1D",
            "pt1h",
            "1H",
            "1dh",
            "é1h",
            "99999999999999999999d",
            "9223372036854775807d",
        ] {
            assert_eq!(parse_duration(none), None, "{none}");
        }
    }
}
