//! The requests of one connection that are under way, from their head to the last of their answer.
//!
//! hyper bounds how long a connection of HTTP/1 is idle. One of HTTP/2 answers its pings for ever, whether or not it
//! ever asks anything.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::sleep;
use tower::{Service, ServiceExt};

/// How many there are.
#[derive(Clone, Default)]
pub(super) struct UnderWay(watch::Sender<usize>);

/// One of them, until it is dropped.
struct One(UnderWay);

impl UnderWay {
    fn begin(&self) -> One {
        self.0.send_modify(|count| *count += 1);
        One(self.clone())
    }

    /// Waits until there was none for so long.
    pub(super) fn idle(&self, after: Duration) -> impl Future<Output = ()> + use<> {
        let mut count = self.0.subscribe();
        async move {
            loop {
                let idle = *count.borrow_and_update() == 0;
                tokio::select! {
                    changed = count.changed() => if changed.is_err() { return },
                    () = sleep(after), if idle => return,
                }
            }
        }
    }

    /// The service, whose requests are counted.
    pub(super) fn around<S, R>(
        self,
        service: S,
    ) -> impl Service<R, Response = Response, Error = S::Error, Future: Send + 'static> + Clone + Send + 'static
    where
        S: Service<R, Response = Response, Future: Send + 'static> + Clone + Send + 'static,
        R: Send + 'static,
    {
        tower::service_fn(move |request: R| {
            let (one, service) = (self.begin(), service.clone());
            async move {
                let response = service.oneshot(request).await?;
                Ok(response.map(|body| Body::new(Counted { body, _one: one })))
            }
        })
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// An answer's body.
struct Counted {
    body: Body,
    _one: One,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const AFTER: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_not_idle_and_each_request_begins_the_time_anew() {
        let under_way = UnderWay::default();
        let since = Instant::now();
        let idle = tokio::spawn(under_way.idle(AFTER));
        sleep(Duration::from_secs(20)).await;
        let one = under_way.begin();
        sleep(AFTER * 10).await;
        assert!(!idle.is_finished());
        drop(one);
        sleep(Duration::from_secs(20)).await;
        drop(under_way.begin());
        timeout(AFTER * 2, idle).await.unwrap().unwrap();
        assert_eq!(since.elapsed(), Duration::from_secs(20 + 300 + 20 + 30));
    }

    #[tokio::test]
    async fn a_request_is_under_way_until_its_answer_was_read() {
        let under_way = UnderWay::default();
        let answer = || async { Ok::<_, std::convert::Infallible>(Response::new(Body::from("here."))) };
        let service = under_way.clone().around(tower::service_fn(move |()| answer()));
        let response = service.oneshot(()).await.unwrap();
        assert_eq!(*under_way.0.borrow(), 1);
        assert_eq!(axum::body::to_bytes(response.into_body(), 9).await.unwrap(), "here.");
        assert_eq!(*under_way.0.borrow(), 0);
    }
}
