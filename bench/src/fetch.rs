//! One request after another on one connection, each waited for: what prepares a measurement, and toggles.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::answer::{Head, Reader, Step};
use crate::tally::is_good;
use crate::target::Target;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection to a target.
pub(crate) struct Fetch {
    target: Target,
    socket: Option<TcpStream>,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Fails unless it is a success or 304, and tells what it says instead.
    pub(crate) fn success(self) -> Result<Self> {
        let text = String::from_utf8_lossy(self.body.get(..self.body.len().min(500)).unwrap_or_default());
        ensure!(is_good(self.head.status), "{} was answered: {text}", self.head.status);
        Ok(self)
    }
}

impl Fetch {
    pub(crate) fn new(target: Target) -> Self {
        Self { target, socket: None }
    }

    /// Sends a request and waits for its answer. A connection that the other side closed since is made anew, once.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        let was_open = self.socket.is_some();
        match self.try_to_ask(request) {
            Err(_) if was_open => self.try_to_ask(request),
            answer => answer,
        }
    }

    fn try_to_ask(&mut self, request: &[u8]) -> Result<Answer> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(self.target.address)?,
        };
        socket.write_all(request)?;
        let answer = read(&mut socket)?;
        if !answer.head.closes {
            self.socket = Some(socket);
        }
        Ok(answer)
    }

    /// GETs a path.
    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        let request = self.target.request("GET", path, None);
        self.ask(&request)?.success().with_context(|| format!("GET {path}"))
    }

    /// POSTs JSON (`null` is no body) and gives the JSON of the answer, which must be a success.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let body = (!body.is_null()).then(|| body.to_string());
        let request = self.target.request("POST", path, body.as_deref());
        let answer = self.ask(&request)?.success().with_context(|| format!("POST {path}"))?;
        Ok(serde_json::from_slice(&answer.body)?)
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address).with_context(|| format!("{address} cannot be reached"))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn read(socket: &mut TcpStream) -> Result<Answer> {
    let (mut reader, mut buffer) = (Reader::default(), vec![0; 64 * 1024]);
    let (mut head, mut body) = (None, Vec::new());
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            ensure!(reader.end(), "the connection was closed before the answer was whole");
            return Ok(Answer { head: head.context("no head")?, body });
        }
        let mut piece = buffer.get(..count).unwrap_or_default();
        loop {
            match reader.read(&mut piece, &mut |bytes| body.extend_from_slice(bytes))? {
                Step::More => break,
                Step::Head(here) => head = Some(here),
                Step::Whole => return Ok(Answer { head: head.context("no head")?, body }),
            }
        }
    }
}
