//! Secrets that a start is told.

use super::{ConfigError, Profile};

/// A given secret is at least this long, in characters.
const SHORTEST_SECRET: usize = 16;
/// Secrets that stand in somebody's documentation: everyone knows them.
const KNOWN_SECRETS: [&str; 4] = [
    "change-me-in-production",
    "admin-secret-key",
    "sdk-secret-key",
    "your-super-secret-key-change-in-production",
];

/// A secret that was given: long enough, and in production nobody else's.
pub(super) fn secret(
    name: &str,
    value: Option<String>,
    profile: Profile,
) -> Result<Option<String>, ConfigError> {
    let Some(value) = value else { return Ok(None) };
    if profile == Profile::Production && KNOWN_SECRETS.contains(&value.as_str()) {
        return Err(ConfigError(format!(
            "{name} is a secret that everyone knows; give one of your own, or none"
        )));
    }
    if value.chars().count() < SHORTEST_SECRET {
        return Err(ConfigError(format!("{name} must have {SHORTEST_SECRET} characters or more")));
    }
    Ok(Some(value))
}
