//! Where all requests come in.
//!
//! What applications ask goes straight to their doors, past the router and its layers, each of which would cost it an
//! allocation or two: a question is answered in less time than ten layers take.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use delivery::{Content, Door};
use futures_util::FutureExt;
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use tokio::time::Instant;
use tower::ServiceExt;
use tracing::{Instrument, Level};

use super::limits::for_any_page;
use super::{Doors, headers, patience, request_id, tell};
use crate::body::Client;
use crate::loopback;
use crate::problem::Problem;
use crate::watch::Watcher;

/// Answers everything.
#[derive(Clone)]
pub struct Front(Arc<Planes>);

struct Planes {
    doors: Arc<Doors>,
    delivery: Arc<delivery::Doors>,
    watcher: Watcher,
    /// Whether only this machine may ask.
    local: bool,
    rest: Router,
}

impl Front {
    pub(crate) fn new(
        doors: Arc<Doors>,
        delivery: Arc<delivery::Doors>,
        watcher: Watcher,
        local: bool,
        rest: Router,
    ) -> Self {
        Self(Arc::new(Planes { doors, delivery, watcher, local, rest }))
    }

    /// Answers a request that came over a connection from `peer`.
    pub async fn answer(&self, peer: IpAddr, mut request: Request) -> Response<Content> {
        if let Some(door) = Door::of(request.uri().path()) {
            return self.0.answer_application(door, peer, request).await;
        }
        request.extensions_mut().insert(Client(peer));
        match self.0.rest.clone().oneshot(request).await {
            Ok(response) => response.map(Content::Whole),
            Err(never) => match never {},
        }
    }
}

impl Planes {
    async fn answer_application(&self, door: Door, peer: IpAddr, request: Request) -> Response<Content> {
        // Nobody else wants to know how long it took.
        let begun = tracing::enabled!(Level::DEBUG).then(Instant::now);
        let doors = &*self.doors;
        let (head, body) = request.into_parts();
        let address = doors.settings.proxies.origin(peer, &head.headers);
        let id = doors.names.of(&head.headers);
        // A question writes no line of its own, and to make a span costs a tenth of it.
        let span = match door {
            Door::Flag | Door::Flags => {
                tracing::debug_span!("request", id = request_id::text(&id), method = %head.method, route = door.template())
            }
            _ => {
                tracing::error_span!("request", id = request_id::text(&id), method = %head.method, route = door.template())
            }
        };
        let answering = AssertUnwindSafe(self.attend(door, address, &head, body)).catch_unwind();
        let answered =
            if span.is_disabled() { answering.await } else { answering.instrument(span.clone()).await };
        let mut response = answered.unwrap_or_else(|_| refused(Problem::panicked(), &head.uri));
        let https_only = doors.settings.https_only;
        if head.method == Method::POST {
            headers::add_to_data(response.headers_mut(), https_only);
        } else {
            headers::add(response.headers_mut(), false, https_only);
        }
        response.headers_mut().insert(request_id::REQUEST_ID, id);
        if let Some(begun) = begun {
            span.in_scope(|| tell(response.status(), begun));
        }
        response
    }

    async fn attend(&self, door: Door, address: IpAddr, head: &Parts, body: Body) -> Response<Content> {
        if self.local
            && let Err(problem) = loopback::check(&head.headers, &head.uri)
        {
            // Which is for no page to read.
            return problem.at(head.uri.path()).into_response().map(Content::Whole);
        }
        if let Err(problem) = patience::check_head(&head.uri, &head.headers) {
            return refused(problem, &head.uri);
        }
        let response = match self.doors.admit_delivery(address, head, body) {
            Ok(body) => self.delivery.answer(door, head, body).await,
            Err(refusal) => (*refusal).map(Content::Whole),
        };
        if matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) {
            self.watcher.tell_of_application(door, address, head, response.status());
        }
        response
    }
}

/// Any page may read what is wrong, and any provider of OFREP.
fn refused(problem: Problem, uri: &Uri) -> Response<Content> {
    for_any_page(problem.at(uri.path()).into_response()).map(Content::Whole)
}
