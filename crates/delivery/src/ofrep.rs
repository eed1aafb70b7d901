//! OFREP 0.3: flags evaluated for a context, one or all of them. The bodies are in `wire::ofrep`.

use std::cmp::Reverse;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::{Context, Entry, Error, Resolution, Ruleset};
use futures_util::FutureExt;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wire::etag::{self, Star};
use wire::ofrep::{
    Answer, BulkAnswer, CONTENT_TYPE, FlagSet, MOST_CONTEXT, Told, Unreadable, failure, invalid_context,
    read_context,
};

use crate::Doors;
use crate::admission::{Admitted, Visit};
use crate::ahead;
use crate::door::FLAG_PREFIX;
use crate::heavy::{Cost, Load, MOST_TIME, Overload};
use crate::installed::Installed;
use crate::ports::{KeyKind, Pass, Reader};
use crate::problem::Problem;
use crate::ticket;
use crate::weight::Weight;

/// What is here begins with it.
pub(crate) const ALL: &str = "/ofrep/";

/// What a client is told of any error.
const UNTOLD: &str = "this flag has no answer for this context; ask with a server-kind key to see why";
/// No more flags are named that take long.
const MOST_NAMED: usize = 3;
/// No body is larger, in bytes.
const MOST_BODY: usize = 1 << 20;
/// No body takes longer to arrive, from when it is first wanted.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// `POST /ofrep/v1/evaluate/flags/{key}`: one flag.
pub(crate) async fn evaluate_flag(
    doors: &Doors,
    Admitted(reader, _): Admitted,
    head: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let rest = head.uri.path().strip_prefix(FLAG_PREFIX).unwrap_or_default();
    // What is no UTF-8 is no flag's key, and is told so like any other unknown key.
    let key = percent_decode_str(rest).decode_utf8_lossy();
    let question = match question(body).await {
        Ok(question) => question,
        Err(refusal) => return Ok(refusal.into_response(Some(&key))),
    };
    // Once the body is there, which may take a while.
    let installed = doors.hub.read(&reader.environment).ok_or_else(not_ready)?;
    let flag = shown_flag(installed.ruleset(), reader.kind, &key);
    let cost = Cost {
        weight: flag.map_or(0, |flag| flag.weight()),
        bytes: question.bytes,
        written: flag.map_or(0, |flag| flag.longest_value()),
    };
    let answered = if cost.load() == Load::Light {
        Ok(one(&installed, reader.kind, &key, &question.context))
    } else {
        let (asked, key) = (Arc::clone(&installed), key.clone().into_owned());
        let work = move |_: &dyn Fn() -> bool| one(&asked, reader.kind, &key, &question.context);
        doors.turns.answer(&reader, cost, work).await
    };
    Ok(match answered {
        Ok((status, body)) => json(status, body),
        Err(overload) => overloaded(&overload, || heaviest(flag.into_iter(), reader.kind)),
    })
}

/// `POST /ofrep/v1/evaluate/flags`: all flags that the key shows, and where changes are told of.
///
/// Of the query `environment` counts, and `flagConfigEtag` if it names a state that has yet to come here: then it is
/// waited for a moment ([`ahead`]). A tag in `If-None-Match` is answered 304 with it as without: ours stands for the whole
/// answer, which the protocol's need not, and so it says of itself that nothing has changed. But where the state did not
/// come, nobody is told that nothing changed.
pub(crate) async fn evaluate_flags(
    doors: &Doors,
    Admitted(reader, pass): Admitted,
    head: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let question = match question(body).await {
        Ok(question) => question,
        Err(refusal) => return Ok(refusal.into_response(None)),
    };
    let mut installed = doors.hub.read(&reader.environment).ok_or_else(not_ready)?;
    if let Some(revision) = ahead::told(&head.uri, &installed) {
        let come = doors.ahead.wait(&doors.hub, &reader.environment, revision).await;
        installed = come.ok_or_else(not_ready)?;
    }
    let is_old = ahead::told(&head.uri, &installed).is_some();
    let visit = Visit::of(&head.headers, &head.uri)?;
    let stream =
        EventStream { pass: &pass, environment: visit.environment(), ends: ticket::end(doors.gate.now()) };
    let etag = bulk_etag(&installed, &reader, &stream, &question.context);
    let mut response = if !is_old && names(&head.headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let Weight { tests, written } = installed.weight(reader.kind);
        let cost = Cost { weight: tests, bytes: question.bytes, written };
        let (asked, stream) = (Arc::clone(&installed), visit.stream(&pass, stream.ends));
        let work = move |is_wanted: &dyn Fn() -> bool| {
            bulk(&asked, reader.kind, &question.context, &stream, is_wanted)
        };
        match doors.turns.answer(&reader, cost, work).await {
            Ok(body) => json(StatusCode::OK, body),
            Err(overload) => {
                return Ok(overloaded(&overload, || heaviest(installed.ruleset().flags(), reader.kind)));
            }
        }
    };
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

fn not_ready() -> Problem {
    Problem::not_ready().at(ALL)
}

/// What is asked, and how long it is.
struct Question {
    context: Context,
    bytes: usize,
}

/// Why a question is not answered.
enum Refusal {
    Invalid(String),
    BodyTooLarge,
    BodyTooSlow,
    ContextTooLarge,
    Stopped,
}

async fn question(body: Body) -> Result<Question, Refusal> {
    let mut arriving = pin!(to_bytes(body, MOST_BODY));
    // Most come with their head, and need no timer.
    let arrived = match arriving.as_mut().now_or_never() {
        Some(arrived) => Ok(arrived),
        None => timeout(BODY_PATIENCE, arriving).await,
    };
    // The other way to fail is a connection that broke, and there nobody reads the answer.
    let body = arrived.map_err(|_| Refusal::BodyTooSlow)?.map_err(|_| Refusal::BodyTooLarge)?;
    let bytes = body.len();
    let read = if bytes <= MOST_CONTEXT {
        read_context(&body)
    } else {
        // Reading takes milliseconds, and what is in there besides the context is nobody's usual question.
        let reading = spawn_blocking(move || read_context(&body));
        reading.await.map_err(|_| Refusal::Stopped)?
    };
    match read {
        Ok(context) => Ok(Question { context, bytes }),
        Err(Unreadable::Invalid(details)) => Err(Refusal::Invalid(details)),
        Err(Unreadable::TooLarge) => Err(Refusal::ContextTooLarge),
    }
}

impl Refusal {
    /// `key` is the flag that was asked for, if it was one.
    fn into_response(self, key: Option<&str>) -> Response {
        let too_large = |what: &str, most: usize| {
            let details = format!("the {what} is larger than {most} bytes");
            json(StatusCode::PAYLOAD_TOO_LARGE, failure(&details))
        };
        match self {
            Self::Invalid(details) => json(StatusCode::BAD_REQUEST, invalid_context(key, &details)),
            Self::BodyTooLarge => too_large("request body", MOST_BODY),
            Self::BodyTooSlow => {
                let patience = BODY_PATIENCE.as_secs();
                let details =
                    format!("the request body did not arrive within {patience} s; send the request again");
                json(StatusCode::REQUEST_TIMEOUT, failure(&details))
            }
            Self::ContextTooLarge => too_large("context", MOST_CONTEXT),
            Self::Stopped => overloaded(&Overload::Stopped, String::new),
        }
    }
}

/// 503 rather than 429, on which providers stop asking for anything. Who would be refused again is not told to come
/// back, but what it is that takes so long.
fn overloaded(overload: &Overload, heaviest: impl FnOnce() -> String) -> Response {
    let (details, is_worth_another) = match overload {
        Overload::Busy => (
            "this question takes long, and too many like it wait for an answer here; ask again in a moment, or with a \
             shorter context"
                .to_owned(),
            true,
        ),
        Overload::Endless => {
            let most = MOST_TIME.as_secs();
            let heaviest = heaviest();
            let details = format!(
                "this question takes longer than {most} s, and would again: what the rules weigh times the bytes of the \
                 context is too much. Make the rules lighter{heaviest}, or ask with a shorter context or for one flag at \
                 a time"
            );
            (details, false)
        }
        Overload::Stopped => ("this server is shutting down; try again in a moment".to_owned(), true),
    };
    let response = json(StatusCode::SERVICE_UNAVAILABLE, failure(&details));
    if !is_worth_another {
        return response;
    }
    ([(header::RETRY_AFTER, HeaderValue::from_static("1"))], response).into_response()
}

/// Which of these flags weigh most, to go on in a sentence; nothing for who is not shown rules.
fn heaviest<'r>(flags: impl Iterator<Item = Entry<'r>>, kind: KeyKind) -> String {
    if kind == KeyKind::Client {
        return String::new();
    }
    let mut weights: Vec<_> = flags.map(|flag| (Reverse(flag.weight()), flag.key())).collect();
    weights.sort_unstable();
    let named = weights.iter().take(MOST_NAMED);
    let named: Vec<_> = named.map(|(Reverse(weight), key)| format!("{key:?} with {weight}")).collect();
    format!(" (the heaviest, with what they require: {})", named.join(", "))
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    /// With those that are added on the way out.
    const HEADERS: usize = 12;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    *response.headers_mut() = headers;
    response
}

fn flag_set(ruleset: &Ruleset) -> FlagSet<'_> {
    FlagSet { project: ruleset.project(), environment: ruleset.environment() }
}

/// A flag, if keys of this kind may see it.
fn shown_flag<'r>(ruleset: &'r Ruleset, kind: KeyKind, key: &str) -> Option<Entry<'r>> {
    ruleset.flag(key).filter(|flag| kind == KeyKind::Server || flag.client_visible())
}

/// The answer for one flag, with its status.
fn one(installed: &Installed, kind: KeyKind, key: &str, context: &Context) -> (StatusCode, Vec<u8>) {
    let ruleset = installed.ruleset();
    let flag_set = flag_set(ruleset);
    let answer = match shown_flag(ruleset, kind, key) {
        Some(flag) => {
            let resolution = flag.evaluate(context);
            if let Some(counter) = installed.counter() {
                counter.count(&flag, &resolution, context);
            }
            Answer { key, flag_set, resolution: shown(kind, resolution) }
        }
        None => Answer::not_found(key, flag_set, ruleset.revision()),
    };
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, answer.to_json())
}

/// The answers for all flags that a key of this kind shows; cut short when nobody wants them any more.
fn bulk(
    installed: &Installed,
    kind: KeyKind,
    context: &Context,
    stream: &str,
    is_wanted: &dyn Fn() -> bool,
) -> Vec<u8> {
    let (ruleset, counter) = (installed.ruleset(), installed.counter());
    let flag_set = flag_set(ruleset);
    let mut answers = BulkAnswer::with_capacity(ruleset.len());
    let shown_flags = ruleset.flags().filter(|flag| kind == KeyKind::Server || flag.client_visible());
    for flag in shown_flags.take_while(|_| is_wanted()) {
        let resolution = flag.evaluate(context);
        if let Some(counter) = counter {
            counter.count(&flag, &resolution, context);
        }
        answers.push(&Answer { key: flag.key(), flag_set, resolution: shown(kind, resolution) });
    }
    answers.finish(flag_set, ruleset.revision(), stream)
}

/// What a key of this kind is told of a result: a client not by which rule it came about, nor what of the rules
/// kept it from coming about.
fn shown(kind: KeyKind, resolution: Resolution<'_>) -> Told<'_> {
    let untold = |error: Error<'_>| Error { code: error.code, details: UNTOLD };
    let told = Told::from(resolution);
    match kind {
        KeyKind::Server => told,
        KeyKind::Client => Told { rule: None, error: told.error.map(untold), ..told },
    }
}

/// All that the address of a stream is made of.
struct EventStream<'r> {
    pass: &'r Pass,
    /// The environment that was named.
    environment: Option<&'r str>,
    /// When a ticket is over that is made now.
    ends: u64,
}

impl EventStream<'_> {
    /// When the address is over; never if the key itself stands in it.
    fn ends(&self) -> Option<u64> {
        (self.pass.kind == KeyKind::Server).then_some(self.ends)
    }
}

/// The entity tag of a bulk answer, with its quotes: two answers have the same one only if they are the same.
/// Made of what is answered from rather than of the answer, so that a match saves the evaluation. The context
/// is part of it, all of it: a provider that got 304 for another context would keep the last user's values. So is the
/// address of the stream, or who has one that is over would not be told of another.
fn bulk_etag(installed: &Installed, reader: &Reader, stream: &EventStream<'_>, context: &Context) -> String {
    let position = installed.position();
    let kind = match reader.kind {
        KeyKind::Server => "server",
        KeyKind::Client => "client",
    };
    let mut hash = Sha256::new();
    let stage = installed.stage().unwrap_or_default();
    let (revision, ends) = (position.revision.to_string(), format!("{:?}", stream.ends()));
    let (key, named) = (&*stream.pass.id, stream.environment.unwrap_or_default());
    // None of these contains a NUL, so where one ends is never in doubt.
    for part in [position.epoch, &revision, stage, kind, &*reader.environment.0, key, named, &ends] {
        hash.update(part);
        hash.update([0]);
    }
    // Names in an object are sorted: the same context has the same text.
    for (name, value) in context.attributes() {
        hash.update(wire::to_json(&(name, value)));
    }
    format!("\"{}\"", hex::encode(hash.finalize()))
}

/// Whether the client says that it has the answer with this tag. A `*` says nothing here: it would be "I have
/// the answer for some context".
fn names(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    lists.into_iter().any(|list| etag::matches(list, etag, Star::Nothing))
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use engine::KeyLists;
    use futures_util::{StreamExt, stream};
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stays_half_is_refused() {
        let half = stream::iter([Ok::<_, axum::BoxError>(Bytes::from_static(b"{\"context\": "))]);
        let since = Instant::now();
        let asked = question(Body::from_stream(half.chain(stream::pending()))).await;
        let refusal = asked.err().expect("it is half");
        assert_eq!(since.elapsed().as_secs(), 30);

        let response = refusal.into_response(Some("f"));
        assert_eq!(response.status(), 408);
        assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
        let body = to_bytes(response.into_body(), MOST_BODY).await.unwrap();
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(r#""errorDetails":"the request body did not arrive within 30 s"#), "{body}");
    }

    #[tokio::test]
    async fn who_would_be_refused_again_is_told_why_and_not_to_come_back() {
        let flag = |values: usize| {
            let values: Vec<_> = (0..values).map(|value| value.to_string()).collect();
            let when = json!({"attribute": "text", "operator": "contains", "values": values});
            json!({"kind": "boolean", "version": 1, "enabled": true, "default": null,
                "variants": [{"key": "on", "value": true}],
                "rules": [{"id": "r", "when": when, "serve": {"variant": "on"}}]})
        };
        let document = json!({
            "schema": 1, "epoch": "e", "revision": 1, "project": "p", "environment": "dev",
            "flags": {"a": flag(3), "b": flag(9), "c": flag(5), "d": flag(7)},
        });
        let document = serde_json::from_value(document).unwrap();
        let installed = Installed::new(&document, &KeyLists::default());
        let refused = async |overload, kind| {
            let response = overloaded(&overload, || heaviest(installed.ruleset().flags(), kind));
            assert_eq!(response.status(), 503);
            let retry = response.headers().contains_key(header::RETRY_AFTER);
            let body = to_bytes(response.into_body(), MOST_BODY).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            (retry, body["errorDetails"].as_str().unwrap().to_owned())
        };
        let (retry, details) = refused(Overload::Endless, KeyKind::Server).await;
        let named = r#"(the heaviest, with what they require: "b" with 10, "d" with 8, "c" with 6)"#;
        assert!(!retry && details.contains(named), "{details}");
        let (retry, details) = refused(Overload::Endless, KeyKind::Client).await;
        assert!(!retry && details.contains("Make the rules lighter, or"), "{details}");
        for overload in [Overload::Busy, Overload::Stopped] {
            let (retry, details) = refused(overload, KeyKind::Server).await;
            assert!(retry && details.contains("in a moment"), "{details}");
        }
    }
}
