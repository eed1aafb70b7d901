//! Instants: whole milliseconds since 1970-01-01T00:00:00Z, rounded down.

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The instant that a text names by RFC 3339, in milliseconds. There must be an offset; `t` and `z` may be lower-case;
/// a leap second, a space in place of the `T` and a day that its month does not have are no instant.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let mut rest = Rest(text.as_bytes());
    let (year, month, day) = (rest.digits(4)?, rest.mark(b"-")?.digits(2)?, rest.mark(b"-")?.digits(2)?);
    let hour = rest.mark(b"Tt")?.digits(2)?;
    let (minute, second) = (rest.mark(b":")?.digits(2)?, rest.mark(b":")?.digits(2)?);
    if hour > 23 || minute > 59 || second > 59 || !(1..=days_in(year, month)?).contains(&day) {
        return None;
    }
    let milliseconds = rest.fraction()?;
    let offset = rest.offset()?;
    let seconds = days_since_1970(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second - offset;
    // A fraction goes forward in time, before 1970 too: what is cut off it rounds down.
    rest.0.is_empty().then_some(seconds * 1_000 + milliseconds)
}

/// The instant that a number of milliseconds means. Those beyond 64 bits, 292 million years from here, count as the
/// last one; no number and the infinities as none.
pub(crate) fn of_number(milliseconds: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "whole by then, and meant to stop at the ends")]
    milliseconds.is_finite().then(|| milliseconds.floor() as i64)
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// A number of exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits
            .iter()
            .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    }

    /// Passes one of these bytes.
    fn mark(&mut self, one_of: &[u8]) -> Option<&mut Self> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        one_of.contains(first).then_some(self)
    }

    /// The milliseconds of a fraction of a second, if there is one; it may have any number of digits, not none.
    fn fraction(&mut self) -> Option<i64> {
        let Some(fraction) = self.0.strip_prefix(b".") else { return Some(0) };
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = fraction.split_at(count);
        self.0 = rest;
        let milliseconds = digits.iter().chain(b"000").take(3);
        (count > 0).then(|| milliseconds.fold(0, |number, byte| number * 10 + i64::from(byte - b'0')))
    }

    /// The seconds by which local time is ahead of UTC.
    fn offset(&mut self) -> Option<i64> {
        let (sign, rest) = self.0.split_first()?;
        self.0 = rest;
        let sign = match sign {
            b'Z' | b'z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, minutes) = (self.digits(2)?, self.mark(b":")?.digits(2)?);
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * HOUR + minutes * MINUTE))
    }
}

/// The days of a month; `None` for a month that no year has.
fn days_in(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 29 } else { 28 }),
        _ => None,
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, for years from 0.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March: the day that leap years add is then their last. From there the months' lengths
    // repeat as 31, 30, 31, 30, 31, which adds up to (153 × months + 2) / 5.
    let (year, months) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let (years, centuries, eras) =
        (year * 365 + year.div_euclid(4), year.div_euclid(100), year.div_euclid(400));
    // 719,468 days from 0000-03-01 to 1970-01-01.
    years - centuries + eras + (153 * months + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn instants_are_rfc_3339() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("2001-09-09T01:46:40Z", 1_000_000_000_000),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("1970-01-01T01:30:00+01:30", 0),
            ("1969-12-31T18:00:00-06:00", 0),
            ("1970-01-01T00:00:00-00:00", 0),
            ("1970-01-01T00:00:00+23:59", -86_340_000),
            ("1970-01-01T00:00:00.1Z", 100),
            ("1970-01-01T00:00:00.0019999999999999999999999Z", 1),
            ("1970-01-01T00:00:00.999999Z", 999),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("1969-12-31T23:59:59.0001Z", -1_000),
            ("1969-12-31T23:59:59Z", -1_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("0000-02-29T00:00:00Z", -62_162_121_600_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("1582-10-15T00:00:00Z", -12_219_292_800_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
            ("9999-12-31T23:59:59.999-23:59", 253_402_387_139_999),
        ] {
            assert_eq!(parse(text), Some(milliseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "0",
            "1700000000000",
            "2024-01-01",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00Z",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:60Z",
            "2016-12-31T23:59:60Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-00-01T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-00T00:00:00Z",
            "2024-01-32T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00,5Z",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00+01",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+01:60",
            "2024-01-01T00:00:00 +01:00",
            "2024-01-01T00:00:00ZZ",
            "2024-01-01T00:00:00Z ",
            " 2024-01-01T00:00:00Z",
            "+2024-01-01T00:00:00Z",
            "-2024-01-01T00:00:00Z",
            "12024-01-01T00:00:00Z",
            "24-01-01T00:00:00Z",
            "2024-1-1T00:00:00Z",
            "2024-01-01T0:00:00Z",
            "20240101T000000Z",
            "2024-W01-1T00:00:00Z",
            "2024-01-01T00:00:00−01:00",
            "２024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.5",
            "2024/01/01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_milliseconds_rounded_down() {
        for (number, milliseconds) in [
            (0.0, 0),
            (-0.0, 0),
            (1.9, 1),
            (-0.1, -1),
            (-1.0, -1),
            (1e15, 1_000_000_000_000_000),
            (1e300, i64::MAX),
            (-1e300, i64::MIN),
        ] {
            assert_eq!(of_number(number), Some(milliseconds), "{number}");
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(of_number(number), None, "{number}");
        }
    }

    #[test]
    fn days_follow_one_another() {
        // Counted day by day from the first to the last that can be written, as a calendar on the wall would.
        let mut expected = -719_528;
        for year in 0..=9_999 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month).unwrap() {
                    assert_eq!(days_since_1970(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
        assert_eq!(days_since_1970(1970, 1, 1), 0);
    }

    proptest! {
        #[test]
        fn no_text_stops_the_reader(text in "[0-9TZtz:.+ -]{0,30}|\\PC{0,30}") {
            let _ = parse(&text);
        }

        #[test]
        fn offsets_and_fractions_add_up(
            hour in 0..24_i64, minute in 0..60_i64, second in 0..60_i64, fraction in "[0-9]{1,12}",
            sign in prop_oneof![Just('+'), Just('-')], ahead_hours in 0..24_i64, ahead_minutes in 0..60_i64,
        ) {
            let text = format!(
                "1969-12-31T{hour:02}:{minute:02}:{second:02}.{fraction}{sign}{ahead_hours:02}:{ahead_minutes:02}"
            );
            let ahead = (ahead_hours * 60 + ahead_minutes) * if sign == '+' { 1 } else { -1 };
            let milliseconds: i64 = format!("{fraction:0<3}")[..3].parse().unwrap();
            let expected = ((hour * 60 + minute - ahead) * 60 + second) * 1_000 + milliseconds - 86_400_000;
            prop_assert_eq!(parse(&text), Some(expected));
        }
    }
}
