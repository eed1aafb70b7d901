//! The driver's side of its crowds.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::machine::open_files;
use crate::moment::Moment;
use crate::run::OFREP;
use crate::streams::orders::{Manner, Order, Reply, Report, Spec, Until};
use crate::target::{NUMBER, Target};

/// Files of a crowd that are no clients.
const OTHER_FILES: u64 = 50;

/// Clients of one stream, in as many processes as they need. They end with this value.
pub(crate) struct Crowds {
    crowds: Vec<Crowd>,
    pub(crate) clients: usize,
}

struct Crowd {
    child: Child,
    orders: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Crowds {
    /// Sends `clients` on their way to a path.
    pub(crate) fn gather(
        target: &Target,
        path: &str,
        clients: usize,
        sources: u8,
        manner: Manner,
    ) -> Result<Self> {
        let mut crowds = Self { crowds: Vec::new(), clients: 0 };
        crowds.add(target, path, clients, sources, manner)?;
        Ok(crowds)
    }

    /// Sends more.
    pub(crate) fn add(
        &mut self,
        target: &Target,
        path: &str,
        clients: usize,
        sources: u8,
        manner: Manner,
    ) -> Result<()> {
        let most = usize::try_from(open_files().saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
        let question = format!(r#"{{"context":{{"targetingKey":"user-{NUMBER}","country":"AT"}}}}"#);
        let question = String::from_utf8(target.request("POST", OFREP, Some(&question)))?;
        let target = target.clone().with("accept: text/event-stream")?;
        let request = String::from_utf8(target.request("GET", path, None))?;
        let processes = clients.div_ceil(most.max(1));
        for place in 0..processes {
            let (clients, address) = ((clients + place) / processes, target.address);
            let (request, question) = (request.clone(), question.clone());
            let spec = Spec { address, request, question, clients, sources, manner };
            let mut command = Command::new(std::env::current_exe()?);
            let mut child = command.arg("crowd").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let orders = child.stdin.take().context("no input")?;
            let replies = BufReader::new(child.stdout.take().context("no output")?);
            let mut crowd = Crowd { child, orders, replies };
            crowd.say(&serde_json::to_string(&spec)?)?;
            self.crowds.push(crowd);
        }
        self.clients += clients;
        Ok(())
    }

    fn ask(&mut self, order: Order) -> Result<Vec<Reply>> {
        let order = serde_json::to_string(&order)?;
        // All are told before any is waited for.
        for crowd in &mut self.crowds {
            crowd.say(&order)?;
        }
        self.crowds.iter_mut().map(Crowd::hear).collect()
    }

    /// Waits until all have got there, or patience is over. Gives how many have not.
    pub(crate) fn wait(&mut self, until: Until, patience: Duration) -> Result<usize> {
        let patience_ms = u64::try_from(patience.as_millis())?;
        let mut all = 0;
        for reply in self.ask(Order::Wait { until, patience_ms })? {
            let Reply::Waited { missing } = reply else { bail!("a crowd answered {reply:?}") };
            all += missing;
        }
        Ok(all)
    }

    /// The same, and fails if anybody has not.
    pub(crate) fn wait_for_all(&mut self, until: Until, patience: Duration) -> Result<()> {
        let missing = self.wait(until, patience)?;
        if missing > 0 {
            let report = self.report(Moment::default())?;
            let (lost, refused) = (report.lost, report.refused);
            bail!(
                "{missing} of {} clients have not got to {until:?} within {patience:?}; {lost} connections were lost, \
                 refused were {refused:?}",
                self.clients
            );
        }
        Ok(())
    }

    /// Counts frames and bytes anew.
    pub(crate) fn mark(&mut self) -> Result<()> {
        let replies = self.ask(Order::Mark)?;
        ensure!(replies.iter().all(|reply| matches!(reply, Reply::Marked)), "a crowd did not count anew");
        Ok(())
    }

    /// What all of them saw, with times from `since` on, the earliest first.
    pub(crate) fn report(&mut self, since: Moment) -> Result<Report> {
        let mut all = Report::default();
        for reply in self.ask(Order::Report { since })? {
            let Reply::Report(report) = reply else { bail!("a crowd answered {reply:?}") };
            all.merge(report);
        }
        all.opened.sort_unstable();
        all.arrived.sort_unstable();
        Ok(all)
    }
}

impl Crowd {
    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.orders, "{line}").context("a crowd is gone")?;
        Ok(self.orders.flush()?)
    }

    fn hear(&mut self) -> Result<Reply> {
        let mut line = String::new();
        ensure!(self.replies.read_line(&mut line)? > 0, "a crowd is gone");
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
