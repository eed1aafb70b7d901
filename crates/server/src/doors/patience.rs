//! How much a request may say before its body, and how long it may take.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri, header};
use tokio::time::timeout;

use crate::problem::Problem;

/// No path with its query is longer, in bytes: 414.
const LONGEST_URI: usize = 8 << 10;
/// No request has more headers: 431. (One of HTTP/1 is not even read to its end.)
const MOST_HEADERS: usize = 100;
/// No request of the control plane takes longer until its answer begins: twice as long as its body may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where large bodies are streamed in, with bounds of their own.
pub(crate) const UPLOAD: &str = "/segments/{key}/{list}";

/// Whether the head of a request is within its bounds.
pub(super) fn check_head(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let length = uri.path_and_query().map_or(0, |uri| uri.as_str().len());
    if length > LONGEST_URI {
        let message = format!("path and query have {length} bytes together; at most {LONGEST_URI} are read");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", message));
    }
    let headers = headers.len();
    if headers > MOST_HEADERS {
        let message = format!("the request has {headers} headers; at most {MOST_HEADERS} are read");
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too_many_headers", message));
    }
    Ok(())
}

/// Whether a request's body is an upload.
pub(super) fn is_upload(request: &Request) -> bool {
    request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str().ends_with(UPLOAD))
}

/// Gives up on what takes too long. What is streamed out after the answer has begun is not bounded here.
pub(super) async fn within(request: Request, next: Next) -> Response {
    if is_upload(&request) {
        return next.run(request).await;
    }
    let answered = timeout(PATIENCE, next.run(request)).await;
    answered.unwrap_or_else(|_| too_long().into_response())
}

pub(super) fn too_long() -> Problem {
    let message = "this took too long and was given up; a change may have been made all the same: look before you ask \
                   again, or ask with an Idempotency-Key";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", message).with(header::RETRY_AFTER, "5")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tokio::time::{Instant, sleep};
    use tower::ServiceExt;

    use super::*;

    fn router() -> Router {
        let slow = || async {
            sleep(PATIENCE * 2).await;
            "done"
        };
        Router::new()
            .route("/slow", get(slow))
            .route("/api/v1/segments/{key}/{list}", get(slow))
            .layer(from_fn(within))
    }

    async fn ask(path: &str) -> (StatusCode, Duration) {
        let since = Instant::now();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router().oneshot(request).await.unwrap();
        (answer.status(), since.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up_unless_it_is_an_upload() {
        assert_eq!(ask("/slow").await, (StatusCode::SERVICE_UNAVAILABLE, PATIENCE));
        assert_eq!(ask("/api/v1/segments/a/included").await, (StatusCode::OK, PATIENCE * 2));
    }

    #[test]
    fn heads_are_bounded() {
        let request = |uri: String, headers: usize| {
            let request =
                (0..headers).fold(Request::get(uri), |request, n| request.header(format!("x-{n}"), "y"));
            let request = request.body(Body::empty()).unwrap();
            check_head(request.uri(), request.headers()).err().map(|problem| problem.document().status)
        };
        assert_eq!(request(format!("http://a/{}", "x".repeat(LONGEST_URI - 1)), MOST_HEADERS), None);
        assert_eq!(request(format!("http://a/{}", "x".repeat(LONGEST_URI)), 0), Some(414));
        assert_eq!(request("/".to_owned(), MOST_HEADERS + 1), Some(431));
    }
}
