//! The requests of one connection that are under way, from their head to the last of their answer.
//!
//! hyper bounds how long a connection of HTTP/1 is idle. One of HTTP/2 answers its pings for ever, whether or not it
//! ever asks anything.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};

/// How many there are, and which answers wait to be read.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Requests>);

#[derive(Default)]
struct Requests {
    count: watch::Sender<usize>,
    /// Since when there is more of an answer and nobody has taken it: the client has no window open for it.
    unread: Mutex<BTreeMap<u64, Instant>>,
    /// Numbers them.
    begun: AtomicU64,
}

/// One of them, until it is dropped.
struct One {
    requests: Arc<Requests>,
    number: u64,
}

impl UnderWay {
    fn begin(&self) -> One {
        let number = self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.0.count.send_modify(|count| *count += 1);
        One { requests: Arc::clone(&self.0), number }
    }

    /// Waits until there was none for so long.
    pub(super) fn idle(&self, after: Duration) -> impl Future<Output = ()> + use<> {
        let mut count = self.0.count.subscribe();
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

    /// Waits until one of their answers has been there for so long, or a quarter more, and nobody has read on.
    pub(super) fn unread(&self, after: Duration) -> impl Future<Output = ()> + use<> {
        let requests = Arc::clone(&self.0);
        async move {
            loop {
                sleep(after / 4).await;
                let unread = requests.unread.lock().unwrap_or_else(PoisonError::into_inner);
                if unread.values().any(|since| since.elapsed() >= after) {
                    return;
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
                Ok(response.map(|body| {
                    one.note(true);
                    Body::new(Counted { body, one })
                }))
            }
        })
    }
}

impl One {
    /// Notes whether it waits to be read.
    fn note(&self, waits: bool) {
        let mut unread = self.requests.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if waits {
            unread.insert(self.number, Instant::now());
        } else {
            unread.remove(&self.number);
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.note(false);
        self.requests.count.send_modify(|count| *count -= 1);
    }
}

/// An answer's body.
struct Counted {
    body: Body,
    one: One,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // hyper asks for more as soon as the client takes more.
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.one.note(matches!(polled, Poll::Ready(Some(Ok(_)))));
        polled
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
    use tokio::time::timeout;

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
        assert_eq!(*under_way.0.count.borrow(), 1);
        assert_eq!(axum::body::to_bytes(response.into_body(), 9).await.unwrap(), "here.");
        assert_eq!(*under_way.0.count.borrow(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_unread_as_long_as_there_is_more_of_it_that_nobody_takes() {
        let under_way = UnderWay::default();
        let body = || Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")]));
        let answer = move || async move { Ok::<_, std::convert::Infallible>(Response::new(body())) };
        let service = under_way.clone().around(tower::service_fn(move |()| answer()));
        let unread = || timeout(AFTER * 4, under_way.unread(AFTER));
        let mut never = service.clone().oneshot(()).await.unwrap().into_body();
        assert!(unread().await.is_ok(), "nobody asked for the first piece");
        let mut next = async || std::future::poll_fn(|cx| Pin::new(&mut never).poll_frame(cx)).await;
        assert!(next().await.is_some());
        assert!(unread().await.is_ok(), "nor for the second");
        assert!(next().await.is_some() && next().await.is_none());
        assert!(unread().await.is_err(), "all of it was read");
        drop(never);
        let service = under_way.clone().around(tower::service_fn(move |()| {
            let body = Body::from_stream(futures_util::stream::pending::<Result<&str, std::io::Error>>());
            async move { Ok::<_, std::convert::Infallible>(Response::new(body)) }
        }));
        let mut silent = service.oneshot(()).await.unwrap().into_body();
        let polled = futures_util::poll!(std::future::poll_fn(|cx| Pin::new(&mut silent).poll_frame(cx)));
        assert!(polled.is_pending() && unread().await.is_err(), "there is nothing to read yet");
    }
}
