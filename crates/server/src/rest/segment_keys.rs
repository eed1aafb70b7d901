//! The lists of keys of segments, too large for a document: streamed in and out.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::access::{InEnvironment, ReadProject, UpdateSegment};
use domain::control::Request;
use domain::error::Error;
use domain::segment::{KeyList, KeyStream, KeysChange, SegmentHere, UploadFormat, UploadMode};
use futures_util::future::ready;
use futures_util::stream::{once, select, unfold};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::request::Parts;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::faults::Faults;
use super::here::{Here as _, answer, settled};
use crate::AppState;
use crate::auth::With;
use crate::body::{NamedIn, Params, Said};
use crate::openapi::{ChangeHeaders, EnvironmentQuery, schema};
use crate::problem::Problem;
use crate::upload;
use crate::upload::Progress;

/// So many lines of progress may wait for a slow reader.
const WAITING: usize = 4;
const NDJSON: &str = "application/x-ndjson";

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_segment_keys, upload_segment_keys))
}

/// A segment's key and which of its lists, from the path.
struct ListOf(String, KeyList);

impl<S: Send + Sync> FromRequestParts<S> for ListOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = NamedIn::from_request_parts(parts, state).await;
        let NamedIn(key, list) = path.map_err(|_| Problem::no_such_route())?;
        let list = match list.as_str() {
            "included" => KeyList::Included,
            "excluded" => KeyList::Excluded,
            _ => return Err(Problem::no_such_route()),
        };
        Ok(Self(key, list))
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UploadQuery {
    /// What becomes of the keys that are there: `replace` (unless given) takes them away, `add` keeps them, `remove`
    /// takes those away that are uploaded. A body without keys empties the list only if `replace` is given.
    #[param(value_type = Option<schema::UploadMode>)]
    mode: Option<String>,
}

impl UploadQuery {
    fn mode(&self) -> Result<UploadMode, Error> {
        match self.mode.as_deref() {
            None | Some("replace") => Ok(UploadMode::Replace),
            Some("add") => Ok(UploadMode::Add),
            Some("remove") => Ok(UploadMode::Remove),
            Some(_) => Err(Error::invalid("query mode", "must be replace, add or remove")),
        }
    }
}

/// List a segment's keys
///
/// All of them, one a line, sorted by their bytes.
#[utoipa::path(get, path = "/segments/{key}/{list}", tag = "segments",
    params(("key" = String, Path), ("list" = schema::KeyList, Path), EnvironmentQuery), responses(
    (status = 200, description = "The keys; `X-Total-Count` says how many", body = String, content_type = "text/plain"),
))]
async fn get_segment_keys(
    State(state): State<AppState>,
    With(reader, environment): With<ReadProject>,
    ListOf(key, list): ListOf,
) -> Result<Response, Problem> {
    let keys = state.control.segment_keys(&reader, &environment, &key, list).await?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/plain; charset=utf-8".to_owned()),
        (header::ETAG.as_str(), keys.etag.clone()),
        ("x-total-count", keys.count.to_string()),
    ];
    Ok((headers, Body::from_stream(pieces(keys))).into_response())
}

/// A fault on the way cuts the body off, so that nobody takes a part for the whole; it is logged.
fn pieces(keys: KeyStream) -> impl Stream<Item = Result<Bytes, Error>> {
    let next =
        async |mut keys: KeyStream| keys.next().await.map(|piece| piece.map(|piece| (piece.into(), keys)));
    futures_util::stream::try_unfold(keys, next).inspect_err(|error| {
        tracing::error!(error = error as &dyn std::error::Error, "a key list could not be streamed");
    })
}

/// Upload a segment's keys
///
/// One key a line as `text/plain`, of which spaces, tabs and carriage returns at either end are left out; or one JSON
/// text a line as `application/x-ndjson`, kept word for word; up to 1,000,000 unique keys of
/// at most 256 bytes, without control characters. Takes effect at once when all of it is read, or not at all.
/// With `Accept: application/x-ndjson` the answer tells of the progress: lines `{"keys_read": …}`, and at last one
/// `{"segment": …}` or `{"error": …}`; what fails before the first of them is answered as without it.
#[utoipa::path(put, path = "/segments/{key}/{list}", tag = "segments",
    params(("key" = String, Path), ("list" = schema::KeyList, Path), EnvironmentQuery, UploadQuery, ChangeHeaders),
    request_body(content((String = "text/plain"), (String = "application/x-ndjson"))), responses(
    (status = 200, description = "The segment as it is now", content((schema::Segment = "application/json"), (schema::UploadProgress = "application/x-ndjson"))),
    (status = 409, description = "`busy`; `key_list_lost`: the keys to add to, or to remove from, are not there whole"),
    (status = 412, description = "`stale`: `If-Match` named an older version"),
    (status = 413, description = "`too_many_keys`, with the line, or `body_too_large`"),
    (status = 415, description = "`unsupported_media_type`: a JSON document is no list of keys"),
    (status = 429, description = "`too_many`: as many uploads as are taken at a time are under way; see `Retry-After`"),
))]
async fn upload_segment_keys(
    State(state): State<AppState>,
    writer: InEnvironment<UpdateSegment>,
    ListOf(key, list): ListOf,
    Params(query): Params<UploadQuery>,
    Said(request): Said,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (mode, format) = (query.mode()?, upload::format(&headers)?);
    state.control.expect_segment(&writer, &key, &request).await?;
    let place = state.uploads.begin(writer.caller().account_id())?;
    let may_empty = query.mode.is_some();
    let shown_by = state.clone();
    let upload = Uploading { state, writer, key, list, mode, may_empty, request, format };
    if !wants_progress(&headers) {
        let here = upload.run(body, Progress::default()).await?;
        drop(place);
        return Ok(answer(&upload.state, &here));
    }
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let progress = Progress::to(sender.clone());
    let mut work = Box::pin(async move { upload.run(body, progress).await });
    // The answer begins when there is something to tell: the body is asked for before it, for clients that wait to
    // be told to go on, and what fails early has a status of its own.
    let first = tokio::select! {
        ended = &mut work => return Ok(told(once(ready(last_line(&shown_by, &Ok(ended?)))))),
        Some(line) = receiver.recv() => line,
    };
    // From here on the work is driven by who reads the answer: if they are gone, so is the upload.
    let work = async move {
        // Who does not listen any more needs no line.
        let _ = sender.send(last_line(&shown_by, &work.await)).await;
        drop((sender, place));
    };
    let lines = unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let rest = select(lines.map(Some), once(work).map(|()| None)).filter_map(async |line| line);
    Ok(told(once(ready(first)).chain(rest)))
}

/// An answer of lines.
fn told(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = Body::from_stream(lines.map(Ok::<Bytes, Infallible>));
    ([(header::CONTENT_TYPE, NDJSON)], body).into_response()
}

/// How an upload ended, and whether this node serves it already.
fn last_line(state: &AppState, ended: &Result<SegmentHere, Problem>) -> Bytes {
    let last = match ended {
        Ok(here) => {
            let faults = Faults::of(state, here.environment());
            json!({ "segment": faults.with(SegmentHere::KIND, here.key(), here) })
        }
        Err(problem) => json!({ "error": problem.document() }),
    };
    format!("{last}\n").into()
}

fn wants_progress(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(','));
    types.any(|one| one.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(NDJSON)))
}

/// An upload that may begin.
struct Uploading {
    state: AppState,
    writer: InEnvironment<UpdateSegment>,
    key: String,
    list: KeyList,
    mode: UploadMode,
    /// Whether a body without keys is meant.
    may_empty: bool,
    request: Request,
    format: UploadFormat,
}

impl Uploading {
    async fn run(&self, body: Body, mut progress: Progress) -> Result<SegmentHere, Problem> {
        let keys = upload::read(body, self.format, &mut progress).await?;
        if keys.count() == 0 && !self.may_empty {
            let message =
                "has no keys, and would empty the list; if that is meant, say so with ?mode=replace";
            return Err(Error::invalid("", message).into());
        }
        let change = KeysChange { list: self.list, mode: self.mode, keys: keys.into() };
        let control = &self.state.control;
        let here = control.upload_segment_keys(&self.writer, &self.key, &change, &self.request).await?;
        settled(&self.state, &here).await;
        Ok(here)
    }
}
