//! What the system allows this process, and what the process takes of it.

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::thread::gettid;

/// How much a thread gives way: the most that there is.
const NICE: i32 = 19;

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

/// Lets all other threads go first, from now on: this one computes, and they answer. Linux counts niceness for each
/// thread; elsewhere it would be the whole process's, and is left alone.
pub(crate) fn give_way() {
    if cfg!(target_os = "linux")
        && let Err(error) = setpriority_process(Some(gettid()), NICE)
    {
        tracing::debug!(%error, "a thread that computes does not give way");
    }
}
