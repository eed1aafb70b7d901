//! The settings of what stands before every handler.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use jiff::SignedDuration;
use serde::Deserialize;
use server::doors::Settings;
use server::doors::client::{Network, Proxies, ProxyHeader};
use server::doors::limiter::Quota;
use server::doors::limits::{Limits as Counted, PlaneLimits};

use super::{ConfigError, Profile};

/// Nobody waits longer for a stop.
const LONGEST_DELAY: Duration = Duration::from_mins(10);
/// No quota is larger, nor a number of connections.
const MOST: u32 = 1_000_000;

/// The section `server`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    public_url: String,
    trusted_proxies: Vec<String>,
    proxy_header: Header,
    max_connections: u64,
    max_connections_per_address: u64,
    docs: bool,
    shutdown_delay: String,
    tls: Tls,
    cors: Cors,
}

#[derive(Clone, Copy, Deserialize)]
enum Header {
    #[serde(rename = "X-Forwarded-For", alias = "x-forwarded-for")]
    XForwardedFor,
    #[serde(rename = "Forwarded", alias = "forwarded")]
    Forwarded,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cors {
    origins: Vec<String>,
}

/// The section `limits`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    control: Plane,
    delivery: Plane,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plane {
    per_credential: Bucket,
    per_address: Bucket,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    rate: u32,
    burst: u32,
}

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connections {
    /// In all, if the system allows as many open files.
    pub most: u64,
    /// From one address, if that is bounded by more than what others need.
    pub most_of_one: Option<u64>,
}

/// Where the certificate is.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    /// PEM: the server's certificate first, then those that vouch for it.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

impl Server {
    pub(super) fn shutdown_delay(&self) -> Result<Duration, ConfigError> {
        let text = &self.shutdown_delay;
        let delay = text.parse::<SignedDuration>().ok().and_then(|delay| Duration::try_from(delay).ok());
        delay.filter(|delay| *delay <= LONGEST_DELAY).ok_or_else(|| {
            let most = LONGEST_DELAY.as_secs() / 60;
            ConfigError(format!(
                "server.shutdown_delay is {text:?}; it must be a number and a unit, such as 0s or 15s, at most {most}m"
            ))
        })
    }

    /// Where people reach this server; `None` if nobody says.
    pub(super) fn public_url(&self) -> Result<Option<String>, ConfigError> {
        let text = &self.public_url;
        if !text.is_empty() && origin(text).is_none() {
            return Err(ConfigError(format!(
                "server.public_url is {text:?}; it must be an origin such as https://flags.example.com, without a path"
            )));
        }
        Ok(Some(text.clone()).filter(|text| !text.is_empty()))
    }

    pub(super) fn connections(&self) -> Result<Connections, ConfigError> {
        let (most, of_one) = (self.max_connections, self.max_connections_per_address);
        if !(1..=u64::from(MOST)).contains(&most) {
            return Err(ConfigError(format!("server.max_connections is {most}; it can be 1 to {MOST}")));
        }
        Ok(Connections { most, most_of_one: Some(of_one).filter(|of_one| *of_one > 0) })
    }

    /// Both files or none.
    pub(super) fn tls(&self) -> Result<Option<TlsFiles>, ConfigError> {
        let Tls { certificate, key } = &self.tls;
        let missing = match (certificate.as_os_str().is_empty(), key.as_os_str().is_empty()) {
            (true, true) => return Ok(None),
            (false, false) => {
                return Ok(Some(TlsFiles { certificate: certificate.clone(), key: key.clone() }));
            }
            (true, false) => "certificate",
            (false, true) => "key",
        };
        Err(ConfigError(format!(
            "server.tls.{missing} is not given, but the other file is; HTTPS takes both"
        )))
    }

    pub(super) fn doors(
        &self,
        limits: &Limits,
        profile: Profile,
        secure: bool,
    ) -> Result<Settings, ConfigError> {
        let network = |(place, text): (usize, &String)| {
            let fault = |fault| ConfigError(format!("server.trusted_proxies[{place}]: {text:?} {fault}"));
            text.parse::<Network>().map_err(fault)
        };
        let trusted = self.trusted_proxies.iter().enumerate().map(network).collect::<Result<_, _>>()?;
        let header = match self.proxy_header {
            Header::XForwardedFor => ProxyHeader::XForwardedFor,
            Header::Forwarded => ProxyHeader::Forwarded,
        };
        let origins = self.cors.origins.iter().enumerate().map(|(place, text)| {
            origin(text).ok_or_else(|| {
                ConfigError(format!(
                    "server.cors.origins[{place}]: {text:?} must be an origin such as https://flags.example.com, \
                     without a path; each has to be named (\"*\" would let any page of the world ask)"
                ))
            })
        });
        let origins = origins.collect::<Result<_, _>>()?;
        let limits = limits.read()?;
        let local = profile == Profile::Local;
        Ok(Settings {
            proxies: Proxies { trusted, header },
            origins,
            limits: (!local).then_some(limits),
            // A browser would keep it for all that is ever served on localhost.
            https_only: secure && !local,
            docs: self.docs,
        })
    }
}

/// As a browser sends it: scheme, host, and a port if it is not the scheme's own.
fn origin(text: &str) -> Option<HeaderValue> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let own_port = matches!((scheme, authority.port_u16()), ("http", Some(80)) | ("https", Some(443)));
    let reads = matches!(scheme, "http" | "https")
        && format!("{scheme}://{authority}") == text
        && text == text.to_ascii_lowercase()
        && !own_port
        && !authority.as_str().contains('@')
        && is_host(authority.host());
    reads.then(|| HeaderValue::from_str(text).ok())?
}

/// An address, or a name, which no pattern is.
fn is_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    bare.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.bytes().all(is_name))
}

impl Limits {
    fn read(&self) -> Result<Counted, ConfigError> {
        Ok(Counted { control: self.control.read("control")?, delivery: self.delivery.read("delivery")? })
    }
}

impl Plane {
    fn read(&self, name: &str) -> Result<PlaneLimits, ConfigError> {
        Ok(PlaneLimits {
            credential: self.per_credential.read(&format!("limits.{name}.per_credential"))?,
            address: self.per_address.read(&format!("limits.{name}.per_address"))?,
        })
    }
}

impl Bucket {
    /// None if the rate is 0.
    fn read(&self, name: &str) -> Result<Option<Quota>, ConfigError> {
        let Self { rate, burst } = *self;
        if rate == 0 {
            return Ok(None);
        }
        if rate > MOST || !(1..=MOST).contains(&burst) {
            return Err(ConfigError(format!(
                "{name} is {rate} a second and {burst} at once; rate can be 0 to {MOST}, burst 1 to {MOST}"
            )));
        }
        Ok(Some(Quota { rate, burst }))
    }
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in
            ["https://flags.example.com", "http://localhost:3000", "http://[::1]:8080", "http://10.0.0.1"]
        {
            assert!(origin(good).is_some(), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "https://*.example.com",
            "https://example.com/",
            "https://example.com/a",
            "https://Example.com",
            "https://example.com:443",
            "https://u@example.com",
            "ftp://example.com",
            "example.com",
        ] {
            assert!(origin(bad).is_none(), "{bad}");
        }
    }
}
