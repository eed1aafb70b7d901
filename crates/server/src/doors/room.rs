//! How many requests of the control plane are under way at once: each may hold a body, and all of them want the store.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::limits::subscriber;
use crate::body::Client;
use crate::problem::Problem;

/// So many at once; a further one is answered 503 with `Retry-After`. With bodies of 1 MiB they hold a gigabyte.
const MOST: usize = 1_000;
/// So many of them may be of one address, so that others have room beside it.
const MOST_OF_ONE: usize = MOST / 2;

/// The requests that are under way.
#[derive(Default)]
pub(super) struct Room(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    all: usize,
    /// Only those who have some: as many as there are requests at most.
    of: HashMap<IpAddr, usize>,
}

/// A place in the room, until it is dropped.
struct Place {
    room: Arc<Room>,
    who: Option<IpAddr>,
}

impl Room {
    fn enter(self: &Arc<Self>, who: Option<IpAddr>) -> Option<Place> {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = who.map(|who| inside.of.get(&who).copied().unwrap_or_default());
        if inside.all >= MOST || own.is_some_and(|own| own >= MOST_OF_ONE) {
            return None;
        }
        inside.all += 1;
        if let Some(who) = who {
            *inside.of.entry(who).or_default() += 1;
        }
        Some(Place { room: self.clone(), who })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all -= 1;
        let Some(who) = self.who else { return };
        let left = inside.of.get_mut(&who).map(|own| {
            *own -= 1;
            *own
        });
        if left == Some(0) {
            inside.of.remove(&who);
        }
    }
}

/// Lets a request in if there is room. What is streamed out after the answer has begun takes none.
pub(super) async fn enter(State(room): State<Arc<Room>>, request: Request, next: Next) -> Response {
    let who = request.extensions().get().map(|Client(address)| subscriber(*address));
    let Some(_place) = room.enter(who) else { return full().into_response() };
    next.run(request).await
}

fn full() -> Problem {
    let message = "as many requests are under way here as are allowed; try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_busy", message).with(header::RETRY_AFTER, "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leaves_room_for_others_and_all_leave_it_empty() {
        let room = Arc::new(Room::default());
        let address = |last: u8| Some(IpAddr::from([203, 0, 113, last]));
        let mut places: Vec<_> = (0..MOST_OF_ONE).map(|_| room.enter(address(1)).unwrap()).collect();
        assert!(room.enter(address(1)).is_none());
        places.extend((0..MOST - MOST_OF_ONE - 1).map(|_| room.enter(address(2)).unwrap()));
        places.extend(room.enter(None));
        assert!(places.len() == MOST && room.enter(address(3)).is_none());
        places.truncate(1);
        assert!(room.enter(address(3)).is_some());
        drop(places);
        let inside = room.0.lock().unwrap();
        assert!(inside.all == 0 && inside.of.is_empty());
    }
}
