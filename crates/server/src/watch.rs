//! Who was refused: every 403, and every 401 of who brought a credential, is told to the security log.
//!
//! One layer over the doors of people and scripts; for applications `doors/front.rs` tells of it. It costs a request that
//! is answered no more than to remember where its credential is.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use delivery::Door;
use domain::access::Caller;
use domain::control::Control;
use domain::secret::SecretKind;
use domain::security::{SecurityEvent, SecurityKind};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::body::Client;
use crate::credential::{self, Plane};
use crate::keyring::Keyring;

/// How much of a secret of ours is told: its prefix and eight digits, which tell nobody the rest.
const HINT: usize = 12;

/// Whom a request turned out to come from; filled in where that is found out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Arc<OnceLock<Caller>>);

impl Known {
    /// Notes who it is.
    pub(crate) fn note(&self, caller: &Caller) {
        // A second extractor finds the same.
        let _ = self.0.set(caller.clone());
    }

    /// Who it is, once that was found out.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.0.get()
    }
}

/// What a refusal needs to know of the request that was refused. All of it is cheap to keep: texts are shared.
struct Asked {
    address: Option<IpAddr>,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    /// Those that carry credentials.
    headers: HeaderMap,
    known: Known,
}

/// Who knows the credentials that are or were somebody's, and takes note of what is refused.
#[derive(Clone)]
pub(crate) struct Watcher {
    pub(crate) control: Arc<Control>,
    pub(crate) keyring: Arc<Keyring>,
}

/// Tells the security log of what was refused.
pub(crate) async fn watch(State(watcher): State<Watcher>, mut request: Request, next: Next) -> Response {
    let known = Known::default();
    request.extensions_mut().insert(known.clone());
    let asked = Asked {
        address: request.extensions().get().map(|Client(address)| *address),
        method: request.method().clone(),
        uri: request.uri().clone(),
        route: request.extensions().get().cloned(),
        headers: credential::kept(request.headers()),
        known,
    };
    let response = next.run(request).await;
    if matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) {
        asked.tell(&watcher, response.status());
    }
    response
}

impl Asked {
    fn tell(&self, watcher: &Watcher, status: StatusCode) {
        let secret = credential::secret(Plane::Control, &self.headers, &self.uri);
        let brought = secret.is_some() || !self.headers.is_empty();
        let caller = self.known.caller();
        let kind = match status {
            StatusCode::UNAUTHORIZED if brought => SecurityKind::TokenRefused,
            StatusCode::FORBIDDEN if caller.is_some() => SecurityKind::Forbidden,
            // Nobody in particular, who proved nothing; sign-in tells of its own failures.
            _ => return,
        };
        let (actor, subject) = if let Some(caller) = caller {
            (Some(caller.account_id()), caller.email().to_owned())
        } else {
            // Whose a token was that has ended.
            let token = secret.as_deref().filter(|_| kind == SecurityKind::TokenRefused);
            let owner = token.and_then(|token| watcher.control.owner_of_token(token));
            (owner, secret.as_deref().map(hint).unwrap_or_default())
        };
        // The route as it is written: keys of things would make each request another event.
        let route = self.route.as_ref().map_or("no such route", MatchedPath::as_str);
        let detail = detail(status, &self.method, route);
        let (at, address, known) = (watcher.control.now(), self.address, actor.is_some());
        watcher.control.note_security(SecurityEvent { at, kind, known, actor, address, subject, detail });
    }
}

impl Watcher {
    /// Tells the security log of what was refused to an application.
    pub(crate) fn tell_of_application(&self, door: Door, address: IpAddr, head: &Parts, status: StatusCode) {
        let Self { control, keyring } = self;
        let secret = credential::secret(Plane::Delivery, &head.headers, &head.uri);
        if secret.is_none() && credential::kept(&head.headers).is_empty() {
            return;
        }
        // Who is forbidden something has a key that exists; and one that did has perhaps leaked.
        let known =
            status == StatusCode::FORBIDDEN || secret.as_deref().is_some_and(|key| keyring.knows(key));
        let subject = secret.as_deref().map(hint).unwrap_or_default();
        let detail = detail(status, &head.method, door.template());
        let (at, kind, address) = (control.now(), SecurityKind::KeyRefused, Some(address));
        control.note_security(SecurityEvent { at, kind, known, actor: None, address, subject, detail });
    }
}

fn detail(status: StatusCode, method: &Method, route: &str) -> String {
    format!("{} {method} {route}", status.as_u16())
}

/// As much of a credential as may be told: the first characters of what has the shape of our secrets, and nothing of
/// anything else, which may be somebody's password.
fn hint(secret: &str) -> String {
    let hint = SecretKind::of(secret).and_then(|_| secret.get(..HINT));
    hint.map(|hint| format!("{hint}…")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn of_a_credential_only_a_secret_of_ours_is_told_and_little_of_it() {
        let secret = format!("bgs_{}2c19d441", "0".repeat(48));
        assert_eq!(hint(&secret), "bgs_00000000…");
        for other in ["hunter2", "eyJhbGciOiJIUzI1NiJ9.e30.x", "", &secret[..40]] {
            assert_eq!(hint(other), "", "{other}");
        }
    }
}
