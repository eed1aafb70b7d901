//! The loop in this process, on a free port and with bounds short enough to see them kept.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use axum::routing::get;
use delivery::Content;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use server::doors::client::Proxies;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{ACCEPT_AGAIN, Answer, Bounds, Guests, serve_within, wait_out};

impl Answer for Router {
    async fn answer(&self, _peer: IpAddr, request: Request<Body>) -> Response<Content> {
        self.clone().oneshot(request).await.unwrap().map(Content::Whole)
    }
}

const BOUNDS: Bounds = Bounds {
    head: Duration::from_millis(200),
    handshake: Duration::from_millis(200),
    ping: Duration::from_millis(100),
    unread: Duration::from_millis(200),
    drain: Duration::from_millis(500),
};
/// Longer than a request's head, or a silence, may take.
const LONG: Duration = Duration::from_millis(600);
/// What is to happen at once or at a bound has happened by then, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ASK: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(bounds: Bounds) -> Self {
        Self::with_room(bounds, 100).await
    }

    async fn with_room(bounds: Bounds, most: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let guests = Guests::new(most, None, Proxies::default());
        let task = tokio::spawn(serve_within(bounds, listener, guests, None, router(), shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which this was said.
    async fn told(&self, said: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(said.as_ref()).await.unwrap();
        stream
    }

    /// Gives how long it took until it had ended.
    async fn stop(self) -> Duration {
        let asked = Instant::now();
        self.shutdown.cancel();
        timeout(SOON, self.task).await.expect("it does not stop").unwrap();
        asked.elapsed()
    }
}

fn router() -> Router {
    async fn long() -> Body {
        let end = stream::once(async {
            sleep(LONG).await;
            Ok::<_, Infallible>("end.")
        });
        Body::from_stream(stream::once(async { Ok("begin, ") }).chain(end))
    }
    async fn never() -> Body {
        Body::from_stream(stream::once(async { Ok::<_, Infallible>("begin, ") }).chain(stream::pending()))
    }
    async fn fault() -> &'static str {
        panic!("a fault of ours, as this test wants it")
    }
    Router::new()
        .route("/", get(|| async { "here." }))
        .route("/long", get(long))
        .route("/never", get(never))
        .route("/fault", get(fault))
}

/// Reads until the answer ends so.
async fn hear(stream: &mut TcpStream, end: &str) -> String {
    let mut heard = String::new();
    let hearing = async {
        while !heard.ends_with(end) {
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "closed after: {heard}");
            heard.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    };
    timeout(SOON, hearing).await.unwrap_or_else(|_| panic!("no {end:?}"));
    heard
}

/// Reads until the connection is closed or cut.
async fn closed(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("it stays open");
}

/// An answer over HTTP/2 that has begun.
struct Http2 {
    body: Body,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    async fn ask(stream: TcpStream, path: &str) -> Self {
        let io = TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = hyper::Request::get(format!("http://x{path}")).body(Body::empty()).unwrap();
        let answer = timeout(SOON, sender.send_request(request)).await.expect("no answer").unwrap();
        Self { body: Body::new(answer.into_body()), connection }
    }

    /// The whole body, once the connection has ended too, in order.
    async fn end(self) -> Vec<u8> {
        let body =
            timeout(SOON, to_bytes(self.body, 1 << 20)).await.expect("the answer does not end").unwrap();
        timeout(SOON, self.connection).await.expect("the connection does not end").unwrap().unwrap();
        body.into()
    }
}

#[tokio::test]
async fn a_connection_outlives_what_looks_at_it() {
    let running = Running::start(Bounds { head: Duration::from_secs(2), ..BOUNDS }).await;
    let mut stream = running.connect().await;
    for _ in 0..4 {
        stream.write_all(ASK.as_bytes()).await.unwrap();
        hear(&mut stream, "here.").await;
        // Longer than a tick, and shorter than a head may take.
        sleep(Duration::from_millis(400)).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn who_says_only_half_is_closed() {
    let running = Running::start(BOUNDS).await;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // It says that 100 bytes follow.
    let half_headers = [0, 0, 100, 1, 4, 0, 0, 0, 1, 0x82];
    let halves = [
        b"".to_vec(),
        b"P".to_vec(),
        b"GET / HTTP/1.1\r\nhost: x\r\n".to_vec(),
        PREFACE[..10].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, &settings].concat(),
        [PREFACE, &settings, &half_headers].concat(),
    ];
    let close = halves.map(async |half| {
        let since = Instant::now();
        closed(&mut running.told(&half).await).await;
        assert!(since.elapsed() >= BOUNDS.head, "{half:?} was closed at once");
    });
    join_all(close).await;
}

#[tokio::test]
async fn who_says_a_head_byte_by_byte_is_closed() {
    let running = Running::start(BOUNDS).await;
    let mut stream = running.told("GET / HTTP/1.1\r\nx: ").await;
    let dripping = async {
        while stream.write_all(b"x").await.is_ok() {
            sleep(BOUNDS.head / 8).await;
        }
    };
    timeout(SOON, dripping).await.expect("each byte buys time");
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_but_not_for_ever() {
    let head = Duration::from_secs(1);
    let running = Running::start(Bounds { head, ..BOUNDS }).await;
    let mut stream = running.connect().await;
    let mut since = Instant::now();
    for _ in 0..4 {
        since = Instant::now();
        stream.write_all(ASK.as_bytes()).await.unwrap();
        assert!(hear(&mut stream, "here.").await.starts_with("HTTP/1.1 200"));
        // Less than the bound each time, more than it in all.
        sleep(head / 3).await;
    }
    closed(&mut stream).await;
    assert!(since.elapsed() >= head, "closed after {:?}", since.elapsed());
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_question() {
    let running = Running::start(BOUNDS).await;
    let mut stream = running.told("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
    hear(&mut stream, "end.\r\n0\r\n\r\n").await;
    assert_eq!(Http2::ask(running.connect().await, "/long").await.end().await, b"begin, end.");
}

#[tokio::test]
async fn a_head_in_pieces_is_one_head() {
    let running = Running::start(Bounds { head: SOON, ..BOUNDS }).await;
    let mut stream = running.connect().await;
    stream.set_nodelay(true).unwrap();
    // `P` could begin the preface as well.
    for piece in ["P", "OST / HTTP/1", ".1\r\nho", "st: x\r\nconnection: close\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let running = Running::start(Bounds { head: SOON, ..BOUNDS }).await;
    let mut stream = running.told(format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(65 << 10))).await;
    assert!(hear(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn beyond_its_share_an_address_is_closed_until_a_connection_of_its_ends() {
    let running = Running::with_room(Bounds { head: SOON, ..BOUNDS }, 3).await;
    let mut open = [running.told(ASK).await, running.told(ASK).await];
    for stream in &mut open {
        hear(stream, "here.").await;
    }
    // At once: it may be before it could say anything.
    closed(&mut running.connect().await).await;
    let from = TcpSocket::new_v4().unwrap();
    from.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = from.connect(running.address).await.unwrap();
    other.write_all(ASK.as_bytes()).await.unwrap();
    hear(&mut other, "here.").await;
    drop((open, other));
    // Its end is heard of a moment later.
    sleep(LONG).await;
    hear(&mut running.told(ASK).await, "here.").await;
}

#[tokio::test]
async fn of_http2_a_connection_is_kept_as_long_as_anything_is_under_way_and_a_bound_beyond() {
    let running = Running::start(BOUNDS).await;
    let since = Instant::now();
    let io = TokioIo::new(running.connect().await);
    let (mut asking, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get("http://x/long").body(Body::empty()).unwrap();
    let answer = asking.send_request(request).await.unwrap();
    assert_eq!(to_bytes(Body::new(answer.into_body()), 99).await.unwrap(), "begin, end.");
    // Nobody here lets go of it, and it answers pings all the while.
    timeout(SOON, connection).await.expect("it is kept for ever").unwrap().unwrap();
    let took = since.elapsed();
    assert!(took >= LONG + BOUNDS.head, "{took:?}");
}

#[tokio::test]
async fn a_panic_takes_no_other_connection_along() {
    let running = Running::start(Bounds { head: SOON, ..BOUNDS }).await;
    let mut other = running.told(ASK).await;
    hear(&mut other, "here.").await;
    closed(&mut running.told("GET /fault HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    other.write_all(ASK.as_bytes()).await.unwrap();
    hear(&mut other, "here.").await;
    hear(&mut running.told(ASK).await, "here.").await;
}

#[tokio::test]
async fn at_shutdown_what_is_under_way_ends_and_nothing_begins() {
    let running = Running::start(Bounds { head: SOON, drain: SOON, ..BOUNDS }).await;
    let mut idle = running.told(ASK).await;
    hear(&mut idle, "here.").await;
    let mut silent = running.connect().await;
    let mut asked = running.told("GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await;
    hear(&mut asked, "begin, \r\n").await;
    let asked_http2 = Http2::ask(running.connect().await, "/long").await;

    let address = running.address;
    let took = running.stop().await;
    assert!(took < SOON / 2, "it waited {took:?} for those who ask nothing");
    closed(&mut idle).await;
    closed(&mut silent).await;
    hear(&mut asked, "end.\r\n0\r\n\r\n").await;
    closed(&mut asked).await;
    assert_eq!(asked_http2.end().await, b"begin, end.");
    assert!(TcpStream::connect(address).await.is_err(), "it still listens");
}

#[tokio::test]
async fn at_shutdown_what_does_not_end_is_cut() {
    let running = Running::start(BOUNDS).await;
    let mut stream = running.told("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    hear(&mut stream, "begin, \r\n").await;
    let took = running.stop().await;
    assert!(took >= BOUNDS.drain, "it was cut after {took:?}");
    closed(&mut stream).await;
}

#[tokio::test(start_paused = true)]
async fn a_want_of_open_files_is_waited_out() {
    const TOO_MANY_OPEN_FILES: i32 = 24;
    const CONNECTION_ABORTED: i32 = 103;
    let shutdown = CancellationToken::new();
    let took = async |error: i32| {
        let since = Instant::now();
        wait_out(&std::io::Error::from_raw_os_error(error), &shutdown).await;
        since.elapsed()
    };
    assert!(took(TOO_MANY_OPEN_FILES).await >= ACCEPT_AGAIN);
    assert_eq!(took(CONNECTION_ABORTED).await, Duration::ZERO);
    shutdown.cancel();
    assert_eq!(took(TOO_MANY_OPEN_FILES).await, Duration::ZERO);
}
