//! Many sockets, one thread: the system's own calls, for a runtime's timers go by whole milliseconds.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, ipproto, socket_with};
use rustix::time::Timespec;

use crate::moment::Moment;

/// So many events are taken at a time.
const BATCH: usize = 1024;

/// What a thread waits for.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

/// Something happened to the socket with this number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// As it was given to [`Poll::add`].
    pub(crate) number: u64,
    /// The other side is gone, or never was there.
    pub(crate) is_over: bool,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(BATCH) })
    }

    /// Tells each time when something new arrived on a socket, when there is room again for what is sent, and when it is
    /// over; until it is closed.
    pub(crate) fn add(&self, socket: impl AsFd, number: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number), flags)?)
    }

    /// Tells that something can be read, as long as it can.
    pub(crate) fn add_to_read(&self, source: impl AsFd, number: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, EventData::new_u64(number), EventFlags::IN)?)
    }

    /// Waits for what happens, at most until then; without a time for as long as it takes.
    pub(crate) fn wait(&mut self, until: Option<Moment>) -> io::Result<()> {
        self.events.clear();
        let timeout = until.map(|until| until.since(Moment::now()));
        // Of durations that no one waits for, a day stands for all.
        let timeout = timeout.map(|timeout| Timespec::try_from(timeout).unwrap_or(A_DAY));
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// How much happened, at the last wait.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// One of these.
    pub(crate) fn get(&self, place: usize) -> Option<Ready> {
        let event = self.events.get(place)?;
        let flags = event.flags;
        let is_over = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        Some(Ready { number: event.data.u64(), is_over })
    }
}

const A_DAY: Timespec = Timespec { tv_sec: 86_400, tv_nsec: 0 };

/// Begins to connect; [`Poll`] tells when it is done. `from` is one of this machine's own addresses.
pub(crate) fn connect_from(from: Option<Ipv4Addr>, to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    if let Some(from) = from {
        bind(&socket, &SocketAddr::from((from, 0)))?;
    }
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// The place of a source among several: 127.0.0.2 and on. One address has some 28,000 ports, and a server may share its
/// connections out by address. Nothing for targets that are not on loopback.
pub(crate) fn source(number: usize, sources: u8, to: SocketAddr) -> Option<Ipv4Addr> {
    let place = u8::try_from(number % usize::from(sources.max(1))).ok()?;
    (sources > 1 && to.ip().is_loopback() && to.is_ipv4())
        .then(|| Ipv4Addr::new(127, 0, 0, 2_u8.saturating_add(place)))
}
