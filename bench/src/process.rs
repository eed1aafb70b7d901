//! What a process takes of its machine, as the system tells it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A tick of `/proc/PID/stat` on Linux, whatever the machine (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// Two figures of whole ticks may differ so much from the time that they tell.
const TICKS_ARE_VAGUE: Duration = Duration::from_millis(40);

/// A process of this machine, not of this driver's making necessarily.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(u32);

/// CPU time that a process took since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    /// Of the threads that it has: to the nanosecond.
    threads: Duration,
    /// Of those that ended as well: in whole ticks.
    ticks: Duration,
}

impl Used {
    /// What was taken since `earlier`. Where threads ended meanwhile their time is in the ticks alone.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let threads = self.threads.saturating_sub(earlier.threads);
        let ticks = self.ticks.saturating_sub(earlier.ticks);
        if ticks > threads + TICKS_ARE_VAGUE { ticks } else { threads }
    }
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self(pid)
    }

    /// This one.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    fn read(self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))
    }

    pub(crate) fn used(self) -> Result<Used> {
        let ticks = ticks(&self.read("stat")?)?;
        let mut threads = Duration::ZERO;
        let folder = format!("/proc/{}/task", self.0);
        for thread in fs::read_dir(&folder).with_context(|| format!("{folder} cannot be read"))? {
            // A thread may end while this is read.
            if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
                threads += on_cpu(&text)?;
            }
        }
        Ok(Used { threads, ticks })
    }

    /// Bytes that it holds in memory.
    pub(crate) fn resident(self) -> Result<u64> {
        kilobytes(&self.read("status")?, "VmRSS:")
    }

    /// How many files it has open, sockets among them.
    pub(crate) fn open_files(self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.0))?.count())
    }
}

/// User and system time of `/proc/PID/stat`, those of ended threads included.
fn ticks(stat: &str) -> Result<Duration> {
    // The name, which stands in parentheses, may itself have spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')').context("no name in stat")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || -> Result<u32> { Ok(fields.next().context("stat is too short")?.parse()?) };
    Ok(TICK * (next()? + next()?))
}

/// Time on a processor, the first figure of `schedstat`.
fn on_cpu(schedstat: &str) -> Result<Duration> {
    let first = schedstat.split_whitespace().next().context("schedstat is empty")?;
    Ok(Duration::from_nanos(first.parse()?))
}

fn kilobytes(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("no {name} in status"))?;
    let count: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(count * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_moves_no_field() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 8 20 0 4 0 12345 1000 200";
        assert_eq!(ticks(stat).unwrap(), Duration::from_secs(3));
        assert!(ticks("42 (a) S 1").is_err());
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\tx\nVmRSS:\t     12 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:").unwrap(), 12 * 1024);
        assert!(kilobytes(status, "VmSwap:").is_err());
    }

    #[test]
    fn time_of_ended_threads_counts() {
        let used = |threads, ticks| Used {
            threads: Duration::from_millis(threads),
            ticks: Duration::from_millis(ticks),
        };
        assert_eq!(used(1_005, 1_000).since(used(500, 490)), Duration::from_millis(505));
        assert_eq!(used(600, 1_000).since(used(500, 490)), Duration::from_millis(510));
        assert_eq!(used(100, 1_000).since(used(500, 490)), Duration::from_millis(510));
    }

    #[test]
    fn what_this_process_does_is_seen() {
        let own = Process::own();
        let before = own.used().unwrap();
        let until = std::time::Instant::now() + Duration::from_millis(100);
        let mut turns = 0_u64;
        while std::time::Instant::now() < until {
            turns = std::hint::black_box(turns + 1);
        }
        let took = own.used().unwrap().since(before);
        assert!(took > Duration::from_millis(10), "{took:?} of about 100 ms, after {turns} turns");
        assert!(own.resident().unwrap() > 1_000_000 && own.open_files().unwrap() > 2);
        assert_eq!(on_cpu("123456 7 8\n").unwrap(), Duration::from_nanos(123_456));
    }
}
