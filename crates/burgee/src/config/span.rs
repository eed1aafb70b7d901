//! Lengths of time.

use jiff::SignedDuration;

use super::ConfigError;

/// No session and no signing key lasts longer, in seconds.
const LONGEST_TTL: i64 = 365 * 24 * 60 * 60;
/// No log is kept for a number of seconds beyond this; for ever is another word.
const LONGEST_RETENTION: i64 = 36_500 * 24 * 60 * 60;

/// A length of time.
pub(super) fn seconds(name: &str, text: &str) -> Result<i64, ConfigError> {
    let seconds = text.parse::<SignedDuration>().map(|duration| duration.as_secs());
    seconds.ok().filter(|seconds| (1..=LONGEST_TTL).contains(seconds)).ok_or_else(|| {
        ConfigError(format!(
            "{name} is {text:?}; it must be a number and a unit, such as 30m, 24h or 7d, at most 365d"
        ))
    })
}

/// In milliseconds; nothing is for ever.
pub(super) fn retention(name: &str, text: &str) -> Result<Option<i64>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    // A day is 24 hours here, which the library does not take for granted.
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok()?.checked_mul(24 * 60 * 60));
    let seconds = days.or_else(|| Some(text.parse::<SignedDuration>().ok()?.as_secs()));
    let seconds = seconds.filter(|seconds| (1..=LONGEST_RETENTION).contains(seconds));
    seconds.map(|seconds| Some(seconds * 1_000)).ok_or_else(|| {
        ConfigError(format!(
            "{name} is {text:?}; it must be a number and a unit, such as 8760h or 400d, at most 36500d, or empty for \
             ever"
        ))
    })
}
