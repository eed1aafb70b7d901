//! The settings of signing in with providers of identities.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::http::Uri;
use domain::account::{ProviderRules, Role};
use domain::key::Key;
use serde::Deserialize;
use server::oidc::{Place, Provider, Settings};

use super::{ConfigError, Profile, variable};

/// There are no more providers.
const MOST_PROVIDERS: usize = 20;
/// No provider has more entries in one of its lists: they are looked at whenever somebody signs in.
const MOST_ENTRIES: usize = 200;
/// No key is longer, in bytes: it stands in addresses and in names of variables.
const LONGEST_KEY: usize = 32;
/// What the variable of a provider's secret begins and ends with.
const SECRET: (&str, &str) = ("BURGEE__OIDC__PROVIDERS__", "__CLIENT_SECRET");

/// What is handed to who signs people in.
pub(crate) type Oidc = Settings;

/// The section `oidc`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    password_login: bool,
    providers: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    issuer: String,
    client_id: String,
    #[serde(default)]
    client_secret: String,
    scopes: Option<Vec<String>>,
    groups_claim: Option<String>,
    #[serde(default)]
    roles: BTreeMap<String, String>,
    #[serde(default)]
    teams: BTreeMap<String, String>,
    default_role: Option<String>,
    #[serde(default)]
    allowed_domains: Vec<String>,
    #[serde(default)]
    link_by_email: bool,
    #[serde(default)]
    trust_email: bool,
}

/// Whether a variable, named without its beginning and in lower case, is a provider's secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = format!("BURGEE__{}", name.to_ascii_uppercase());
    provider_of(&name).is_some()
}

/// The provider whose secret is in this variable, in capitals.
fn provider_of(variable: &str) -> Option<&str> {
    variable.strip_prefix(SECRET.0)?.strip_suffix(SECRET.1)
}

impl Section {
    pub(super) fn read(
        self,
        public_url: Option<String>,
        profile: Profile,
        secure: bool,
    ) -> Result<Oidc, ConfigError> {
        let Self { password_login, providers } = self;
        let allow_plain_loopback = profile == Profile::Local;
        if providers.is_empty() && !password_login {
            return Err(ConfigError(
                "oidc.password_login is false, and oidc.providers has none: nobody could sign in".to_owned(),
            ));
        }
        if providers.len() > MOST_PROVIDERS {
            return Err(ConfigError(format!(
                "oidc.providers has {}; {MOST_PROVIDERS} are allowed",
                providers.len()
            )));
        }
        check_variables(&providers)?;
        let place = match public_url {
            Some(url) => Place::At(url),
            None if profile == Profile::Local || providers.is_empty() => {
                Place::AsAsked { scheme: if secure { "https" } else { "http" } }
            }
            None => {
                return Err(ConfigError(
                    "server.public_url is not given; oidc.providers need it, so that a provider leads people back \
                     here: https://flags.example.com"
                        .to_owned(),
                ));
            }
        };
        let read = |(key, entry): (String, Entry)| entry.read(&key, allow_plain_loopback);
        let providers = providers.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Settings { providers, place, allow_plain_loopback, password_login })
    }
}

/// A secret for a provider that is not there is a slip of the hand that would go unnoticed.
fn check_variables(providers: &BTreeMap<String, Entry>) -> Result<(), ConfigError> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names {
        let Some(key) = provider_of(&name) else { continue };
        if !providers.contains_key(&key.to_ascii_lowercase()) {
            return Err(ConfigError(format!(
                "the environment variable {name} is for a provider that oidc.providers does not have"
            )));
        }
    }
    Ok(())
}

impl Entry {
    fn read(self, key: &str, allow_plain_loopback: bool) -> Result<Provider, ConfigError> {
        let fault = |member: &str, rule: &str| ConfigError(format!("oidc.providers.{key}{member}: {rule}"));
        let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(1..=LONGEST_KEY).contains(&key.len()) || !key.bytes().all(is_key) {
            return Err(fault("", "a provider's key must have 1 to 32 of a-z and 0-9"));
        }
        if !is_issuer(&self.issuer, allow_plain_loopback) {
            let rule = "must be an https URL without query (http is for this machine's own addresses, in the local \
                        profile)";
            return Err(fault(".issuer", rule));
        }
        if self.client_id.is_empty() {
            return Err(fault(
                ".client_id",
                "is empty; the provider gives it when a client is registered there",
            ));
        }
        let lists = [
            (".roles", self.roles.len()),
            (".teams", self.teams.len()),
            (".allowed_domains", self.allowed_domains.len()),
        ];
        if let Some((member, _)) = lists.into_iter().find(|(_, length)| *length > MOST_ENTRIES) {
            return Err(fault(member, &format!("must have at most {MOST_ENTRIES} entries")));
        }
        let role = |member: &str, name: &str| {
            Role::parse(name).ok_or_else(|| fault(member, "must be member, viewer, developer or admin"))
        };
        let roles = self.roles.iter().map(|(group, name)| {
            Ok::<_, ConfigError>((group.clone(), role(&format!(".roles.{group}"), name)?))
        });
        let roles = roles.collect::<Result<_, _>>()?;
        let default_role = role(".default_role", self.default_role.as_deref().unwrap_or("member"))?;
        for (group, team) in &self.teams {
            if Key::parse(team).is_none() {
                return Err(fault(&format!(".teams.{group}"), "must be a team's key"));
            }
        }
        for domain in &self.allowed_domains {
            if domain.is_empty() || domain.contains('@') || *domain != domain.to_lowercase() {
                return Err(fault(".allowed_domains", "must be domains in lower case, such as example.com"));
            }
        }
        let scopes =
            self.scopes.unwrap_or_else(|| ["openid", "email", "profile"].map(str::to_owned).to_vec());
        if !scopes.iter().any(|scope| scope == "openid") {
            return Err(fault(".scopes", "must have openid"));
        }
        let secret = variable(&format!("{}{}{}", SECRET.0, key.to_ascii_uppercase(), SECRET.1));
        Ok(Provider {
            name: self.name.unwrap_or_else(|| key.to_owned()),
            client_id: self.client_id,
            client_secret: secret.or(Some(self.client_secret)).filter(|secret| !secret.is_empty()),
            scopes,
            rules: ProviderRules {
                key: key.to_owned(),
                issuer: self.issuer,
                groups_claim: self.groups_claim.unwrap_or_else(|| "groups".to_owned()),
                roles,
                teams: self.teams,
                default_role,
                allowed_domains: self.allowed_domains,
                link_by_email: self.link_by_email,
                trust_email: self.trust_email,
            },
        })
    }
}

fn is_issuer(text: &str, allow_plain_loopback: bool) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_safe = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => allow_plain_loopback && is_here,
        _ => false,
    };
    let authority = uri.authority().map_or("@", axum::http::uri::Authority::as_str);
    is_safe && !host.is_empty() && !authority.contains('@') && uri.query().is_none() && !text.contains('#')
}
