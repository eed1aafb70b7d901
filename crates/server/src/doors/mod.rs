//! What stands before every handler, whatever it does.
//!
//! `front.rs` is where all requests come in. From there on, in: find out who asks, name the request, bound its head and
//! add what every answer says besides; then, of people and scripts, `before_control` lets pages of other origins in, counts, waits for the body, bounds how many there are
//! and the time, and does what is asked twice once; of applications, `admit_delivery` counts, and bounds bodies.

pub mod client;
mod cors;
mod front;
mod headers;
mod idempotency;
pub mod limiter;
pub mod limits;
mod patience;
mod request_id;
mod room;
mod seal;
pub mod share;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use domain::control::Control;
use domain::ports::Ids;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

pub use front::Front;
pub(crate) use headers::DOCUMENTS;
pub(crate) use idempotency::READING;
pub use idempotency::sweep;
pub(crate) use patience::UPLOAD;

use crate::problem::Problem;
use client::Proxies;
use limiter::Limiter;
use limits::{Counted, Limits, Plane, for_any_page, refusal, subscriber};
use room::Room;

/// What an operator may choose.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Who may say for whom they ask.
    pub proxies: Proxies,
    /// The origins whose pages may ask the control plane.
    pub origins: Vec<HeaderValue>,
    /// How often one may ask; as often as one likes without.
    pub limits: Option<Limits>,
    /// Whether browsers are told to come by HTTPS from now on.
    pub https_only: bool,
    /// Whether the API's documents are served.
    pub docs: bool,
}

/// The doors, with what they remember.
pub struct Doors {
    pub(crate) settings: Settings,
    ids: Arc<dyn Ids>,
    names: request_id::Names,
    limiter: Limiter,
    room: Arc<Room>,
    opened: Instant,
}

impl Doors {
    /// Doors that nobody has passed yet. `seed` should be chance: without it somebody could choose addresses that are
    /// kept in one place.
    pub fn new(settings: Settings, ids: Arc<dyn Ids>, seed: [u8; 16]) -> Arc<Self> {
        let (limiter, room, opened) = (Limiter::new(seed), Arc::default(), Instant::now());
        let names = request_id::Names::new(&*ids);
        Arc::new(Self { settings, ids, names, limiter, room, opened })
    }

    /// The routes of people and scripts.
    pub(crate) fn before_control(self: &Arc<Self>, router: Router, control: Arc<Control>) -> Router {
        let once = Arc::new(idempotency::Once { control, ids: self.ids.clone() });
        let router = router
            .layer(CatchPanicLayer::custom(|_| Problem::panicked().into_response()))
            .layer(from_fn_with_state(once, idempotency::once))
            .layer(from_fn(patience::within))
            .layer(from_fn_with_state(self.room.clone(), room::enter))
            .layer(from_fn_with_state((self.clone(), Plane::Control), limits::count));
        match cors::layer(&self.settings.origins) {
            Some(cors) => router.layer(cors),
            None => router,
        }
    }

    /// What applications send, once it was counted and bounded.
    fn admit_delivery(&self, address: IpAddr, head: &Parts, body: Body) -> Result<Body, Box<Response>> {
        let Parts { method, uri, headers, .. } = head;
        let counted = Counted { method, uri, headers, address: Some(address) };
        counted
            .check(self, Plane::Delivery)
            .map_err(|wait| Box::new(refusal(Plane::Delivery, uri.path(), wait)))?;
        let admitted = self.room.admit(Some(subscriber(address)), body);
        admitted.map_err(|problem| Box::new(for_any_page(problem.at(uri.path()).into_response())))
    }

    /// Everything but what applications ask, which `front.rs` does the same for.
    pub(crate) fn before_rest(self: &Arc<Self>, router: Router) -> Router {
        router
            .layer(CatchPanicLayer::custom(|_| Problem::panicked().into_response()))
            .layer(from_fn_with_state(self.clone(), attend))
    }
}

async fn attend(State(doors): State<Arc<Doors>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    client::find(&doors.settings.proxies, &mut request);
    let id = doors.names.of(request.headers());
    // As a template: what stands for its variable parts is nobody's business here, and the query may hold a key.
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    // Of the highest level, so that whatever is logged on the way says of which request it is.
    let span = tracing::error_span!("request", id = request_id::text(&id), method = %request.method(), route);
    let may_hold_credentials = headers::may_hold_credentials(&request);
    let mut response = match patience::check_head(request.uri(), request.headers()) {
        Ok(()) => next.run(request).instrument(span.clone()).await,
        Err(problem) => problem.into_response(),
    };
    headers::add(response.headers_mut(), may_hold_credentials, doors.settings.https_only);
    response.headers_mut().insert(request_id::REQUEST_ID, id);
    span.in_scope(|| tell(response.status(), begun));
    response
}

fn tell(status: StatusCode, begun: Instant) {
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(status = status.as_u16(), micros, "answered");
}
