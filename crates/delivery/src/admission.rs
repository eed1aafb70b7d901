//! Who is let in, and which pages may read what they are answered.
//!
//! A browser asks by a preflight whether a page may ask at all. It brings no key, so it says nothing of who may: every
//! page may ask. What comes of it the key decides: a page of an origin that it does not name is refused, and a key that
//! must stay secret gives no page anything to read.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::Doors;
use crate::credential::{Credential, Form};
use crate::door::Door;
use crate::hub::Hub;
use crate::ports::{EnvironmentId, Gate, KeyKind, Pages, Pass, Reader};
use crate::problem::Problem;
use crate::ticket::{self, Use};

/// The parameter by which a key of several environments says which it means.
const ENVIRONMENT: &str = "environment=";

/// What stands in a query as it is: that, and nothing else, needs no escaping anywhere.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a preflight is told. A browser keeps it for a day at most; Chrome for two hours.
pub(crate) const PREFLIGHT: [(HeaderName, HeaderValue); 4] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY),
    (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,POST")),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            // By name for browsers that know no `*`, which never means `authorization`. Providers send headers of
            // their own, and whatever a page may ask for is traced.
            "content-type,if-none-match,authorization,x-api-key,x-sdk-key,last-event-id,*",
        ),
    ),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
];
const ANY: HeaderValue = HeaderValue::from_static("*");
/// What a page may read of an answer's head besides what it always may.
const EXPOSED: HeaderValue = HeaderValue::from_static("ETag,Retry-After");

/// What a request brings to be let in.
pub(crate) struct Visit<'r> {
    credential: Credential<'r>,
    /// The page that asks, if one does.
    origin: Option<HeaderValue>,
    /// The key of the environment that is meant.
    environment: Option<String>,
}

/// Which page may read the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    /// No key is known, so there is nothing to keep: any page may read what is wrong.
    Anyone,
    Page(HeaderValue),
    Nobody,
}

/// Whom the key of a request lets in, and all that it opens.
pub(crate) struct Admitted(pub(crate) Reader, pub(crate) Arc<Pass>);

/// The key that a request brings, or the ticket in its place, wherever it stands, if it brings one alone. Whether it
/// lets anyone in is not asked.
pub fn key_of<'r>(headers: &'r HeaderMap, uri: &Uri) -> Option<Cow<'r, str>> {
    credential(headers, uri).ok().map(|credential| credential.key)
}

fn credential<'r>(headers: &'r HeaderMap, uri: &Uri) -> Result<Credential<'r>, Problem> {
    Credential::of(headers, (Door::of(uri.path()) == Some(Door::Stream)).then_some(uri))
}

impl<'r> Visit<'r> {
    pub(crate) fn of(headers: &'r HeaderMap, uri: &Uri) -> Result<Self, Problem> {
        let credential = credential(headers, uri)?;
        let mut named =
            uri.query().unwrap_or_default().split('&').filter_map(|it| it.strip_prefix(ENVIRONMENT));
        let environment = named.next();
        if named.next().is_some() {
            return Err(Problem::two_environments());
        }
        let decoded = |key| percent_decode_str(key).decode_utf8().map(Cow::into_owned);
        // What is no UTF-8 is no environment's key.
        let environment = environment.map(|key| decoded(key).unwrap_or_default());
        Ok(Self { credential, origin: headers.get(header::ORIGIN).cloned(), environment })
    }

    pub(crate) fn into_owned(self) -> Visit<'static> {
        Visit { credential: self.credential.into_owned(), origin: self.origin, environment: self.environment }
    }

    /// Whom it lets in, and by which key.
    pub(crate) async fn admit(&self, gate: &dyn Gate, hub: &Hub) -> Result<(Reader, Arc<str>), Problem> {
        let pass = self.show(gate, Use::Now).await?;
        Ok((self.reader(&pass, hub)?, Arc::clone(&pass.id)))
    }

    /// Whether it still lets in this reader.
    pub(crate) async fn still_admits(&self, gate: &dyn Gate, reader: &Reader) -> bool {
        let pass = self.show(gate, Use::Before).await;
        pass.is_ok_and(|pass| {
            self.check(&pass).is_ok()
                && self.kind(&pass) == reader.kind
                && pass.environments.contains(&reader.environment)
        })
    }

    /// The path and query of the stream that tells of changes to what is asked here. In it is the key itself if
    /// anyone may know it, and a ticket that is over at `ends` if not.
    pub(crate) fn stream(&self, pass: &Pass, ends: u64) -> String {
        let environment = self.environment.as_deref();
        let (name, proof) = match pass.kind {
            KeyKind::Client => ("key", Cow::from(&*self.credential.key)),
            KeyKind::Server => ("ticket", ticket::make(pass, ends, environment).into()),
        };
        let mut uri = format!("{}?{name}={}", Door::Stream.template(), utf8_percent_encode(&proof, PLAIN));
        if let Some(environment) = environment {
            uri.push('&');
            uri.push_str(ENVIRONMENT);
            uri.extend(utf8_percent_encode(environment, PLAIN));
        }
        uri
    }

    /// The key of the environment that is meant, if one was named.
    pub(crate) fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    async fn show(&self, gate: &dyn Gate, used: Use) -> Result<Arc<Pass>, Problem> {
        if self.credential.form == Form::Ticket {
            let redeemed = ticket::redeem(&self.credential.key, self.environment(), gate, used).await;
            return redeemed.ok_or_else(Problem::ticket_not_taken);
        }
        let pass = gate.open(&self.credential.key).await;
        // An id is no secret: it opens nothing, but the wrong one beside a key is a fault.
        let is_its = |pass: &Arc<Pass>| self.credential.id.as_deref().is_none_or(|id| *id == *pass.id);
        pass.filter(is_its).ok_or_else(Problem::unknown_key)
    }

    fn grant(&self, pass: &Pass) -> Grant {
        match &self.origin {
            Some(origin) if pass.pages.allow(origin) => Grant::Page(origin.clone()),
            _ => Grant::Nobody,
        }
    }

    fn reader(&self, pass: &Pass, hub: &Hub) -> Result<Reader, Problem> {
        self.check(pass)?;
        let environment = self.choose(&pass.environments, hub)?.clone();
        Ok(Reader { environment, kind: self.kind(pass) })
    }

    /// How much is shown: by a ticket no more than to a page.
    fn kind(&self, pass: &Pass) -> KeyKind {
        if self.credential.form == Form::Ticket { KeyKind::Client } else { pass.kind }
    }

    /// Whether the key may be used like this, whatever it opens.
    fn check(&self, pass: &Pass) -> Result<(), Problem> {
        if self.credential.form == Form::KeyInUrl && pass.kind == KeyKind::Server {
            return Err(Problem::secret_key_in_url());
        }
        match (&self.origin, &pass.pages) {
            // It is told nothing that it could read.
            (None, _) | (_, Pages::None) => Ok(()),
            (Some(origin), pages) if pages.allow(origin) => Ok(()),
            _ => Err(Problem::origin_not_allowed()),
        }
    }

    /// The environment that is meant, of those that the key opens.
    fn choose<'p>(&self, opened: &'p [EnvironmentId], hub: &Hub) -> Result<&'p EnvironmentId, Problem> {
        let Some(wanted) = &self.environment else {
            return match opened {
                [] => Err(Problem::no_such_environment()),
                [only] => Ok(only),
                _ => Err(Problem::environment_required()),
            };
        };
        let mut all_loaded = true;
        for environment in opened {
            match hub.read(environment) {
                Some(installed) if installed.ruleset().environment() == wanted => return Ok(environment),
                Some(_) => {}
                None => all_loaded = false,
            }
        }
        // One that is not loaded may be the one.
        Err(if all_loaded { Problem::no_such_environment() } else { Problem::not_ready() })
    }
}

/// Whether a browser asks whether a page may ask.
pub(crate) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whom the key of a request lets in, and which page may read what comes of it.
pub(crate) async fn decide(doors: &Doors, head: &Parts) -> (Grant, Result<Admitted, Problem>) {
    let visit = match Visit::of(&head.headers, &head.uri) {
        Ok(visit) => visit,
        Err(problem) => return (Grant::Anyone, Err(problem)),
    };
    match visit.show(&*doors.gate, Use::Now).await {
        Ok(pass) => {
            (visit.grant(&pass), visit.reader(&pass, &doors.hub).map(|reader| Admitted(reader, pass)))
        }
        Err(problem) => (Grant::Anyone, Err(problem)),
    }
}

impl Grant {
    /// Tells browsers who may read the answer.
    pub(crate) fn tell(self, asked: &Parts, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let reader = match self {
            Self::Anyone if asked.headers.contains_key(header::ORIGIN) => ANY,
            Self::Page(origin) => origin,
            _ => return,
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, reader);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
