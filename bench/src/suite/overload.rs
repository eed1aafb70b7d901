//! Ten times what a server can carry: it must stay up, say when to come back, and be what it was soon after.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use crate::arrivals::Pace;
use crate::load::{Load, Outcome, PATIENCE};
use crate::report::Figure;
use crate::run::{Protocol, Question, megabytes, millis};
use crate::server::{self, MEASURED, Server};

const ROW: &str = "overload";
/// Of what is carried.
const TIMES: f64 = 10.0;
/// Enough that the server has them all to look after at once.
const CONNECTIONS: usize = 2_000;
/// Connections of who finds out what is carried, and of who asks a flag.
const FEW: usize = 16;
/// Questions about one flag a second, before and after.
const RATE: u32 = 500;
/// What one waits may have grown so much afterwards, at most.
const AS_BEFORE: f64 = 2.0;
/// It is what it was after this, at the latest.
const RECOVERY: Duration = Duration::from_secs(5);
/// An address holds a part of the server's connections only.
const SOURCES: u8 = 5;

/// Asks for all flags, which is what takes longest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures, and a rate"
)]
pub(crate) fn measure(server: &Server, lasting: Duration) -> Result<Vec<Figure>> {
    let one = load(server, Protocol::OfrepSingle, Pace::Open(RATE), FEW, lasting)?;
    let all = |pace, connections| load(server, Protocol::OfrepBulk, pace, connections, lasting);
    let process = server.process()?;
    let before = one.run(None)?;
    let carried = all(Pace::Closed, FEW)?.run(None)?.per_second();
    let resident = process.resident()?;
    let rate = (carried * TIMES) as u32;
    let during = all(Pace::Open(rate), CONNECTIONS)?.run(None)?;
    let after_load = process.resident()?;
    sleep(RECOVERY.saturating_sub(PATIENCE.min(during.last.elapsed())));
    let after = one.run(None)?;

    let p99 = |outcome: &Outcome| millis(outcome.tally.took.quantile(0.99));
    let count = |count: u64| vec![count as f64];
    let status = |status: u16| count(during.tally.statuses.get(&status).copied().unwrap_or_default());
    let others = during.tally.statuses.iter().filter(|(status, _)| !matches!(status, 200 | 503));
    let others = others.map(|(_, count)| count).sum::<u64>() + during.tally.broken;
    let of = |what: &str, unit, values| Figure::new(ROW, what, unit, values);
    Ok(vec![
        of("all of 5000 flags, as many as are carried", "/s", vec![carried]),
        of("wanted", "/s", vec![f64::from(rate)]),
        of("really sent", "/s", vec![during.sent_per_second()]),
        of("of what is carried", "times", vec![during.sent_per_second() / carried]),
        of("answered 200", "", status(200)),
        of("answered 503", "", status(503)),
        of("of these without Retry-After", "", count(during.tally.without_retry_after)).at_most(0.0),
        of("answered otherwise, or cut", "", count(others)).at_most(0.0),
        of("sent, and without an answer 5 s after the end", "", count(during.tally.unanswered)),
        of("never sent: no connection was free", "", count(during.tally.unsent)),
        of("memory that came to it", "MB", vec![megabytes(after_load.saturating_sub(resident))]),
        of("one flag before, p99", "ms", vec![p99(&before)]),
        of("one flag 5 s afterwards, p99", "ms", vec![p99(&after)]),
        of("of what it was before", "times", vec![p99(&after) / p99(&before)]).at_most(AS_BEFORE),
        of("failures of these", "", count(before.tally.failures() + after.tally.failures())).at_most(0.0),
    ])
}

fn load(
    server: &Server,
    protocol: Protocol,
    pace: Pace,
    connections: usize,
    lasting: Duration,
) -> Result<Load> {
    let question = Question { protocol, path: None, flag: MEASURED, contexts: server::contexts() };
    let target = server.target()?;
    let template = question.template(&target, 1_000_000, false)?;
    let (threads, sources, warm_up, patience) = (2, SOURCES, Duration::ZERO, PATIENCE);
    Ok(Load { target, template, pace, connections, threads, sources, warm_up, lasting, patience })
}
