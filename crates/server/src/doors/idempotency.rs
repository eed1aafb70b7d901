//! A change that is asked for again under the same `Idempotency-Key` is made once, and answered alike.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::control::Control;
use domain::error::Error;
use domain::id::Id;
use domain::idempotency::{Beginning, MOST, MOST_ANSWER};
use domain::ports::Ids;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ring::error::Unspecified;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::patience::{is_upload, too_long};
use super::room::Stay;
use super::seal::{Seal, is_without_secrets};
use crate::body::whole;
use crate::credential::token;
use crate::problem::Problem;

/// Where the key is brought.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Where a POST changes nothing, and so takes no key.
pub(crate) const READING: [&str; 2] = ["/evaluate/explain", "/evaluate/simulate"];
/// No key is longer, in characters.
const LONGEST_KEY: usize = 64;
/// A change may take so long, whether or not anyone still waits for it: less than [`domain::idempotency::LONGEST`].
const PATIENCE: Duration = Duration::from_mins(2);
/// How often what is too old is forgotten.
const SWEEP: Duration = Duration::from_mins(10);

/// What it takes to do something once.
pub(super) struct Once {
    pub(super) control: Arc<Control>,
    pub(super) ids: Arc<dyn Ids>,
}

pub(super) async fn once(State(once): State<Arc<Once>>, request: Request, next: Next) -> Response {
    once.attend(request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// Forgets what is too old, until shutdown.
pub fn sweep(control: Arc<Control>, shutdown: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(SWEEP) => {}
            }
            match control.sweep_attempts().await {
                Ok(swept) => tracing::debug!(swept, "forgot idempotency keys"),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "old idempotency keys were kept"
                    );
                }
            }
        }
    })
}

impl Once {
    async fn attend(self: Arc<Self>, request: Request, next: Next) -> Result<Response, Problem> {
        let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(request.method());
        let key = if changes && !only_reads(&request) { key(request.headers())? } else { None };
        let Some(key) = key else { return Ok(next.run(request).await) };
        if is_upload(&request) {
            let message =
                "an upload is not kept, so it takes no Idempotency-Key; uploading the same again is harmless";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_on_upload", message));
        }
        let credential = token(request.headers()).ok().flatten().map(str::to_owned);
        // Who is nobody is told so by who knows why, and what they ask without being anybody is not kept.
        let Some(credential) = credential else { return Ok(next.run(request).await) };
        let Ok(caller) = self.control.authenticate(&credential).await else {
            return Ok(next.run(request).await);
        };

        let (parts, body) = request.into_parts();
        let body = whole(body).await?;
        let route = parts.extensions.get().map_or("", MatchedPath::as_str);
        let alone = (!is_without_secrets(route)).then_some(credential.as_str());
        let seal = match alone {
            Some(credential) => Seal::new(credential, &key),
            None => Seal::new(&caller.account_id().to_string(), &key),
        };
        let uri = parts.extensions.get().map_or(&parts.uri, |OriginalUri(uri)| uri);
        let fingerprint = seal.fingerprint(&parts.method, uri, &body).map_err(fault)?;
        let request = Request::from_parts(parts, Body::from(body));
        let alone = alone.map(str::to_owned);
        let stay = request.extensions().get::<Stay>().cloned();
        // A task of its own: who hangs up is the one who asks again, and finds it noted and done, or neither. It keeps
        // its place until then.
        let doing = async move {
            let _stay = stay;
            match self.control.begin_attempt(&caller, &key, alone.as_deref(), fingerprint).await? {
                Beginning::New(id) => Ok(self.begin(id, &seal, request, next).await),
                Beginning::Done(sealed) => {
                    let mut response = seal.open(&sealed).map_err(fault)?;
                    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
                    Ok(response)
                }
                other => Err(refusal(&other)),
            }
        };
        tokio::spawn(doing.in_current_span()).await.unwrap_or_else(|_| Err(Problem::panicked()))
    }

    async fn begin(&self, id: Id, seal: &Seal, request: Request, next: Next) -> Response {
        match timeout(PATIENCE, next.run(request)).await {
            Ok(response) => self.keep(id, seal, response).await,
            // It may or may not be done: nobody does it again under this key.
            Err(_) => too_long().into_response(),
        }
    }

    async fn keep(&self, id: Id, seal: &Seal, response: Response) -> Response {
        if may_pass(&response) {
            self.end(id, None).await;
            return response;
        }
        let fits = response.body().size_hint().upper().is_some_and(|size| size <= MOST_ANSWER as u64);
        if !fits {
            self.end(id, Some(&[])).await;
            return response;
        }
        let (head, body) = response.into_parts();
        let Ok(body) = to_bytes(body, MOST_ANSWER).await else { return Problem::panicked().into_response() };
        // Without a seal it is only known that it was done.
        let sealed = seal.seal(self.ids.secret(), &head, &body).unwrap_or_default();
        self.end(id, Some(&sealed)).await;
        Response::from_parts(head, Body::from(body))
    }

    async fn end(&self, id: Id, answer: Option<&[u8]>) {
        if let Err(error) = self.control.end_attempt(id, answer).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an answer could not be kept for who asks again; they will be told so");
        }
    }
}

/// Whether nothing was done for a reason that may pass: asked again, it may do. So such an answer is not kept.
fn may_pass(response: &Response) -> bool {
    let status = response.status();
    // Rights are given, and credentials renewed.
    let of_now = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::REQUEST_TIMEOUT];
    status.is_server_error()
        || of_now.contains(&status)
        || response.headers().contains_key(header::RETRY_AFTER)
}

/// Whether a request reads, though it is a POST: its question is long.
fn only_reads(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>();
    route.is_some_and(|route| READING.iter().any(|reading| route.as_str().ends_with(reading)))
}

/// The key that a request brings, if any.
fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let reads = (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !reads || values.next().is_some() {
        let message =
            format!("must be one text of 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID");
        return Err(Error::invalid("header Idempotency-Key", message));
    }
    Ok(Some(text.to_owned()))
}

fn fault(_: Unspecified) -> Problem {
    Error::Internal("an answer that was kept could not be sealed or opened".into()).into()
}

fn refusal(beginning: &Beginning) -> Problem {
    let conflict = |code, message: &'static str| Problem::new(StatusCode::CONFLICT, code, message);
    match beginning {
        Beginning::Reused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "this Idempotency-Key was used for another request; take a new one for each",
        ),
        Beginning::InProgress => conflict(
            "idempotency_in_progress",
            "the request with this Idempotency-Key is still being done; ask again in a moment",
        )
        .with(header::RETRY_AFTER, "1"),
        Beginning::Unknown => conflict(
            "idempotency_outcome_unknown",
            "the request with this Idempotency-Key was cut off, and it is not known whether it was done; look, and ask \
             with a new key if it was not",
        ),
        Beginning::OtherCredential => conflict(
            "idempotency_not_replayable",
            "the request with this Idempotency-Key was made with another token, which alone shows its answer again, for \
             there may be a secret in it; look whether it was done, and ask with a new key if it was not",
        ),
        Beginning::TooMany => {
            let message = format!(
                "you used {MOST} Idempotency-Keys within a day, as many as are remembered; ask without one"
            );
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_idempotency_keys", message)
                .with(header::RETRY_AFTER, "3600")
        }
        Beginning::NotKept | Beginning::New(_) | Beginning::Done(_) => conflict(
            "idempotency_not_replayable",
            "the request with this Idempotency-Key was done, but its answer is not kept: it was too large, or many came \
             after it; read what it changed",
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_comes_is_a_key_word_for_word_or_refused(
            values in vec(vec(any::<u8>().prop_filter("no header has it", |byte| *byte >= 32 && *byte != 127), 0..80), 1..3),
        ) {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            let read = key(&headers);
            let is_one = values.len() == 1 && (1..=LONGEST_KEY).contains(&values[0].len());
            let is_visible = values[0].iter().all(u8::is_ascii_graphic);
            let expected = (is_one && is_visible).then(|| values[0].clone());
            prop_assert_eq!(read.ok().flatten().map(String::into_bytes), expected);
        }
    }

    #[test]
    fn a_key_is_one_visible_text() {
        let of = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            key(&headers).ok()
        };
        assert_eq!(of(&[]), Some(None));
        assert_eq!(of(&[b"!~"]), Some(Some("!~".to_owned())));
        assert!(of(&[&[b'x'; LONGEST_KEY]]).is_some());
        for bad in [b"".as_slice(), b"a b", b"a\tb", &[b'x'; LONGEST_KEY + 1], "é".as_bytes(), b"\xff"] {
            assert_eq!(of(&[bad]), None, "{bad:?}");
        }
        assert_eq!(of(&[b"a", b"a"]), None);
    }
}
