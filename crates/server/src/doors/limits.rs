//! Who asks too often is told when to come again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::error::Error;
use http::{HeaderMap, HeaderValue, Method, Uri, header};

use super::Doors;
use super::limiter::Quota;
use crate::body::Client;
pub(super) use crate::credential::Plane;
use crate::credential::secret;
use crate::problem::Problem;

/// How often one may ask a plane; as often as one likes where there is no quota.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlaneLimits {
    /// With one credential, whether or not it is worth anything.
    pub credential: Option<Quota>,
    /// From one address; of IPv6, from one network of 64 bits, which is what one subscriber has.
    pub address: Option<Quota>,
}

impl PlaneLimits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.credential.is_none() && self.address.is_none()
    }
}

/// How often one may ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// People and scripts.
    pub control: PlaneLimits,
    /// Applications. Very many of them may stand behind one address.
    pub delivery: PlaneLimits,
}

/// Whose bucket it is.
#[derive(Hash)]
enum Who<'a> {
    Credential(Plane, &'a str),
    Address(Plane, IpAddr),
}

pub(super) async fn count(
    State((doors, plane)): State<(Arc<Doors>, Plane)>,
    request: Request,
    next: Next,
) -> Response {
    let counted = Counted {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        address: request.extensions().get().map(|Client(address)| *address),
    };
    match counted.check(&doors, plane) {
        Ok(()) => next.run(request).await,
        Err(wait) => refusal(plane, request.uri().path(), wait),
    }
}

/// What is counted of a request.
pub(super) struct Counted<'r> {
    pub(super) method: &'r Method,
    pub(super) uri: &'r Uri,
    pub(super) headers: &'r HeaderMap,
    pub(super) address: Option<IpAddr>,
}

impl Counted<'_> {
    /// Fails with how long to wait.
    pub(super) fn check(&self, doors: &Doors, plane: Plane) -> Result<(), Duration> {
        let Some(limits) = &doors.settings.limits else { return Ok(()) };
        // A browser asks before it asks; that is not what is counted.
        if plane == Plane::Delivery && self.method == Method::OPTIONS {
            return Ok(());
        }
        let limits = match plane {
            Plane::Control => limits.control,
            Plane::Delivery => limits.delivery,
        };
        let now = doors.opened.elapsed();
        if let (Some(quota), Some(address)) = (limits.address, self.address) {
            doors.limiter.take(Who::Address(plane, subscriber(address)), quota, now)?;
        }
        if let Some(quota) = limits.credential
            && let Some(credential) = secret(plane, self.headers, self.uri)
        {
            doors.limiter.take(Who::Credential(plane, &credential), quota, now)?;
        }
        Ok(())
    }
}

/// The address, or as much of it as one subscriber has in common: of IPv6 a network of 64 bits.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => IpAddr::from((address.to_bits() & (u128::MAX << 64)).to_be_bytes()),
    }
}

pub(super) fn refusal(plane: Plane, path: &str, wait: Duration) -> Response {
    // Rounded up: who comes at the time that they were told is let in.
    let seconds = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
    let response = Problem::from(Error::TooMany { retry_after: seconds }).at(path).into_response();
    if plane == Plane::Delivery { for_any_page(response) } else { response }
}

/// A refusal that applications' doors do not make themselves: pages of any origin may ask there, so they may hear it.
pub(super) fn for_any_page(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    response
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use axum::body::Body;

    use super::*;

    #[test]
    fn a_subscriber_has_a_network_of_ipv6_and_an_address_of_ipv4() {
        let of = |text: &str| subscriber(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn a_credential_is_found_where_it_may_be() {
        let of = |request: http::request::Builder| {
            let request = request.body(Body::empty()).unwrap();
            secret(Plane::Delivery, request.headers(), request.uri()).map(Cow::into_owned)
        };
        let ask = || Request::get("/sdk/v1/stream?a=b");
        for written in ["Bearer k1", "bearer  k1"] {
            assert_eq!(of(ask().header("authorization", written)).as_deref(), Some("k1"));
        }
        assert_eq!(of(ask().header("x-sdk-key", "k2")).as_deref(), Some("k2"));
        assert_eq!(of(Request::get("/sdk/v1/stream?a=b&key=k4")).as_deref(), Some("k4"));
        assert_eq!(of(ask()), None);
    }
}
