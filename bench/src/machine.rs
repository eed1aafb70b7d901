//! The machine that figures are of.

use std::fs;

use serde_json::{Value, json};

/// What stands above every table: figures without their machine say nothing.
pub(crate) fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.unwrap_or_default().trim_matches([' ', '\t', ':']).to_owned()
    };
    let kilobytes = after(&read("/proc/meminfo"), "MemTotal").replace(" kB", "");
    json!({
        "processor": after(&read("/proc/cpuinfo"), "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory_mib": kilobytes.parse::<u64>().unwrap_or_default() / 1024,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").trim(),
        "open_files": open_files(),
        "load_before": read("/proc/loadavg").split(' ').next().unwrap_or_default(),
    })
}

/// So many files may this process hold open, now that it asked for all that it may have.
pub(crate) fn open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where it is refused what was there before stays, which the next line tells.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The same in one line.
pub(crate) fn line(machine: &Value) -> String {
    let text = |name: &str| match &machine[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let governor = match text("governor") {
        none if none.is_empty() => String::new(),
        governor => format!(", governor {governor}"),
    };
    format!(
        "{} × {}, {} MiB, Linux {}{governor}, {} open files, load before {}",
        text("cores"),
        text("processor"),
        text("memory_mib"),
        text("kernel"),
        text("open_files"),
        text("load_before"),
    )
}
