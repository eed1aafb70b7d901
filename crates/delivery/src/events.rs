//! `POST /sdk/v1/events`: what SDKs evaluated, showed and measured.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::json::Violation;
use engine::{Entry, Ruleset};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wire::events::{Batch, Event, Receipt};

use crate::Doors;
use crate::admission::Admitted;
use crate::ports::{KeyKind, SinkError};
use crate::problem::Problem;

/// No body is larger, in bytes.
const MOST_BODY: usize = 1 << 20;
/// No body takes longer to arrive, from when it is first wanted.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// A larger body takes so long to read (about a millisecond) that it is done off the reactor.
const LARGE: usize = 64 << 10;
/// So many batches at once are read and wait to be written, of server keys and of client keys each: whoever knows a
/// client key takes no room of the others, but the store's turns are common to both. A further one is answered 503 with `Retry-After`.
const MOST_AT_ONCE: usize = 8;

const HIDDEN: &str = "the key shows no flag of this key in its environment";
const NO_VARIANT: &str = "the flag has no variant of this key";
const OTHER_VERSION: &str = "is not the flag's present version";

/// Room for batches.
pub(crate) struct Room {
    of_servers: Semaphore,
    of_clients: Semaphore,
    /// Whether the last one was not taken, and the log says so.
    is_failing: AtomicBool,
}

impl Default for Room {
    fn default() -> Self {
        let (of_servers, of_clients) = (Semaphore::new(MOST_AT_ONCE), Semaphore::new(MOST_AT_ONCE));
        Self { of_servers, of_clients, is_failing: AtomicBool::new(false) }
    }
}

impl Room {
    fn of(&self, kind: KeyKind) -> &Semaphore {
        match kind {
            KeyKind::Server => &self.of_servers,
            KeyKind::Client => &self.of_clients,
        }
    }

    /// Says in the log when batches begin not to be taken, and when that ends; not of each.
    fn tell(&self, error: Option<&SinkError>) {
        match error {
            None if self.is_failing.swap(false, Ordering::Relaxed) => {
                tracing::info!("events are taken again");
            }
            Some(SinkError::Unavailable(cause)) if !self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(error = &**cause as &dyn Error, "events cannot be taken");
            }
            _ => {}
        }
    }
}

/// Takes a batch. The content type is not looked at: `navigator.sendBeacon` has its own.
pub(crate) async fn take_events(
    doors: &Doors,
    Admitted(reader, _): Admitted,
    body: Body,
) -> Result<Response, Problem> {
    let installed = doors.hub.read(&reader.environment).ok_or_else(Problem::not_ready)?;
    let body = arrived(body).await?;
    // Taken when the body is there, so nobody holds room by sending slowly.
    let _room = doors.events.of(reader.kind).try_acquire().map_err(|_| Problem::too_many_events())?;
    let mut batch = read(body).await?;
    screen(&mut batch, installed.ruleset(), reader.kind);
    let taken = doors.sink.take(&reader.environment, batch).await;
    doors.events.tell(taken.as_ref().err());
    Ok(answer(&taken.map_err(|error| refusal(&error))?))
}

async fn arrived(body: Body) -> Result<Bytes, Problem> {
    let arrived = timeout(BODY_PATIENCE, to_bytes(body, MOST_BODY)).await;
    // The other way to fail is a connection that broke, and there nobody reads the answer.
    arrived.map_err(|_| Problem::body_too_slow())?.map_err(|_| Problem::body_too_large())
}

async fn read(body: Bytes) -> Result<Batch, Problem> {
    let read = if body.len() <= LARGE {
        Batch::read(&body)
    } else {
        spawn_blocking(move || Batch::read(&body)).await.map_err(|_| Problem::shutting_down())?
    };
    read.map_err(|violations: Vec<Violation>| Problem::invalid_batch().with_violations(violations))
}

/// Takes out what names flags that the key does not show. A client key is everybody's, so of what it says no more is
/// told apart than there is: variants that the flag has, and versions that are its own.
fn screen(batch: &mut Batch, ruleset: &Ruleset, kind: KeyKind) {
    for mut sent in std::mem::take(&mut batch.events) {
        match allow(&mut sent.event, ruleset, kind) {
            Ok(()) => batch.events.push(sent),
            Err((member, message)) => batch.faults.refuse(sent.place, member, message),
        }
    }
}

fn allow(event: &mut Event, ruleset: &Ruleset, kind: KeyKind) -> Result<(), (&'static str, &'static str)> {
    let (flag, variant) = match event {
        Event::Count(count) => (count.flag.as_str(), count.variant.as_str()),
        Event::Exposure(exposure) => (exposure.flag.as_str(), exposure.variant.as_str()),
        Event::Metric(metric) => match &metric.flag {
            Some(flag) => (flag.as_str(), metric.variant.as_deref().unwrap_or_default()),
            None => return Ok(()),
        },
    };
    let found = ruleset.flag(flag).filter(|flag| kind == KeyKind::Server || flag.client_visible());
    let found = found.ok_or(("flag", HIDDEN))?;
    if kind == KeyKind::Server {
        return Ok(());
    }
    if !variant.is_empty() && !has_variant(&found, variant) {
        return Err(("variant", NO_VARIANT));
    }
    let is_present = |version| found.document().known().is_some_and(|flag| flag.version == version);
    match event {
        Event::Count(count) if !is_present(count.version) => count.version = 0,
        // It is kept once for each version: who could name one to come could take its place.
        Event::Exposure(exposure) if !is_present(exposure.version) => return Err(("version", OTHER_VERSION)),
        _ => {}
    }
    Ok(())
}

fn has_variant(flag: &Entry<'_>, key: &str) -> bool {
    flag.document().known().is_some_and(|flag| flag.variants.iter().any(|variant| variant.key == key))
}

fn refusal(error: &SinkError) -> Problem {
    match error {
        SinkError::Gone => Problem::no_such_environment(),
        SinkError::Busy => Problem::too_many_events(),
        SinkError::Unavailable(_) => Problem::events_unavailable(),
    }
}

fn answer(receipt: &Receipt) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], wire::to_json(receipt)).into_response()
}
