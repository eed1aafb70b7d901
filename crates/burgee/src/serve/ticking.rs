//! hyper's timers for connections that are looked at every few seconds anyway.
//!
//! hyper bounds the time that a request's head may take by a timer that it makes anew for each. To enter a timer into the
//! runtime's and to take it out again costs as much as to evaluate a flag ten times over. These are entered nowhere:
//! they know when they are over, and whoever serves the connection wakes it often enough for hyper to ask.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// Makes timers that wake nobody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticking;

/// Over when it is asked after its time.
struct Asked {
    until: Instant,
}

impl Timer for Ticking {
    fn sleep(&self, duration: std::time::Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, until: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Asked { until })
    }

    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }
}

impl Sleep for Asked {}

impl Future for Asked {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if time::Instant::now().into_std() >= self.until { Poll::Ready(()) } else { Poll::Pending }
    }
}
