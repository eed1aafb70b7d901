//! Points in time: whole milliseconds, UTC.

use std::fmt;

use serde::{Serialize, Serializer};

/// Milliseconds since the Unix epoch. Shown as RFC 3339 in UTC with three decimals and `Z`, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// So many milliseconds later.
    #[must_use]
    pub const fn after_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// So many seconds later.
    #[must_use]
    pub const fn after_seconds(self, seconds: i64) -> Self {
        self.after_millis(seconds.saturating_mul(1_000))
    }

    /// What is wrong with a text that [`Self::parse`] does not read.
    pub const RULE: &str =
        "must be an instant with an offset, such as 2026-11-21T12:00:00Z, or a day such as 2026-11-21";

    /// Reads RFC 3339, or a day, which begins at midnight UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let day = Day::parse(text).map(|day| format!("{day}T00:00:00Z"));
        let time: jiff::Timestamp = day.as_deref().unwrap_or(text).parse().ok()?;
        Some(Self(time.as_millisecond()))
    }

    /// So many milliseconds earlier.
    #[must_use]
    pub const fn earlier(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// As milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// As whole seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            // Beyond the years that RFC 3339 can write; only a broken clock comes here.
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A day of the calendar, as in `2026-11-21`. Days begin at midnight UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(jiff::civil::Date);

impl Day {
    /// What is wrong with a text that is no day.
    pub const RULE: &str = "must be a day such as 2026-11-21, from 1970-01-01 to 9999-12-31";

    /// Reads a day; `None` if it is none. Days are four digits, two and two, so that their texts sort as they do.
    pub fn parse(text: &str) -> Option<Self> {
        let day = text.parse::<jiff::civil::Date>().ok()?;
        (day.year() >= 1970 && day.to_string() == text).then_some(Self(day))
    }

    /// The day of a point in time.
    pub fn of(time: Timestamp) -> Self {
        let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::MAX);
        Self(time.to_zoned(jiff::tz::TimeZone::UTC).date())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Day, Timestamp};

    #[test]
    fn a_day_is_written_in_one_way() {
        for day in ["1970-01-01", "2024-02-29", "9999-12-31"] {
            assert_eq!(Day::parse(day).unwrap().to_string(), day);
        }
        for none in
            ["", "2026-2-1", "2026-02-30", "20260201", "1969-12-31", "2026-02-01T00:00:00Z", "tomorrow"]
        {
            assert_eq!(Day::parse(none), None, "{none}");
        }
        let last = Day::of(Timestamp::from_millis(1_795_219_199_999));
        assert_eq!((Some(last), last.to_string()), (Day::parse("2026-11-20"), "2026-11-20".to_owned()));
        assert!(last < Day::of(Timestamp::from_millis(1_795_219_200_000)));
    }

    #[test]
    fn an_instant_reads_with_an_offset_or_as_a_day() {
        let noon = Timestamp::from_millis(1_795_262_400_000);
        assert_eq!(Timestamp::parse("2026-11-21T12:00:00Z"), Some(noon));
        assert_eq!(Timestamp::parse("2026-11-21T13:00:00+01:00"), Some(noon));
        assert_eq!(Timestamp::parse("2026-11-21"), Some(noon.earlier(12 * 3_600_000)));
        for none in ["", "now", "2026-11-21T12:00:00", "2026-11-31", "1795262400000"] {
            assert_eq!(Timestamp::parse(none), None, "{none}");
        }
    }

    #[test]
    fn shows_milliseconds_and_z() {
        assert_eq!(Timestamp::from_millis(1_795_219_200_000).to_string(), "2026-11-21T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(1_795_219_200_120).to_string(), "2026-11-21T00:00:00.120Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }
}
