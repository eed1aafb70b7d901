//! `/sdk/v1/segments/{sha256}`: the keys of a segment that has too many to be in the snapshot.
//!
//! The server itself holds fingerprints of them alone, so the bytes come from the source, piece by piece, as the
//! reader takes them. A whole list may be compressed on the way; a part of one, by which a download goes on that broke off,
//! is sent as it is.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::available_parallelism;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, try_unfold};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::Doors;
use crate::door::KEY_LIST_PREFIX;
use crate::encoding::{Encoding, Gzip};
use crate::ports::{EnvironmentId, KeyKind, Reader, SourceError, ask};
use crate::problem::Problem;
use crate::range::{Wanted, wanted};
use crate::sdk::is_known;

/// So many lists are sent at a time, each with a piece or two in memory; further readers are answered 503 with
/// `Retry-After`. Readers ask once for each list, ever.
const MOST: usize = 64;

/// How many lists may yet be sent, and how many pieces compressed.
pub(crate) struct Room {
    lists: Arc<Semaphore>,
    /// Half of the machine's cores: a piece takes milliseconds, and the others are for everything else. Who finds none
    /// free waits, piece by piece.
    compressors: Semaphore,
}

impl Room {
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { lists: Arc::new(Semaphore::new(MOST)), compressors: Semaphore::new((cores / 2).max(1)) }
    }
}

/// `GET /sdk/v1/segments/{sha256}`: the bytes of a large key list, or a part of them, if the environment of a server key
/// names it.
pub(crate) async fn get_key_list(
    doors: &Arc<Doors>,
    reader: Reader,
    head: &Parts,
) -> Result<Response, Problem> {
    if reader.kind == KeyKind::Client {
        return Err(Problem::client_key());
    }
    let installed = doors.hub.read(&reader.environment).ok_or_else(Problem::not_ready)?;
    // A digest has nothing to decode: what is encoded is none.
    let sha256 = head.uri.path().strip_prefix(KEY_LIST_PREFIX).unwrap_or_default().to_owned();
    if !installed.key_lists().contains(&*sha256) {
        return Err(Problem::no_key_list());
    }
    let etag = format!("\"{sha256}\"");
    let encoding = Encoding::wanted(&head.headers);
    // What has this digest can never be anything else.
    let always =
        [(header::CACHE_CONTROL, "private, max-age=31536000, immutable"), (header::ACCEPT_RANGES, "bytes")];
    if is_known(&head.headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, encoding.validators(&etag), always).into_response());
    }
    let list = Sending::new(Arc::clone(doors), reader.environment, sha256)?;
    let length = list.length().await?;
    let range = wanted(&head.method, &head.headers, &etag, length);
    let is_head = head.method == Method::HEAD;
    let response = match range {
        Wanted::Beyond => return Err(Problem::beyond_key_list(length)),
        Wanted::Part(part) => {
            let range = format!("bytes {}-{}/{length}", part.start, part.end - 1);
            let size = (part.end - part.start).to_string();
            let headers = [(header::CONTENT_RANGE, range), (header::CONTENT_LENGTH, size)];
            let body = list.begin(part).await?.into_body();
            (StatusCode::PARTIAL_CONTENT, Encoding::Identity.headers(&etag), headers, body).into_response()
        }
        // Nothing is read for who asks for the head alone, and no length is told that nobody knows.
        Wanted::All if is_head && encoding == Encoding::Gzip => {
            (encoding.headers(&etag), Body::from_stream(stream::empty::<io::Result<Bytes>>())).into_response()
        }
        Wanted::All if encoding == Encoding::Gzip => {
            (encoding.headers(&etag), list.begin(0..length).await?.into_compressed_body()).into_response()
        }
        Wanted::All => {
            let size = [(header::CONTENT_LENGTH, length.to_string())];
            let body = if is_head { Body::empty() } else { list.begin(0..length).await?.into_body() };
            (encoding.headers(&etag), size, body).into_response()
        }
    };
    let content_type = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((always, content_type, response).into_response())
}

/// A list on its way to one reader.
struct Sending {
    doors: Arc<Doors>,
    environment: EnvironmentId,
    sha256: String,
    /// What has yet to be read of what is sent.
    part: Range<u64>,
    /// Read and not yet sent.
    first: Option<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl Sending {
    /// One that has not begun.
    fn new(doors: Arc<Doors>, environment: EnvironmentId, sha256: String) -> Result<Self, Problem> {
        let permit = Arc::clone(&doors.key_lists.lists).try_acquire_owned();
        let permit = permit.map_err(|_| Problem::too_many_key_lists())?;
        Ok(Self { doors, environment, sha256, part: 0..0, first: None, _permit: permit })
    }

    /// How many bytes the list has.
    async fn length(&self) -> Result<u64, Problem> {
        let length = ask(self.doors.source.key_list_length(&self.environment, &self.sha256)).await;
        let length = length.and_then(|length| length.ok_or_else(|| SourceError("it is not there".into())));
        length.inspect_err(|error| self.fail(error)).map_err(|_| Problem::key_list_unavailable())
    }

    /// Reads the first of these bytes: if they cannot be had, that can still be said.
    async fn begin(mut self, part: Range<u64>) -> Result<Self, Problem> {
        self.part = part;
        self.first = self.read().await.map_err(|_| Problem::key_list_unavailable())?;
        Ok(self)
    }

    /// The next piece; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, SourceError> {
        let Range { start, end } = self.part;
        if start >= end {
            return Ok(None);
        }
        let piece = ask(self.doors.source.key_list_bytes(&self.environment, &self.sha256, start)).await;
        let piece = piece.and_then(|piece| match piece {
            Some(piece) if !piece.is_empty() => Ok(piece),
            _ => Err(SourceError(format!("nothing comes of it after {start} bytes").into())),
        });
        let mut piece = piece.inspect_err(|error| self.fail(error))?;
        piece.truncate(usize::try_from(end - start).unwrap_or(usize::MAX));
        self.part.start += piece.len() as u64;
        Ok(Some(piece))
    }

    fn fail(&self, SourceError(cause): &SourceError) {
        let (sha256, error) = (&self.sha256, &**cause as &dyn std::error::Error);
        tracing::warn!(sha256, error, "a key list could not be sent");
    }

    /// Piece by piece. If one cannot be had, the answer breaks off, and whoever reads it knows that it was cut.
    fn into_body(self) -> Body {
        Body::from_stream(try_unfold(self, |mut sending| async move {
            Ok::<_, SourceError>(sending.next().await?.map(|piece| (piece, sending)))
        }))
    }

    /// The same, compressed.
    fn into_compressed_body(self) -> Body {
        Body::from_stream(try_unfold((self, Some(Gzip::new())), |(mut sending, mut gzip)| async move {
            loop {
                let Some(encoder) = gzip.take() else { return Ok(None) };
                let Some(piece) = sending.next().await? else {
                    let rest = encoder.finish().map_err(|error| SourceError(error.into()))?;
                    return Ok::<_, SourceError>(Some((rest, (sending, None))));
                };
                let (encoder, bytes) = sending.compress(encoder, piece).await?;
                gzip = Some(encoder);
                if !bytes.is_empty() {
                    return Ok(Some((bytes, (sending, gzip))));
                }
            }
        }))
    }

    /// One more piece, off the reactor.
    async fn compress(&self, mut gzip: Gzip, piece: Bytes) -> Result<(Gzip, Bytes), SourceError> {
        let _turn =
            self.doors.key_lists.compressors.acquire().await.map_err(|error| SourceError(error.into()))?;
        let work = spawn_blocking(move || gzip.push(&piece).map(|bytes| (gzip, bytes)));
        let done = work.await.map_err(|error| SourceError(error.into()))?;
        done.map_err(|error| SourceError(error.into()))
    }
}
