//! Requests over many connections from few threads, in the open or in a closed loop.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::answer::{Head, Reader, Step};
use crate::arrivals::{Arrivals, Pace};
use crate::moment::{Moment, be_punctual};
use crate::poll::{Poll, connect_from, source};
use crate::process::Process;
use crate::tally::Tally;
use crate::target::{Target, Template};

/// What is still under way at the end is usually waited for so long, and then has no answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Before a connection that was refused is tried again.
const CONNECT_AGAIN: Duration = Duration::from_millis(10);
/// Before the first request, so that all threads are there.
const HEAD_START: Duration = Duration::from_millis(20);
/// Whoever stops a load from outside is heard within this.
const LISTEN: Duration = Duration::from_millis(20);
/// Read at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// What is sent, and how.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) target: Target,
    pub(crate) template: Template,
    pub(crate) pace: Pace,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    /// Addresses that connections come from.
    pub(crate) sources: u8,
    /// Sent as well, and not counted.
    pub(crate) warm_up: Duration,
    pub(crate) lasting: Duration,
    /// What is under way, or waits for a connection, at the end is waited for so long, and then has no answer.
    pub(crate) patience: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// From when the first request that counts was due to the end, or to the last answer if that came later.
    pub(crate) lasted: Duration,
    /// The server's CPU time from the first of these to the last answer, if its process is known.
    pub(crate) server: Option<Duration>,
    /// The driver's.
    pub(crate) driver: Duration,
    /// When the first request that counts was due, when the last was sent, and when the last answer came.
    pub(crate) first: Moment,
    pub(crate) last_sent: Moment,
    pub(crate) last: Moment,
    /// From when the first request that counts was due to the end, or to the last one that was sent if that came later.
    pub(crate) sending: Duration,
}

impl Outcome {
    /// Answers that are a success or 304.
    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    pub(crate) fn per_second(&self) -> f64 {
        self.tally.answers() as f64 / self.lasted.as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    pub(crate) fn sent_per_second(&self) -> f64 {
        self.tally.sent() as f64 / self.sending.as_secs_f64()
    }

    /// The server's CPU time, all of it, for an answer that is a success or 304.
    pub(crate) fn server_per_answer(&self) -> Option<Duration> {
        let answers = u32::try_from(self.tally.answers()).ok().filter(|answers| *answers > 0)?;
        Some(self.server? / answers)
    }
}

impl Load {
    /// Sends for as long as it lasts.
    pub(crate) fn run(&self, server: Option<Process>) -> Result<Outcome> {
        self.run_until(server, &AtomicBool::new(false))
    }

    /// The same, or until `stopped`.
    pub(crate) fn run_until(&self, server: Option<Process>, stopped: &AtomicBool) -> Result<Outcome> {
        let begun = Moment::now() + HEAD_START;
        let counted = begun + self.warm_up;
        let threads = self.threads.clamp(1, self.connections.max(1));
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|place| scope.spawn(move || Worker::new(self, place, threads, begun)?.work(stopped)))
                .collect();
            counted.wait();
            let used =
                || -> Result<_> { Ok((server.map(Process::used).transpose()?, Process::own().used()?)) };
            let before = used();
            let (mut tally, mut last_sent, mut last, mut ended) = (Tally::new()?, counted, counted, counted);
            for worker in workers {
                let done = worker.join().map_err(|_| anyhow!("a thread of the driver was lost"))??;
                tally.merge(&done.tally);
                last_sent = last_sent.max(done.last_sent);
                last = last.max(done.last);
                ended = ended.max(done.ended);
            }
            let (before, after) = (before?, used()?);
            let server = before.0.zip(after.0).map(|(before, after)| after.since(before));
            let driver = after.1.since(before.1);
            let (lasted, sending) = (ended.max(last).since(counted), ended.max(last_sent).since(counted));
            Ok(Outcome { tally, lasted, server, driver, first: counted, last_sent, last, sending })
        })
    }
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Doing {
    /// It is not there; it is tried again.
    #[default]
    Nothing,
    Connecting,
    /// It can be asked since then.
    Idle(Moment),
    /// It was asked what was due then.
    Busy(Moment),
}

#[derive(Default)]
struct Connection {
    socket: Option<TcpStream>,
    doing: Doing,
    reader: Reader,
    head: Option<Head>,
    /// Of the body so far.
    bytes: u64,
    /// What the system did not take yet of a request.
    unsent: Vec<u8>,
}

struct Worker<'a> {
    load: &'a Load,
    template: Template,
    arrivals: Arrivals,
    poll: Poll,
    connections: Vec<Connection>,
    /// Who was idle longest is asked next, so that all are used. One that broke since stays in line, and is passed over.
    idle: VecDeque<usize>,
    broken: VecDeque<(Moment, usize)>,
    busy: usize,
    /// The number of this thread's first connection among all, and how far it is to its next.
    first: usize,
    step: usize,
    counted: Moment,
    buffer: Vec<u8>,
    done: Done,
}

struct Done {
    tally: Tally,
    last_sent: Moment,
    last: Moment,
    ended: Moment,
}

impl<'a> Worker<'a> {
    fn new(load: &'a Load, place: usize, threads: usize, begun: Moment) -> Result<Self> {
        be_punctual();
        let lasting = load.warm_up + load.lasting;
        let share = (load.connections + threads - 1 - place) / threads;
        let counted = begun + load.warm_up;
        let mut worker = Self {
            load,
            template: load.template.clone(),
            arrivals: Arrivals::new(load.pace, begun, lasting, place as u64, threads as u64),
            poll: Poll::new()?,
            connections: Vec::new(),
            idle: VecDeque::new(),
            broken: VecDeque::new(),
            busy: 0,
            first: place,
            step: threads,
            counted,
            buffer: vec![0; BUFFER],
            done: Done { tally: Tally::new()?, last_sent: counted, last: counted, ended: begun + lasting },
        };
        for number in 0..share {
            worker.connections.push(Connection::default());
            worker.connect(number);
        }
        Ok(worker)
    }

    fn connect(&mut self, number: usize) {
        let to = self.load.target.address;
        let from = source(number * self.step + self.first, self.load.sources, to);
        let opened = connect_from(from, to).and_then(|socket| {
            self.poll.add(&socket, number as u64)?;
            Ok(socket)
        });
        let Some(connection) = self.connections.get_mut(number) else { return };
        match opened {
            Ok(socket) => {
                connection.socket = Some(socket);
                connection.doing = Doing::Connecting;
            }
            Err(_) => self.broken.push_back((Moment::now() + CONNECT_AGAIN, number)),
        }
    }

    fn work(mut self, stopped: &AtomicBool) -> Result<Done> {
        loop {
            let now = Moment::now();
            if stopped.load(Ordering::Relaxed) && now < self.done.ended {
                self.arrivals.stop(now);
                self.done.ended = now;
            }
            self.send_what_is_due(now)?;
            let next = self.arrivals.next(now);
            if next.is_none() && self.busy == 0 {
                break;
            }
            // The last that was due is either under way or waits for a connection.
            if now >= self.done.ended + self.load.patience {
                break;
            }
            while let Some((_, number)) = self.broken.pop_front_if(|(when, _)| *when <= now) {
                self.connect(number);
            }
            self.poll.wait(Some(self.wake_up(next, now)))?;
            for place in 0..self.poll.len() {
                let Some(ready) = self.poll.get(place) else { break };
                self.attend(usize::try_from(ready.number)?, ready.is_over)?;
            }
        }
        self.give_up();
        Ok(self.done)
    }

    /// When there is something to do whatever happens.
    fn wake_up(&self, next: Option<Moment>, now: Moment) -> Moment {
        // Without a free connection what is due has to wait for one.
        let due = next.filter(|_| !self.idle.is_empty());
        let again = self.broken.front().map(|(when, _)| *when);
        [due, again].into_iter().flatten().fold(now + LISTEN, Moment::min)
    }

    fn send_what_is_due(&mut self, now: Moment) -> Result<()> {
        while let Some(number) = self.idle.front().copied() {
            let connection = self.connections.get_mut(number).context("no such connection")?;
            let Doing::Idle(since) = connection.doing else {
                self.idle.pop_front();
                continue;
            };
            let Some(due) = self.arrivals.take(now) else { break };
            self.idle.pop_front();
            connection.doing = Doing::Busy(due);
            self.busy += 1;
            let request = self.template.stamp(self.arrivals.number());
            let sent = Moment::now();
            if due >= self.counted {
                self.done.tally.late.record(sent.since(due.max(since)));
                self.done.last_sent = sent;
            }
            if connection.send(request).is_err() {
                self.lose(number, CONNECT_AGAIN);
            }
        }
        Ok(())
    }

    fn attend(&mut self, number: usize, is_over: bool) -> Result<()> {
        let connection = self.connections.get_mut(number).context("no such connection")?;
        if connection.doing == Doing::Connecting {
            if is_over {
                self.lose(number, CONNECT_AGAIN);
                return Ok(());
            }
            connection.doing = Doing::Idle(Moment::now());
            self.idle.push_back(number);
        }
        if !connection.unsent.is_empty() {
            let unsent = std::mem::take(&mut connection.unsent);
            if connection.send(&unsent).is_err() {
                self.lose(number, CONNECT_AGAIN);
                return Ok(());
            }
        }
        self.read(number, is_over)
    }

    /// Reads what has come; up to the end if that has come, for nothing would tell of it again.
    fn read(&mut self, number: usize, is_over: bool) -> Result<()> {
        loop {
            let connection = self.connections.get_mut(number).context("no such connection")?;
            let Some(socket) = &mut connection.socket else { return Ok(()) };
            let count = match socket.read(&mut self.buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => 0,
            };
            let mut piece = self.buffer.get(..count).unwrap_or_default();
            match connection.take_in(&mut piece, count == 0) {
                Ok(None) if count == 0 => {
                    self.lose(number, CONNECT_AGAIN);
                    return Ok(());
                }
                Ok(None) => {}
                Ok(Some(head)) => self.finish(number, &head),
                Err(error) => return Err(error.context("this is no answer that the driver understands")),
            }
            // Less than there was room for is all there was.
            if count < self.buffer.len() && !is_over {
                return Ok(());
            }
        }
    }

    fn finish(&mut self, number: usize, head: &Head) {
        let now = Moment::now();
        let Some(connection) = self.connections.get_mut(number) else { return };
        let Doing::Busy(due) = connection.doing else { return };
        self.busy -= 1;
        let bytes = std::mem::take(&mut connection.bytes);
        if due >= self.counted {
            self.done.tally.answered(head, bytes, now.since(due));
            self.done.last = self.done.last.max(now);
        }
        connection.doing = Doing::Idle(now);
        if head.closes {
            self.lose(number, Duration::ZERO);
        } else {
            self.idle.push_back(number);
        }
    }

    /// The connection is gone, and with it what it was asked; another takes its place after a while.
    fn lose(&mut self, number: usize, after: Duration) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        if let Doing::Busy(due) = connection.doing {
            self.busy -= 1;
            if due >= self.counted {
                self.done.tally.broken += 1;
            }
        }
        *connection = Connection::default();
        self.broken.push_back((Moment::now() + after, number));
    }

    /// What was due and has no answer has waited until now.
    fn give_up(&mut self) {
        let (now, counted, tally) = (Moment::now(), self.counted, &mut self.done.tally);
        for connection in &self.connections {
            if let Doing::Busy(due) = connection.doing
                && due >= counted
            {
                tally.unanswered(now.since(due));
            }
        }
        if self.load.pace == Pace::Closed {
            return;
        }
        while let Some(due) = self.arrivals.take(now) {
            if due >= counted {
                tally.unsent(now.since(due));
            }
        }
    }
}

impl Connection {
    /// Sends as much as the system takes, and keeps the rest.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(socket) = &mut self.socket else { return Err(ErrorKind::NotConnected.into()) };
        let sent = match socket.write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent = bytes.get(sent..).unwrap_or_default().to_vec();
        Ok(())
    }

    /// The head of the answer that is whole with this piece, or with the end of the connection.
    fn take_in(&mut self, piece: &mut &[u8], is_end: bool) -> Result<Option<Head>> {
        if is_end {
            return Ok(if self.reader.end() { self.head.take() } else { None });
        }
        loop {
            match self.reader.read(piece, &mut |bytes| self.bytes += bytes.len() as u64)? {
                Step::More => return Ok(None),
                Step::Head(head) => self.head = Some(head),
                Step::Whole => return Ok(self.head.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
