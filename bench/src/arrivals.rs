//! When requests are due, whatever becomes of those before them.
//!
//! Who sends the next request only when the answer before is there asks a server that stands still for a second once in
//! that second, and finds one slow answer where a hundred people waited (coordinated omission). So requests have a time,
//! each waits from then on, and those that could not be sent yet wait as well.

use std::time::Duration;

use crate::moment::Moment;

const SECOND: u128 = 1_000_000_000;

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// So many a second over all connections, evenly: how long one waits under a given load.
    Open(u32),
    /// The next on a connection as soon as the answer before is whole: how much is carried at most.
    Closed,
}

/// One thread's share of the requests.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pace: Pace,
    begun: Moment,
    end: Moment,
    /// Which of `threads` this is.
    thread: u64,
    threads: u64,
    taken: u64,
}

impl Arrivals {
    pub(crate) fn new(pace: Pace, begun: Moment, lasting: Duration, thread: u64, threads: u64) -> Self {
        Self { pace, begun, end: begun + lasting, thread, threads: threads.max(1), taken: 0 }
    }

    /// No more are due from now on; those that were due stay so.
    pub(crate) fn stop(&mut self, now: Moment) {
        self.end = self.end.min(now);
    }

    /// The number of the request that was taken last, among those of all threads.
    pub(crate) fn number(&self) -> u64 {
        self.taken.saturating_sub(1) * self.threads + self.thread
    }

    /// When the next one is due; `None` if no more are.
    pub(crate) fn next(&self, now: Moment) -> Option<Moment> {
        let due = match self.pace {
            Pace::Closed => now.max(self.begun),
            Pace::Open(rate) => {
                let number = u128::from(self.taken) * u128::from(self.threads) + u128::from(self.thread);
                let nanos = number * SECOND / u128::from(rate.max(1));
                self.begun + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        };
        (due < self.end).then_some(due)
    }

    /// Takes the next one if it is due by now, and tells since when.
    pub(crate) fn take(&mut self, now: Moment) -> Option<Moment> {
        let due = self.next(now).filter(|due| *due <= now)?;
        self.taken += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::default() + Duration::from_millis(millis)
    }

    #[test]
    fn threads_share_one_even_row() {
        let row = |thread| {
            let mut arrivals = Arrivals::new(Pace::Open(1_000), at(0), Duration::from_millis(6), thread, 2);
            let mut row = Vec::new();
            while let Some(due) = arrivals.take(at(100)) {
                row.push((arrivals.number(), due));
            }
            row
        };
        assert_eq!(row(0), [(0, at(0)), (2, at(2)), (4, at(4))]);
        assert_eq!(row(1), [(1, at(1)), (3, at(3)), (5, at(5))]);
    }

    #[test]
    fn nothing_is_taken_before_its_time() {
        let mut arrivals = Arrivals::new(Pace::Open(100), at(0), Duration::from_secs(1), 0, 1);
        assert_eq!(arrivals.take(at(0)), Some(at(0)));
        assert_eq!((arrivals.take(at(9)), arrivals.next(at(9))), (None, Some(at(10))));
        assert_eq!(arrivals.take(at(12)), Some(at(10)), "it waits since it was due");
    }

    #[test]
    fn what_was_due_stays_due_after_the_end() {
        let mut arrivals = Arrivals::new(Pace::Open(10), at(0), Duration::from_secs(10), 0, 1);
        arrivals.stop(at(250));
        let taken: Vec<_> = std::iter::from_fn(|| arrivals.take(at(5_000))).collect();
        assert_eq!(taken, [at(0), at(100), at(200)]);
        assert_eq!(arrivals.next(at(5_000)), None);
    }

    #[test]
    fn without_a_rate_one_is_always_due_until_the_end() {
        let mut arrivals = Arrivals::new(Pace::Closed, at(10), Duration::from_millis(10), 0, 1);
        assert_eq!(arrivals.take(at(9)), None);
        assert_eq!((arrivals.take(at(15)), arrivals.take(at(15))), (Some(at(15)), Some(at(15))));
        assert_eq!(arrivals.take(at(20)), None);
    }
}
