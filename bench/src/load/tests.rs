//! Against servers of a few lines, which stand still, cut connections, or refuse.

use std::net::TcpListener;

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers each connection on a thread of its own, by `answer`, which is told the number of the request on it.
fn serve(answer: impl Fn(&mut TcpStream, usize) -> io::Result<()> + Clone + Send + 'static) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                for number in 0.. {
                    if stream.read(&mut buffer)? == 0 {
                        break;
                    }
                    answer(&mut stream, number)?;
                }
                io::Result::Ok(())
            });
        }
    });
    Target::parse(&url).unwrap()
}

fn load(target: Target, pace: Pace, connections: usize, lasting: Duration) -> Load {
    let template = Template::new(target.request("GET", "/", None), 1);
    Load {
        target,
        template,
        pace,
        connections,
        threads: 2,
        sources: 1,
        warm_up: Duration::ZERO,
        lasting,
        patience: Duration::from_secs(2),
    }
}

#[test]
fn all_who_were_due_while_a_server_stood_still_waited_for_it() {
    // The one connection of the load is asked a hundred times in a second; the tenth answer takes 400 ms.
    let target = serve(|stream, number| {
        if number == 10 {
            thread::sleep(Duration::from_millis(400));
        }
        stream.write_all(ANSWER)
    });
    let outcome = load(target, Pace::Open(100), 1, Duration::from_secs(1)).run(None).unwrap();
    let Tally { took, .. } = &outcome.tally;
    assert_eq!((outcome.tally.answers(), outcome.tally.failures()), (100, 0));
    // One a hundredth of a second: the first of them waited 400 ms, the next 390 ms, and so on; forty in all. In a closed
    // loop it would be one of a hundred.
    assert!(took.quantile(0.99) > Duration::from_millis(350), "{:?}", took.quantile(0.99));
    assert!(took.quantile(0.8) > Duration::from_millis(150), "{:?}", took.quantile(0.8));
    assert!(took.quantile(0.3) < Duration::from_millis(50), "{:?}", took.quantile(0.3));
    let late = outcome.tally.late.quantile(0.5);
    assert!(
        late < Duration::from_millis(50),
        "who waits for the server is not late by the driver's fault: {late:?}"
    );
}

#[test]
fn who_never_has_an_answer_counts_as_who_waited_longest() {
    let target = serve(|stream, number| if number < 3 { stream.write_all(ANSWER) } else { Ok(()) });
    let outcome = load(target, Pace::Open(20), 1, Duration::from_millis(500)).run(None).unwrap();
    // The fourth was sent and not answered; for those after it the connection was never free.
    let Tally { unanswered, unsent, .. } = outcome.tally;
    assert_eq!((outcome.tally.answers(), unanswered, unsent, outcome.tally.sent()), (3, 1, 6, 4));
    assert!(outcome.tally.took.quantile(0.9) > Duration::from_millis(1_500));
}

#[test]
fn cut_connections_count_and_are_made_anew() {
    let target = serve(|stream, number| {
        let answer = if number == 1 { &ANSWER[..20] } else { ANSWER };
        stream.write_all(answer)?;
        if number == 1 { stream.shutdown(std::net::Shutdown::Both) } else { Ok(()) }
    });
    let outcome = load(target, Pace::Open(100), 2, Duration::from_millis(500)).run(None).unwrap();
    assert_eq!(outcome.tally.answers() + outcome.tally.broken, 50);
    assert!((15..=25).contains(&outcome.tally.broken), "every second one: {}", outcome.tally.broken);
}

#[test]
fn a_closed_loop_asks_again_at_once_and_counts_nothing_of_its_warming_up() {
    let target = serve(|stream, _| {
        thread::sleep(Duration::from_millis(5));
        stream.write_all(ANSWER)
    });
    let warm_up = Duration::from_millis(300);
    let load = Load { warm_up, ..load(target, Pace::Closed, 4, Duration::from_millis(300)) };
    let outcome = load.run(Some(Process::own())).unwrap();
    let answers = outcome.tally.answers();
    assert!((20..=240).contains(&answers), "four connections, at most 60 times each in 300 ms: {answers}");
    assert_eq!((outcome.tally.failures(), outcome.tally.bytes >= answers * 2), (0, true));
    assert!(outcome.server_per_answer().is_some());
}

#[test]
fn refusals_make_no_server_faster() {
    const REFUSAL: &[u8] = b"HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\nno";
    let target = serve(|stream, number| stream.write_all(if number % 4 == 0 { ANSWER } else { REFUSAL }));
    let outcome = load(target, Pace::Open(200), 1, Duration::from_millis(500)).run(None).unwrap();
    assert_eq!((outcome.tally.answers(), outcome.tally.refusals(), outcome.tally.sent()), (25, 75, 100));
    assert!((35.0..=50.0).contains(&outcome.per_second()), "{}", outcome.per_second());
    assert!((150.0..=200.0).contains(&outcome.sent_per_second()), "{}", outcome.sent_per_second());
}

#[test]
fn it_can_be_stopped_and_waits_for_what_is_under_way() {
    let target = serve(|stream, _| stream.write_all(ANSWER));
    let (load, stopped) =
        (load(target, Pace::Open(1_000), 4, Duration::from_mins(1)), AtomicBool::new(false));
    let outcome = thread::scope(|scope| {
        let running = scope.spawn(|| load.run_until(None, &stopped));
        thread::sleep(Duration::from_millis(300));
        stopped.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap()
    });
    assert!(outcome.lasted < Duration::from_secs(5) && outcome.tally.failures() == 0, "{:?}", outcome.lasted);
    assert!(outcome.per_second() > 500.0, "{}", outcome.per_second());
}
