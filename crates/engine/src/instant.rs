//! Instants: whole milliseconds since 1970, out of RFC 3339 texts and out of numbers.

/// Reads an RFC 3339 date and time with an offset; parts of a millisecond are left out, downwards.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b"t"))?.split_at_checked(8)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let [h1, h2, b':', n1, n2, b':', s1, s2] = time else { return None };
    let (year, month, day) = (number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?);
    let (millisecond, offset) = fraction(rest)?;
    let valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 59;
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset_minutes(offset)?;
    valid.then_some((minutes * 60 + second) * 1_000 + millisecond)
}

/// Reads a number of milliseconds since 1970; parts of one are left out, downwards.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is refused before")]
pub(crate) fn of_number(milliseconds: f64) -> Option<i64> {
    /// 2^63, the first double that is too large.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let whole = milliseconds.floor();
    (-END..END).contains(&whole).then_some(whole as i64)
}

/// A number of digits and nothing else.
fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// The milliseconds of a fraction of a second, if there is one, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at(length);
    let mut padded = digits.iter().chain(b"000").copied();
    let first: [u8; 3] = std::array::from_fn(|_| padded.next().unwrap_or(b'0'));
    if digits.is_empty() { None } else { Some((number(&first)?, rest)) }
}

/// `Z`, or hours and minutes east of it.
fn offset_minutes(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            let east = hours * 60 + minutes;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -east } else { east })
        }
        _ => None,
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// By the Gregorian calendar, before its time too.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years from March on: the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read_to_the_millisecond() {
        for (text, instant) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("2026-03-01T09:30:00Z", 1_772_357_400_000),
            ("2026-03-01T10:30:00+01:00", 1_772_357_400_000),
            ("2026-03-01T04:00:00-05:30", 1_772_357_400_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("1969-12-31T23:59:59.0001Z", -1_000),
            ("1970-01-01T00:00:00.1Z", 100),
            ("1970-01-01T00:00:00.1239999999999999999999Z", 123),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("1970-01-01T00:00:00-00:00", 0),
        ] {
            assert_eq!(parse(text), Some(instant), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_instants() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T09:30:00",
            "2026-03-01 09:30:00Z",
            "2026-03-01T09:30Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-03-00T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T00:60:00Z",
            "2016-12-31T23:59:60Z",
            "2026-03-01T00:00:00.Z",
            "2026-03-01T00:00:00+0100",
            "2026-03-01T00:00:00+24:00",
            "2026-03-01T00:00:00+01:60",
            "2026-03-01T00:00:00Z ",
            "+2026-03-01T00:00:00Z",
            "1772357400000",
            "2026-03-01T00:00:00,5Z",
            "２026-03-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_rounded_down() {
        for (number, instant) in [
            (0.0, Some(0)),
            (1.9, Some(1)),
            (-0.1, Some(-1)),
            (-1.5, Some(-2)),
            (1e300, None),
            (f64::NAN, None),
        ] {
            assert_eq!(of_number(number), instant, "{number}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9TtZz:.+-]{0,30}|.{0,30}") {
            parse(&text);
        }

        /// Each day is one after the day before it.
        #[test]
        fn days_follow_each_other(year in 0..9_999_i64, month in 1..=12_i64, day in 1..=31_i64) {
            prop_assume!(day <= days_in(year, month));
            let (next_year, next_month, next_day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (month, day) if day == days_in(year, month) => (year, month + 1, 1),
                (month, day) => (year, month, day + 1),
            };
            prop_assert_eq!(
                days_since_1970(next_year, next_month, next_day),
                days_since_1970(year, month, day) + 1
            );
        }
    }
}
