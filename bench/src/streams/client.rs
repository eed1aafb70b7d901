//! One client of a stream, without its socket: what it has seen, and when it would come back.

use std::time::Duration;

use anyhow::Result;

use crate::answer::{Reader, Step};
use crate::moment::Moment;
use crate::streams::events::{Events, Id, Told};
use crate::streams::orders::Until;

/// Before the server says otherwise.
const RETRY: Duration = Duration::from_secs(3);

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// It has no connection.
    #[default]
    Away,
    Connecting,
    /// It has asked for all flags, and opens its stream once it has them.
    Evaluating,
    /// It has asked for its stream.
    Asking,
    /// It is answered 200.
    Open,
}

/// What a client has seen. Small, for there are thousands.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) phase: Phase,
    reader: Reader,
    events: Events,
    retry: Duration,
    last: Id,
    /// Of the last event with an id.
    pub(crate) revision: u64,
    /// Since the last mark.
    pub(crate) frames: u32,
    /// Since the last mark.
    pub(crate) bytes: u64,
    /// Events whose id is not beyond the one before, in the same history.
    pub(crate) disorder: u32,
    /// When its last stream was opened.
    pub(crate) opened: Moment,
    /// When its last event came.
    pub(crate) arrived: Moment,
}

/// What a piece led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Goes,
    /// It has all flags.
    Evaluated,
    /// It was answered something else than 200, and told how long to wait, or not.
    Refused(u16, Option<Duration>),
    /// The stream ended in order.
    Ended,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            phase: Phase::Away,
            reader: Reader::default(),
            events: Events::default(),
            retry: RETRY,
            last: Id::default(),
            revision: 0,
            frames: 0,
            bytes: 0,
            disorder: 0,
            opened: Moment::default(),
            arrived: Moment::default(),
        }
    }
}

impl Client {
    /// What it would name as `Last-Event-ID`; empty before the first.
    pub(crate) fn last_id(&self) -> &str {
        self.last.as_str()
    }

    /// Its connection is gone. Gives how long it waits before it comes back.
    pub(crate) fn leave(&mut self) -> Duration {
        self.phase = Phase::Away;
        self.reader = Reader::default();
        self.events = Events::default();
        self.retry
    }

    /// What it sees from now on counts.
    pub(crate) fn mark(&mut self) {
        (self.frames, self.bytes) = (0, 0);
    }

    /// Goes on with what came at `now`.
    pub(crate) fn take_in(&mut self, mut bytes: &[u8], now: Moment) -> Result<Progress> {
        let is_stream = self.phase != Phase::Evaluating;
        loop {
            let Self { reader, events, last, revision, frames, disorder, arrived, retry, .. } = self;
            let mut tell = |told| match told {
                Told::Retry(wait) => *retry = wait,
                Told::Event(id) => {
                    *frames += 1;
                    *arrived = now;
                    let Some(id) = id else { return };
                    if let (Some((epoch, here)), before) = (id.position(), last.position()) {
                        *disorder += u32::from(before.is_some_and(|(old, at)| old == epoch && here <= at));
                        *revision = here;
                    }
                    *last = id;
                }
            };
            let mut count = 0;
            let step = reader.read(&mut bytes, &mut |body| {
                if is_stream {
                    count += body.len() as u64;
                    events.read(body, &mut tell);
                }
            })?;
            self.bytes += count;
            match step {
                Step::More => return Ok(Progress::Goes),
                Step::Head(head) if head.status == 200 && !is_stream => {}
                Step::Head(head) if head.status == 200 => {
                    self.phase = Phase::Open;
                    self.opened = now;
                }
                Step::Head(head) => {
                    return Ok(Progress::Refused(head.status, head.retry_after.map(Duration::from_secs)));
                }
                Step::Whole if is_stream => return Ok(Progress::Ended),
                Step::Whole => return Ok(Progress::Evaluated),
            }
        }
    }

    /// Whether it has got there.
    pub(crate) fn meets(&self, until: Until) -> bool {
        match until {
            Until::Open { since } => self.phase == Phase::Open && self.opened >= since,
            Until::Revision(revision) => self.revision >= revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::default() + Duration::from_millis(millis)
    }

    const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

    fn chunk(text: &str) -> String {
        format!("{:x}\r\n{text}\r\n", text.len())
    }

    #[test]
    fn events_over_several_chunks_and_reads_are_one() {
        let text = [
            HEAD.to_owned(),
            chunk("retry: 1500\n\n"),
            chunk("id: e.4\nevent: sna"),
            chunk("pshot\ndata: {\"a\":1}\n"),
            chunk("\nid: e.7\ndata: x\n\n"),
        ]
        .concat();
        for size in 1..=text.len() {
            let mut client = Client::default();
            for (place, piece) in text.as_bytes().chunks(size).enumerate() {
                assert_eq!(client.take_in(piece, at(place as u64)).unwrap(), Progress::Goes);
            }
            assert_eq!((client.frames, client.revision, client.disorder), (2, 7, 0), "in pieces of {size}");
            assert_eq!((client.last_id(), client.phase), ("e.7", Phase::Open));
            assert_eq!(client.leave(), Duration::from_millis(1_500));
        }
    }

    #[test]
    fn ids_that_do_not_rise_are_noticed() {
        let mut client = Client::default();
        let mut event = |id: &str| {
            let text = chunk(&format!("id: {id}\ndata: x\n\n"));
            let text = if client.phase == Phase::Open { text } else { format!("{HEAD}{text}") };
            client.take_in(text.as_bytes(), at(1)).unwrap();
            client.disorder
        };
        let seen = ["a.5", "a.6", "a.6", "a.9", "a.8", "b.1", ""].map(&mut event);
        assert_eq!(seen, [0, 0, 1, 1, 2, 2, 2]);
        // It resumes where it is, and is noticed if it is told the same again.
        client.leave();
        let again = format!("{HEAD}{}", chunk("id: b.1\ndata: x\n\n"));
        client.take_in(again.as_bytes(), at(2)).unwrap();
        assert_eq!((client.disorder, client.last_id()), (2, "b.1"), "an empty id has no place to go on from");
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let text = "HTTP/1.1 503 No\r\nretry-after: 4\r\ncontent-length: 0\r\n\r\n";
        let mut client = Client::default();
        let progress = client.take_in(text.as_bytes(), at(1)).unwrap();
        assert_eq!(progress, Progress::Refused(503, Some(Duration::from_secs(4))));
        assert!(!client.meets(Until::Open { since: at(0) }));
    }

    #[test]
    fn an_answer_before_the_stream_is_no_part_of_it() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\nid: e.9\ndata: x\n\n";
        for size in 1..=answer.len() {
            let mut client = Client { phase: Phase::Evaluating, ..Client::default() };
            let seen: Vec<_> =
                answer.as_bytes().chunks(size).map(|piece| client.take_in(piece, at(1)).unwrap()).collect();
            assert_eq!(seen.last(), Some(&Progress::Evaluated), "in pieces of {size}");
            assert!(!client.meets(Until::Open { since: at(0) }));
            client.phase = Phase::Asking;
            client.take_in(format!("{HEAD}{}", chunk("id: e.1\ndata: x\n\n")).as_bytes(), at(2)).unwrap();
            assert_eq!((client.frames, client.revision, client.opened), (1, 1, at(2)));
        }
    }

    #[test]
    fn open_since_is_since_the_last_connection() {
        let mut client = Client::default();
        client.take_in(HEAD.as_bytes(), at(10)).unwrap();
        assert!(client.meets(Until::Open { since: at(10) }) && !client.meets(Until::Open { since: at(11) }));
        client.leave();
        assert!(!client.meets(Until::Open { since: at(10) }));
        assert_eq!(client.take_in(HEAD.as_bytes(), at(20)).unwrap(), Progress::Goes);
        assert_eq!(client.take_in(b"0\r\n\r\n", at(21)).unwrap(), Progress::Ended);
    }
}
