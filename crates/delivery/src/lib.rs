//! Everything an application talks to: OFREP, snapshots, streams and events.
//!
//! The [`Hub`] holds one immutable state for each environment; the [`Follower`] keeps it where the [`Source`] is;
//! the [`Doors`] answer from it. No request waits for anything but its own body (save one for a large key list, whose
//! bytes nobody holds in memory, one that is heavy, which waits for its turn, one of who was told elsewhere of what is not
//! here yet, and events, which wait for the [`Sink`]): there is no store here, a usual question takes no lock, and nothing that grows with the number of requests. A server and an edge have the same doors and differ in
//! the [`Source`] and the [`Gate`] that they give.

mod admission;
mod ahead;
mod behind;
mod content;
mod credential;
mod door;
mod encoding;
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
mod places;
mod ports;
mod problem;
mod range;
mod sdk;
mod stream;
mod tally;
mod ticket;
mod turned_away;
mod waiting;
mod weight;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::body::Body;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use admission::key_of;
pub use content::Content;
pub use door::Door;
pub use follower::Follower;
pub use freshness::Freshness;
pub use hub::Hub;
pub use installed::{Catchup, Installed};
pub use ports::{EnvironmentId, Gate, KeyKind, Pages, Pass, Reader, Sink, SinkError, Source, SourceError};
pub use problem::Problem;
pub use stream::Stream;
pub use tally::{Now, Tally};
pub use ticket::Seal;
pub use waiting::Waiting;

use admission::Admitted;
use content::{frames, whole};
use places::Places;

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
    /// Nor more than this with one key: 429 with `Retry-After`. Nine tenths of all, if nothing is said.
    pub max_streams_per_key: Option<usize>,
}

/// The doors for applications: `/ofrep/v1/evaluate/flags…` and `/sdk/v1/…`. Which pages may call them is the key's to
/// say, for a key is all the authority there is: no cookie counts here.
pub struct Doors {
    hub: Arc<Hub>,
    gate: Arc<dyn Gate>,
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    shutdown: CancellationToken,
    /// Room for batches of events.
    events: events::Room,
    places: Arc<Places>,
    /// Set when the process is to end, before streams are woken for it.
    is_over: Arc<AtomicBool>,
    key_lists: key_list::Room,
    /// What takes long is answered in turns.
    turns: heavy::Turns,
    /// Who was told elsewhere of a state that is not here yet.
    ahead: ahead::Ahead,
    /// How many streams were ever opened: numbers them.
    opened: AtomicU64,
}

impl Doors {
    /// Doors that nobody has passed yet. To be made within a runtime: a task wakes streams until shutdown.
    pub fn new(delivery: Delivery) -> Arc<Self> {
        let Delivery { hub, gate, source, sink, shutdown, max_streams, max_streams_per_key } = delivery;
        let places = Places::new(max_streams, max_streams_per_key);
        let key_lists = key_list::Room::new();
        let (turns, ahead, opened) = (heavy::Turns::new(), ahead::Ahead::default(), AtomicU64::new(0));
        let events = events::Room::default();
        let is_over = Arc::new(AtomicBool::new(false));
        tokio::spawn(wake_streams(Arc::clone(&hub), gate.changes(), Arc::clone(&is_over), shutdown.clone()));
        Arc::new(Self {
            hub,
            gate,
            source,
            sink,
            shutdown,
            events,
            places,
            is_over,
            key_lists,
            turns,
            ahead,
            opened,
        })
    }

    /// Answers what is asked at a door.
    pub async fn answer(self: &Arc<Self>, door: Door, head: &Parts, body: Body) -> Response<Content> {
        if admission::is_preflight(head) {
            return whole(admission::PREFLIGHT);
        }
        let (grant, admitted) = admission::decide(self, head).await;
        let answered = match admitted {
            // Said before who asks: it is so for everyone.
            _ if !door.takes(&head.method) => Err(Problem::method_not_allowed(door.methods())),
            Ok(admitted) => self.pass(door, admitted, head, body).await,
            Err(problem) => Err(problem),
        };
        let answered = answered.map_err(|problem| problem.at(head.uri.path()));
        let mut response = answered.unwrap_or_else(whole);
        grant.tell(head, response.headers_mut());
        if head.method == Method::HEAD { content::without_body(response) } else { response }
    }

    async fn pass(
        self: &Arc<Self>,
        door: Door,
        admitted: Admitted,
        head: &Parts,
        body: Body,
    ) -> Result<Response<Content>, Problem> {
        match door {
            Door::Flags => ofrep::evaluate_flags(self, admitted, head, body).await.map(whole),
            Door::Flag => ofrep::evaluate_flag(self, admitted, head, body).await.map(whole),
            Door::Snapshot => sdk::get_snapshot(self, admitted.0, head).await.map(whole),
            Door::KeyList => key_list::get_key_list(self, admitted.0, head).await.map(whole),
            Door::Events => events::take_events(self, admitted, body).await.map(whole),
            Door::Stream => Stream::open(self, &head.headers, &head.uri).await.map(frames),
        }
    }
}

/// Wakes all streams when keys have changed, and when the process is to end. So a stream waits for one thing where it would
/// wait for three, and be entered in three lists each time that it wakes: there are ten thousand.
async fn wake_streams(
    hub: Arc<Hub>,
    mut keys: watch::Receiver<u64>,
    is_over: Arc<AtomicBool>,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = keys.changed() => if changed.is_err() {
                // Nobody can tell of keys any more.
                shutdown.cancelled().await;
                break;
            },
        }
        hub.wake_streams();
    }
    is_over.store(true, Ordering::Relaxed);
    hub.wake_streams();
}
