//! Instants: whole milliseconds since 1970, rounded down.

use serde_json::Value;

use super::text::{self, are_digits};

/// 2^63. Reading: milliseconds that do not fit 64 bits are no instant.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// The milliseconds of RFC 3339 text or of a number. Whole, kept as a double, which holds every one of the years
/// 0000 to 9999 exactly.
pub(super) fn instant(value: &Value) -> Option<f64> {
    match value {
        Value::Number(_) => {
            text::double(value).map(f64::floor).filter(|instant| (-BEYOND..BEYOND).contains(instant))
        }
        Value::String(text) => rfc_3339(text),
        _ => None,
    }
}

fn rfc_3339(text: &str) -> Option<f64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let [year, month, day] = three(date, '-', [4, 2, 2])?;
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (time, offset) = time.split_at(at);
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, fraction),
        None => (time, "0"),
    };
    let [hour, minute, second] = three(clock, ':', [2, 2, 2])?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 || !are_digits(fraction) {
        return None;
    }
    let millisecond: i32 = format!("{fraction}00").get(..3)?.parse().ok()?;
    let minutes =
        f64::from((days_since_year_0(year, month, day) - days_since_year_0(1970, 1, 1)) * 24 + hour) * 60.0
            + f64::from(minute - minutes_of(offset)?);
    Some((minutes * 60.0 + f64::from(second)) * 1_000.0 + f64::from(millisecond))
}

/// Three numbers of so many digits each, with `between` between them.
fn three(text: &str, between: char, widths: [usize; 3]) -> Option<[i32; 3]> {
    let parts: Vec<&str> = text.split(between).collect();
    if parts.len() != 3 {
        return None;
    }
    let mut numbers = [0; 3];
    for ((number, part), width) in numbers.iter_mut().zip(parts).zip(widths) {
        if part.len() != width || !are_digits(part) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    Some(numbers)
}

/// The minutes that `Z` or `+hh:mm` is ahead of UTC.
fn minutes_of(offset: &str) -> Option<i32> {
    if offset == "Z" || offset == "z" {
        return Some(0);
    }
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let [hours, minutes, _] = three(&format!("{}:00", offset.get(1..)?), ':', [2, 2, 2])?;
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn is_leap(year: i32) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counted a year and a month at a time.
fn days_since_year_0(year: i32, month: i32, day: i32) -> i32 {
    let years: i32 = (0..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: i32 = (1..month).map(|month| days_in(year, month)).sum();
    years + months + day
}
