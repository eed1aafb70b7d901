//! `/sdk/v1/segments/{sha256}`: the keys of a segment that has too many to be in the snapshot.
//!
//! The server itself holds fingerprints of them alone, so the bytes come from the source, piece by piece, as the
//! reader takes them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{TryStream, try_unfold};
use tokio::sync::OwnedSemaphorePermit;

use crate::Doors;
use crate::admission::Admitted;
use crate::ports::{EnvironmentId, KeyKind, SourceError, ask};
use crate::problem::Problem;
use crate::sdk::is_known;

/// So many lists are sent at a time, each with a piece or two in memory; further readers are answered 503 with
/// `Retry-After`. Readers ask once for each list, ever.
pub(crate) const MOST: usize = 64;

/// `GET /sdk/v1/segments/{sha256}`: the bytes of a large key list, if the environment of a server key names it.
pub(crate) async fn get_key_list(
    State(doors): State<Arc<Doors>>,
    Admitted(reader, _): Admitted,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if reader.kind == KeyKind::Client {
        return Err(Problem::client_key());
    }
    let installed = doors.hub.read(&reader.environment).ok_or_else(Problem::not_ready)?;
    let Ok(Path(sha256)) = path else { return Err(Problem::no_key_list()) };
    if !installed.key_lists().contains(&*sha256) {
        return Err(Problem::no_key_list());
    }
    let etag = format!("\"{sha256}\"");
    let is_known = is_known(&headers, &etag);
    // What has this digest can never be anything else.
    let headers =
        [(header::ETAG, etag), (header::CACHE_CONTROL, "private, max-age=31536000, immutable".to_owned())];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let permit = Arc::clone(&doors.key_lists).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::too_many_key_lists())?;
    let sending = Sending { doors, environment: reader.environment, sha256, position: 0, _permit: permit };
    let Ok(Some((first, sending))) = sending.next().await else {
        return Err(Problem::key_list_unavailable());
    };
    let content_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((headers, content_type, Body::from_stream(pieces(first, sending))).into_response())
}

/// A list on its way to one reader.
struct Sending {
    doors: Arc<Doors>,
    environment: EnvironmentId,
    sha256: String,
    /// Of the next piece.
    position: u32,
    _permit: OwnedSemaphorePermit,
}

impl Sending {
    /// The next piece, and what comes after it.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, SourceError> {
        let Self { doors, environment, sha256, position, .. } = &self;
        let piece = ask(doors.source.key_list_chunk(environment, sha256, *position)).await;
        let piece = piece.inspect_err(|SourceError(cause)| {
            let error = &**cause as &dyn std::error::Error;
            tracing::warn!(sha256, position, error, "a key list could not be sent");
        })?;
        self.position += 1;
        Ok(piece.map(|piece| (piece, self)))
    }
}

/// The first piece and all after it. If one of them cannot be had, the answer breaks off, and whoever reads it knows
/// that it was cut.
fn pieces(first: Bytes, rest: Sending) -> impl TryStream<Ok = Bytes, Error = SourceError> + Send + 'static {
    try_unfold((Some(first), rest), |(first, rest)| async move {
        match first {
            Some(first) => Ok(Some((first, (None, rest)))),
            None => Ok(rest.next().await?.map(|(piece, rest)| (piece, (None, rest)))),
        }
    })
}
