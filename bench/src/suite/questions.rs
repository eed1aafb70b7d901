//! Questions, in turns with a bare handler that answers the same bytes.

use std::time::Duration;

use anyhow::Result;

use crate::arrivals::Pace;
use crate::bare::Bare;
use crate::load::{Load, Outcome, PATIENCE};
use crate::process::Process;
use crate::report::Figure;
use crate::run::{Protocol, Question, micros, millis};
use crate::server::{self, MEASURED, Server, TRACKED};
use crate::suite::Row;
use crate::target::{NUMBERS, Target, Template};

const CONNECTIONS: usize = 64;
const THREADS: usize = 2;
/// Before each round, so that connections are there and caches warm.
const WARM_UP: Duration = Duration::from_millis(500);
/// So many people ask in one turn at most, and others in each of the first 25 turns: of whom asks again nothing is new.
const PEOPLE: u64 = 4_000_000;

/// What is asked in a row, and what that may cost.
pub(crate) struct Spec {
    row: &'static str,
    protocol: Protocol,
    /// Where one is asked about.
    flag: &'static str,
    /// Flags of the environment. 100 of them are a snapshot of 40 KB.
    pub(crate) flags: usize,
    /// Whether who asks has the answer.
    is_unchanged: bool,
    /// Questions a second where waiting is measured: a part of what can be carried.
    rate: u32,
    /// Server CPU for an answer at most, in microseconds.
    most_cpu: f64,
    /// Answers a second at least, in percent of the floor's.
    least_share: Option<f64>,
}

impl Spec {
    /// Of a row that asks questions.
    pub(crate) fn of(row: Row) -> Option<Self> {
        let bulk = |row, flags, is_unchanged, rate, most_cpu| {
            let (protocol, flag, least_share) = (Protocol::OfrepBulk, MEASURED, None);
            Self { row, protocol, flag, flags, is_unchanged, rate, most_cpu, least_share }
        };
        let snapshot = |row, is_unchanged, most_cpu| {
            let (protocol, flag, flags, least_share) = (Protocol::Snapshot, MEASURED, 100, None);
            Self { row, protocol, flag, flags, is_unchanged, rate: 2_000, most_cpu, least_share }
        };
        let single = |row, flag| Self {
            row,
            protocol: Protocol::OfrepSingle,
            flag,
            flags: 100,
            is_unchanged: false,
            rate: 5_000,
            most_cpu: 16.0,
            least_share: Some(90.0),
        };
        Some(match row {
            Row::OfrepSingle => single("ofrep-single", MEASURED),
            Row::OfrepSingleTracked => single("ofrep-single-tracked", TRACKED),
            Row::OfrepBulk100 => bulk("ofrep-bulk-100", 100, false, 2_000, 50.0),
            Row::OfrepBulk5000 => bulk("ofrep-bulk-5000", 5_000, false, 100, 1_500.0),
            Row::OfrepBulkUnchanged100 => bulk("ofrep-bulk-304-100", 100, true, 2_000, 20.0),
            Row::OfrepBulkUnchanged5000 => bulk("ofrep-bulk-304-5000", 5_000, true, 2_000, 20.0),
            Row::Snapshot => snapshot("snapshot", false, 30.0),
            Row::SnapshotUnchanged => snapshot("snapshot-304", true, 20.0),
            _ => return None,
        })
    }

    /// Whether who was given what is kept.
    pub(crate) fn is_tracked(&self) -> bool {
        self.flag == TRACKED
    }

    /// The floor and Burgee in turns, first as fast as it goes, then at a rate.
    pub(crate) fn measure(&self, server: &Server, rounds: usize, lasting: Duration) -> Result<Vec<Figure>> {
        let (path, contexts) = (None, server::contexts());
        let question = Question { protocol: self.protocol, path, flag: self.flag, contexts };
        let people = if self.is_unchanged { 1 } else { NUMBERS };
        let target = server.target()?;
        let bare = Bare::start(&server.keep("answer", &question.answer(&target)?)?)?;
        // The floor is sent what Burgee is sent, but for the address.
        let floor_target = bare.target.clone().with(&format!("x-sdk-key: {}", server.banner.server_key))?;
        let floor_target =
            if self.is_unchanged { floor_target.with("if-none-match: \"the-same\"")? } else { floor_target };
        let ours = Side {
            template: question.template(&target, people, self.is_unchanged)?,
            target,
            process: server.process()?,
        };
        let floor = Side {
            template: question.template(&floor_target, people, false)?,
            target: floor_target,
            process: bare.process(),
        };
        let (mut closed, mut open) = (Pairs::default(), Pairs::default());
        // The floor is asked by the same people.
        for round in (0..).step_by(2).take(rounds) {
            let ask = |round: u64, pace| -> Result<_> {
                let first = round * PEOPLE;
                Ok((floor.ask(first, pace, lasting)?, ours.ask(first, pace, lasting)?))
            };
            closed.push(ask(round, Pace::Closed)?);
            open.push(ask(round + 1, Pace::Open(self.rate))?);
        }
        Ok(self.figures(&closed, &open))
    }

    #[expect(clippy::cast_precision_loss, reason = "figures")]
    fn figures(&self, closed: &Pairs, open: &Pairs) -> Vec<Figure> {
        let cpu = |outcome: &Outcome| outcome.server_per_answer().map_or(f64::NAN, micros);
        let p99 = |outcome: &Outcome| millis(outcome.tally.took.quantile(0.99));
        let late = |outcome: &Outcome| millis(outcome.tally.late.quantile(0.99));
        let share = closed.floor.iter().zip(&closed.ours);
        let share = share.map(|(floor, ours)| ours.per_second() / floor.per_second() * 100.0).collect();
        let share = Figure::new(self.row, "answers beside the floor's", "%", share);
        let failures =
            closed.ours.iter().chain(&open.ours).map(|ours| ours.tally.failures() as f64).collect();
        let rate = self.rate;
        let of = |what: String, unit, values| Figure::new(self.row, what, unit, values);
        vec![
            of(format!("floor, {CONNECTIONS} connections"), "/s", closed.floor(Outcome::per_second)),
            of(format!("Burgee, {CONNECTIONS} connections"), "/s", closed.ours(Outcome::per_second)),
            match self.least_share {
                Some(least) => share.at_least(least),
                None => share,
            },
            of("floor, server CPU an answer".to_owned(), "µs", closed.floor(cpu)),
            of("Burgee, server CPU an answer".to_owned(), "µs", closed.ours(cpu)).at_most(self.most_cpu),
            of(format!("floor, p99 at {rate} a second"), "ms", open.floor(p99)),
            of(format!("Burgee, p99 at {rate} a second"), "ms", open.ours(p99)),
            of(format!("the driver's own delay, p99 at {rate} a second"), "ms", open.ours(late)),
            of(format!("Burgee, answers a second of {rate} wanted"), "/s", open.ours(Outcome::per_second)),
            of("failures, refusals among them".to_owned(), "", failures).at_most(0.0).always(),
        ]
    }
}

/// Who is asked.
struct Side {
    target: Target,
    template: Template,
    process: Process,
}

impl Side {
    /// The people's numbers begin at `first`.
    fn ask(&self, first: u64, pace: Pace, lasting: Duration) -> Result<Outcome> {
        let (target, template) = (self.target.clone(), self.template.clone().beginning_at(first));
        let (connections, threads, warm_up, patience) = (CONNECTIONS, THREADS, WARM_UP, PATIENCE);
        let load =
            Load { target, template, pace, connections, threads, sources: 1, warm_up, lasting, patience };
        load.run(Some(self.process))
    }
}

/// Rounds of both.
#[derive(Default)]
struct Pairs {
    floor: Vec<Outcome>,
    ours: Vec<Outcome>,
}

impl Pairs {
    fn push(&mut self, (floor, ours): (Outcome, Outcome)) {
        self.floor.push(floor);
        self.ours.push(ours);
    }

    fn floor(&self, figure: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.floor.iter().map(figure).collect()
    }

    fn ours(&self, figure: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.ours.iter().map(figure).collect()
    }
}
