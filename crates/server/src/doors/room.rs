//! How much is under way at once: bodies that come in, and requests of the control plane, which all want the store.
//!
//! Who sends slowly holds room for bodies and no place: a place is taken when the body is there.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt, StreamExt, stream};
use http::{StatusCode, header};

use super::limits::{for_any_page, subscriber};
use super::patience::is_upload;
use super::share::{Held, Share};
use crate::body::{Client, MOST_BODY, whole};
use crate::problem::Problem;

/// So many requests of the control plane at once; a further one is answered 503 with `Retry-After`.
const MOST: u64 = 1_000;
/// So many bytes of bodies may be announced and on their way, or in the hands of the control plane; beyond, 503 with
/// `Retry-After`. Bodies of one piece that came with their head are not counted: connections bound them.
const MOST_BYTES: u64 = 256 << 20;
/// A body counts so many bytes at least, so that there are 4,096 at once at most.
const LEAST: u64 = 64 << 10;

/// The requests that are under way, and the bodies that come in.
pub(super) struct Room {
    places: Arc<Share>,
    bodies: Arc<Share>,
}

impl Default for Room {
    fn default() -> Self {
        Self { places: Share::new(MOST, None), bodies: Share::new(MOST_BYTES, None) }
    }
}

/// A place, and the room of its body, of one request: until the last copy is dropped.
#[derive(Clone)]
pub(super) struct Stay(#[expect(dead_code, reason = "held for its drop")] Arc<(Held, Option<Held>)>);

/// A body of which it is known whether it is there.
enum Come {
    Whole(Body),
    /// What came already, and the rest. So many bytes may come in all.
    Begun {
        first: Option<Result<Bytes, axum::Error>>,
        rest: BodyDataStream,
        size: u64,
    },
}

impl Come {
    /// Takes what is there, without waiting. Nearly all bodies come with their head, and cost no more than this look.
    fn look(body: Body) -> Self {
        if body.is_end_stream() {
            return Self::Whole(body);
        }
        let size = body.size_hint().upper().unwrap_or(u64::MAX).clamp(LEAST, MOST_BODY as u64);
        let mut rest = body.into_data_stream();
        match rest.next().now_or_never() {
            Some(None) => Self::Whole(Body::empty()),
            Some(Some(Ok(bytes))) if rest.is_end_stream() => Self::Whole(bytes.into()),
            first => Self::Begun { first: first.flatten(), rest, size },
        }
    }
}

impl Room {
    /// The body, which holds its room until it is read or dropped.
    fn admit(&self, who: Option<IpAddr>, body: Body) -> Result<Body, Problem> {
        match Come::look(body) {
            Come::Whole(body) => Ok(body),
            Come::Begun { first, rest, size } => {
                let held = self.bodies.take(who, size).ok_or_else(full)?;
                let all = stream::iter(first).chain(rest);
                Ok(Body::from_stream(all.inspect(move |_| {
                    let _ = &held;
                })))
            }
        }
    }

    /// The body, once it is there, and its room.
    async fn read(&self, who: Option<IpAddr>, body: Body) -> Result<(Body, Option<Held>), Problem> {
        match Come::look(body) {
            Come::Whole(body) => Ok((body, None)),
            Come::Begun { first, rest, size } => {
                let held = self.bodies.take(who, size).ok_or_else(full)?;
                let all = Body::from_stream(stream::iter(first).chain(rest));
                Ok((whole(all).await?.into(), Some(held)))
            }
        }
    }

    async fn enter(&self, request: Request, next: Next) -> Result<Response, Problem> {
        let who = client(&request);
        let is_upload = is_upload(&request);
        let (mut head, body) = request.into_parts();
        let (body, held) = if is_upload { (body, None) } else { self.read(who, body).await? };
        let place = self.places.take(who, 1).ok_or_else(full)?;
        let stay = Stay(Arc::new((place, held)));
        head.extensions.insert(stay.clone());
        let response = next.run(Request::from_parts(head, body)).await;
        drop(stay);
        Ok(response)
    }
}

fn client(request: &Request) -> Option<IpAddr> {
    request.extensions().get().map(|Client(address)| subscriber(*address))
}

/// The control plane: lets a request in once its body is there, if there is room. What is streamed out after the answer
/// has begun takes none; an upload is read as it comes, and the handler bounds how many there are.
pub(super) async fn enter(State(room): State<Arc<Room>>, request: Request, next: Next) -> Response {
    room.enter(request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// Applications: their doors read the bodies themselves.
pub(super) async fn admit(State(room): State<Arc<Room>>, request: Request, next: Next) -> Response {
    let who = client(&request);
    let (head, body) = request.into_parts();
    match room.admit(who, body) {
        Ok(body) => next.run(Request::from_parts(head, body)).await,
        Err(problem) => for_any_page(problem.at(head.uri.path()).into_response()),
    }
}

fn full() -> Problem {
    let message = "as many requests are under way here as are allowed; try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_busy", message).with(header::RETRY_AFTER, "1")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::to_bytes;

    use super::*;

    const WHO: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    /// One piece, and then silence or the end.
    fn piece(ends: bool) -> Body {
        let pieces = stream::iter([Ok::<_, Infallible>("{}")]);
        if ends { Body::from_stream(pieces) } else { Body::from_stream(pieces.chain(stream::pending())) }
    }

    #[tokio::test]
    async fn a_body_holds_room_until_it_is_read() {
        let room = Room::default();
        for whole in ["", "{}"] {
            let admitted = room.admit(WHO, Body::from(whole)).unwrap();
            assert_eq!((room.bodies.taken(), &*to_bytes(admitted, 9).await.unwrap()), (0, whole.as_bytes()));
        }
        let admitted = room.admit(WHO, piece(true)).unwrap();
        assert_eq!(room.bodies.taken(), MOST_BODY as u64, "nobody said how large it is");
        assert_eq!(to_bytes(admitted, 9).await.unwrap(), "{}");
        assert_eq!(room.bodies.taken(), 0);
        let (body, held) = room.read(WHO, piece(true)).await.unwrap();
        assert_eq!((room.bodies.taken(), to_bytes(body, 9).await.unwrap()), (MOST_BODY as u64, "{}".into()));
        drop(held);
        assert_eq!(room.bodies.taken(), 0);
    }

    #[tokio::test]
    async fn who_sends_slowly_takes_no_place_and_leaves_room_for_other_bodies() {
        let room = Room::default();
        let slow: Vec<_> = std::iter::from_fn(|| room.admit(WHO, piece(false)).ok()).collect();
        assert_eq!(slow.len(), 171, "two thirds");
        assert!(room.admit(WHO, "{}".into()).is_ok(), "what is there is taken");
        assert!(room.admit(Some(IpAddr::from([192, 0, 2, 1])), piece(false)).is_ok());
        assert_eq!(room.places.taken(), 0);
    }
}
