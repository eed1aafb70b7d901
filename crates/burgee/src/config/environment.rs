//! What the environment says.

use std::net::IpAddr;

use super::{ConfigError, Profile};

/// How careful to be: as one says, or as the address asks for.
pub(super) fn profile(host: &str) -> Result<Profile, ConfigError> {
    let loopback =
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match variable("BURGEE_PROFILE").as_deref() {
        Some("production") => Ok(Profile::Production),
        Some("local") if !loopback => Err(ConfigError(format!(
            "BURGEE_PROFILE=local serves this machine only, but server.host is {host}; \
             use a loopback address or BURGEE_PROFILE=production"
        ))),
        Some("local") => Ok(Profile::Local),
        Some(other) => {
            Err(ConfigError(format!("BURGEE_PROFILE is {other:?}; it can be local or production")))
        }
        None if loopback => Ok(Profile::Local),
        None => Ok(Profile::Production),
    }
}

/// A variable that is ours by its name and means nothing is a slip of the hand that would go unnoticed.
pub(super) fn check_variables() -> Result<(), ConfigError> {
    const KNOWN: [&str; 3] = ["BURGEE_PROFILE", "BURGEE_ADMIN_EMAIL", "BURGEE_ADMIN_PASSWORD"];
    let ours = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("BURGEE_"));
    match ours.into_iter().find(|name| !name.starts_with("BURGEE__") && !KNOWN.contains(&name.as_str())) {
        Some(name) => Err(ConfigError(format!(
            "the environment variable {name} is not known; there are {}, and BURGEE__SECTION__KEY for settings",
            KNOWN.join(", ")
        ))),
        None => Ok(()),
    }
}

/// A variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "this is where settings are read")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
