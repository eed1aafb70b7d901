//! What the system allows this process, and what the process takes of it.

use std::io;
use std::thread::available_parallelism;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
#[cfg(target_os = "linux")]
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{Builder, Handle, Runtime};

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

/// Threads for what computes for some time, half as many as there are cores: all others go first. They are there as long
/// as the process, since Linux gives a thread a good start when it begins to give way, and one for each task would keep
/// those that answer from their core until the next tick, for up to 4 ms.
pub(crate) fn background() -> io::Result<Handle> {
    let cores = available_parallelism().map_or(1, usize::from);
    let mut threads = Builder::new_multi_thread();
    let threads =
        threads.worker_threads((cores / 2).max(1)).thread_name("background").on_thread_start(give_way);
    let threads: &Runtime = Box::leak(Box::new(threads.build()?));
    Ok(threads.handle().clone())
}

/// Lets all other threads go first from now on (Linux: `SCHED_IDLE`, see sched(7)). A greater niceness alone would not do:
/// who is nice still keeps the core that it has until the next tick.
#[cfg(target_os = "linux")]
fn give_way() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::debug!(%error, "a thread that computes does not give way");
    }
}

/// There is no such thing everywhere.
#[cfg(not(target_os = "linux"))]
fn give_way() {}
