//! Many clients in one thread of a process of their own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::Result;

use crate::moment::{Moment, be_punctual};
use crate::poll::{Poll, connect_from, source};
use crate::streams::client::{Client, Phase, Progress};
use crate::streams::orders::{Manner, Order, Reply, Report, Spec, Until};
use crate::target::{NUMBERS, Template};

/// At the beginning so many connect at once, which no server's queue is too short for. Later each comes back when it would.
const AT_ONCE: usize = 128;
/// Where the driver is heard.
const ORDERS: u64 = u64::MAX;
/// Read at once, in bytes.
const BUFFER: usize = 256 * 1024;
/// Of who does not read, no more than is needed for a head.
const LITTLE: usize = 1024;

/// Does what it is told on standard input until that ends.
pub(crate) fn run() -> Result<()> {
    be_punctual();
    // Not the standard library's own reader of it, which does not tell whether it holds another line already.
    let mut orders = BufReader::new(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    let mut line = String::new();
    orders.read_line(&mut line)?;
    let spec: Spec = serde_json::from_str(&line)?;
    let poll = Poll::new()?;
    poll.add_to_read(orders.get_ref(), ORDERS)?;
    let clients = (0..spec.clients).map(|_| (None, Client::default())).collect();
    let buffer = vec![0; if spec.manner == Manner::Deaf { LITTLE } else { BUFFER }];
    let question = Template::new(spec.question.clone().into_bytes(), NUMBERS);
    let (waiting, away, lost, refused) = Default::default();
    let mut crowd = Crowd {
        spec,
        question,
        orders,
        poll,
        clients,
        unmet: 0,
        begun: 0,
        waiting,
        away,
        buffer,
        lost,
        refused,
    };
    crowd.live()
}

struct Crowd {
    spec: Spec,
    question: Template,
    orders: BufReader<File>,
    poll: Poll,
    clients: Vec<(Option<TcpStream>, Client)>,
    /// So many have been sent on their way for the first time.
    begun: usize,
    /// Of these, so many are not answered yet.
    unmet: usize,
    waiting: Option<Waiting>,
    /// Who comes back, and when.
    away: BinaryHeap<Reverse<(Moment, usize)>>,
    buffer: Vec<u8>,
    lost: u64,
    refused: BTreeMap<u16, u64>,
}

/// What the driver waits for.
struct Waiting {
    until: Until,
    deadline: Moment,
    missing: usize,
}

impl Crowd {
    fn live(&mut self) -> Result<()> {
        loop {
            self.send_out();
            let back = self.away.peek().map(|Reverse((when, _))| *when);
            let deadline = self.waiting.as_ref().map(|waiting| waiting.deadline);
            while !self.orders.buffer().is_empty() {
                self.obey_next()?;
            }
            self.poll.wait([back, deadline].into_iter().flatten().min())?;
            for place in 0..self.poll.len() {
                let Some(ready) = self.poll.get(place) else { break };
                if ready.number == ORDERS {
                    if self.obey_next()?.is_none() {
                        return Ok(());
                    }
                } else {
                    self.attend(usize::try_from(ready.number)?, ready.is_over)?;
                }
            }
            self.answer_who_waits()?;
        }
    }

    /// Connects who has not been there yet, a few at a time, and who comes back, when it is time.
    fn send_out(&mut self) {
        while self.begun < self.clients.len() && self.unmet < AT_ONCE {
            self.unmet += 1;
            self.begun += 1;
            self.connect(self.begun - 1);
        }
        let now = Moment::now();
        while let Some(Reverse((when, number))) = self.away.peek().copied() {
            if when > now {
                break;
            }
            self.away.pop();
            self.connect(number);
        }
    }

    fn connect(&mut self, number: usize) {
        let Some((place, client)) = self.clients.get_mut(number) else { return };
        let from = source(number, self.spec.sources, self.spec.address);
        let opened = connect_from(from, self.spec.address).and_then(|socket| {
            self.poll.add(&socket, number as u64)?;
            Ok(socket)
        });
        if let Ok(socket) = opened {
            client.phase = Phase::Connecting;
            *place = Some(socket);
        } else {
            self.lose(number, None);
        }
    }

    /// Its connection is gone; it comes back when it was told to, at the earliest.
    fn lose(&mut self, number: usize, told: Option<Duration>) {
        let Some((socket, client)) = self.clients.get_mut(number) else { return };
        *socket = None;
        self.lost += 1;
        let retry = client.leave();
        self.away.push(Reverse((Moment::now() + told.unwrap_or_default().max(retry), number)));
    }

    fn attend(&mut self, number: usize, is_over: bool) -> Result<()> {
        let until = self.waiting.as_ref().map(|waiting| waiting.until);
        let meets = |crowd: &Self| {
            until.zip(crowd.clients.get(number)).is_some_and(|(until, (_, client))| client.meets(until))
        };
        let opened = |crowd: &Self| crowd.clients.get(number).map(|(_, client)| client.opened);
        let (met, was_opened) = (meets(self), opened(self));
        self.go_on(number, is_over)?;
        if was_opened == Some(Moment::default()) && opened(self) != was_opened {
            self.unmet = self.unmet.saturating_sub(1);
        }
        let meets = meets(self);
        if let Some(waiting) = &mut self.waiting {
            waiting.missing = (waiting.missing + usize::from(met)).saturating_sub(usize::from(meets));
        }
        Ok(())
    }

    fn go_on(&mut self, number: usize, is_over: bool) -> Result<()> {
        let Some((Some(socket), client)) = self.clients.get_mut(number) else { return Ok(()) };
        if client.phase == Phase::Connecting {
            let asks_first = self.spec.manner == Manner::AsksFirst;
            let is_sent = if is_over {
                false
            } else if asks_first {
                send(socket, self.question.stamp(number as u64))
            } else {
                send(socket, &request(&self.spec.request, client))
            };
            if !is_sent {
                self.lose(number, None);
                return Ok(());
            }
            client.phase = if asks_first { Phase::Evaluating } else { Phase::Asking };
        }
        if self.spec.manner == Manner::Deaf && client.phase == Phase::Open {
            if is_over {
                self.lose(number, None);
            }
            return Ok(());
        }
        self.read(number, is_over)
    }

    /// Reads what has come; up to the end if that has come, for nothing would tell of it again.
    fn read(&mut self, number: usize, is_over: bool) -> Result<()> {
        loop {
            let Some((Some(socket), client)) = self.clients.get_mut(number) else { return Ok(()) };
            let count = match socket.read(&mut self.buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => 0,
            };
            if count == 0 {
                self.lose(number, None);
                return Ok(());
            }
            match client.take_in(self.buffer.get(..count).unwrap_or_default(), Moment::now())? {
                Progress::Goes => {}
                Progress::Evaluated => {
                    if !send(socket, &request(&self.spec.request, client)) {
                        self.lose(number, None);
                        return Ok(());
                    }
                    client.phase = Phase::Asking;
                }
                Progress::Ended => {
                    self.lose(number, None);
                    return Ok(());
                }
                Progress::Refused(status, after) => {
                    *self.refused.entry(status).or_default() += 1;
                    self.lose(number, after);
                    return Ok(());
                }
            }
            if (self.spec.manner == Manner::Deaf || count < self.buffer.len()) && !is_over {
                return Ok(());
            }
        }
    }

    /// `None` if there are no more orders.
    fn obey_next(&mut self) -> Result<Option<()>> {
        let mut line = String::new();
        if self.orders.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        self.obey(serde_json::from_str(&line)?).map(Some)
    }

    fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Wait { until, patience_ms } => {
                let missing = self.clients.iter().filter(|(_, client)| !client.meets(until)).count();
                let deadline = Moment::now() + Duration::from_millis(patience_ms);
                self.waiting = Some(Waiting { until, deadline, missing });
                Ok(())
            }
            Order::Mark => {
                self.clients.iter_mut().for_each(|(_, client)| client.mark());
                tell(&Reply::Marked)
            }
            Order::Report { since } => tell(&Reply::Report(self.report(since))),
        }
    }

    fn answer_who_waits(&mut self) -> Result<()> {
        match &self.waiting {
            Some(Waiting { missing, deadline, .. }) if *missing == 0 || Moment::now() >= *deadline => {
                tell(&Reply::Waited { missing: *missing })?;
                self.waiting = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn report(&self, since: Moment) -> Report {
        let micros = |moment: Moment| u64::try_from(moment.since(since).as_micros()).unwrap_or(u64::MAX);
        let (lost, refused) = (self.lost, self.refused.clone());
        let mut report = Report { lost, refused, ..Report::default() };
        for (_, client) in &self.clients {
            if client.phase == Phase::Open {
                report.opened.push(micros(client.opened));
            }
            if client.arrived >= since {
                report.arrived.push(micros(client.arrived));
            }
            report.frames += u64::from(client.frames);
            report.bytes += client.bytes;
            report.disorder += u64::from(client.disorder);
            *report.revisions.entry(client.revision).or_default() += 1;
        }
        report
    }
}

/// Whether all of it was taken by the system: a connection that was just opened, or answered, has room.
fn send(socket: &mut TcpStream, request: &[u8]) -> bool {
    socket.write(request).is_ok_and(|sent| sent == request.len())
}

/// With what the client saw last, if it was here before.
fn request(request: &str, client: &Client) -> Vec<u8> {
    let last = client.last_id();
    if last.is_empty() {
        return request.as_bytes().to_vec();
    }
    let head = request.strip_suffix("\r\n").unwrap_or(request);
    format!("{head}last-event-id: {last}\r\n\r\n").into_bytes()
}

fn tell(reply: &Reply) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, reply)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
