//! What the system allows this process, and what the process takes of it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id, thread_schedule_policy,
};

/// Asks for as many open files as the system allows this process at all, and gives how many these are. The bound that a
/// process begins with is for programs that wait by `select`, which breaks beyond 1,024; nothing here does.
pub(crate) fn open_files() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!(%error, "the bound on open files stays as it is");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many streams there may be of so many connections: as many as an operator says, or the open files less those that
/// all else takes; and in any case one connection in ten is left for questions.
pub(crate) fn most_streams(said: Option<usize>, connections: u64) -> usize {
    most_streams_of(said, connections, open_files())
}

fn most_streams_of(said: Option<usize>, connections: u64, files: u64) -> usize {
    const ELSE: u64 = 1_000;
    let fit = files.saturating_sub(ELSE).max(files / 2).min(connections - connections / 10).max(1);
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    match said {
        Some(said) if said > fit => {
            tracing::warn!(
                "there will be at most {fit} streams, not {said} (delivery.max_streams): one connection in ten is left for \
                 questions, and the system allows this process {files} open files"
            );
            fit
        }
        said => said.unwrap_or(fit),
    }
}

/// Lets all other threads go before this one from now on (Linux: `SCHED_IDLE`, see sched(7)). A greater niceness would not
/// do: who is nice still keeps the core that it has until the next tick, for up to 4 ms. Nor is it for a thread that ends
/// soon: Linux gives it a good start when it begins to give way.
#[cfg(target_os = "linux")]
pub(crate) fn give_way() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let done = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    // The library asks for a niceness as well, which may be refused, and counts for nothing then.
    if thread_schedule_policy() != Ok(idle) {
        tracing::warn!(
            ?done,
            "evaluation may wait for sign-ins: the system lets no thread give way to others"
        );
    }
}

/// There is no such thing everywhere.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_way() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn streams_leave_connections_and_files_for_all_else() {
        assert_eq!(most_streams_of(None, 18_000, 20_000), 16_200, "of the connections");
        assert_eq!(most_streams_of(None, 100_000, 20_000), 19_000, "of the files");
        assert_eq!(most_streams_of(None, 900, 1_024), 512, "where there are few");
        assert_eq!(most_streams_of(Some(500), 18_000, 20_000), 500);
        assert_eq!(most_streams_of(Some(18_000), 18_000, 20_000), 16_200);
    }

    #[test]
    fn a_thread_that_gives_way_is_idle_to_the_system() {
        let policy = || {
            give_way();
            thread_schedule_policy()
        };
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!(std::thread::spawn(policy).join().unwrap(), Ok(idle));
    }
}
