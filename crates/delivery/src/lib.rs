//! Everything an application talks to: OFREP, snapshots, streams and events.
//!
//! The [`Hub`] holds one immutable state for each environment; the [`Follower`] keeps it where the [`Source`] is;
//! the [`router`] answers from it. No request waits for anything but its own body (save one for a large key list,
//! whose bytes nobody holds in memory, one that is heavy, which waits for its turn, and events, which wait for the
//! [`Sink`]): there is no store here, no
//! lock, and nothing that grows with the number of requests. A server and an edge mount the same router and differ in
//! the [`Source`] and the [`Gate`] that they give.

mod admission;
mod behind;
mod credential;
mod events;
mod follower;
mod freshness;
mod heavy;
mod hub;
mod installed;
mod key_list;
mod library;
mod list_name;
mod ofrep;
mod ports;
mod problem;
mod sdk;
mod stream;
mod tally;
mod turned_away;
mod waiting;
mod weight;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use admission::key_of;
pub use follower::Follower;
pub use freshness::Freshness;
pub use hub::Hub;
pub use installed::{Catchup, Installed};
pub use ports::{EnvironmentId, Gate, KeyKind, Pages, Pass, Reader, Sink, SinkError, Source, SourceError};
pub use problem::Problem;
pub use tally::{Now, Tally};
pub use waiting::Waiting;

/// What the doors for applications stand on.
pub struct Delivery {
    /// The states that they answer from.
    pub hub: Arc<Hub>,
    /// Who is let in.
    pub gate: Arc<dyn Gate>,
    /// Where the bytes of large key lists are read from; nothing else here is asked of it.
    pub source: Arc<dyn Source>,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// Streams end when it is cancelled.
    pub shutdown: CancellationToken,
    /// No more streams than this are open at a time; further ones are answered 503 with `Retry-After`.
    pub max_streams: usize,
}

/// What every handler here may ask.
struct Doors {
    hub: Arc<Hub>,
    gate: Arc<dyn Gate>,
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    shutdown: CancellationToken,
    /// Room for batches of events.
    events: events::Room,
    /// One permit for each stream that may yet be opened.
    streams: Arc<Semaphore>,
    /// One permit for each key list that may yet be sent.
    key_lists: Arc<Semaphore>,
    /// What takes long is answered in turns.
    turns: heavy::Turns,
    /// How many streams were ever opened: numbers them.
    opened: AtomicU64,
}

/// The doors for applications, at their final paths: `/ofrep/v1/evaluate/flags…` and `/sdk/v1/…`. Which pages may
/// call them is the key's to say, for a key is all the authority there is: no cookie counts here.
pub fn router(delivery: Delivery) -> Router {
    let Delivery { hub, gate, source, sink, shutdown, max_streams } = delivery;
    let streams = Arc::new(Semaphore::new(max_streams.min(Semaphore::MAX_PERMITS)));
    let key_lists = Arc::new(Semaphore::new(key_list::MOST));
    let (turns, opened) = (heavy::Turns::new(), AtomicU64::new(0));
    let events = events::Room::default();
    let doors =
        Arc::new(Doors { hub, gate, source, sink, shutdown, events, streams, key_lists, turns, opened });
    Router::new()
        .route(ofrep::FLAGS, post(ofrep::evaluate_flags))
        .route(ofrep::FLAG_PREFIX, post(ofrep::evaluate_flags))
        .route(ofrep::FLAG, post(ofrep::evaluate_flag))
        .route("/sdk/v1/snapshot", get(sdk::get_snapshot))
        .route("/sdk/v1/segments/{sha256}", get(key_list::get_key_list))
        .route(admission::STREAM, get(sdk::get_stream))
        .route(events::EVENTS, post(events::take_events))
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(from_fn_with_state(Arc::clone(&doors), admission::attend))
        .with_state(doors)
}
