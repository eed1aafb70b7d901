//! Bodies that are too large for memory's or patience's usual bounds: keys, read line by line as they come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use domain::error::Error;
use domain::id::Id;
use domain::segment::{KeySet, Upload, UploadFormat};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::doors::share::{Held, Share};
use crate::problem::Problem;

/// No upload is larger, in bytes: a million keys of the longest kind, with room for line ends.
const MOST_BYTES: u64 = 300 << 20;
/// No pause between two pieces of a body is longer.
const MOST_PAUSE: Duration = Duration::from_secs(30);
/// No upload takes longer, pauses or not.
const MOST_TIME: Duration = Duration::from_hours(1);
/// So many pieces may wait to be read; the sender waits when they are more.
const WAITING: usize = 8;
/// So many uploads are read at a time, each in memory: a further one is asked to come back.
const AT_ONCE: u64 = 3;
/// So many of them are of one account: two who send slowly leave room.
const OF_ONE: u64 = 1;
/// Progress is told whenever so many more keys were read.
const STEP: u64 = 10_000;
/// In so many seconds.
const COME_BACK: u32 = 5;

/// The uploads that a node takes at a time.
#[derive(Clone)]
pub struct Uploads(Arc<Share<Id>>);

impl Default for Uploads {
    fn default() -> Self {
        Self(Share::new(AT_ONCE, Some(OF_ONE)))
    }
}

impl Uploads {
    /// A place for one of an account, until it is dropped.
    pub(crate) fn begin(&self, account_id: Id) -> Result<Held<Id>, Error> {
        self.0.take(Some(account_id), 1).ok_or(Error::TooMany { retry_after: COME_BACK })
    }
}

/// How the keys of a body are written. What is not said to be NDJSON is text: clients that send a file name all
/// kinds of types for it, or none. Only what is said to be JSON is surely neither.
pub(crate) fn format(headers: &HeaderMap) -> Result<UploadFormat, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(UploadFormat::Ndjson),
        "application/json" => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send one key a line as text/plain, or one JSON text a line as application/x-ndjson; a JSON document \
             belongs to PATCH /api/v1/segments/{key}",
        )),
        _ => Ok(UploadFormat::Text),
    }
}

/// Reads a body to its end, off the reactor.
/// A body with faults is read on without being kept, so that who is still sending hears of them.
pub(crate) async fn read(
    body: Body,
    format: UploadFormat,
    progress: &mut Progress,
) -> Result<KeySet, Problem> {
    let state = Arc::new(State::default());
    let (sender, receiver) = mpsc::channel(WAITING);
    let reader = tokio::task::spawn_blocking({
        let state = state.clone();
        move || read_pieces(receiver, format, &state)
    });
    let passed = timeout(MOST_TIME, pass_on(body.into_data_stream(), sender, &state, progress)).await;
    passed.map_err(|_| too_slow("end", MOST_TIME))??;
    let read = reader.await.map_err(|error| Error::Internal(error.into()))?;
    Ok(read?)
}

/// Who hears how far an upload has come; by default nobody.
#[derive(Default)]
pub(crate) struct Progress {
    lines: Option<mpsc::Sender<Bytes>>,
    told: u64,
}

impl Progress {
    /// Told as lines of NDJSON.
    pub(crate) fn to(lines: mpsc::Sender<Bytes>) -> Self {
        Self { lines: Some(lines), told: 0 }
    }

    /// Says how many unique keys came so far, if they are many more than when it was last said. Who listens slowly is
    /// not waited for: the next line says more.
    fn tell(&mut self, keys_read: u64) {
        let Some(lines) = self.lines.as_ref().filter(|_| keys_read >= self.told + STEP) else { return };
        if lines.try_send(format!("{{\"keys_read\":{keys_read}}}\n").into()).is_ok() {
            self.told = keys_read;
        }
    }
}

/// What the two sides of the reading know of each other.
#[derive(Default)]
struct State {
    keys_read: AtomicU64,
    is_hopeless: AtomicBool,
    /// The body came to its end.
    is_whole: AtomicBool,
}

fn read_pieces(
    mut pieces: mpsc::Receiver<Bytes>,
    format: UploadFormat,
    state: &State,
) -> Result<KeySet, Error> {
    let mut upload = Upload::new(format);
    while let Some(piece) = pieces.blocking_recv() {
        upload.push(&piece);
        state.keys_read.store(upload.keys_read(), Ordering::Relaxed);
        state.is_hopeless.store(upload.is_hopeless(), Ordering::Relaxed);
    }
    if state.is_whole.load(Ordering::Acquire) {
        return upload.finish();
    }
    // Nobody waits for this: who sent the pieces has failed, or is gone.
    Err(Error::invalid("", "the body was cut off"))
}

async fn pass_on(
    mut body: BodyDataStream,
    pieces: mpsc::Sender<Bytes>,
    state: &State,
    progress: &mut Progress,
) -> Result<(), Problem> {
    let mut bytes = 0;
    loop {
        let next = timeout(MOST_PAUSE, body.next()).await.map_err(|_| too_slow("more", MOST_PAUSE))?;
        let Some(piece) = next else { break };
        let piece = piece.map_err(|_| cut_off())?;
        bytes += piece.len() as u64;
        if bytes > MOST_BYTES {
            let message = format!("the body is larger than {MOST_BYTES} bytes");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message));
        }
        // Its reader has ended only if it panicked, which is told when it is waited for.
        if !state.is_hopeless.load(Ordering::Relaxed) && pieces.send(piece).await.is_err() {
            break;
        }
        progress.tell(state.keys_read.load(Ordering::Relaxed));
    }
    state.is_whole.store(true, Ordering::Release);
    Ok(())
}

fn cut_off() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "body_cut_off", "the body was cut off; nothing was written")
}

fn too_slow(what: &str, patience: Duration) -> Problem {
    let patience = patience.as_secs();
    let message = format!("no {what} of the body came within {patience} s; nothing was written");
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", message)
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    /// Passes on a body of pieces that come so far apart, to someone who throws them away.
    async fn pass(pieces: u64, piece: io::Result<Bytes>, pause: Duration) -> (Result<(), Problem>, bool) {
        let coming = stream::unfold(0, move |come| {
            let piece = piece.as_ref().cloned().map_err(|error| io::Error::from(error.kind()));
            async move {
                sleep(pause).await;
                (come < pieces).then_some((piece, come + 1))
            }
        });
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let drained = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
        let state = State::default();
        let body = Body::from_stream(coming).into_data_stream();
        let passed = pass_on(body, sender, &state, &mut Progress::default()).await;
        drained.await.unwrap();
        (passed, state.is_whole.load(Ordering::Acquire))
    }

    fn status(passed: Result<(), Problem>) -> (u16, &'static str) {
        let document = passed.unwrap_err().document();
        (document.status, document.code)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_is_waited_for_and_a_silent_one_is_not() {
        let piece = || Ok(Bytes::from_static(b"u1\n"));
        let (passed, whole) = pass(100, piece(), Duration::from_secs(29)).await;
        assert!(passed.is_ok() && whole, "48 minutes, but never silent");
        let (passed, whole) = pass(100, piece(), Duration::from_secs(31)).await;
        assert_eq!((status(passed), whole), ((408, "body_too_slow"), false));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_large_or_cut_off_is_not_whole() {
        let megabyte = || Ok(Bytes::from(vec![b'u'; 1 << 20]));
        let (passed, whole) = pass(300, megabyte(), Duration::ZERO).await;
        assert!(passed.is_ok() && whole);
        let (passed, whole) = pass(301, megabyte(), Duration::ZERO).await;
        assert_eq!((status(passed), whole), ((413, "body_too_large"), false));
        let cut = Err(io::ErrorKind::UnexpectedEof.into());
        let (passed, whole) = pass(1, cut, Duration::ZERO).await;
        assert_eq!((status(passed), whole), ((400, "body_cut_off"), false));
    }

    #[test]
    fn progress_is_told_in_steps() {
        let (sender, mut lines) = mpsc::channel(2);
        let mut progress = Progress::to(sender);
        for keys_read in [1, STEP - 1, STEP, STEP + 1, 3 * STEP, 4 * STEP] {
            progress.tell(keys_read);
        }
        let mut told = || lines.try_recv().ok().map(|line| String::from_utf8_lossy(&line).into_owned());
        assert_eq!(told().as_deref(), Some("{\"keys_read\":10000}\n"));
        assert_eq!(told().as_deref(), Some("{\"keys_read\":30000}\n"));
        assert_eq!(told(), None, "nobody waits for who does not listen");
    }
}
